"""Therapists and therapy groups: who treats whom, and in cluster trials what is randomized."""

import re
from datetime import date

from django.db import IntegrityError
from django.db import transaction as database_transaction
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import (
    Allocation,
    Arm,
    GroupMember,
    Participant,
    ParticipantEvent,
    Site,
    Therapist,
    TherapyGroup,
    Trial,
)
from trials.permissions import Permission
from trials.services.writing import require_writable

CODE = re.compile(r"[A-Za-z0-9_-]{1,20}", re.ASCII)
WITHOUT_THERAPY = frozenset({Arm.Kind.WAITLIST, Arm.Kind.USUAL_CARE})
"""Arms that receive nothing of the trial's, so that nobody of them sits in a group and a session is contamination."""


def add_therapist(*, trial: Trial, site: Site, code: str, by: Actor) -> Therapist:
    """Add a therapist under a code. Raises RuleBroken for a code that is taken or is none; never a name."""
    with audit.transaction(by=by) as event:
        require(by, Permission.SESSION_RECORD, trial, site=site)
        _check_place(trial, site, code)
        try:
            with database_transaction.atomic():
                therapist = Therapist.objects.create(trial=trial, site=site, code=code)
        except IntegrityError as error:
            raise _taken(code, "therapist") from error
        event.record("therapist.added", trial=trial, target=therapist, detail={"site": site.code})
    return therapist


def set_therapist_active(*, therapist: Therapist, is_active: bool, by: Actor) -> Therapist:
    """Say that a therapist treats no more, or does again. Asked again, nothing changes."""
    with audit.transaction(by=by) as event:
        require(by, Permission.SESSION_RECORD, therapist.trial, site=therapist.site)
        therapist.is_active = is_active
        therapist.save(update_fields=["is_active"])
        event.record("therapist.returned" if is_active else "therapist.ended", trial=therapist.trial, target=therapist)
    return therapist


def form_group(*, trial: Trial, site: Site, code: str, by: Actor, therapist: Therapist | None = None) -> TherapyGroup:
    """Make an empty therapy group at a site.

    Raises RuleBroken for a code that is taken or is none, and a therapist of another site or one who has ended.
    """
    with audit.transaction(by=by) as event:
        _require_groups(by, trial, site)
        _check_place(trial, site, code)
        if therapist is not None and (therapist.site_id != site.pk or not therapist.is_active):
            raise RuleBroken(
                "therapist_unknown",
                f"{therapist.code} is not an active therapist of {site.name}. Choose one who is. Nothing was saved.",
                field="therapist",
            )
        try:
            with database_transaction.atomic():
                group = TherapyGroup.objects.create(trial=trial, site=site, code=code, therapist=therapist)
        except IntegrityError as error:
            raise _taken(code, "therapy group") from error
        event.record("therapy_group.formed", trial=trial, target=group, detail={"site": site.code})
    return group


def join_group(*, group: TherapyGroup, participant: Participant, by: Actor, on: date) -> GroupMember:
    """Put a participant into a group from a day on; asked again, return the membership that is held.

    Where groups are randomized, people join between consent and the closing of the group, which comes before its
    randomization; elsewhere those who are randomized join the group of their arm's intervention.

    Raises RuleBroken for somebody of another site or in another group, and a day to come or too early; InConflict for
    a closed group and for somebody who is not at that step.
    """
    with audit.transaction(by=by) as event:
        trial = group.trial
        _require_groups(by, trial, group.site)
        group = _locked(group)
        participant = Participant.objects.select_for_update(no_key=True, of=("self",)).get(pk=participant.pk)
        held = group.members.filter(participant=participant, left_on=None).first()
        if held is not None:
            event.record("therapy_group.joined_again", trial=trial, target=group)
            return held
        _require_open(group)
        _check_member(group, participant)
        _check_step(group, participant, on)
        member = GroupMember.objects.create(trial=trial, group=group, participant=participant, joined_on=on)
        event.record("therapy_group.joined", trial=trial, target=group)
    return member


def leave_group(*, member: GroupMember, by: Actor, on: date, reason: str) -> GroupMember:
    """Say that a participant left the group; asked again, the first day counts.

    Raises RuleBroken without a reason and for a day to come or before joining; InConflict where a group that is
    randomized has closed: who is in it then is analysed with it.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        _require_groups(by, member.trial, member.group.site)
        group = _locked(member.group)
        member = GroupMember.objects.select_for_update(of=("self",)).get(pk=member.pk)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why they left the group. Nothing was saved.", field="reason")
        if group.closed_on is not None and _randomizes_groups(group.trial):
            raise InConflict(
                "group_closed",
                f"Group {group.code} is closed: it is randomized and analysed as it is. Record what happened to the "
                "participant instead. Nothing was saved.",
            )
        if on > timezone.localdate() or on < member.joined_on:
            raise RuleBroken(
                "date_order",
                f"{on} is not a day between {member.joined_on}, when they joined, and today. Nothing was saved.",
                field="on",
            )
        member.left_on = member.left_on or on
        member.save(update_fields=["left_on"])
        event.record("therapy_group.left", trial=group.trial, target=group)
    return member


def close_group(*, group: TherapyGroup, by: Actor) -> TherapyGroup:
    """Let nobody join any more; in cluster trials the step before randomization. Asked again, the first day counts.

    Raises InConflict for an empty group.
    """
    with audit.transaction(by=by) as event:
        _require_groups(by, group.trial, group.site)
        group = _locked(group)
        if not group.members.filter(left_on=None).exists():
            raise InConflict("group_empty", f"Nobody is in group {group.code}. Add its members first.")
        group.closed_on = group.closed_on or timezone.localdate()
        group.save(update_fields=["closed_on"])
        event.record("therapy_group.closed", trial=group.trial, target=group)
    return group


def _randomizes_groups(trial: Trial) -> bool:
    return trial.randomization_unit == Trial.RandomizationUnit.GROUP


def _require_groups(by: Actor, trial: Trial, site: Site) -> None:
    """Where people are randomized one by one, their group tells their arm: it takes the right to see that.

    Where groups are randomized, forming them is a step of enrolment, which goes on while data are frozen.
    """
    require(by, Permission.SESSION_RECORD, trial, site=site)
    if not _randomizes_groups(trial):
        require(by, Permission.ALLOCATION_VIEW, trial, site=site)
    require_writable(trial, Writing.PARTICIPATION if _randomizes_groups(trial) else Writing.CONDUCT)


def _locked(group: TherapyGroup) -> TherapyGroup:
    return TherapyGroup.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=group.pk)


def _check_place(trial: Trial, site: Site, code: str) -> None:
    if site.trial_id != trial.pk:
        raise RuleBroken("site_unknown", f"“{site.code}” is not a site of this trial.", field="site")
    if not CODE.fullmatch(code):
        raise RuleBroken(
            "code_unusable", "A code has letters, digits, - and _, at most 20. Nothing was saved.", field="code"
        )


def _taken(code: str, what: str) -> RuleBroken:
    return RuleBroken(
        "code_taken",
        f"“{code}” is a {what} of this trial already. Choose another code. Nothing was saved.",
        field="code",
    )


def _require_open(group: TherapyGroup) -> None:
    if group.closed_on is not None:
        raise InConflict("group_closed", f"Group {group.code} was closed on {group.closed_on}: nobody joins it now.")


def _check_member(group: TherapyGroup, participant: Participant) -> None:
    if participant.trial_id != group.trial_id or participant.site_id != group.site_id:
        raise RuleBroken(
            "participant_elsewhere",
            f"{participant.code} is not of {group.site.name}, where group {group.code} meets. Nothing was saved.",
            field="participant",
        )
    other = GroupMember.objects.filter(participant=participant, left_on=None).select_related("group").first()
    if other is not None:
        raise RuleBroken(
            "in_another_group",
            f"{participant.code} is in group {other.group.code}. Record that they left it first. Nothing was saved.",
            field="participant",
        )


def _check_step(group: TherapyGroup, participant: Participant, on: date) -> None:
    """The participant is where people join such a group, and the day is one on which they could."""
    if _randomizes_groups(group.trial):
        if participant.state != Participant.State.CONSENTED:
            raise InConflict(
                "state_wrong",
                f"{participant.code} is {participant.get_state_display().lower()}. A group is formed of people who "
                "have consented and are not randomized.",
            )
        consent = participant.events.filter(kind=ParticipantEvent.Kind.CONSENTED).first()
        first, since = (consent.occurred_on if consent else None), "their consent"
    else:
        _check_arm(group, participant)
        first, since = participant.randomized_on, "their randomization"
    if on > timezone.localdate() or (first is not None and on < first):
        raise RuleBroken(
            "date_order", f"{on} is not a day between {first}, {since}, and today. Nothing was saved.", field="on"
        )


def _check_arm(group: TherapyGroup, participant: Participant) -> None:
    """A group is of one arm. Those who are asked here see the arms of this site, so that the refusal tells nothing."""
    arm = _treated_in(participant)
    if arm is None:
        raise InConflict("not_randomized", f"{participant.code} is not randomized.")
    if arm.kind in WITHOUT_THERAPY:
        raise InConflict(
            "arm_without_therapy",
            f"{participant.code} is in the arm {arm.name}, which receives no therapy. Record a cross-over first if "
            "there was one. Nothing was saved.",
        )
    known = group.members.filter(left_on=None).select_related("participant").first()
    together = _treated_in(known.participant) if known else None
    if together is not None and together.pk != arm.pk:
        raise InConflict(
            "arm_differs",
            f"Group {group.code} is of the arm {together.name}, and {participant.code} of {arm.name}. "
            "Nothing was saved.",
        )


def _treated_in(participant: Participant) -> Arm | None:
    """Return the arm whose intervention somebody receives now: their own, or that which they crossed over to."""
    allocation = Allocation.objects.filter(participant=participant).select_related("arm__crosses_over_to").first()
    if allocation is None:
        return None
    has_crossed = participant.events.filter(kind=ParticipantEvent.Kind.CROSSED_OVER).exists()
    return allocation.arm.crosses_over_to if has_crossed and allocation.arm.crosses_over_to else allocation.arm
