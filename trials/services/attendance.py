"""What came of a planned visit."""

from datetime import date

from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.models import Attendance, Participant, Visit
from trials.permissions import Permission
from trials.services.design import mark_data_changed


def record_attendance(
    *, participant: Participant, visit: Visit, by: Actor, attended_on: date | None = None, missed_reason: str = ""
) -> Attendance:
    """Record that a visit was attended on a day, or missed with a reason; later entries replace earlier ones.

    Raises RuleBroken unless exactly one of both is given and the day has come, InConflict for a locked visit.
    """
    with audit.transaction(by=by, reason=missed_reason) as event:
        trial = participant.trial
        require(by, Permission.RESULT_RECORD, trial, site=participant.site)
        if (attended_on is None) == (not missed_reason):
            raise RuleBroken("attendance_unclear", "Give the day of the visit, or the reason why it was missed.")
        if attended_on is not None and attended_on > timezone.localdate():
            raise RuleBroken("date_future", f"{attended_on} is in the future. Nothing was saved.", field="attended_on")
        stands = Attendance.objects.select_for_update().filter(participant=participant, visit=visit).first()
        if stands is not None and stands.locked_at is not None:
            raise InConflict("visit_locked", f"{visit.name} of {participant.code} is locked.")
        if stands is not None and (stands.attended_on, stands.missed_reason) == (attended_on, missed_reason):
            event.record("attendance.repeated", trial=trial, target=participant)
            return stands
        attendance, _ = Attendance.objects.update_or_create(
            participant=participant,
            visit=visit,
            defaults={"trial": trial, "attended_on": attended_on, "missed_reason": missed_reason},
        )
        mark_data_changed(trial)
        event.record("attendance.recorded", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def complete_visit(*, attendance: Attendance, by: Actor) -> Attendance:
    """Mark a visit's form complete; a value changed afterwards needs a reason."""
    with audit.transaction(by=by) as event:
        trial = attendance.trial
        require(by, Permission.RESULT_RECORD, trial, site=attendance.participant.site)
        attendance.completed_at = attendance.completed_at or timezone.now()
        attendance.save(update_fields=["completed_at"])
        event.record(
            "visit.completed", trial=trial, target=attendance.participant, detail={"visit": attendance.visit.code}
        )
    return attendance
