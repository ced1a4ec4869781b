"""The outbox: messages that wait, were sent, or could not be. For administrators alone."""

from django.db.models import QuerySet

from trials.access import Actor, require
from trials.errors import NotFound
from trials.models import OutgoingMessage
from trials.permissions import Permission


def messages_of(by: Actor, *, state: str = "", to: str = "") -> QuerySet[OutgoingMessage]:
    """Return the messages, without their texts, the newest first."""
    require(by, Permission.OUTBOX_VIEW, None)
    found = OutgoingMessage.objects.defer("text").select_related("trial")
    if state:
        found = found.filter(state=state)
    return found.filter(to__icontains=to) if to else found


def one_message(number: int, by: Actor) -> OutgoingMessage:
    """Return one message, without its text."""
    require(by, Permission.OUTBOX_VIEW, None)
    found = OutgoingMessage.objects.defer("text").filter(pk=number).select_related("trial").first()
    if found is None:
        raise NotFound("message_unknown", "There is no such message.")
    return found
