"""Whether a participant's identifiers are kept, and who may ask for them; a service alone opens them."""

from trials.access import Actor, has_permission
from trials.models import Participant, ParticipantIdentity
from trials.permissions import Permission


def identity_of(participant: Participant) -> ParticipantIdentity | None:
    """Return the sealed row, erased or not; None where nothing was ever stored."""
    return ParticipantIdentity.objects.filter(participant=participant).first()


def may_see_identity(participant: Participant, by: Actor) -> bool:
    """Return whether there is an identity page for `by`: right and site agree, and the site keeps identifiers."""
    return participant.site.keeps_identifiers and has_permission(
        by, Permission.IDENTITY_VIEW, participant.trial, site=participant.site
    )
