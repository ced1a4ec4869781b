"""The flow of participants to the analysis: what `trials.selectors.consort` counts, and who has the values for it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils import timezone

from analytics.selectors.analysed import Analysed, measured_at_visits, primary_outcomes
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
    "crossed_over",
    "after_comparison",
    "died",
    "follow_up_withdrawn",
    "lost_to_follow_up",
    "missed",
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
    """The whole flow; `arms` has one entry where `counts.is_pooled`.

    Where groups were randomized nothing is analysed (`is_analysed`), and `OutcomeFlow.analysed` counts who has values.
    """

    counts: ConsortCounts
    arms: tuple[ArmFlow, ...]
    is_analysed: bool


@dataclass(frozen=True)
class _Trial:
    """What the counting needs, read once."""

    course: Course
    visits: list[Visit]
    measured: Mapping[int, set[int]]
    not_yet_due: Mapping[int, set[int]]
    last_days: Mapping[int, Mapping[int, date]]
    outcomes: list[Analysed]


def trial_flow(trial: Trial, by: Actor) -> TrialFlow:
    """Return the flow: per arm for those who see allocations of the whole trial, pooled for everybody else.

    The number of queries does not depend on the number of participants.
    """
    require(by, Permission.TRIAL_VIEW, trial)
    by_arm = has_permission(by, Permission.ALLOCATION_VIEW, trial)
    course, visits = course_of_trial(trial), follow_up_visits(trial)
    measured = measured_at_visits(trial)
    outcomes = list(primary_outcomes(trial, measured, by_arm=by_arm))
    last_days = _last_days(trial, visits, course, by_arm=by_arm)
    read = _Trial(course, visits, measured, _not_yet_due(trial, visits), last_days, outcomes)
    counts = counts_of(trial, course, by_arm=by_arm)
    members = [people for _arm, people in members_by_arm(trial, course)] if by_arm else [course.randomized]
    arms = tuple(_arm(arm, who, read) for arm, who in zip(counts.arms, members, strict=True))
    return TrialFlow(counts, arms, is_analysed=trial.randomization_unit != Trial.RandomizationUnit.GROUP)


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


def _outcome_flow(outcome: Analysed, members: set[int], read: _Trial, *, is_pooled: bool) -> OutcomeFlow:
    analysed = outcome.people & members
    why = Counter(_why_left_out(each, outcome, read, is_pooled=is_pooled) for each in members - analysed)
    return OutcomeFlow(
        biomarker=outcome.biomarker.code if outcome.biomarker else "",
        name=outcome.biomarker.name if outcome.biomarker else "",
        visit=outcome.visit.code,
        visit_name=outcome.visit.name,
        analysed=len(analysed),
        left_out=tuple((reason, why[reason]) for reason in LEFT_OUT if why[reason]),
    )


def _why_left_out(participant: int, outcome: Analysed, read: _Trial, *, is_pooled: bool) -> str:
    happened, at = read.course.happened, outcome.visit.pk
    is_past = participant in outcome.past_comparison
    applies = {
        "data_use_withdrawn": participant in happened[Kind.DATA_USE_WITHDRAWN],
        "no_baseline": participant in outcome.without_baseline,
        "no_logarithm": participant in outcome.without_logarithm,
        # The blinded are told of the comparison, which ends for everybody alike.
        "crossed_over": is_past and not is_pooled,
        "after_comparison": is_past and is_pooled,
        "died": _had_left(participant, Kind.DIED, outcome.visit, read),
        "follow_up_withdrawn": _had_left(participant, Kind.FOLLOW_UP_WITHDRAWN, outcome.visit, read),
        "lost_to_follow_up": _had_left(participant, Kind.LOST_TO_FOLLOW_UP, outcome.visit, read),
        "missed": participant in read.course.missed.get(at, {}),
        "not_yet_due": participant in read.not_yet_due[at] and participant not in _seen(outcome.visit, read),
    }
    return next((reason for reason in LEFT_OUT[:-1] if applies[reason]), LEFT_OUT[-1])


def _had_left(participant: int, kind: str, visit: Visit, read: _Trial) -> bool:
    """Return whether this had ended their part by the last day of the visit's window, and they did not come.

    Where one of the days is not known, whoever did not come had left.
    """
    course, at = read.course, visit.pk
    came = course.attended.get(at, frozenset()) | read.measured.get(at, set())
    if participant in came or participant not in course.happened[kind]:
        return False
    last_day, left_on = read.last_days[at].get(participant), course.days[kind].get(participant)
    return last_day is None or left_on is None or left_on <= last_day


def _last_days(trial: Trial, visits: list[Visit], course: Course, *, by_arm: bool) -> dict[int, dict[int, date]]:
    """Return by visit the last day of everybody's window, where it is known.

    Windows that count from the end of an intervention tell who has one: `by_arm` alone knows them.
    """
    columns = Participant.objects.filter(trial=trial).values_list("pk", "randomized_on")
    randomized = {who: on for who, on in columns if on is not None}
    ended: dict[int, date] = {}
    for kind in (Kind.INTERVENTION_ENDED, Kind.INTERVENTION_DISCONTINUED):
        for who, on in course.days[kind].items():
            ended[who] = min(on, ended.get(who, on))
    anchors = {Visit.Anchor.RANDOMIZATION: randomized, Visit.Anchor.INTERVENTION_END: ended if by_arm else {}}
    lengths = {visit: timedelta(days=days_from_anchor(visit.window_to)) for visit in visits}
    return {
        visit.pk: {who: on + length for who, on in anchors[Visit.Anchor(visit.anchor)].items()}
        for visit, length in lengths.items()
    }


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
