"""The flow of participants after CONSORT 2025, counted from their events each time and never stored."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from trials.access import Actor, has_permission, require
from trials.models import Allocation, Arm, ParticipantEvent, Trial
from trials.permissions import Permission

Kind = ParticipantEvent.Kind


@dataclass(frozen=True)
class ArmCounts:
    """What became of the participants of one arm, or of all together (`code`, `name` and `kind` are then empty).

    `received` counts those whose intervention was recorded as started. What concerns the intervention is counted per
    arm only and is None for all arms together: mostly one arm has an intervention to start, so that such a count, as
    it rises, would tell that arm's size and who is in it.
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
    not_started_reasons: tuple[tuple[str, int], ...] = ()
    lost_reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class ConsortCounts:
    """The counts of a trial. `assessed` and `consented` are None where a trial was randomized elsewhere: nobody knows.

    `excluded` pairs each reason (`ineligible`, `declined`, `other`) with its count. `arms` has one entry, all arms
    together, where `is_pooled`.
    """

    assessed: int | None
    excluded: tuple[tuple[str, int], ...]
    consented: int | None
    randomized: int
    arms: tuple[ArmCounts, ...]
    is_pooled: bool


def consort_counts(trial: Trial, by: Actor) -> ConsortCounts:
    """Return the counts: per arm for those who see allocations of the whole trial, pooled for everybody else."""
    require(by, Permission.TRIAL_VIEW, trial)
    happened = _happened(trial)
    by_arm = has_permission(by, Permission.ALLOCATION_VIEW, trial)
    screening_known = not trial.randomized_elsewhere
    return ConsortCounts(
        assessed=len(happened[Kind.SCREENED]) if screening_known else None,
        excluded=_exclusions(happened[Kind.EXCLUDED].values()),
        consented=len(happened[Kind.CONSENTED]) if screening_known else None,
        randomized=len(happened[Kind.RANDOMIZED]),
        arms=_per_arm(trial, happened) if by_arm else (_counts(None, set(happened[Kind.RANDOMIZED]), happened),),
        is_pooled=not by_arm,
    )


Happened = dict[str, dict[int, str]]
"""Kind of event to participants with the reason given; a thing recorded twice counts once."""


def _happened(trial: Trial) -> Happened:
    happened: Happened = defaultdict(dict)
    events = ParticipantEvent.objects.filter(trial=trial).order_by("id")
    for kind, participant, reason in events.values_list("kind", "participant_id", "reason"):
        happened[kind][participant] = reason
    return happened


def _exclusions(reasons: Iterable[str]) -> tuple[tuple[str, int], ...]:
    counts = Counter(reasons)
    return tuple((reason, counts[reason]) for reason in ParticipantEvent.ExclusionReason.values if counts[reason])


def _per_arm(trial: Trial, happened: Happened) -> tuple[ArmCounts, ...]:
    members: dict[int, set[int]] = defaultdict(set)
    for arm, participant in Allocation.objects.filter(trial=trial).values_list("arm_id", "participant_id"):
        members[arm].add(participant)
    return tuple(_counts(arm, members[arm.pk], happened) for arm in trial.arms.all())


def _counts(arm: Arm | None, members: set[int], happened: Happened) -> ArmCounts:
    def count(kind: str) -> int:
        return len(happened[kind].keys() & members)

    return ArmCounts(
        code=arm.code if arm else "",
        name=arm.name if arm else "",
        kind=arm.kind if arm else "",
        allocated=len(members),
        received=count(Kind.INTERVENTION_STARTED) if arm else None,
        not_started=count(Kind.INTERVENTION_NOT_STARTED) if arm else None,
        discontinued=count(Kind.INTERVENTION_DISCONTINUED) if arm else None,
        withdrawn=count(Kind.FOLLOW_UP_WITHDRAWN),
        lost_to_follow_up=count(Kind.LOST_TO_FOLLOW_UP),
        died=count(Kind.DIED),
        completed=count(Kind.COMPLETED),
        data_use_withdrawn=count(Kind.DATA_USE_WITHDRAWN),
        not_started_reasons=_reasons(happened[Kind.INTERVENTION_NOT_STARTED], members) if arm else (),
        lost_reasons=_reasons(happened[Kind.LOST_TO_FOLLOW_UP], members) if arm else (),
    )


def _reasons(given: dict[int, str], members: set[int]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(reason for participant, reason in given.items() if participant in members).most_common())
