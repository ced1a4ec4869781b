"""The flow of participants after CONSORT 2025, counted from their events each time and never stored.

Hopewell S, et al. CONSORT 2025 statement: updated guideline for reporting randomised trials. BMJ 2025;389:e081123.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from trials.access import Actor, has_permission, require
from trials.models import Allocation, Arm, Attendance, ParticipantEvent, Trial, Visit
from trials.permissions import Permission
from trials.selectors.events import events_that_count

Kind = ParticipantEvent.Kind
Reasons = tuple[tuple[str, int], ...]


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

    `received` counts those whose intervention was recorded as started. What concerns the intervention is counted per
    arm only and is None for all arms together: mostly one arm has an intervention to start, so that such a count, as
    it rises, would tell that arm's size and who is in it. Reasons in free words are told per arm only as well: what
    somebody says of why they left may speak of what they received.
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
    entry, all arms together, where `is_pooled`.
    """

    assessed: int | None
    excluded: Reasons
    consented: int | None
    randomized: int
    arms: tuple[ArmCounts, ...]
    is_pooled: bool
    unmet_criteria: Reasons = ()
    randomized_in_error: int = 0
    clusters: ClusterCounts | None = None


Happened = dict[str, dict[int, str]]
"""Kind of event to participants with the reason given; a thing recorded twice counts once."""


@dataclass(frozen=True)
class Course:
    """What a trial's participants went through, read once; `unmet` are codes of criteria.

    `unmet`, `arm_of` and `group_of` are by participant, `attended` and `missed` by visit.
    """

    happened: Happened
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
    happened, unmet = _happened(trial)
    allocations = list(Allocation.objects.filter(trial=trial).values_list("participant_id", "arm_id", "group_id"))
    attended, missed = _attendance(trial)
    return Course(
        happened=happened,
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
        unmet_criteria=_unmet_criteria(trial, course),
        randomized_in_error=len(happened[Kind.RANDOMIZED_IN_ERROR].keys() & course.randomized),
        clusters=_clusters(course, course.randomized),
    )


def members_by_arm(trial: Trial, course: Course) -> tuple[tuple[Arm, set[int]], ...]:
    """Return every arm with who was allocated to it, nobody among them."""
    members: dict[int, set[int]] = defaultdict(set)
    for participant, arm in course.arm_of.items():
        members[arm].add(participant)
    return tuple((arm, members[arm.pk]) for arm in trial.arms.all())


def follow_up_visits(trial: Trial) -> list[Visit]:
    """Return the planned visits after baseline."""
    return [visit for visit in trial.visits.all() if visit.kind != Visit.Kind.BASELINE]


def _happened(trial: Trial) -> tuple[Happened, dict[int, Sequence[str]]]:
    """Return what happened, and the criteria that those excluded for one did not meet."""
    happened: Happened = defaultdict(dict)
    unmet: dict[int, Sequence[str]] = {}
    columns = ("kind", "participant_id", "reason", "detail__unmet")
    for kind, participant, reason, criteria in events_that_count(trial).order_by("id").values_list(*columns):
        happened[kind][participant] = reason
        if kind == Kind.EXCLUDED:
            unmet[participant] = criteria or ()
    return happened, unmet


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

    def count(kind: str) -> int:
        return len(happened[kind].keys() & members)

    def reasons(kind: str) -> Reasons:
        return _reasons(happened[kind], members)

    told_by_arm: dict[str, Any] = {"received": None, "not_started": None, "discontinued": None}
    if arm is not None:
        told_by_arm = {
            "received": count(Kind.INTERVENTION_STARTED),
            "not_started": count(Kind.INTERVENTION_NOT_STARTED),
            "discontinued": count(Kind.INTERVENTION_DISCONTINUED),
            "crossed_over": count(Kind.CROSSED_OVER),
            "not_started_reasons": reasons(Kind.INTERVENTION_NOT_STARTED),
            "discontinued_reasons": reasons(Kind.INTERVENTION_DISCONTINUED),
            "lost_reasons": reasons(Kind.LOST_TO_FOLLOW_UP),
            "withdrawn_reasons": reasons(Kind.FOLLOW_UP_WITHDRAWN),
        }
    return ArmCounts(
        code=arm.code if arm else "",
        name=arm.name if arm else "",
        kind=arm.kind if arm else "",
        allocated=len(members),
        withdrawn=count(Kind.FOLLOW_UP_WITHDRAWN),
        lost_to_follow_up=count(Kind.LOST_TO_FOLLOW_UP),
        died=count(Kind.DIED),
        completed=count(Kind.COMPLETED),
        data_use_withdrawn=count(Kind.DATA_USE_WITHDRAWN),
        randomized_in_error=count(Kind.RANDOMIZED_IN_ERROR),
        visits=tuple(_visit_counts(visit, members, course, is_pooled=arm is None) for visit in visits),
        clusters=_clusters(course, members),
        **told_by_arm,
    )


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
