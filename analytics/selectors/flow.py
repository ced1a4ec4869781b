"""The flow of participants to the analysis: what `trials.selectors.consort` counts, and who has the values for it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from analytics.models import AnalysisPlan
from measurements.models import Biomarker, Result, Specimen
from trials.access import Actor, has_permission, require
from trials.models import Participant, ParticipantEvent, Trial, Visit
from trials.permissions import Permission
from trials.schedule import days_from_anchor
from trials.selectors.consort import (
    ArmCounts,
    ConsortCounts,
    Course,
    Reasons,
    counts_of,
    course_of_trial,
    follow_up_visits,
    members_by_arm,
)

Kind = ParticipantEvent.Kind
# Why somebody randomized is not in an analysis; the first that applies is counted.
LEFT_OUT = (
    "data_use_withdrawn",
    "no_baseline",
    "no_logarithm",
    "died",
    "follow_up_withdrawn",
    "lost_to_follow_up",
    "missed",
    "crossed_over",
    "not_yet_due",
    "no_value",
)


@dataclass(frozen=True)
class VisitFlow:
    """One follow-up visit: who came, who missed it and why, who has a value from it, and who has time left."""

    code: str
    name: str
    attended: int
    missed: int
    missed_reasons: Reasons
    measured: int
    not_yet_due: int


@dataclass(frozen=True)
class OutcomeFlow:
    """How many are analysed for one outcome at one visit, and why the others are not (codes of `LEFT_OUT`).

    `biomarker` is empty where the plan names no primary outcome: then whoever has any value counts.
    """

    biomarker: str
    name: str
    visit: str
    visit_name: str
    analysed: int
    left_out: Reasons


@dataclass(frozen=True)
class ArmFlow:
    """One arm, or all of them together, from allocation to analysis."""

    counts: ArmCounts
    visits: tuple[VisitFlow, ...]
    outcomes: tuple[OutcomeFlow, ...]


@dataclass(frozen=True)
class TrialFlow:
    """The whole flow; `arms` has one entry where `counts.is_pooled`."""

    counts: ConsortCounts
    arms: tuple[ArmFlow, ...]


@dataclass(frozen=True)
class _Outcome:
    """One outcome at one visit: who is analysed, and what is known of the values of the others."""

    biomarker: Biomarker | None
    visit: Visit
    analysed: set[int]
    without_baseline: set[int]
    without_logarithm: set[int]


@dataclass(frozen=True)
class _Trial:
    """What the counting needs, read once."""

    course: Course
    visits: list[Visit]
    measured: Mapping[int, set[int]]
    not_yet_due: Mapping[int, set[int]]
    outcomes: list[_Outcome]


def trial_flow(trial: Trial, by: Actor) -> TrialFlow:
    """Return the flow: per arm for those who see allocations of the whole trial, pooled for everybody else.

    The number of queries does not depend on the number of participants.
    """
    require(by, Permission.TRIAL_VIEW, trial)
    by_arm = has_permission(by, Permission.ALLOCATION_VIEW, trial)
    course, visits = course_of_trial(trial), follow_up_visits(trial)
    measured = _measured(trial)
    read = _Trial(course, visits, measured, _not_yet_due(trial, visits), list(_outcomes(trial, visits, measured)))
    counts = counts_of(trial, course, by_arm=by_arm)
    members = [people for _arm, people in members_by_arm(trial, course)] if by_arm else [course.randomized]
    return TrialFlow(counts, tuple(_arm(arm, who, read) for arm, who in zip(counts.arms, members, strict=True)))


def _arm(counts: ArmCounts, members: set[int], read: _Trial) -> ArmFlow:
    visits = (
        VisitFlow(
            code=visit.code,
            name=visit.name,
            attended=came.attended,
            missed=came.missed,
            missed_reasons=came.missed_reasons,
            measured=len(read.measured.get(visit.pk, set()) & members),
            not_yet_due=len(read.not_yet_due[visit.pk] & members - _seen(visit, read)),
        )
        for visit, came in zip(read.visits, counts.visits, strict=True)
    )
    # That somebody crossed over tells their arm, and so would a count of it.
    is_pooled = not counts.code
    outcomes = tuple(_outcome_flow(each, members, read, is_pooled=is_pooled) for each in read.outcomes)
    return ArmFlow(counts, tuple(visits), outcomes)


def _seen(visit: Visit, read: _Trial) -> frozenset[int]:
    """Return of whom something is known at a visit."""
    course, at = read.course, visit.pk
    return course.attended.get(at, frozenset()) | course.missed.get(at, {}).keys() | read.measured.get(at, set())


def _outcome_flow(outcome: _Outcome, members: set[int], read: _Trial, *, is_pooled: bool) -> OutcomeFlow:
    analysed = outcome.analysed & members
    why = Counter(_why_left_out(each, outcome, read, is_pooled=is_pooled) for each in members - analysed)
    return OutcomeFlow(
        biomarker=outcome.biomarker.code if outcome.biomarker else "",
        name=outcome.biomarker.name if outcome.biomarker else "",
        visit=outcome.visit.code,
        visit_name=outcome.visit.name,
        analysed=len(analysed),
        left_out=tuple((reason, why[reason]) for reason in LEFT_OUT if why[reason]),
    )


def _why_left_out(participant: int, outcome: _Outcome, read: _Trial, *, is_pooled: bool) -> str:
    happened, at = read.course.happened, outcome.visit.pk
    applies = {
        "data_use_withdrawn": participant in happened[Kind.DATA_USE_WITHDRAWN],
        "no_baseline": participant in outcome.without_baseline,
        "no_logarithm": participant in outcome.without_logarithm,
        "died": participant in happened[Kind.DIED],
        "follow_up_withdrawn": participant in happened[Kind.FOLLOW_UP_WITHDRAWN],
        "lost_to_follow_up": participant in happened[Kind.LOST_TO_FOLLOW_UP],
        "missed": participant in read.course.missed.get(at, {}),
        "crossed_over": not is_pooled and participant in happened[Kind.CROSSED_OVER],
        "not_yet_due": participant in read.not_yet_due[at] and participant not in _seen(outcome.visit, read),
    }
    return next((reason for reason in LEFT_OUT[:-1] if applies[reason]), LEFT_OUT[-1])


def _current(trial: Trial) -> QuerySet[Result]:
    """Return the results that an analysis takes: final, current, with a value, of people who let their data be used."""
    return Result.objects.filter(
        trial=trial,
        superseded_by=None,
        value__isnull=False,
        status__in=[Result.Status.FINAL, Result.Status.CORRECTED],
        specimen__participant__data_use_withdrawn=False,
    )


def _measured(trial: Trial) -> dict[int, set[int]]:
    """Return by visit who has a value of anything."""
    measured: dict[int, set[int]] = {visit.pk: set() for visit in trial.visits.all()}
    specimens = Specimen.objects.filter(Exists(_current(trial).filter(specimen=OuterRef("pk"))), trial=trial)
    for visit, participant in specimens.values_list("visit_id", "participant_id"):
        measured[visit].add(participant)
    return measured


def _not_yet_due(trial: Trial, visits: list[Visit]) -> dict[int, set[int]]:
    """Return by visit of whom it may still come: they go on, and the window, counted from randomization, is open.

    Windows that count from the end of an intervention would tell who has one; they are taken to count from
    randomization as well. Where no day is known, nothing is still to come.
    """
    today = timezone.localdate()
    going_on = Participant.objects.filter(trial=trial, state=Participant.State.RANDOMIZED).exclude(randomized_on=None)
    dates = list(going_on.values_list("pk", "randomized_on"))
    latest = {visit.pk: today - timedelta(days=days_from_anchor(visit.window_to)) for visit in visits}
    return {visit: {who for who, on in dates if on is not None and on >= since} for visit, since in latest.items()}


def _outcomes(trial: Trial, visits: list[Visit], measured: Mapping[int, set[int]]) -> Iterator[_Outcome]:
    """Yield the plan's primary outcomes; without any, whatever is measured at the six-month or the first follow-up."""
    primary = list(_primary(trial, visits))
    yield from (_primary_outcome(trial, biomarker, visit) for biomarker, visit in primary)
    if not primary and visits:
        visit = next((each for each in visits if each.kind == Visit.Kind.SIX_MONTHS), visits[0])
        yield _Outcome(None, visit, measured.get(visit.pk, set()), set(), set())


def _primary(trial: Trial, visits: list[Visit]) -> Iterator[tuple[Biomarker, Visit]]:
    plan = AnalysisPlan.objects.filter(trial=trial).order_by("-version").first()
    pairs = plan.specification.get("primary", []) if plan else []
    if not pairs:
        return
    biomarkers = {each.code: each for each in trial.biomarkers.all()}
    by_code = {visit.code: visit for visit in visits}
    yield from ((biomarkers[code], by_code[at]) for code, at in pairs if code in biomarkers and at in by_code)


def _primary_outcome(trial: Trial, biomarker: Biomarker, visit: Visit) -> _Outcome:
    """Return who has the value before and after that the analysis needs, on its scale."""
    before, after = _values(trial, biomarker, visit)
    both = before.keys() & after.keys()
    unusable: set[int] = set()
    if biomarker.analysis_scale == Biomarker.Scale.LOG:
        unusable = {who for who in both if min(before[who], after[who]) <= 0}
    return _Outcome(biomarker, visit, both - unusable, after.keys() - before.keys(), unusable)


def _values(trial: Trial, biomarker: Biomarker, visit: Visit) -> tuple[dict[int, Decimal], dict[int, Decimal]]:
    """Return everybody's newest value at baseline and at the visit."""
    at_baseline: dict[int, Decimal] = {}
    at_visit: dict[int, Decimal] = {}
    baseline = next(each for each in trial.visits.all() if each.kind == Visit.Kind.BASELINE)
    collected = Coalesce("collected_at", "specimen__drawn_at")
    rows = (
        _current(trial)
        .filter(biomarker=biomarker, specimen__visit__in=[baseline, visit])
        .order_by(collected.asc(nulls_first=True), F("performed_on").asc(nulls_first=True), "pk")
        .values_list("specimen__participant_id", "specimen__visit_id", "value")
    )
    for participant, at, value in rows:
        (at_baseline if at == baseline.pk else at_visit)[participant] = value or Decimal(0)  # never null, see _current
    return at_baseline, at_visit
