"""Messages to people by e-mail: stored with what they tell of, sent later by a worker.

No request ever speaks with a mail server. Without `EMAIL_URL` messages stay in the outbox, for administrators.
"""

import logging
from datetime import timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.utils import timezone

from trials import audit
from trials.access import Actor, require
from trials.errors import InConflict
from trials.models import OutgoingMessage, Trial
from trials.permissions import Permission

log = logging.getLogger(__name__)

# After the last of these a message is given up, a day after it was written.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 960))


def send_message(
    *,
    to: str,
    subject: str,
    text: str,
    by: Actor,
    trial: Trial | None = None,
    kind: OutgoingMessage.Kind = OutgoingMessage.Kind.NOTICE,
) -> None:
    """Store a message in the caller's transaction; it leaves once that is committed, if a mail server is set.

    The text may hold a single-use link, and stays out of the audit trail and the log. Neither subject nor text may
    tell somebody's arm to a reader who is blinded. What concerns the security of an account is of the kind `account`:
    only its recipient reads it.
    """
    with audit.transaction(by=by) as event:
        one_line = " ".join(subject.split())[:200]
        message = OutgoingMessage.objects.create(kind=kind, to=to.strip(), subject=one_line, text=text, trial=trial)
        event.record("message.written", trial=trial, target=message)


def deliver_message(*, message: OutgoingMessage, by: Actor) -> None:
    """Hand a message to the mail server; on failure note why, and when it is tried again.

    Harmless when repeated, and when somebody else is at it: the row is locked while it is sent. A server that took
    the message and then lost the connection may get it twice.
    """
    with audit.transaction(by=by) as event:
        waiting = OutgoingMessage.objects.select_for_update(skip_locked=True)
        held = waiting.filter(pk=message.pk, state=OutgoingMessage.State.WAITING).first()
        if held is None:
            event.record("message.attended", trial=None, target=message)
            return
        failure = _hand_over(held)
        _settle(held, failure)
        event.record(
            "message.failed" if failure else "message.sent",
            trial=held.trial,
            target=held,
            detail={"attempts": held.attempts},
        )


def _hand_over(message: OutgoingMessage) -> str:
    """Send it now; return why that failed, or nothing."""
    try:
        mail = EmailMessage(message.subject, message.text, to=[message.to])
        get_connection(settings.MAIL_SERVER_BACKEND).send_messages([mail])
    except (SMTPException, OSError, ValueError) as error:
        log.warning("message %s was not sent: %s", message.pk, type(error).__name__)
        return f"{type(error).__name__}: {error}"[:1000]
    return ""


def _settle(message: OutgoingMessage, failure: str) -> None:
    """Write down how an attempt went. What was sent is not kept."""
    message.failure, now = failure, timezone.now()
    if not failure:
        message.state, message.text, message.settled_at = OutgoingMessage.State.SENT, "", now
    elif message.attempts < len(RETRY_AFTER):
        message.due_at = now + RETRY_AFTER[message.attempts]
    else:
        message.state, message.settled_at = OutgoingMessage.State.FAILED, now
    message.attempts += 1
    message.save(update_fields=["state", "text", "settled_at", "due_at", "failure", "attempts"])


def resend_message(*, message: OutgoingMessage, by: Actor) -> None:
    """Try a message again that was given up or waits for its next attempt. Raises InConflict once it was sent."""
    with audit.transaction(by=by) as event:
        require(by, Permission.OUTBOX_VIEW, None)
        held = OutgoingMessage.objects.select_for_update().get(pk=message.pk)
        if held.state == OutgoingMessage.State.SENT:
            raise InConflict("message_sent", "This message was sent already. Nothing was sent again.")
        held.state, held.due_at, held.settled_at, held.attempts = OutgoingMessage.State.WAITING, timezone.now(), None, 0
        held.save(update_fields=["state", "due_at", "settled_at", "attempts"])
        event.record("message.tried_again", trial=None, target=held)


def read_message(*, message: OutgoingMessage, by: Actor) -> str:
    """Return the text of a message that was not sent yet, and record who read what: its link works for a reader.

    The text about an account is returned to nobody: an administrator could set the password of anybody.
    """
    with audit.transaction(by=by) as event:
        require(by, Permission.OUTBOX_VIEW, None)
        event.record("message.read", trial=None, target=message, detail={"to": message.to, "subject": message.subject})
    return "" if message.kind == OutgoingMessage.Kind.ACCOUNT else message.text
