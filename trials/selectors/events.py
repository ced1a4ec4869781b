"""What happened to participants, as far as it counts: neither what was retracted nor the retractions themselves."""

from django.db.models import QuerySet

from trials.access import Actor, has_permission, require
from trials.models import ARM_TELLING, Participant, ParticipantEvent, Trial
from trials.permissions import Permission


def events_that_count(trial: Trial) -> QuerySet[ParticipantEvent]:
    """Return the trial's events without those struck as mistakes.

    It holds what tells arms and asks for no permission: what is shown from it is the caller's to restrict.
    """
    return ParticipantEvent.objects.filter(trial=trial, retracts=None, retracted_by=None)


def events_of_participant(participant: Participant) -> QuerySet[ParticipantEvent]:
    """Return one participant's events that count, in the order of recording; as unrestricted as the above."""
    return events_that_count(participant.trial).filter(participant=participant).order_by("id")


def course_of(participant: Participant, by: Actor) -> QuerySet[ParticipantEvent]:
    """Return everything that was recorded, retracted or not, the newest day first, as far as `by` may see it.

    A retraction is shown with what it struck (`retracts`, `retracted_by`). What tells the arm is left out for those
    who may not see it, retractions included, because they carry the kind of what they strike.
    """
    require(by, Permission.PARTICIPANT_VIEW, participant.trial, site=participant.site)
    events = (
        ParticipantEvent.objects.filter(participant=participant, retracts=None)
        .select_related("retracted_by")
        .order_by("-occurred_on", "-id")
    )
    if has_permission(by, Permission.ALLOCATION_VIEW, participant.trial, site=participant.site):
        return events
    return events.exclude(kind__in=ARM_TELLING)
