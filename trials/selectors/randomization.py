"""How arms are drawn, how far the lists are used, and who was randomized in error: never a place that is to come."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from django.db.models import Count, TextChoices
from django.utils.translation import gettext_lazy as _

from trials.access import Actor, has_permission, require, sites_where
from trials.allocation import blocks, minimization, simple
from trials.allocation.arms import ArmRatio
from trials.allocation.guessing import expected_guess_rate
from trials.allocation.predictability import predictability
from trials.allocation.schemes import Scheme
from trials.models import (
    Allocation,
    Arm,
    GroupAllocation,
    Participant,
    ParticipantEvent,
    RandomizationScheme,
    StratificationFactor,
    Stratum,
    Trial,
)
from trials.permissions import Permission

# The mean over the first forty places of a list; it changes little after that, and more arms cost more to compute.
PLACES_LOOKED_AT = 40


def designed_scheme(trial: Trial) -> Scheme:
    """Return the scheme that the design asks for; `ValueError` for a design that nothing can be drawn from."""
    arms = tuple(ArmRatio(arm.code, arm.ratio) for arm in trial.arms.all())
    if trial.randomization_method == simple.METHOD:
        return simple.Scheme(arms)
    if trial.randomization_method == minimization.METHOD:
        factors = tuple(factor.code for factor in trial.factors.all())
        return minimization.Scheme(arms, factors, round(100 * trial.minimization_probability))
    return blocks.Scheme(arms, blocks.default_block_sizes(arms))


@dataclass(frozen=True)
class Foreknowledge:
    """What somebody who saw every earlier arm knows of the next: how often all, and how often a guess is right."""

    certain: float
    guessed: float


def foreknowledge(trial: Trial) -> Foreknowledge | None:
    """Return how far the next arm could be foreseen; None if randomized elsewhere, or if nothing could be drawn.

    Computed from the design; block sizes themselves are never shown.
    """
    if trial.randomized_elsewhere:
        return None
    try:
        scheme = designed_scheme(trial)
    except ValueError:
        return None
    return _foreknowledge(scheme, tuple((factor.code, len(factor.levels)) for factor in trial.factors.all()))


@lru_cache(maxsize=200)
def _foreknowledge(scheme: Scheme, levels: tuple[tuple[str, int], ...]) -> Foreknowledge:
    certain = predictability(scheme, PLACES_LOOKED_AT) if isinstance(scheme, blocks.Scheme) else 0.0
    return Foreknowledge(certain, expected_guess_rate(scheme, dict(levels), PLACES_LOOKED_AT))


def allocated_so_far(stratum: Stratum) -> Counter[tuple[str, str, str]]:
    """Return the marginal counts of everybody, or every group, that was allocated from a list.

    It holds arms and asks for no permission: it is for drawing the next arm, under the list's lock, and never for a
    face.
    """
    return minimization.count(
        (arm.code, levels, number) for arm, levels, number in _allocated_units(stratum.trial, stratum=stratum)
    )


@dataclass(frozen=True)
class Used:
    """How many were allocated in a stratum, or at a level of a factor; by arm for those who may see allocations."""

    label: str
    total: int
    by_arm: tuple[int, ...]


@dataclass(frozen=True)
class Randomization:
    """How the trial randomizes, for people. `arms` is empty for those who may not see allocations of all sites."""

    factors: tuple[StratificationFactor, ...]
    commitment: str
    sealed_at: datetime | None
    foreknowledge: Foreknowledge | None
    arms: tuple[Arm, ...]
    total: Used
    used: tuple[Used, ...]


def randomization_of(trial: Trial, by: Actor) -> Randomization:
    """Return how the trial randomizes and how far its lists are used; counts by arm for those who may see all arms."""
    require(by, Permission.TRIAL_VIEW, trial)
    scheme = RandomizationScheme.objects.filter(trial=trial).first()
    factors = tuple(trial.factors.all())
    arms = tuple(trial.arms.all()) if has_permission(by, Permission.ALLOCATION_VIEW, trial) else ()
    units = _allocated_units(trial)
    return Randomization(
        factors=factors,
        commitment=scheme.commitment if scheme else "",
        sealed_at=scheme.sealed_at if scheme else None,
        foreknowledge=foreknowledge(trial),
        arms=arms,
        total=_used("", {}, units, arms),
        used=tuple(_used(label, levels, units, arms) for label, levels in _rows(trial, factors)),
    )


Unit = tuple[Arm, dict[str, str], int]
"""An arm, levels of the factors, and how many have both."""


def _allocated_units(trial: Trial, **only: object) -> list[Unit]:
    """Return how many participants, or groups, are allocated to each arm with each combination of levels."""
    arms = {arm.pk: arm for arm in trial.arms.all()}
    if trial.randomization_unit == Trial.RandomizationUnit.GROUP:
        counted = GroupAllocation.objects.filter(trial=trial, **only).values_list("arm_id", "levels")
        rows = list(counted.annotate(n=Count("id")).order_by())
    else:
        people = Allocation.objects.filter(trial=trial, **only).values_list("arm_id", "participant__strata")
        rows = list(people.annotate(n=Count("id")).order_by())
    return [(arms[arm], levels, number) for arm, levels, number in rows]


def _rows(trial: Trial, factors: tuple[StratificationFactor, ...]) -> list[tuple[str, dict[str, str]]]:
    """Return the strata with their levels; where one list serves the whole trial, each level of each factor."""
    names = {(factor.code, level["code"]): level["name"] for factor in factors for level in factor.levels}
    if trial.randomization_method == blocks.METHOD:
        return [
            (", ".join(names[factor.code, stratum.levels[factor.code]] for factor in factors), stratum.levels)
            for stratum in trial.strata.order_by("id")
            if stratum.levels
        ]
    return [
        (f"{factor.name}: {level['name']}", {factor.code: level["code"]})
        for factor in factors
        for level in factor.levels
    ]


def _used(label: str, levels: Mapping[str, str], units: Iterable[Unit], arms: tuple[Arm, ...]) -> Used:
    counts: Counter[int] = Counter()
    for arm, held, number in units:
        if levels.items() <= held.items():
            counts[arm.pk] += number
    return Used(label, counts.total(), tuple(counts[arm.pk] for arm in arms))


class Error(TextChoices):
    """What can be wrong with a randomization that stands."""

    NOT_ELIGIBLE = "not_eligible", _("Not eligible")
    WRONG_STRATUM = "wrong_stratum", _("Wrong stratum")
    RANDOMIZED_TWICE = "randomized_twice", _("Same person randomized twice")
    OTHER = "other", _("Another error")


@dataclass(frozen=True)
class ErrorListed:
    """Somebody who was randomized in error, and stays in the arm and in the analysis."""

    participant: Participant
    on: date | None
    error: str
    reason: str
    true_levels: tuple[tuple[str, str], ...]
    first: str


def randomized_in_error(trial: Trial, by: Actor) -> list[ErrorListed]:
    """Return who was randomized in error at the sites whose participants `by` may see, the newest first."""
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, trial)
    factors = list(trial.factors.all())
    found = ParticipantEvent.objects.filter(
        trial=trial, kind=ParticipantEvent.Kind.RANDOMIZED_IN_ERROR, participant__site__in=sites
    )
    return [
        ErrorListed(
            participant=each.participant,
            on=each.occurred_on,
            error=str(Error(each.detail["error"]).label),
            reason=each.reason,
            true_levels=tuple(_levels_in_words(factors, _corrected(each))),
            first=each.detail.get("first", ""),
        )
        for each in found.select_related("participant__site").order_by("-id")
    ]


def _corrected(recorded: ParticipantEvent) -> dict[str, str]:
    """Return the true levels that differ from those the participant was randomized with."""
    randomized_with = recorded.participant.strata
    true_levels = recorded.detail.get("true_levels", {})
    return {factor: level for factor, level in true_levels.items() if level != randomized_with.get(factor)}


def _levels_in_words(factors: Iterable[StratificationFactor], levels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for factor in factors:
        for level in factor.levels:
            if levels.get(factor.code) == level["code"]:
                yield factor.name, level["name"]
