"""The schedule of enrolment, interventions and assessments of SPIRIT 2025: what happens when, as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from measurements.models import Biomarker
from trials.access import Actor, may_name_arms, require
from trials.models import Arm, PlannedOutcome, Trial, Visit
from trials.permissions import Permission

DONE, GOES_ON = "X", "–"
ENROLMENT, ALLOCATION, AFTERWARDS = "enrolment", "allocation", "afterwards"
GROUPS = {
    ENROLMENT: gettext_lazy("Enrolment"),
    "interventions": gettext_lazy("Interventions"),
    "assessments": gettext_lazy("Assessments"),
}


@dataclass(frozen=True)
class TimePoint:
    """A column: a visit, or one of enrolment, allocation and what follows the controlled comparison."""

    code: str
    name: str
    when: str


@dataclass(frozen=True)
class ScheduleRow:
    """A row: what is done, with a mark for every time point (X for once, a dash for what goes on)."""

    label: str
    marks: tuple[str, ...]


@dataclass(frozen=True)
class SpiritSchedule:
    """The table: its columns, and its rows by group."""

    time_points: tuple[TimePoint, ...]
    groups: tuple[tuple[str, tuple[ScheduleRow, ...]], ...]


def spirit_schedule(trial: Trial, by: Actor) -> SpiritSchedule:
    """Return the schedule; arms by name only for those who may name them, else by kind."""
    require(by, Permission.TRIAL_VIEW, trial)
    arms, visits = list(trial.arms.select_related("intervention", "crosses_over_to")), list(trial.visits.all())
    points = _time_points(visits, crosses_over=any(arm.crosses_over_to_id for arm in arms))
    codes = [point.code for point in points]
    named = may_name_arms(by, trial)
    rows = {
        ENROLMENT: [
            _row(gettext("Eligibility screen"), codes, {ENROLMENT}),
            _row(gettext("Informed consent"), codes, {ENROLMENT}),
            _row(gettext("Allocation"), codes, {ALLOCATION}),
        ],
        "interventions": [_intervention(arm, number, codes, visits, named) for number, arm in enumerate(arms, start=1)],
        "assessments": _assessments(trial, codes, visits),
    }
    return SpiritSchedule(points, tuple((str(GROUPS[name]), tuple(made)) for name, made in rows.items()))


def _time_points(visits: Sequence[Visit], *, crosses_over: bool) -> tuple[TimePoint, ...]:
    """Baseline comes before allocation, all other visits after it."""
    before = [_visit_point(visit) for visit in visits if visit.kind == Visit.Kind.BASELINE]
    after = [_visit_point(visit) for visit in visits if visit.kind != Visit.Kind.BASELINE]
    points = [
        TimePoint(ENROLMENT, gettext("Enrolment"), "−t1"),
        *before,
        TimePoint(ALLOCATION, gettext("Allocation"), gettext("day 1")),
        *after,
    ]
    if crosses_over:
        points.append(TimePoint(AFTERWARDS, gettext("Afterwards"), gettext("after the controlled comparison")))
    return tuple(points)


def _visit_point(visit: Visit) -> TimePoint:
    window = {"target": _day(visit.target_day), "first": _day(visit.window_from), "last": _day(visit.window_to)}
    when = gettext("day %(target)s (%(first)s to %(last)s)") % window
    if visit.anchor == Visit.Anchor.INTERVENTION_END:
        when += gettext(", from the end of the intervention")
    return TimePoint(visit.code, visit.name, when)


def _day(day: int) -> str:
    return str(day).replace("-", "−")


def _row(label: str, codes: Iterable[str], done: set[str], going_on: frozenset[str] = frozenset()) -> ScheduleRow:
    return ScheduleRow(label, tuple(DONE if code in done else GOES_ON if code in going_on else "" for code in codes))


def _intervention(arm: Arm, number: int, codes: list[str], visits: list[Visit], named: bool) -> ScheduleRow:
    """The arm's row: from allocation over the visits within its weeks; a waitlist is offered it afterwards."""
    received: Any = getattr(arm, "intervention", None)
    if named:
        label = arm.name
    else:
        label = gettext("Arm %(number)s: %(kind)s") % {"number": number, "kind": arm.get_kind_display().lower()}
    if received is None:
        return _row(label, codes, set(), frozenset({AFTERWARDS} if arm.crosses_over_to_id else ()))
    last_day = (received.weeks or 0) * 7
    # Days from the end of the intervention say nothing of days within it.
    counted = [visit for visit in visits if visit.anchor == Visit.Anchor.RANDOMIZATION]
    during = {each.code for each in counted if each.kind != Visit.Kind.BASELINE and each.target_day <= last_day}
    return _row(label, codes, set(), frozenset({ALLOCATION, *during}))


def _assessments(trial: Trial, codes: list[str], visits: list[Visit]) -> list[ScheduleRow]:
    """Every biomarker of the trial at every visit, then outcomes that no biomarker measures, at theirs."""
    at_visits = {visit.code for visit in visits}
    biomarkers = list(Biomarker.objects.filter(trial=trial))
    rows = [_row(f"{each.name} ({each.code})", codes, at_visits) for each in biomarkers]
    measured = {each.code for each in biomarkers}
    outcomes = PlannedOutcome.objects.filter(trial=trial).exclude(biomarker__in=measured).select_related("visit")
    for title, same in groupby(sorted(outcomes, key=lambda each: each.title), key=lambda each: each.title):
        done = {code for each in same for code in ({each.visit.code} if each.visit else at_visits)}
        rows.append(_row(title, codes, done))
    return rows
