"""Who has the values that an analysis needs, without the data frames of the workers.

The rules are those of `measurements.selectors.frames`, and a test compares the two.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Exists, Min, OuterRef, QuerySet
from django.db.models.functions import Coalesce

from analytics.models import AnalysisPlan
from measurements.models import Biomarker, Result, Specimen
from trials.models import Attendance, ParticipantEvent, Trial, Visit
from trials.selectors.events import events_that_count


@dataclass(frozen=True)
class Analysed:
    """One outcome at one visit: who is analysed, and what is known of the values of the others.

    `biomarker` is None where the plan names no primary outcome: then whoever has any value at the visit counts.
    """

    biomarker: Biomarker | None
    visit: Visit
    people: set[int]
    without_baseline: set[int]
    without_logarithm: set[int]
    past_comparison: set[int]
    """Who has a value from the visit, and none of the controlled comparison."""


@dataclass(frozen=True)
class CrossOver:
    """What ends the controlled comparison: for each who crossed over the day of it; for the blinded its last visit.

    `crossed` is None for those who may not see who crossed over; `has_ended` says whether some arm crosses over.
    """

    last_visit: Visit
    crossed: Mapping[int, date] | None
    has_ended: bool

    def is_past(self, participant: int, on: date | None, visit: Visit) -> bool:
        """Return whether a value of this day at this visit is no longer of the controlled comparison."""
        is_later = (visit.position, visit.pk) > (self.last_visit.position, self.last_visit.pk)
        if self.crossed is None:
            return self.has_ended and is_later
        if participant not in self.crossed:
            return False
        if on is not None:
            return on > self.crossed[participant]
        return is_later or visit.anchor == Visit.Anchor.INTERVENTION_END


def primary_outcomes(trial: Trial, measured: Mapping[int, set[int]], *, by_arm: bool) -> Iterator[Analysed]:
    """Yield the plan's primary outcomes; without any, whatever is measured at the six-month or the first follow-up.

    `by_arm` only for those who see allocations of the whole trial: who crossed over then counts one by one.
    """
    visits = list(trial.visits.all())
    follow_ups = [visit for visit in visits if visit.kind != Visit.Kind.BASELINE]
    primary = list(_primary(trial, follow_ups))
    if primary:
        cross_over = _cross_over(trial, visits, by_arm=by_arm)
        yield from (_analysed(trial, biomarker, visit, cross_over) for biomarker, visit in primary)
    elif follow_ups:
        visit = next((each for each in follow_ups if each.kind == Visit.Kind.SIX_MONTHS), follow_ups[0])
        yield Analysed(None, visit, measured.get(visit.pk, set()), set(), set(), set())


def measured_at_visits(trial: Trial) -> dict[int, set[int]]:
    """Return by visit who has a value of anything that tells no arm."""
    measured: dict[int, set[int]] = {visit.pk: set() for visit in trial.visits.all()}
    told = _current(trial).filter(biomarker__tells_arm=False)
    specimens = Specimen.objects.filter(Exists(told.filter(specimen=OuterRef("pk"))), trial=trial)
    for visit, participant in specimens.values_list("visit_id", "participant_id"):
        measured[visit].add(participant)
    return measured


def _current(trial: Trial) -> QuerySet[Result]:
    """Return the results that an analysis takes: final, current, with a value, of people who let their data be used."""
    return Result.objects.filter(
        trial=trial,
        superseded_by=None,
        value__isnull=False,
        status__in=[Result.Status.FINAL, Result.Status.CORRECTED],
        specimen__participant__data_use_withdrawn=False,
    )


def _primary(trial: Trial, follow_ups: list[Visit]) -> Iterator[tuple[Biomarker, Visit]]:
    plan = AnalysisPlan.objects.filter(trial=trial).order_by("-version").first()
    pairs = plan.specification.get("primary", []) if plan else []
    biomarkers = {each.code: each for each in trial.biomarkers.all()} if pairs else {}
    by_code = {visit.code: visit for visit in follow_ups}
    yield from ((biomarkers[code], by_code[at]) for code, at in pairs if code in biomarkers and at in by_code)


def _cross_over(trial: Trial, visits: list[Visit], *, by_arm: bool) -> CrossOver:
    last = max(visits, key=lambda visit: (visit.kind == Visit.Kind.SIX_MONTHS, visit.position, visit.pk))
    has_ended = trial.arms.exclude(crosses_over_to=None).exists()
    if not by_arm:
        return CrossOver(last, None, has_ended)
    crossed = events_that_count(trial).filter(kind=ParticipantEvent.Kind.CROSSED_OVER, occurred_on__isnull=False)
    days = crossed.values_list("participant_id").annotate(day=Min("occurred_on"))
    return CrossOver(last, dict(days), has_ended)


def _analysed(trial: Trial, biomarker: Biomarker, visit: Visit, cross_over: CrossOver) -> Analysed:
    """Return who has the value before and after that the analysis needs, on its scale."""
    before, after, past = _values(trial, biomarker, visit, cross_over)
    both = before.keys() & after.keys()
    unusable: set[int] = set()
    if biomarker.analysis_scale == Biomarker.Scale.LOG:
        unusable = {who for who in both if min(before[who], after[who]) <= 0}
    return Analysed(biomarker, visit, both - unusable, after.keys() - before.keys(), unusable, past - after.keys())


def _values(
    trial: Trial, biomarker: Biomarker, visit: Visit, cross_over: CrossOver
) -> tuple[dict[int, Decimal], dict[int, Decimal], set[int]]:
    """Return everybody's lowest value of the newest measurement at baseline, at the visit, and who has a later one.

    A measurement is what one laboratory found in one specimen by one assay in one run; its replicates are analysed
    together, so that the lowest decides whether there is a logarithm. Later than the controlled comparison is at the
    visit alone.
    """
    baseline = next(each for each in trial.visits.all() if each.kind == Visit.Kind.BASELINE)
    visits = {each.pk: each for each in (baseline, visit)}
    attended = _attended(visits)
    measurements: dict[tuple[int, int], dict[Measurement, list[_Replicate]]] = defaultdict(lambda: defaultdict(list))
    past: set[int] = set()
    for who, at, measurement, day, replicate in _replicates(trial, biomarker, visits):
        if not cross_over.is_past(who, day or attended.get((who, at)), visits[at]):
            measurements[who, at][measurement].append(replicate)
        elif at == visit.pk:
            past.add(who)
    found: dict[int, dict[int, Decimal]] = {each: {} for each in visits}
    for (who, at), runs in measurements.items():
        newest = max(runs.values(), key=_age)
        found[at][who] = min(each.value for each in newest)
    return found[baseline.pk], found[visit.pk], past


Measurement = tuple[int, int, int | None, str]
"""Specimen, laboratory, assay and run."""


class _Replicate(NamedTuple):
    """One value of a measurement, and what tells which measurement is the newest."""

    value: Decimal
    collected: datetime | None
    performed: date | None
    result: int


def _replicates(
    trial: Trial, biomarker: Biomarker, visits: Iterable[int]
) -> Iterator[tuple[int, int, Measurement, date | None, _Replicate]]:
    """Yield participant, visit, measurement and day of every value at the visits."""
    zone = ZoneInfo(settings.TIME_ZONE)
    rows = (
        _current(trial)
        .filter(biomarker=biomarker, specimen__visit__in=visits)
        .annotate(collected=Coalesce("collected_at", "specimen__drawn_at"))
    )
    people = ("specimen__participant_id", "specimen__visit_id")
    measurement = ("specimen_id", "laboratory_id", "assay_id", "run")
    for who, at, specimen, laboratory, assay, run, value, collected, performed, result in rows.values_list(
        *people, *measurement, "value", "collected", "performed_on", "pk"
    ):
        day = collected.astimezone(zone).date() if collected else None
        replicate = _Replicate(value, collected, performed, result)
        yield who, at, (specimen, laboratory, assay, run), day, replicate


NEVER = datetime.min.replace(tzinfo=UTC)


def _age(replicates: list[_Replicate]) -> tuple[datetime, date, int]:
    """Return what puts the newest measurement last: its latest days, unknown ones first, then its last result."""
    collected = max(each.collected or NEVER for each in replicates)
    performed = max(each.performed or date.min for each in replicates)
    return collected, performed, max(each.result for each in replicates)


def _attended(visits: Mapping[int, Visit]) -> dict[tuple[int, int], date]:
    rows = Attendance.objects.filter(visit__in=visits, attended_on__isnull=False)
    return {(who, at): on for who, at, on in rows.values_list("participant_id", "visit_id", "attended_on") if on}
