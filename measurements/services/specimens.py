"""The life of specimens: registered, drawn, sent off, received in a condition, put away, parted, destroyed.

What changes when a value was drawn is a change of data and waits for open visits and open data. Where a specimen is
changes no value: parcels and freezers are recorded also while data are frozen (`Writing.MOVEMENTS`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError
from django.db import transaction as database_transaction
from django.db.models import Max
from django.utils import timezone

from measurements.labels import new_identifier
from measurements.models import Specimen
from measurements.selectors.specimens import missing_types
from measurements.services.held_rows import join_waiting_rows
from measurements.services.visits import require_open_visit
from measurements.validation.texts import LONGEST, has_only_kept_characters
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Participant, Visit
from trials.permissions import Permission
from trials.services.design import mark_data_changed
from trials.services.writing import require_writable

MOST_ALIQUOTS = 50
CLOCKS_DIFFER = timedelta(minutes=5)
"""What another clock may be ahead of ours."""


def register_specimen(
    *,
    participant: Participant,
    visit: Visit,
    identifier: str,
    by: Actor,
    specimen_type: str = "serum",
    drawn_at: datetime | None = None,
) -> Specimen:
    """Let a specimen of a participant's visit be known under its id; return it. Rows that waited for it join.

    Raises RuleBroken for an id that is taken or holds more than printable ASCII, or a visit of another trial;
    InConflict for a locked visit, and where the trial's data are frozen or locked.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=participant.site)
        if visit.trial_id != trial.pk:
            raise RuleBroken("visit_unknown", "Choose a visit of this trial.", field="visit")
        require_open_visit(trial, participant, visit)
        if (
            not identifier
            or len(identifier) > LONGEST["specimen"]
            or not has_only_kept_characters(identifier, "specimen")
        ):
            raise RuleBroken("identifier_unusable", "An id is 1 to 64 printable ASCII characters.", field="identifier")
        _require_past(drawn_at, "drawn_at")
        specimen = _created(
            Specimen(
                trial=trial,
                participant=participant,
                visit=visit,
                identifier=identifier,
                specimen_type=specimen_type,
                drawn_at=drawn_at,
            )
        )
        join_waiting_rows(specimen, by)
        event.record("specimen.registered", trial=trial, target=specimen)
    return specimen


def register_planned(
    *, participant: Participant, visit: Visit, by: Actor, drawn_at: datetime | None = None
) -> Sequence[Specimen]:
    """Register one specimen of each type that the visit needs and has none of, under new ids; return them.

    Raises RuleBroken where none is missing, and what `register_specimen` raises.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=participant.site)
        require_open_visit(trial, participant, visit)  # and the participant is kept: two at once miss nothing twice
        missing = missing_types(participant, visit)
        if not missing:
            sentence = f"Every specimen that {visit.name} needs is registered for {participant.code}."
            raise RuleBroken("nothing_missing", f"{sentence} Nothing was saved.", field="kind")
        made = [
            register_specimen(
                participant=participant,
                visit=visit,
                identifier=new_identifier(),
                specimen_type=kind,
                drawn_at=drawn_at,
                by=by,
            )
            for kind in missing
        ]
        event.record("specimens.registered", trial=trial, target=participant, row_count=len(made))
    return made


def _created(specimen: Specimen) -> Specimen:
    try:
        with database_transaction.atomic():
            specimen.save(force_insert=True)
    except IntegrityError as error:
        sentence = f"There is a specimen “{specimen.identifier}” already. Nothing was saved."
        raise RuleBroken("identifier_taken", sentence, field="identifier") from error
    return specimen


def receive_specimen(
    *,
    specimen: Specimen,
    by: Actor,
    received_at: datetime | None = None,
    condition: str = "ok",
    place: str = "",
    note: str = "",
) -> Specimen:
    """Record that a specimen arrived, now unless told, and in which condition; return it as it is then.

    The same receipt again changes nothing. Raises RuleBroken for a condition that is not on the list, a time to come or
    one before the specimen was drawn or sent off; InConflict where it was received at another time, is destroyed, or
    the trial takes no more entries.
    """
    with audit.transaction(by=by) as event:
        trial = specimen.trial
        require(by, Permission.SPECIMEN_RECEIVE, trial, site=specimen.participant.site)
        require_writable(trial, Writing.MOVEMENTS)
        known = _held(specimen)
        moment = received_at or known.received_at or timezone.now()
        _require_condition(condition)
        if known.received_at is not None and known.received_at != moment:
            raise InConflict(
                "received_already",
                f"{known} was received on {_told(known.received_at)} already. Nothing was saved.",
            )
        known.received_at, known.condition, known.note = moment, condition, note.strip()
        known.place = place.strip() or known.place
        _save(known)
        event.record("specimen.received", trial=trial, target=known, detail={"condition": condition})
    return known


@dataclass(frozen=True)
class Facts:
    """What is known of a specimen beside its draw; a field that is left at None stays as it is."""

    condition: str | None = None
    place: str | None = None
    destroyed_at: datetime | None = None
    note: str = ""


def note_specimen(*, specimen: Specimen, facts: Facts, by: Actor) -> Specimen:
    """Record in which condition a specimen is, where it was put, or that it was destroyed; return it as it is then.

    Raises RuleBroken for an unknown condition, nothing to record, and a destruction to come or before the draw;
    InConflict for a specimen that is destroyed, and where the trial takes no more entries.
    """
    with audit.transaction(by=by) as event:
        trial = specimen.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=specimen.participant.site)
        require_writable(trial, Writing.MOVEMENTS)
        known = _held(specimen)
        if facts.condition is None and facts.place is None and facts.destroyed_at is None:
            raise RuleBroken("nothing_told", "Give a condition, a place, or when it was destroyed.", field="condition")
        if facts.condition is not None:
            _require_condition(facts.condition)
            known.condition = facts.condition
        known.place = known.place if facts.place is None else facts.place.strip()
        known.destroyed_at = facts.destroyed_at
        known.note = facts.note.strip()
        _save(known)
        event.record("specimen.noted", trial=trial, target=known)
    return known


def correct_times(
    *,
    specimen: Specimen,
    drawn_at: datetime | None,
    received_at: datetime | None,
    by: Actor,
    reason: str,
) -> Specimen:
    """Put right when a specimen was drawn and received, or strike what was recorded by mistake (None); return it.

    Aliquots, which have the draw of their specimen, are put right with it. Raises RuleBroken without a reason, or for
    times that contradict each other; InConflict for a locked visit and where the trial's data are not open.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = specimen.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=specimen.participant.site)
        require_open_visit(trial, specimen.participant, specimen.visit)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why the times change. Nothing was saved.", field="reason")
        known = _held(specimen)
        is_redrawn = known.drawn_at != drawn_at
        parted = known.aliquots.filter(drawn_at=known.drawn_at).select_for_update() if is_redrawn else ()
        for aliquot in list(parted):
            aliquot.drawn_at = drawn_at
            _save(aliquot)
        known.drawn_at, known.received_at, known.note = drawn_at, received_at, ""
        _save(known)
        if is_redrawn:
            mark_data_changed(trial)  # of several values the one that was drawn last is analysed
        event.record("specimen.corrected", trial=trial, target=known)
    return known


def part_specimen(
    *, specimen: Specimen, count: int, by: Actor, volume_ul: Decimal | None = None, place: str = ""
) -> Sequence[Specimen]:
    """Make that many aliquots of a specimen, numbered on from those there are, each with an id of its own.

    Their ids are the specimen's with `-A1`, `-A2`; type, visit and draw are the specimen's, and what is awaited of the
    specimen can come of any of them. Raises RuleBroken for an aliquot, and counts below 1 or beyond 50.
    """
    with audit.transaction(by=by) as event:
        trial = specimen.trial
        require(by, Permission.SPECIMEN_MANAGE, trial, site=specimen.participant.site)
        require_writable(trial, Writing.MOVEMENTS)
        known = _held(specimen)
        if known.parent_id is not None:
            raise RuleBroken("aliquot_of_aliquot", f"{known} is an aliquot itself. Part {known.parent}.", field="count")
        if not 1 <= count <= MOST_ALIQUOTS:
            raise RuleBroken("count_wrong", f"Make 1 to {MOST_ALIQUOTS} aliquots at once.", field="count")
        first = (known.aliquots.aggregate(last=Max("aliquot_number"))["last"] or 0) + 1
        made = [_aliquot(known, number, volume_ul, place.strip()) for number in range(first, first + count)]
        event.record("specimen.parted", trial=trial, target=known, row_count=count)
    return made


def _aliquot(parent: Specimen, number: int, volume_ul: Decimal | None, place: str) -> Specimen:
    return _created(
        Specimen(
            trial_id=parent.trial_id,
            participant_id=parent.participant_id,
            visit_id=parent.visit_id,
            identifier=f"{parent.identifier}-A{number}",
            specimen_type=parent.specimen_type,
            parent=parent,
            aliquot_number=number,
            volume_ul=volume_ul,
            drawn_at=parent.drawn_at,
            received_at=parent.received_at,
            condition=parent.condition,
            place=place,
        )
    )


def _held(specimen: Specimen) -> Specimen:
    """The specimen as it is now, kept so till commit. Raises InConflict for one that was destroyed."""
    known = Specimen.objects.select_for_update(of=("self",)).select_related("participant", "visit").get(pk=specimen.pk)
    if known.destroyed_at is not None:
        raise InConflict(
            "specimen_destroyed", f"{known} was destroyed on {_told(known.destroyed_at)}. Nothing was saved."
        )
    return known


def require_order(specimen: Specimen) -> None:
    """Raise RuleBroken where the times of a specimen lie ahead or contradict each other; the sentence names both."""
    named = (
        ("drawn_at", "drawn", specimen.drawn_at),
        ("shipped_at", "sent off", specimen.shipped_at),
        ("received_at", "received", specimen.received_at),
        ("destroyed_at", "destroyed", specimen.destroyed_at),
    )
    earlier: tuple[str, datetime] | None = None
    for field, word, moment in named:
        if moment is None:
            continue
        _require_past(moment, field)
        if earlier is not None and moment < earlier[1]:
            sentence = (
                f"{specimen} cannot be {word} on {_told(moment)}, before it was {earlier[0]} on {_told(earlier[1])}."
                " Nothing was saved."
            )
            raise RuleBroken("dates_out_of_order", sentence, field=field)
        earlier = (word, moment)


def _save(specimen: Specimen) -> None:
    require_order(specimen)
    specimen.save(update_fields=["drawn_at", "received_at", "condition", "place", "destroyed_at", "note"])
    specimen.refresh_from_db(fields=["state"])


def _require_past(moment: datetime | None, field: str) -> None:
    if moment is not None and moment > timezone.now() + CLOCKS_DIFFER:
        raise RuleBroken("date_future", f"{_told(moment)} is in the future. Nothing was saved.", field=field)


def _require_condition(condition: str) -> None:
    if condition not in Specimen.Condition.values:
        listed = ", ".join(Specimen.Condition.values)
        sentence = f"“{condition[:40]}” is not a condition. Send one of: {listed}. Nothing was saved."
        raise RuleBroken("condition_unknown", sentence, field="condition")


def _told(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"
