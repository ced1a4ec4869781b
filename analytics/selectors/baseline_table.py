"""Table 1: who was randomized, and what they were like at baseline. No p values.

Biomarkers come from the newest run, where workers described them; people and the levels of factors are counted now.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import Any

from analytics.models import ArmDescription
from analytics.models.estimate import POOLED
from analytics.selectors.runs import Freshness, freshness
from analytics.statistics.baseline import largest, level_difference, mean_difference
from measurements.models import Biomarker
from trials.access import Actor, has_permission, require, sees_effects, sites_where
from trials.models import Allocation, Arm, Trial, Visit
from trials.permissions import Permission

NOT_KNOWN = ""
"""In place of a level: nobody said which."""


@dataclass(frozen=True)
class Difference:
    """The standardized mean difference of a pair of arms, `arm` minus `other`; None where it does not exist.

    For the levels of a factor it is a distance, which has no sign.
    """

    arm: str
    other: str
    value: float | None


@dataclass(frozen=True)
class FactorRow:
    """A stratification factor or the site: each level with its counts, by arm code and `POOLED` for all together."""

    code: str
    name: str
    levels: tuple[tuple[str, str], ...]
    counts: Mapping[str, Mapping[str, int]]
    differences: tuple[Difference, ...] = ()

    def known(self, arm: str) -> int:
        """Return of how many the level is known."""
        return sum(n for level, n in self.counts[arm].items() if level != NOT_KNOWN)

    def share(self, arm: str, level: str) -> float | None:
        """Return the level's share of those whose level is known."""
        known = self.known(arm)
        return self.counts[arm].get(level, 0) / known if known else None


@dataclass(frozen=True)
class BiomarkerRow:
    """A biomarker at baseline: the numbers of `analytics.statistics.descriptives`, by arm code and `POOLED`."""

    biomarker: Biomarker
    numbers: Mapping[str, Mapping[str, Any]]
    differences: tuple[Difference, ...] = ()

    @property
    def is_log(self) -> bool:
        """Whether it is analysed as a logarithm, so that geometric means describe it."""
        return self.biomarker.analysis_scale == Biomarker.Scale.LOG


@dataclass(frozen=True)
class BaselineTable:
    """The table as the caller may see it: `arms` is empty for the blinded, who get all arms together alone.

    `hides_values`: the caller sees no results. `hides_sites`: the caller's role is held at some of the sites.
    """

    state: Freshness
    visit: Visit | None
    arms: tuple[Arm, ...]
    randomized: Mapping[str, int]
    factors: tuple[FactorRow, ...]
    biomarkers: tuple[BiomarkerRow, ...]
    hides_values: bool
    hides_sites: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the keys of the columns: the arms' codes, then all together."""
        return (*(arm.code for arm in self.arms), POOLED)


def largest_difference(differences: Iterable[Difference]) -> float | None:
    """Return the largest absolute difference of any pair; of two arms the only one."""
    return largest(each.value for each in differences)


def baseline_table(trial: Trial, by: Actor) -> BaselineTable:
    """Return Table 1: by arm for those who see effects and allocations of the whole trial, else all arms together.

    What was measured at baseline is an outcome by arm like any other. Values are for those who may see results.
    """
    require(by, Permission.TRIAL_VIEW, trial)
    by_arm = sees_effects(by, trial) and has_permission(by, Permission.ALLOCATION_VIEW, trial)
    arms = tuple(trial.arms.all()) if by_arm else ()
    sees_values = has_permission(by, Permission.RESULT_VIEW, trial)
    hides_sites = len(sites_where(by, Permission.TRIAL_VIEW, trial)) < trial.sites.count()
    people = _people(trial, arms)
    state = freshness(trial)
    return BaselineTable(
        state=state,
        visit=next((visit for visit in trial.visits.all() if visit.kind == Visit.Kind.BASELINE), None),
        arms=arms,
        randomized={column: len(found) for column, found in people.items()},
        factors=tuple(_factors(trial, arms, people, with_sites=not hides_sites)),
        biomarkers=tuple(_biomarkers(state, arms)) if sees_values else (),
        hides_values=not sees_values,
        hides_sites=hides_sites,
    )


@dataclass(frozen=True)
class _Person:
    site: str
    strata: Mapping[str, str]


def _people(trial: Trial, arms: Sequence[Arm]) -> dict[str, list[_Person]]:
    """Return everybody randomized by column."""
    people: dict[str, list[_Person]] = {column: [] for column in [*(arm.code for arm in arms), POOLED]}
    rows = Allocation.objects.filter(trial=trial).values_list(
        "arm__code", "participant__site__code", "participant__strata"
    )
    for arm, site, strata in rows:
        person = _Person(site, strata)
        people[POOLED].append(person)
        if arms:
            people[arm].append(person)
    return people


def _factors(
    trial: Trial, arms: Sequence[Arm], people: Mapping[str, Sequence[_Person]], *, with_sites: bool
) -> Iterable[FactorRow]:
    """Yield the site, which is told apart even where it is no factor, and the stratification factors."""
    factors = list(trial.factors.all())
    sites = [(site.code, site.name) for site in trial.sites.all()]
    if with_sites and len(sites) > 1:
        name = next((factor.name for factor in factors if factor.is_site), "")
        yield _factor("site", name, sites, {at: [each.site for each in who] for at, who in people.items()}, arms)
    for factor in factors:
        if not factor.is_site:
            levels = [(level["code"], level["name"]) for level in factor.levels]
            found = {at: [each.strata.get(factor.code, NOT_KNOWN) for each in who] for at, who in people.items()}
            yield _factor(factor.code, factor.name, levels, found, arms)


def _factor(
    code: str, name: str, levels: list[tuple[str, str]], found: Mapping[str, Iterable[str]], arms: Sequence[Arm]
) -> FactorRow:
    counts = {column: _counted(levels, given) for column, given in found.items()}
    differences = (
        Difference(one.code, other.code, level_difference(*_by_level(levels, counts[one.code], counts[other.code])))
        for one, other in _pairs(arms)
    )
    return FactorRow(code, name, tuple(levels), counts, tuple(differences))


def _counted(levels: Sequence[tuple[str, str]], given: Iterable[str]) -> dict[str, int]:
    """Return the count of every level in their order, nobody's among them, and of those whose level is not known."""
    counts = Counter(given)
    known = {level: counts[level] for level, _name in levels}
    unknown = counts.total() - sum(known.values())
    return {**known, NOT_KNOWN: unknown} if unknown else known


def _by_level(levels: Sequence[tuple[str, str]], *counts: Mapping[str, int]) -> list[list[int]]:
    return [[each.get(level, 0) for level, _name in levels] for each in counts]


def _pairs(arms: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Return every pair of arms, the reference arm second."""
    return list(combinations(sorted(arms, key=lambda arm: arm.is_reference), 2))


def _biomarkers(state: Freshness, arms: Sequence[Arm]) -> Iterable[BiomarkerRow]:
    if state.run is None:
        return
    wanted = [*(arm.code for arm in arms), POOLED]
    described = (
        ArmDescription.objects.filter(run=state.run, visit__kind=Visit.Kind.BASELINE, arm__in=wanted)
        .select_related("biomarker")
        .order_by("biomarker__position", "biomarker_id")
    )
    if not arms:  # how many have what only a therapy brings tells how many had one
        described = described.filter(biomarker__tells_arm=False)
    numbers: dict[Biomarker, dict[str, Any]] = defaultdict(dict)
    for each in described:
        numbers[each.biomarker][each.arm] = each.numbers
    for biomarker, columns in numbers.items():
        # A run of older methods did not describe all arms together.
        if "moments" in columns.get(POOLED, {}):
            yield BiomarkerRow(biomarker, columns, tuple(_differences(biomarker, columns, arms)))


def _differences(biomarker: Biomarker, columns: Mapping[str, Any], arms: Sequence[Arm]) -> Iterable[Difference]:
    is_log = biomarker.analysis_scale == Biomarker.Scale.LOG
    for one, other in _pairs(arms):
        first, second = (_on_analysis_scale(columns.get(arm.code), is_log=is_log) for arm in (one, other))
        known = first is not None and second is not None
        yield Difference(one.code, other.code, mean_difference(first, second) if known else None)  # type: ignore[arg-type]


def _on_analysis_scale(numbers: Mapping[str, Any] | None, *, is_log: bool) -> tuple[float, float] | None:
    """Return mean and SD of the values or of their logarithms; None where they are not stated."""
    if numbers is None:
        return None
    stated = numbers["geometric"] if is_log else numbers["moments"]
    mean, sd = stated["mean"], stated["sd"]
    if mean is None or sd is None:
        return None
    return (log(mean), log(sd)) if is_log else (mean, sd)
