"""Randomizing: the next slot of the participant's list, once and for ever, and what was done in error kept as it is."""

from collections.abc import Mapping
from datetime import date

from django.db import DatabaseError, connection
from django.utils import timezone

from trials import audit
from trials.access import Actor, require, sites_where
from trials.allocation import minimization
from trials.allocation.schemes import scheme_from_json
from trials.allocation.slots import decrypt_slot
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Allocation, Arm, Participant, ParticipantEvent, Stratum, Trial
from trials.permissions import Permission
from trials.selectors.randomization import Error, allocated_so_far
from trials.services.design import mark_data_changed
from trials.services.enrollment import consented_on, levels_of, require_eligible, require_past
from trials.services.sealing import allocation_key, list_for
from trials.services.writing import require_writable

LIST_USED_UP = "P0002"  # no_data_found, raised by the functions that take slots


def randomize_participant(
    *, participant: Participant, by: Actor, levels: Mapping[str, str] | None = None, on: date | None = None
) -> Allocation:
    """Give a consented participant the next slot of their list; asked again, return the same allocation.

    The list's row is locked while the slot is taken, so that simultaneous calls come one after the other: no slot is
    shared, none skipped, and a rollback gives it back.

    Raises:
        InConflict: not recruiting, randomized by group, not eligible, not consented, or the list is used up.
        RuleBroken: a stratification factor has no level, or the day is in the future or before consent.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.PARTICIPANT_RANDOMIZE, participant.trial, site=participant.site)
        given = Allocation.objects.filter(participant=participant).first()
        if given is None:
            require_writable(participant.trial, Writing.ENROLMENT)
            participant = _locked(participant)
            given = Allocation.objects.filter(participant=participant).first()
        if given is not None:
            event.record("participant.randomization_repeated", trial=given.trial, target=given.participant)
            return given
        day = on or timezone.localdate()
        trial = participant.trial
        _require_randomized_here(trial)
        if trial.randomization_unit != Trial.RandomizationUnit.PARTICIPANT:
            raise InConflict(
                "randomized_by_group",
                f"{trial.title} randomizes therapy groups: {participant.code} gets an arm with their group. "
                "Nothing was saved.",
            )
        require_waiting(participant, day)
        participant.strata = levels_of(participant, levels or {})
        stratum = list_for(trial, participant.strata)
        sequence, content = take_slot("take_allocation_slot", stratum, participant.pk)
        arm = drawn_arm(stratum, content, participant.strata)
        allocation = allocate(participant, arm, stratum, day, sequence=sequence)
        mark_data_changed(trial)
        event.record("participant.randomized", trial=trial, target=participant, detail={"stratum": stratum.key})
    return allocation


def _locked(participant: Participant) -> Participant:
    return Participant.objects.select_for_update(of=("self",)).select_related("trial", "site").get(pk=participant.pk)


def _require_randomized_here(trial: Trial) -> None:
    if trial.randomized_elsewhere:
        raise InConflict("randomized_elsewhere", f"{trial.title} is randomized elsewhere.")


def require_waiting(participant: Participant, on: date) -> None:
    """Raise unless this person may be randomized on this day: eligible and consented, and the day after consent."""
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


def take_slot(function: str, stratum: Stratum, unit: int) -> tuple[int, str]:
    """Lock the list and return the next place's number with what it holds, for this participant or therapy group.

    Raises InConflict when the list is used up. Inside of the transaction that writes the allocation.
    """
    trial = stratum.trial  # read before the call: after one that fails nothing can be read
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT slot_sequence, slot_ciphertext FROM {function}(%s, %s)", [stratum.pk, unit])  # noqa: S608 - one of two names
            sequence, ciphertext = cursor.fetchone()
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", "") != LIST_USED_UP:
            raise
        raise InConflict(
            "list_used_up", f"The allocation list for this stratum of {trial.title} is used up."
        ) from error
    content = decrypt_slot(
        allocation_key(), bytes(ciphertext), trial=trial.slug, stratum=stratum.key, sequence=sequence
    )
    return sequence, content


def drawn_arm(stratum: Stratum, content: str, levels: Mapping[str, str]) -> Arm:
    """Return the arm that a place gives: what it holds, or in minimization what its draw makes of the counts so far.

    The list is locked by the slot that was taken, so that nobody is allocated between the counting and the arm.
    """
    scheme = scheme_from_json(stratum.trial.scheme.specification)
    if isinstance(scheme, minimization.Scheme):
        content = minimization.minimized_arm(scheme, content, allocated_so_far(stratum), levels)
    return Arm.objects.get(trial=stratum.trial, code=content)


def allocate(participant: Participant, arm: Arm, stratum: Stratum, on: date, **place: object) -> Allocation:
    """Write that a participant is in this arm, by the `sequence` of a slot or with their `group`, and return it."""
    participant.state = Participant.State.RANDOMIZED
    participant.randomized_on = on
    participant.save()
    ParticipantEvent.objects.create(
        trial=participant.trial, participant=participant, kind=ParticipantEvent.Kind.RANDOMIZED, occurred_on=on
    )
    return Allocation.objects.create(
        trial=participant.trial,
        participant=participant,
        arm=arm,
        stratum=stratum,
        source=Allocation.Source.PLATFORM,
        allocated_on=on,
        **place,
    )


def record_randomized_in_error(
    *,
    participant: Participant,
    kind: str,
    by: Actor,
    reason: str,
    on: date,
    true_levels: Mapping[str, str] | None = None,
    first: str = "",
) -> ParticipantEvent:
    """Record that a randomization should not have been, or not so; nothing is undone.

    The participant keeps the arm, the slot stays used, and the analysis takes everybody as randomized, in the stratum
    as randomized. `kind` is one of `Error`: for `wrong_stratum` the true levels are kept (`true_levels`), for
    `randomized_twice` the study code under which the same person was randomized before (`first`).

    Raises:
        InConflict: not randomized, recorded before, or the trial's data are closed.
        RuleBroken: no reason, unknown kind, levels or first code, or a day in the future or before randomization.
    """
    reason = reason.strip()
    with audit.transaction(by=by, reason=reason) as event:
        trial = participant.trial
        require(by, Permission.PARTICIPANT_RANDOMIZE, trial, site=participant.site)
        require_writable(trial, Writing.CONDUCT)
        participant = _locked(participant)
        _require_sayable(participant, kind, reason, on)
        detail = {"error": kind, **_particulars(participant, kind, by, true_levels or {}, first)}
        recorded = ParticipantEvent.objects.create(
            trial=trial,
            participant=participant,
            kind=ParticipantEvent.Kind.RANDOMIZED_IN_ERROR,
            occurred_on=on,
            reason=reason[:300],
            detail=detail,
        )
        event.record("participant.randomized_in_error", trial=trial, target=participant, detail={"error": kind})
    return recorded


def _require_sayable(participant: Participant, kind: str, reason: str, on: date) -> None:
    if not Allocation.objects.filter(participant=participant).exists():
        raise InConflict("not_randomized", f"{participant.code} is not randomized.")
    if kind not in Error.values:
        raise RuleBroken("error_unknown", f"“{kind}” is not a kind of error. Choose one of the list.", field="kind")
    if not reason:
        raise RuleBroken("reason_missing", "Say what happened. Nothing was saved.", field="reason")
    require_past(on, "on")
    if participant.randomized_on is not None and on < participant.randomized_on:
        raise RuleBroken(
            "date_before_randomization",
            f"{on.isoformat()} is before {participant.code} was randomized. Nothing was saved.",
            field="on",
        )
    earlier = participant.events.filter(kind=ParticipantEvent.Kind.RANDOMIZED_IN_ERROR, detail__error=kind)
    if earlier.exists():
        raise InConflict("already_recorded", f"“{Error(kind).label}” is already recorded for {participant.code}.")


def _particulars(
    participant: Participant, kind: str, by: Actor, true_levels: Mapping[str, str], first: str
) -> dict[str, object]:
    if kind == Error.WRONG_STRATUM:
        return {"true_levels": _true_levels(participant, true_levels)}
    if kind == Error.RANDOMIZED_TWICE:
        return {"first": _first_code(participant, first.strip(), by)}
    return {}


def _true_levels(participant: Participant, given: Mapping[str, str]) -> dict[str, str]:
    """Return the true level of every factor: the site's is sure, the others as given or else as randomized."""
    levels = levels_of(participant, {**participant.strata, **given})
    if levels == participant.strata:
        raise RuleBroken(
            "levels_unchanged",
            f"These are the levels {participant.code} was randomized with. Name the true ones. Nothing was saved.",
            field="true_levels",
        )
    return levels


def _first_code(participant: Participant, code: str, by: Actor) -> str:
    sites = sites_where(by, Permission.PARTICIPANT_VIEW, participant.trial)
    known = Allocation.objects.filter(
        trial=participant.trial, participant__code=code, participant__site__in=sites
    ).exclude(participant=participant)
    if not known.exists():
        raise RuleBroken(
            "first_unknown",
            f"“{code}” is not another randomized participant of this trial that you may see. Nothing was saved.",
            field="first",
        )
    return code
