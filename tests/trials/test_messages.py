"""Messages: stored with what they tell of, sent once, tried again, and read by administrators alone."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.utils import timezone

from analytics.selectors.work import MESSAGE, due_work
from analytics.tasks import deliver_message as task
from studyplatform.mail import OutboxBackend
from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.access import Actor
from trials.errors import InConflict, NotAllowed
from trials.models import AuditChange, AuditEvent, OutgoingMessage
from trials.services.messages import RETRY_AFTER, deliver_message, read_message, resend_message, send_message
from trials.services.people import create_account

pytestmark = pytest.mark.django_db
LINK = "https://example.org/single-use-link"
MEMORY = "django.core.mail.backends.locmem.EmailBackend"


def written(to: str = "ada@example.org", **more) -> OutgoingMessage:
    send_message(to=to, subject="Your\n invitation", text=f"Open {LINK}", by=PLATFORM, **more)
    return OutgoingMessage.objects.get(to=to)


def due() -> list[int]:
    return [work.id for work in due_work() if work.kind == MESSAGE]


@pytest.fixture
def broken_server(settings) -> None:
    """A mail server that nobody answers at."""
    settings.MAIL_SERVER_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9


def test_a_message_is_undone_with_what_it_tells_of() -> None:
    with pytest.raises(RuntimeError, match="without recording"), audit.transaction(by=PLATFORM):
        written()
    assert not OutgoingMessage.objects.exists()


def test_without_a_mail_server_it_waits_in_the_outbox(settings) -> None:
    settings.MAIL_SERVER_BACKEND = ""
    written()
    assert due() == []


def test_a_message_is_sent_once_and_its_text_is_not_kept(settings) -> None:
    settings.MAIL_SERVER_BACKEND = MEMORY
    message = written()
    assert due() == [message.pk]
    for _ in range(2):
        task(message.pk)
    message.refresh_from_db()
    assert (message.state, message.text, due()) == ("sent", "", [])
    (sent,) = mail.outbox
    assert (sent.to, sent.subject, LINK in sent.body) == (["ada@example.org"], "Your invitation", True)


def test_a_failed_message_waits_longer_each_time_and_is_given_up_in_the_end(broken_server, caplog) -> None:
    message = written()
    for number, pause in enumerate(RETRY_AFTER, start=1):
        deliver_message(message=message, by=PLATFORM)
        message.refresh_from_db()
        assert (message.state, message.attempts, due()) == ("waiting", number, [])
        assert "Connection" in message.failure
        assert abs(message.due_at - timezone.now() - pause) < timedelta(minutes=1)
        OutgoingMessage.objects.update(due_at=timezone.now())
    deliver_message(message=message, by=PLATFORM)
    message.refresh_from_db()
    assert (message.state, due()) == ("failed", [])
    assert LINK in message.text
    assert LINK not in caplog.text
    assert message.to not in caplog.text


def test_neither_text_nor_address_is_in_the_trail(settings) -> None:
    settings.MAIL_SERVER_BACKEND = MEMORY
    trial = make_trial()
    message = written(trial=trial)
    deliver_message(message=message, by=PLATFORM)
    trail = [*AuditEvent.objects.filter(verb__startswith="message.").values(), *AuditChange.objects.values()]
    assert [event["verb"] for event in trail if "verb" in event] == ["message.written", "message.sent"]
    assert LINK not in str(trail)
    assert message.to not in str(trail)


def test_only_administrators_read_messages_and_it_is_recorded() -> None:
    message, trial = written(), make_trial()
    administrator = Actor(
        user=create_account(email="a@example.org", name="A", password="x" * 20, by=PLATFORM, is_administrator=True)
    )
    assert LINK in read_message(message=message, by=administrator)
    read = AuditEvent.objects.get(verb="message.read")
    assert (read.actor_name, read.detail) == ("A", {"to": "ada@example.org", "subject": "Your invitation"})
    member = make_member(trial, "principal_investigator")
    for service in (read_message, resend_message):
        with pytest.raises(NotAllowed):
            service(message=message, by=member)


def test_what_was_given_up_is_tried_again_and_what_was_sent_is_not(broken_server, settings) -> None:
    message = written()
    OutgoingMessage.objects.update(state="failed", attempts=7)
    resend_message(message=message, by=PLATFORM)
    assert due() == [message.pk]
    settings.MAIL_SERVER_BACKEND = MEMORY
    deliver_message(message=message, by=PLATFORM)
    with pytest.raises(InConflict):
        resend_message(message=message, by=PLATFORM)


def test_what_the_sign_in_pages_send_goes_the_same_way() -> None:
    OutboxBackend().send_messages([EmailMessage("Hello", "Text", to=["a@example.org", "b@example.org"])])
    assert set(OutgoingMessage.objects.values_list("to", "kind")) == {
        ("a@example.org", "account"),
        ("b@example.org", "account"),
    }
    assert mail.outbox == []
