"""What came of a planned visit: attended on a day or missed with a reason, and complete when its form is."""

from datetime import date, datetime

from django.utils import timezone

from measurements.models import Biomarker, Specimen
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import Attendance, Participant, Trial, Visit
from trials.permissions import Permission

QUESTIONNAIRE = "questionnaire"


def record_attendance(
    *,
    participant: Participant,
    visit: Visit,
    by: Actor,
    attended_on: date | None = None,
    missed_reason: str = "",
    drawn_at: datetime | None = None,
) -> Attendance:
    """Record that a visit was attended on a day, or missed with a reason; asked again, the last word counts.

    With `drawn_at`, the specimens that the trial's biomarkers need are registered as drawn then. Raises RuleBroken for
    neither or both of day and reason or a day to come, InConflict where the visit or the trial's data are locked.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.RESULT_RECORD, trial, site=participant.site)
        _require_open(trial, participant, visit)
        _check_attendance(attended_on, missed_reason, drawn_at)
        attendance, _ = Attendance.objects.update_or_create(
            participant=participant,
            visit=visit,
            defaults={"trial": trial, "attended_on": attended_on, "missed_reason": missed_reason},
        )
        if drawn_at is not None:
            _record_draw(participant, visit, drawn_at)
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


def _check_attendance(attended_on: date | None, missed_reason: str, drawn_at: datetime | None) -> None:
    if (attended_on is None) == (not missed_reason):
        raise RuleBroken("attendance_unclear", "Give the day of the visit, or why it was missed.", field="attended_on")
    if attended_on is not None and attended_on > timezone.localdate():
        raise RuleBroken("date_future", f"{attended_on.isoformat()} is in the future.", field="attended_on")
    if drawn_at is not None and (attended_on is None or drawn_at > timezone.now()):
        raise RuleBroken("draw_unclear", "A draw has a past time on the day of the visit.", field="drawn_at")


def _record_draw(participant: Participant, visit: Visit, drawn_at: datetime) -> None:
    """Note the draw at specimens that wait for it, and register those of kinds that are measured and not there."""
    known = list(Specimen.objects.select_for_update().filter(participant=participant, visit=visit))
    for specimen in known:
        if specimen.drawn_at is None and specimen.specimen_type != QUESTIONNAIRE:
            specimen.drawn_at = drawn_at
            specimen.save(update_fields=["drawn_at"])
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
