"""What came of a planned visit: attended on a day or missed with a reason, complete when its form is, then locked."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from measurements.models import Biomarker, Specimen
from measurements.selectors.places import sites_open_to
from measurements.services.held_rows import join_waiting_rows
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Attendance, Participant, Trial, Visit
from trials.permissions import Permission
from trials.selectors.events import events_of_participant
from trials.services.design import mark_data_changed
from trials.services.writing import require_writable

QUESTIONNAIRE = "questionnaire"
BEFORE_SCREENING = timedelta(days=14)
"""How long before screening a baseline may lie in a trial that knows no day of consent."""
EARLIEST = date(1950, 1, 1)
"""For trials that know neither the day of screening nor that of their first recruitment."""


def record_attendance(
    *,
    participant: Participant,
    visit: Visit,
    by: Actor,
    attended_on: date | None = None,
    missed_category: str = "",
    missed_reason: str = "",
    note: str = "",
    drawn_at: datetime | None = None,
    reason: str = "",
) -> Attendance:
    """Record that a visit was attended on a day, or missed with a reason; what is recorded changes for a reason only.

    A missed visit has a category of the list, its reason in words, or both. A day outside of the window is recorded
    like any other and shown as such. With `drawn_at`, the specimens that the trial's biomarkers need are registered as
    drawn then. Raises RuleBroken for neither or both of day and reason, a day to come or before consent, any visit but
    the baseline before randomization, a draw on another day, and a change without `reason`; InConflict where the visit
    or the trial's data are locked.
    """
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = participant.trial
        require(by, Permission.VISIT_RECORD, trial, site=participant.site)
        known = require_open_visit(trial, participant, visit)
        missed = _missed(missed_category, missed_reason)
        _check_attendance(participant, visit, attended_on, missed["missed_reason"])
        told = {"attended_on": attended_on, "note": note.strip(), **missed}
        _check_draw(attended_on, drawn_at)
        specimens = list(Specimen.objects.select_for_update().filter(participant=participant, visit=visit))
        is_changed = known is not None and any(getattr(known, name) != value for name, value in told.items())
        if (is_changed or _is_redrawn(specimens, drawn_at)) and not reason.strip():
            raise RuleBroken("reason_missing", "Say why what is recorded of the visit changes.", field="reason")
        attendance, _ = Attendance.objects.update_or_create(
            participant=participant, visit=visit, defaults={"trial": trial, **told}
        )
        is_redrawn = drawn_at is not None and _record_draw(participant, visit, specimens, drawn_at)
        for new in Specimen.objects.filter(participant=participant, visit=visit).exclude(
            pk__in=[each.pk for each in specimens]
        ):
            join_waiting_rows(new, by)
        if is_redrawn or _moves_values(trial, known, attendance):
            mark_data_changed(trial)
        event.record("visit.recorded", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def _missed(category: str, reason: str) -> dict[str, str]:
    """Return category and words of a missed visit: each stands in for the other where one is not given."""
    category, words = category.strip(), reason.strip()
    if category and category not in Attendance.Missed.values:
        raise RuleBroken("reason_unknown", f"“{category}” is not on the list of reasons.", field="missed_category")
    if words and not category:
        category = Attendance.Missed.OTHER
    if category == Attendance.Missed.OTHER and not words:
        raise RuleBroken("reason_missing", "Say in words why the visit was missed.", field="missed_reason")
    return {"missed_category": category, "missed_reason": words or _in_words(category)}


def _in_words(category: str) -> str:
    return str(Attendance.Missed(category).label) if category else ""


def _moves_values(trial: Trial, known: Attendance | None, attendance: Attendance) -> bool:
    """Whether values may lie before or after a cross-over by the day of this visit.

    Asked of the trial and never of the participant: a version that rises for some would tell who crossed over.
    """
    day = known.attended_on if known is not None else None
    return day != attendance.attended_on and trial.arms.exclude(crosses_over_to=None).exists()


def complete_visit(*, participant: Participant, visit: Visit, by: Actor) -> Attendance:
    """Say that everything of a visit is entered; asked again, nothing changes. Raises InConflict before attendance."""
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.VISIT_RECORD, trial, site=participant.site)
        attendance = require_open_visit(trial, participant, visit)
        if attendance is None:
            raise _not_attended()
        if attendance.completed_at is None:
            attendance.completed_at = timezone.now()
            attendance.save(update_fields=["completed_at"])
        event.record("visit.completed", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def lock_visit(*, participant: Participant, visit: Visit, by: Actor) -> Attendance:
    """Fix what is recorded of one visit: no value, draw or attendance changes until it is unlocked.

    Asked again, nothing changes. Raises InConflict before attendance is recorded.
    """
    with audit.transaction(by=by) as event:
        trial = participant.trial
        require(by, Permission.VISIT_LOCK, trial, site=participant.site)
        require_writable(trial, Writing.VALUES)
        attendance = _recorded(participant, visit)
        if attendance.locked_at is None:
            attendance.locked_at, attendance.locked_by = timezone.now(), by.name
            attendance.save(update_fields=["locked_at", "locked_by"])
        event.record("visit.locked", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def unlock_visit(*, participant: Participant, visit: Visit, by: Actor, reason: str) -> Attendance:
    """Open a locked visit again. Raises RuleBroken without a reason, InConflict where the trial's data are locked."""
    with audit.transaction(by=by, reason=reason.strip()) as event:
        trial = participant.trial
        require(by, Permission.VISIT_LOCK, trial, site=participant.site)
        require_writable(trial, Writing.VALUES)
        if not reason.strip():
            raise RuleBroken("reason_missing", "Say why the visit is unlocked.", field="reason")
        attendance = _recorded(participant, visit)
        if attendance.locked_at is not None:
            attendance.locked_at, attendance.locked_by = None, ""
            attendance.save(update_fields=["locked_at", "locked_by"])
        event.record("visit.unlocked", trial=trial, target=participant, detail={"visit": visit.code})
    return attendance


def lock_visits(*, trial: Trial, by: Actor, visit: Visit | None = None) -> int:
    """Lock every complete visit of this kind (of all kinds without one) that is not locked; return how many were.

    Visits that are not complete stay open. Those bound to a site lock the visits of their site alone.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.VISIT_LOCK, trial)
        require_writable(trial, Writing.VALUES)
        keys = list(
            _lockable(trial, by, visit).select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)
        )
        count = Attendance.objects.filter(pk__in=keys).update(locked_at=timezone.now(), locked_by=by.name)
        named = {"visit": visit.code} if visit is not None else {}
        event.record("visits.locked", trial=trial, target=trial, detail=named, row_count=count)
    return count


def _lockable(trial: Trial, by: Actor, visit: Visit | None) -> QuerySet[Attendance]:
    found = Attendance.objects.filter(trial=trial, locked_at=None).exclude(completed_at=None)
    sites = sites_open_to(by, Permission.VISIT_LOCK, trial)
    if sites is not None:
        found = found.filter(participant__site__in=sites)
    return found if visit is None else found.filter(visit=visit)


def _recorded(participant: Participant, visit: Visit) -> Attendance:
    attendance = Attendance.objects.select_for_update().filter(participant=participant, visit=visit).first()
    if attendance is None:
        raise _not_attended()
    return attendance


def _not_attended() -> InConflict:
    return InConflict("not_attended", "Record first when the visit took place, or why it was missed.")


def require_open_visit(trial: Trial, participant: Participant, visit: Visit) -> Attendance | None:
    """Return what is recorded of a visit and hold it till commit, the participant first: nobody records it meanwhile.

    Raises InConflict where the trial's state or a lock of the visit forbids to change what is recorded of it.
    """
    require_writable(trial, Writing.VALUES)
    Participant.objects.select_for_update(no_key=True).get(pk=participant.pk)
    known = Attendance.objects.select_for_update().filter(participant=participant, visit=visit).first()
    if known is not None and known.locked_at is not None:
        raise InConflict("visit_locked", f"{visit.name} of {participant.code} is locked. Nothing was saved.")
    return known


def _check_attendance(participant: Participant, visit: Visit, attended_on: date | None, missed_reason: str) -> None:
    if (attended_on is None) == (not missed_reason):
        raise RuleBroken("attendance_unclear", "Give the day of the visit, or why it was missed.", field="attended_on")
    if attended_on is None:
        return
    if attended_on > timezone.localdate():
        raise RuleBroken("date_future", f"{attended_on.isoformat()} is in the future.", field="attended_on")
    first, why = _first_possible_day(participant, visit)
    if attended_on < first:
        raise RuleBroken(
            "date_too_early",
            f"{attended_on} is too early: {participant.code} can have attended from {first} on{why}.",
            field="attended_on",
        )


def _first_possible_day(participant: Participant, visit: Visit) -> tuple[date, str]:
    """Return the first day on which a visit can have taken place, and why no earlier one."""
    if visit.kind != Visit.Kind.BASELINE:
        if participant.randomized_on is not None:
            return participant.randomized_on, ", the day of randomization"
        if not participant.trial.randomized_elsewhere:
            raise InConflict(
                "not_randomized",
                f"{visit.name} takes place after randomization, and {participant.code} is not randomized.",
            )
    consent = events_of_participant(participant).filter(kind="consented").first()
    if consent is not None and consent.occurred_on is not None:
        return consent.occurred_on, ", the day of consent"
    known = participant.screened_on or participant.trial.recruitment_starts
    return (known - BEFORE_SCREENING if known else EARLIEST), ""


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


def _record_draw(participant: Participant, visit: Visit, known: Sequence[Specimen], drawn_at: datetime) -> bool:
    """Note the draw at specimens that wait for it or have the time that it replaces; register the kinds not there.

    Return whether a time changed: of several values the one that was drawn last is analysed.
    """
    replaced = {None, _first_drawn(known)} if _is_redrawn(known, drawn_at) else {None}
    noted = [each for each in known if each.drawn_at in replaced and each.specimen_type != QUESTIONNAIRE]
    for specimen in noted:
        _require_before_its_way(specimen, drawn_at)
        specimen.drawn_at = drawn_at
        specimen.save(update_fields=["drawn_at"])
    _register_missing(participant, visit, known, drawn_at)
    return bool(noted)


def _require_before_its_way(specimen: Specimen, drawn_at: datetime) -> None:
    way = {"sent off": specimen.shipped_at, "received": specimen.received_at, "destroyed": specimen.destroyed_at}
    for word, moment in way.items():
        if moment is not None and moment < drawn_at:
            raise RuleBroken(
                "draw_after_receipt" if word == "received" else "dates_out_of_order",
                f"{specimen.identifier} was {word} before this time. Nothing was saved.",
                field="drawn_time",
            )


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
