"""Randomizing: the next slot of the participant's stratum, once and for ever."""

from collections.abc import Mapping
from datetime import date

from django.db import DatabaseError, connection
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.allocation.slots import decrypt_slot
from trials.errors import InConflict, RuleBroken
from trials.models import Allocation, Arm, Participant, ParticipantEvent, Stratum, Trial
from trials.permissions import Permission
from trials.services.design import mark_data_changed
from trials.services.enrollment import consented_on, levels_of, require_eligible, require_past
from trials.services.sealing import allocation_key, stratum_key

LIST_USED_UP = "P0002"  # no_data_found, raised by take_allocation_slot


def randomize_participant(
    *, participant: Participant, by: Actor, levels: Mapping[str, str] | None = None, on: date | None = None
) -> Allocation:
    """Give a consented participant the next slot of their stratum; asked again, return the same allocation.

    The stratum's row is locked while the slot is taken, so that simultaneous calls come one after the other: no slot
    is shared, none skipped, and a rollback gives it back.

    Raises:
        InConflict: not recruiting, not eligible, not consented, or the stratum's list is used up.
        RuleBroken: a stratification factor has no level, or the day is in the future or before consent.
    """
    with audit.transaction(by=by) as event:
        participant = (
            Participant.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=participant.pk)
        )
        trial = participant.trial
        require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=participant.site)
        given = Allocation.objects.filter(participant=participant).first()
        if given is not None:
            event.record("participant.randomization_repeated", trial=trial, target=participant)
            return given
        day = on or timezone.localdate()
        _require_ready(participant, day)
        participant.strata = levels_of(participant, levels or {})
        stratum = Stratum.objects.get(trial=trial, key=stratum_key(participant.strata))
        allocation = _take_slot(participant, stratum, day)
        participant.state = Participant.State.RANDOMIZED
        participant.randomized_on = day
        participant.save()
        ParticipantEvent.objects.create(
            trial=trial, participant=participant, kind=ParticipantEvent.Kind.RANDOMIZED, occurred_on=day
        )
        mark_data_changed(trial)
        event.record("participant.randomized", trial=trial, target=participant, detail={"stratum": stratum.key})
    return allocation


def _require_ready(participant: Participant, on: date) -> None:
    if participant.trial.status != Trial.Status.RECRUITING or participant.trial.randomized_elsewhere:
        raise InConflict("not_recruiting", f"{participant.trial.title} does not randomize now.")
    if participant.state != Participant.State.CONSENTED:
        raise InConflict("not_consented", f"{participant.code} has not consented; randomization comes after consent.")
    require_eligible(participant)
    require_past(on, "on")
    if on < consented_on(participant):
        raise RuleBroken(
            "date_before_consent",
            f"{on.isoformat()} is before {participant.code} consented. Nothing was saved.",
            field="on",
        )


def _take_slot(participant: Participant, stratum: Stratum, on: date) -> Allocation:
    trial = participant.trial
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT slot_sequence, slot_ciphertext FROM take_allocation_slot(%s, %s)", [stratum.pk, participant.pk]
            )
            sequence, ciphertext = cursor.fetchone()
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != LIST_USED_UP:
            raise
        raise InConflict(
            "list_used_up", f"The allocation list for this stratum of {trial.title} is used up."
        ) from error
    code = decrypt_slot(allocation_key(), bytes(ciphertext), trial=trial.slug, stratum=stratum.key, sequence=sequence)
    return Allocation.objects.create(
        trial=trial,
        participant=participant,
        arm=Arm.objects.get(trial=trial, code=code),
        stratum=stratum,
        sequence=sequence,
        source=Allocation.Source.PLATFORM,
        allocated_on=on,
    )
