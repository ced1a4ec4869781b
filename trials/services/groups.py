"""Randomizing therapy groups: one slot for the group, and its arm for every member at once."""

from collections.abc import Mapping
from datetime import date

from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import GroupAllocation, Participant, TherapyGroup, Trial
from trials.permissions import Permission
from trials.services.design import mark_data_changed
from trials.services.enrollment import levels_of
from trials.services.randomization import allocate, drawn_arm, require_waiting, take_slot
from trials.services.sealing import list_for
from trials.services.writing import require_writable

# Members who were excluded after they joined stay members, and are not randomized.
NOT_RANDOMIZED = frozenset({Participant.State.EXCLUDED})


def randomize_group(
    *, group: TherapyGroup, by: Actor, levels: Mapping[str, str] | None = None, on: date | None = None
) -> GroupAllocation:
    """Give a closed therapy group the next slot of its list, and its arm to every member; asked again, the same.

    The group must have been closed before, so that nobody joined it who could know the arm. Levels of the factors are
    the group's, and every member's. All is written in one transaction or nothing.

    Raises:
        InConflict: not recruiting, participants are randomized one by one, the group is open or empty, a member has
            not consented or is not eligible, or the list is used up.
        RuleBroken: a factor has no level, or the day is in the future, before closing or before a member's consent.
    """
    with audit.transaction(by=by) as event:
        trial = group.trial
        require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=group.site)
        given = GroupAllocation.objects.filter(group=group).first()
        if given is None:
            require_writable(trial, Writing.ENROLMENT)
            group = (
                TherapyGroup.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=group.pk)
            )
            given = GroupAllocation.objects.filter(group=group).first()
        if given is not None:
            event.record("therapy_group.randomization_repeated", trial=trial, target=group)
            return given
        day = on or timezone.localdate()
        members = _waiting_members(group, day)
        held = levels_of(group, levels or {})
        stratum = list_for(trial, held)
        sequence, content = take_slot("take_group_slot", stratum, group.pk)
        allocation = GroupAllocation.objects.create(
            trial=trial,
            group=group,
            arm=drawn_arm(stratum, content, held),
            stratum=stratum,
            sequence=sequence,
            levels=held,
            allocated_on=day,
        )
        for member in members:
            member.strata = held
            allocate(member, allocation.arm, stratum, day, group=allocation)
        mark_data_changed(trial)
        detail = {"stratum": stratum.key, "members": len(members)}
        event.record("therapy_group.randomized", trial=trial, target=group, detail=detail)
    return allocation


def _waiting_members(group: TherapyGroup, on: date) -> list[Participant]:
    """Return the members, locked, all of whom wait for an arm; raise where one of them, or the group, does not."""
    _require_closed(group, on)
    current = group.members.filter(left_on=None).values("participant")
    members = [
        member
        for member in Participant.objects.select_for_update(of=("self",))
        .select_related("trial", "site")
        .filter(pk__in=current)
        .order_by("pk")
        if member.state not in NOT_RANDOMIZED
    ]
    if not members:
        raise InConflict("group_empty", f"Nobody in group {group.code} waits for an arm.")
    for member in members:
        if member.site_id != group.site_id:
            raise InConflict(
                "group_over_sites", f"{member.code} is not at {group.site.name}, where {group.code} meets."
            )
        require_waiting(member, on)
    return members


def _require_closed(group: TherapyGroup, on: date) -> None:
    if group.trial.randomized_elsewhere or group.trial.randomization_unit != Trial.RandomizationUnit.GROUP:
        raise InConflict("randomized_by_participant", f"{group.trial.title} randomizes participants one by one.")
    if group.closed_on is None:
        raise InConflict(
            "group_open", f"Group {group.code} is still open. Close it first: nobody joins who could know the arm."
        )
    if on < group.closed_on:
        raise RuleBroken(
            "date_before_closing",
            f"{on.isoformat()} is before group {group.code} was closed. Nothing was saved.",
            field="on",
        )
