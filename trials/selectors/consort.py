"""The flow of participants after CONSORT 2025, counted from their events each time and never stored.

Hopewell S, et al. CONSORT 2025 statement: updated guideline for reporting randomised trials. BMJ 2025;389:e081123.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import Any

from trials.access import Actor, has_permission, require
from trials.course import STATE_AFTER
from trials.models import Allocation, Arm, Attendance, ParticipantEvent, Trial, Visit
from trials.permissions import Permission
from trials.selectors.events import events_that_count
from trials.selectors.planned_visits import OVER

Kind = ParticipantEvent.Kind
Reasons = tuple[tuple[str, int], ...]
# What may become of somebody randomized; of several the last in this order prevails, as for their state.
ENDS = tuple(STATE_AFTER)[tuple(STATE_AFTER).index(Kind.RANDOMIZED) + 1 :]
# From the day on which somebody crosses over these speak of what they crossed over to.
OF_AN_INTERVENTION = frozenset(
    {
        Kind.INTERVENTION_STARTED,
        Kind.INTERVENTION_NOT_STARTED,
        Kind.INTERVENTION_DISCONTINUED,
        Kind.INTERVENTION_ENDED,
    }
)


@dataclass(frozen=True)
class VisitCounts:
    """Who came to one planned visit after baseline. A reason is a code of `Attendance.Missed`, or in free words."""

    code: str
    attended: int
    missed: int
    missed_reasons: Reasons = ()


@dataclass(frozen=True)
class ClusterCounts:
    """Therapy groups, where groups are randomized: how many, and how many participants they have."""

    groups: int
    median_size: float
    smallest: int
    largest: int


@dataclass(frozen=True)
class ArmCounts:
    """What became of the participants of one arm, or of all together (`code`, `name` and `kind` are then empty).

    `received` counts those who received what they were allocated to: whose intervention was recorded as started, or,
    where there is none to start (a waitlist, usual care that nobody described), all but those recorded otherwise. It
    is None where no start was recorded in any arm. What happened from the day of a cross-over on is not in it, nor in
    `not_started` and `discontinued`. What concerns the intervention is counted per arm only and is None for all arms
    together: mostly one arm has an intervention to start, so that such a count, as it rises, would tell that arm's
    size and who is in it. Reasons in free words are told per arm only as well: what somebody says of why they left may
    speak of what they received.

    `lost_to_follow_up`, `withdrawn`, `data_use_withdrawn`, `died`, `completed` and `followed` (none of these yet) add
    up to `allocated`: of several ends the last in `ENDS` counts.
    """

    code: str
    name: str
    kind: str
    allocated: int
    received: int | None
    not_started: int | None
    discontinued: int | None
    withdrawn: int
    lost_to_follow_up: int
    died: int
    completed: int
    data_use_withdrawn: int
    followed: int
    not_started_reasons: Reasons = ()
    lost_reasons: Reasons = ()
    crossed_over: int | None = None
    randomized_in_error: int = 0
    discontinued_reasons: Reasons = ()
    withdrawn_reasons: Reasons = ()
    visits: tuple[VisitCounts, ...] = ()
    clusters: ClusterCounts | None = None


@dataclass(frozen=True)
class ConsortCounts:
    """The counts of a trial. `assessed` and `consented` are None where a trial was randomized elsewhere: nobody knows.

    `excluded` pairs each reason (`ineligible`, `declined`, `other`) with its count; `unmet_criteria` the texts of the
    criteria with how many of the ineligible did not meet them, and one person may have failed several. `arms` has one
    entry, all arms together, where `is_pooled`. Where `is_over`, nobody is followed any more.
    """

    assessed: int | None
    excluded: Reasons
    consented: int | None
    randomized: int
    arms: tuple[ArmCounts, ...]
    is_pooled: bool
    is_over: bool
    unmet_criteria: Reasons = ()
    randomized_in_error: int = 0
    clusters: ClusterCounts | None = None


Happened = dict[str, dict[int, str]]
"""Kind of event to participants with the reason given; a thing recorded twice counts once."""
Days = dict[str, dict[int, date]]
"""Kind of event to participants with the first day of it, where that is known."""


@dataclass(frozen=True)
class Course:
    """What a trial's participants went through, read once; `unmet` are codes of criteria.

    `unmet`, `arm_of`, `group_of` and `ended` (what became of them, one of `ENDS`) are by participant, `attended` and
    `missed` by visit.
    """

    happened: Happened
    days: Days
    ended: Mapping[int, str]
    unmet: Mapping[int, Sequence[str]]
    arm_of: Mapping[int, int]
    group_of: Mapping[int, int]
    attended: Mapping[int, frozenset[int]]
    missed: Mapping[int, Mapping[int, str]]

    @property
    def randomized(self) -> set[int]:
        """Who was randomized."""
        return set(self.happened[Kind.RANDOMIZED])


def consort_counts(trial: Trial, by: Actor) -> ConsortCounts:
    """Return the counts: per arm for those who see allocations of the whole trial, pooled for everybody else."""
    require(by, Permission.TRIAL_VIEW, trial)
    return counts_of(trial, course_of_trial(trial), by_arm=has_permission(by, Permission.ALLOCATION_VIEW, trial))


def course_of_trial(trial: Trial) -> Course:
    """Return who did what, in a number of queries that does not depend on how many there are.

    It holds every arm and asks for no permission: what is shown of it is the caller's to restrict.
    """
    happened, days, unmet = _happened(trial)
    allocations = list(Allocation.objects.filter(trial=trial).values_list("participant_id", "arm_id", "group_id"))
    attended, missed = _attendance(trial)
    return Course(
        happened=happened,
        days=days,
        ended={participant: kind for kind in ENDS for participant in happened[kind]},
        unmet=unmet,
        arm_of={participant: arm for participant, arm, _group in allocations},
        group_of={participant: group for participant, _arm, group in allocations if group is not None},
        attended=attended,
        missed=missed,
    )


def counts_of(trial: Trial, course: Course, *, by_arm: bool) -> ConsortCounts:
    """Return what is counted in a course; `by_arm` only for those who see allocations of the whole trial."""
    happened, visits = course.happened, follow_up_visits(trial)
    members = members_by_arm(trial, course) if by_arm else ((None, course.randomized),)
    screening_known = not trial.randomized_elsewhere
    return ConsortCounts(
        assessed=len(happened[Kind.SCREENED]) if screening_known else None,
        excluded=_exclusions(happened[Kind.EXCLUDED].values()),
        consented=len(happened[Kind.CONSENTED]) if screening_known else None,
        randomized=len(course.randomized),
        arms=tuple(_counts(arm, people, course, visits) for arm, people in members),
        is_pooled=not by_arm,
        is_over=trial.status in OVER,
        unmet_criteria=_unmet_criteria(trial, course),
        randomized_in_error=len(happened[Kind.RANDOMIZED_IN_ERROR].keys() & course.randomized),
        clusters=_clusters(course, course.randomized),
    )


def members_by_arm(trial: Trial, course: Course) -> tuple[tuple[Arm, set[int]], ...]:
    """Return every arm with who was allocated to it, nobody among them."""
    members: dict[int, set[int]] = defaultdict(set)
    for participant, arm in course.arm_of.items():
        members[arm].add(participant)
    return tuple((arm, members[arm.pk]) for arm in trial.arms.select_related("intervention"))


def follow_up_visits(trial: Trial) -> list[Visit]:
    """Return the planned visits after baseline."""
    return [visit for visit in trial.visits.all() if visit.kind != Visit.Kind.BASELINE]


def _happened(trial: Trial) -> tuple[Happened, Days, dict[int, Sequence[str]]]:
    """Return what happened, when, and the criteria that those excluded for one did not meet."""
    happened: Happened = defaultdict(dict)
    days: Days = defaultdict(dict)
    unmet: dict[int, Sequence[str]] = {}
    columns = ("kind", "participant_id", "occurred_on", "reason", "detail__unmet")
    events = list(events_that_count(trial).order_by("id").values_list(*columns))
    crossed = {(who, on) for kind, who, on, *_rest in events if kind == Kind.CROSSED_OVER and on is not None}
    # Of several days the first stands, because it comes last here.
    crossed_on = dict(sorted(crossed, reverse=True))
    for kind, participant, on, reason, criteria in events:
        if kind in OF_AN_INTERVENTION and on is not None and on >= crossed_on.get(participant, date.max):
            continue
        happened[kind][participant] = reason
        if on is not None:
            days[kind][participant] = min(on, days[kind].get(participant, on))
        if kind == Kind.EXCLUDED:
            unmet[participant] = criteria or ()
    return happened, days, unmet


def _attendance(trial: Trial) -> tuple[dict[int, frozenset[int]], dict[int, dict[int, str]]]:
    """Return by visit who attended, and who missed it with the reason."""
    attended: dict[int, set[int]] = defaultdict(set)
    missed: dict[int, dict[int, str]] = defaultdict(dict)
    columns = ("visit_id", "participant_id", "attended_on", "missed_category", "missed_reason")
    for visit, participant, on, category, reason in Attendance.objects.filter(trial=trial).values_list(*columns):
        if on is not None:
            attended[visit].add(participant)
        else:
            # "Another reason" says nothing; the words beside it do.
            missed[visit][participant] = category if category not in {"", Attendance.Missed.OTHER} else reason
    return {visit: frozenset(people) for visit, people in attended.items()}, missed


def _exclusions(reasons: Iterable[str]) -> Reasons:
    counts = Counter(reasons)
    return tuple((reason, counts[reason]) for reason in ParticipantEvent.ExclusionReason.values if counts[reason])


def _unmet_criteria(trial: Trial, course: Course) -> Reasons:
    excluded = course.happened[Kind.EXCLUDED].items()
    ineligible = [who for who, reason in excluded if reason == ParticipantEvent.ExclusionReason.INELIGIBLE]
    counts = Counter(code for participant in ineligible for code in set(course.unmet[participant]))
    return tuple((each.text, counts[each.code]) for each in trial.criteria.all() if counts[each.code])


def _clusters(course: Course, members: set[int]) -> ClusterCounts | None:
    sizes = Counter(group for participant, group in course.group_of.items() if participant in members).values()
    return ClusterCounts(len(sizes), float(median(sizes)), min(sizes), max(sizes)) if sizes else None


def _counts(arm: Arm | None, members: set[int], course: Course, visits: list[Visit]) -> ArmCounts:
    happened = course.happened
    ends = Counter(course.ended.get(participant, "") for participant in members)

    def count(kind: str) -> int:
        return len(happened[kind].keys() & members)

    def reasons(kind: str) -> Reasons:
        return _reasons(happened[kind], members)

    def reasons_of_end(kind: str) -> Reasons:
        return _reasons(happened[kind], {each for each in members if course.ended.get(each) == kind})

    told_by_arm: dict[str, Any] = {"received": None, "not_started": None, "discontinued": None}
    if arm is not None:
        told_by_arm = {
            "received": _received(arm, members, course),
            "not_started": count(Kind.INTERVENTION_NOT_STARTED),
            "discontinued": count(Kind.INTERVENTION_DISCONTINUED),
            "crossed_over": count(Kind.CROSSED_OVER),
            "not_started_reasons": reasons(Kind.INTERVENTION_NOT_STARTED),
            "discontinued_reasons": reasons(Kind.INTERVENTION_DISCONTINUED),
            "lost_reasons": reasons_of_end(Kind.LOST_TO_FOLLOW_UP),
            "withdrawn_reasons": reasons_of_end(Kind.FOLLOW_UP_WITHDRAWN),
        }
    return ArmCounts(
        code=arm.code if arm else "",
        name=arm.name if arm else "",
        kind=arm.kind if arm else "",
        allocated=len(members),
        withdrawn=ends[Kind.FOLLOW_UP_WITHDRAWN],
        lost_to_follow_up=ends[Kind.LOST_TO_FOLLOW_UP],
        died=ends[Kind.DIED],
        completed=ends[Kind.COMPLETED],
        data_use_withdrawn=ends[Kind.DATA_USE_WITHDRAWN],
        followed=ends[""],
        randomized_in_error=count(Kind.RANDOMIZED_IN_ERROR),
        visits=tuple(_visit_counts(visit, members, course, is_pooled=arm is None) for visit in visits),
        clusters=_clusters(course, members),
        **told_by_arm,
    )


def _received(arm: Arm, members: set[int], course: Course) -> int | None:
    """Return how many received what they were allocated to; None where starts were recorded in no arm."""
    started = course.happened[Kind.INTERVENTION_STARTED]
    not_started = course.happened[Kind.INTERVENTION_NOT_STARTED]
    if not course.randomized & (started.keys() | not_started.keys()):
        return None
    if _has_nothing_to_start(arm):
        return len(members - not_started.keys())
    return len(members & started.keys())


def _has_nothing_to_start(arm: Arm) -> bool:
    """Return whether who is in this arm receives it from the day of randomization on, without a record."""
    is_undescribed_care = arm.kind == Arm.Kind.USUAL_CARE and not hasattr(arm, "intervention")
    return arm.kind == Arm.Kind.WAITLIST or is_undescribed_care


def _visit_counts(visit: Visit, members: set[int], course: Course, *, is_pooled: bool) -> VisitCounts:
    missed = course.missed.get(visit.pk, {})
    if is_pooled:
        listed = set(Attendance.Missed.values)
        missed = {who: why if why in listed else Attendance.Missed.OTHER.value for who, why in missed.items()}
    return VisitCounts(
        visit.code,
        attended=len(course.attended.get(visit.pk, frozenset()) & members),
        missed=len(missed.keys() & members),
        missed_reasons=_reasons(missed, members),
    )


def _reasons(given: Mapping[int, str], members: set[int]) -> Reasons:
    """Return the reasons, the most frequent first and then by their words; no order in which people came."""
    counts = Counter(reason for participant, reason in given.items() if participant in members)
    return tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
