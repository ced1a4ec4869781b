"""Crossing over: what a waitlist participant is offered once the controlled comparison has ended for them.

What is measured after it is stored and shown, and never compared. The day may not lie before anything that is compared,
so a cross-over takes no value out of an estimate and raises no data version: a version that rose would tell the blinded
who was on the waitlist.
"""

from datetime import date

from django.db.models import Max, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from measurements.models import Result
from measurements.selectors.cross_over import crosses_over
from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict, RuleBroken
from trials.lifecycle import Writing
from trials.models import Attendance, Participant, ParticipantEvent, Visit
from trials.permissions import Permission
from trials.selectors.planned_visits import last_controlled_visit
from trials.services.writing import require_writable

CROSSED_OVER = ParticipantEvent.Kind.CROSSED_OVER


def record_cross_over(*, participant: Participant, on: date, by: Actor) -> ParticipantEvent:
    """Record the day on which a participant crossed over to the arm that their own one names; never taken back.

    Asked again with the same day, return the same event. Only for those who may see the arm and record what
    participants receive. Raises InConflict for an arm that does not cross over, before the last controlled visit is
    attended or missed, with a value after an intervention that has no day, for somebody who left, for another day than
    the recorded one, and where the data are locked; RuleBroken for a day to come, and for one before something that is
    compared.
    """
    with audit.transaction(by=by) as event:
        # Blinded callers are refused here, whatever the arm, and learn nothing else.
        require(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site)
        require(by, Permission.SESSION_RECORD, participant.trial, site=participant.site)
        require_writable(participant.trial, Writing.CONDUCT)
        participant = Participant.objects.select_for_update(of=("self",)).select_related("trial").get(pk=participant.pk)
        recorded = _earlier(participant, on)
        if recorded is None:
            _require_crossing_arm(participant)
            _check_day(participant, on)
            recorded = ParticipantEvent.objects.create(
                trial=participant.trial, participant=participant, kind=CROSSED_OVER, occurred_on=on
            )
        event.record("participant.crossed_over", trial=participant.trial, target=participant)
    return recorded


def _earlier(participant: Participant, on: date) -> ParticipantEvent | None:
    known = ParticipantEvent.objects.filter(participant=participant, kind=CROSSED_OVER).first()
    if known is not None and known.occurred_on != on:
        raise InConflict("already_recorded", f"{participant.code} crossed over on {known.occurred_on} already.")
    return known


def _require_crossing_arm(participant: Participant) -> None:
    if participant.state not in {Participant.State.RANDOMIZED, Participant.State.COMPLETED}:
        raise InConflict("state_wrong", f"{participant.code} is {participant.get_state_display().lower()}.")
    if not crosses_over(participant):
        raise InConflict("no_cross_over", f"The arm of {participant.code} does not cross over in this trial.")


def _check_day(participant: Participant, on: date) -> None:
    if on > timezone.localdate():
        raise RuleBroken("date_future", f"{on.isoformat()} is in the future. Nothing was saved.", field="on")
    last = last_controlled_visit(participant.trial)
    if not Attendance.objects.filter(participant=participant, visit=last).exists():
        raise InConflict(
            "comparison_open",
            f"Record first whether {participant.code} attended or missed {last.name}. Nothing was saved.",
        )
    undated = _undated_visit(participant, last)
    if undated is not None:
        raise InConflict(
            "day_missing",
            f"Values of {undated.name} have no day, which would be taken to lie after the cross-over. Record first "
            f"when {participant.code} attended it. Nothing was saved.",
        )
    compared = _last_compared_day(participant, last)
    if compared is not None and on < compared:
        raise RuleBroken(
            "date_too_early",
            f"{on.isoformat()} is before {compared.isoformat()}, the last day that is compared. Nothing was saved.",
            field="on",
        )


def _until(last: Visit) -> Q:
    return Q(visit__position__lt=last.position) | Q(visit__position=last.position, visit_id__lte=last.pk)


def _undated_visit(participant: Participant, last: Visit) -> Visit | None:
    """Return a compared visit after the end of an intervention with values that only their day tells apart."""
    dated = Attendance.objects.filter(participant=participant, attended_on__isnull=False).values("visit")
    after_intervention = participant.specimens.filter(_until(last), visit__anchor=Visit.Anchor.INTERVENTION_END)
    undated = Result.objects.filter(
        specimen__in=after_intervention.filter(drawn_at=None).exclude(visit__in=dated),
        superseded_by=None,
        collected_at=None,
        value__isnull=False,
    )
    return Visit.objects.filter(specimens__results__in=undated).first()


def _last_compared_day(participant: Participant, last: Visit) -> date | None:
    """Return the last day of attendance or collection at a visit of the controlled comparison."""
    controlled = _until(last)
    attended = Attendance.objects.filter(controlled, participant=participant).aggregate(day=Max("attended_on"))["day"]
    collected = Result.objects.filter(
        specimen__in=participant.specimens.filter(controlled), superseded_by=None
    ).aggregate(moment=Max(Coalesce("collected_at", "specimen__drawn_at")))["moment"]
    days = [attended, timezone.localdate(collected) if collected else None]
    return max((day for day in days if day is not None), default=None)
