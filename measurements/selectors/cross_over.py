"""Who may cross over. Every answer here tells an arm: it is no to those who may not see it."""

from trials.access import Actor, has_permission
from trials.models import Allocation, Arm, Participant, ParticipantEvent, Visit
from trials.permissions import Permission
from trials.selectors.planned_visits import last_controlled_visit


def crosses_over(participant: Participant) -> bool:
    """Return whether the participant's arm crosses over to another; for callers that have asked for the permission."""
    allocated = Allocation.objects.filter(participant=participant).values("arm")
    return Arm.objects.filter(pk__in=allocated, crosses_over_to__isnull=False).exists()


def may_offer_cross_over(participant: Participant, visit: Visit, by: Actor) -> bool:
    """Return whether the form of this visit offers to record a cross-over: at the last controlled one, once."""
    trial, site = participant.trial, participant.site
    return (
        has_permission(by, Permission.ALLOCATION_VIEW, trial, site=site)
        and has_permission(by, Permission.SESSION_RECORD, trial, site=site)
        and visit == last_controlled_visit(trial)
        and crosses_over(participant)
        and not participant.events.filter(kind=ParticipantEvent.Kind.CROSSED_OVER).exists()
    )
