"""What came of a planned visit: attended on a day or missed with a reason, and complete when its form is."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.utils import timezone

from measurements.models import Biomarker, Specimen
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import Attendance, Participant, Trial, Visit
from trials.permissions import Permission
from trials.services.design import mark_data_changed

QUESTIONNAIRE = "questionnaire"
BEFORE_SCREENING = timedelta(days=14)
"""How long before screening a visit may have taken place: a sample that was drawn for care and is used as baseline."""
EARLIEST = date(1950, 1, 1)
"""For trials that know neither the day of screening nor that of their first recruitment."""


def record_attendance(
    *,
    participant: Participant,
    visit: Visit,
    by: Actor,
    attended_on: date | None = None,
    missed_reason: str = "",
    drawn_at: datetime | None = None,
    reason: str = "",
) -> Attendance:
    """Record that a visit was attended on a day, or missed with a reason; what is recorded changes for a reason only.

    With `drawn_at`, the specimens that the trial's biomarkers need are registered as drawn then. Raises RuleBroken for
    neither or both of day and reason, a day to come or before the participant's screening, a draw on another day, and a
    change without `reason`; InConflict where the visit or the trial's data are locked.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = participant.trial
        require(by, Permission.RESULT_RECORD, trial, site=participant.site)
        _require_open(trial, participant, visit)
        _check_attendance(participant, attended_on, missed_reason)
        _check_draw(attended_on, drawn_at)
        known = Attendance.objects.select_for_update().filter(participant=participant, visit=visit).first()
        specimens = list(Specimen.objects.select_for_update().filter(participant=participant, visit=visit))
        is_changed = known is not None and (known.attended_on, known.missed_reason) != (attended_on, missed_reason)
        if (is_changed or _is_redrawn(specimens, drawn_at)) and not reason.strip():
            raise RuleBroken("reason_missing", "Say why what is recorded of the visit changes.", field="reason")
        attendance, _ = Attendance.objects.update_or_create(
            participant=participant,
            visit=visit,
            defaults={"trial": trial, "attended_on": attended_on, "missed_reason": missed_reason},
        )
        if drawn_at is not None:
            _record_draw(participant, visit, specimens, drawn_at)
        event.record("visit.recorded", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def complete_visit(*, participant: Participant, visit: Visit, by: Actor) -> Attendance:
    """Say that everything of a visit is entered; asked again, nothing changes. Raises InConflict before attendance."""
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.RESULT_RECORD, trial, site=participant.site)
        _require_open(trial, participant, visit)
        attendance = Attendance.objects.select_for_update().filter(participant=participant, visit=visit).first()
        if attendance is None:
            raise InConflict("not_attended", "Record first when the visit took place, or why it was missed.")
        if attendance.completed_at is None:
            attendance.completed_at = timezone.now()
            attendance.save(update_fields=["completed_at"])
        event.record("visit.completed", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def _require_open(trial: Trial, participant: Participant, visit: Visit) -> None:
    state = Trial.objects.values_list("data_state", flat=True).get(pk=trial.pk)
    if state != Trial.DataState.OPEN:
        raise InConflict("trial_locked", f"The data of {trial.title} are {state}. Nothing was saved.")
    if Attendance.objects.filter(participant=participant, visit=visit).exclude(locked_at=None).exists():
        raise InConflict("visit_locked", f"{visit.name} of {participant.code} is locked. Nothing was saved.")


def _check_attendance(participant: Participant, attended_on: date | None, missed_reason: str) -> None:
    if (attended_on is None) == (not missed_reason):
        raise RuleBroken("attendance_unclear", "Give the day of the visit, or why it was missed.", field="attended_on")
    if attended_on is None:
        return
    if attended_on > timezone.localdate():
        raise RuleBroken("date_future", f"{attended_on.isoformat()} is in the future.", field="attended_on")
    first = _first_possible_day(participant)
    if attended_on < first:
        raise RuleBroken(
            "date_too_early",
            f"{attended_on} is too early: {participant.code} can have attended from {first} on.",
            field="attended_on",
        )


def _first_possible_day(participant: Participant) -> date:
    known = participant.screened_on or participant.trial.recruitment_starts
    return known - BEFORE_SCREENING if known else EARLIEST


def _check_draw(attended_on: date | None, drawn_at: datetime | None) -> None:
    if drawn_at is not None and (timezone.localdate(drawn_at) != attended_on or drawn_at > timezone.now()):
        raise RuleBroken("draw_unclear", "A draw has a past time on the day of the visit.", field="drawn_time")


def _first_drawn(specimens: Iterable[Specimen]) -> datetime | None:
    return min((specimen.drawn_at for specimen in specimens if specimen.drawn_at), default=None)


def _is_redrawn(specimens: Iterable[Specimen], drawn_at: datetime | None) -> bool:
    """Whether another time than the recorded one is told; people tell it in minutes."""
    recorded = _first_drawn(specimens)
    return recorded is not None and drawn_at is not None and _to_minutes(recorded) != _to_minutes(drawn_at)


def _to_minutes(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _record_draw(participant: Participant, visit: Visit, known: Sequence[Specimen], drawn_at: datetime) -> None:
    """Note the draw at specimens that wait for it or have the time that it replaces; register the kinds not there."""
    replaced = {None, _first_drawn(known)} if _is_redrawn(known, drawn_at) else {None}
    noted = [each for each in known if each.drawn_at in replaced and each.specimen_type != QUESTIONNAIRE]
    for specimen in noted:
        if specimen.received_at is not None and specimen.received_at < drawn_at:
            raise RuleBroken(
                "draw_after_receipt",
                f"{specimen.identifier} was received before this time. Nothing was saved.",
                field="drawn_time",
            )
        specimen.drawn_at = drawn_at
        specimen.save(update_fields=["drawn_at"])
    _register_missing(participant, visit, known, drawn_at)
    if noted:
        mark_data_changed(participant.trial)  # of several values the one that was drawn last is analysed


def _register_missing(participant: Participant, visit: Visit, known: Sequence[Specimen], drawn_at: datetime) -> None:
    kinds = Biomarker.objects.filter(trial=participant.trial).values_list("specimen_type", flat=True)
    missing = sorted(set(kinds) - {specimen.specimen_type for specimen in known} - {QUESTIONNAIRE})
    taken = {specimen.identifier for specimen in known}
    for kind in missing:
        identifier = _free_identifier(participant, visit, taken)
        taken.add(identifier)
        Specimen.objects.create(
            trial=participant.trial,
            participant=participant,
            visit=visit,
            identifier=identifier,
            specimen_type=kind,
            drawn_at=drawn_at,
        )


def _free_identifier(participant: Participant, visit: Visit, taken: set[str]) -> str:
    """`<participant>-<visit>-1`, or the next number that is free: the rule of deliveries of results as well."""
    number = 1
    while (identifier := f"{participant.code}-{visit.code}-{number}") in taken:
        number += 1
    return identifier
