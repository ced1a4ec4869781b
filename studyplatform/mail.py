"""What the sign-in pages send by e-mail goes into the outbox, like every other message."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from trials.access import Actor
from trials.models import OutgoingMessage
from trials.services.messages import send_message

SIGN_IN = Actor(process="sign-in")


class OutboxBackend(BaseEmailBackend):
    """Stores messages in place of sending them: a worker hands them to the mail server."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Store each message once a recipient; return how many messages there were."""
        for message in email_messages:
            for address in message.recipients():
                send_message(
                    to=address,
                    subject=str(message.subject),
                    text=str(message.body),
                    by=SIGN_IN,
                    kind=OutgoingMessage.Kind.ACCOUNT,
                )
        return len(email_messages)
