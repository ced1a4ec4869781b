"""Webhooks: told in the transaction of what happened, signed, tried again, of no more than everybody may know."""

import json
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.utils import timezone

from analytics.selectors.work import WEBHOOK, due_work
from analytics.tasks import deliver_webhook_message as task
from measurements.models import Query
from measurements.services.queries import open_query
from studyplatform.dispatcher import Dispatcher
from tests.analytics.filling import fill_trial, values_of
from tests.analytics.filling import post as deliver_values
from tests.making import PLATFORM, make_member, make_trial
from tests.studyplatform.test_dispatcher import Refused, Taken
from trials import audit
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import AuditChange, AuditEvent, OutgoingMessage, Trial, Webhook, WebhookMessage
from trials.outbound.signing import signature
from trials.services import webhook_delivery
from trials.services.people import add_laboratory
from trials.services.webhook_delivery import LEASE, RETRY_AFTER, deliver_webhook_message
from trials.services.webhooks import (
    add_webhook,
    announce,
    change_events,
    end_webhook,
    resend_webhook_message,
    rotate_secret,
    send_test,
    set_webhook_active,
    signing_secrets,
)

ALL = Webhook.Event.values
COMPLETED, QUERY, ESTIMATES = "submission.completed", "query.opened", "estimates.updated"


@dataclass
class Receiver:
    """A server that answers what the test says, in order, and the last of it for ever."""

    url: str = ""
    answers: list[int] = field(default_factory=lambda: [204])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    silent_seconds: float = 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            time.sleep(made.silent_seconds)
            self.send_response(made.answers.pop(0) if len(made.answers) > 1 else made.answers[0])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def trial() -> Trial:
    return make_trial()


def added(trial: Trial, url: str = "https://example.org/hook", events=ALL, **more: Any) -> Webhook:
    return add_webhook(trial=trial, url=url, events=events, by=PLATFORM, **more)[0]


def told(webhook: Webhook) -> list[dict[str, Any]]:
    """Return what a webhook is told, the oldest first."""
    return [json.loads(message.body) for message in webhook.messages.order_by("id")]


def due() -> list[int]:
    return [work.id for work in due_work() if work.kind == WEBHOOK]


def deliver(message: WebhookMessage) -> WebhookMessage:
    deliver_webhook_message(message=message, by=PLATFORM)
    message.refresh_from_db()
    return message


def make_due(message: WebhookMessage) -> None:
    WebhookMessage.objects.filter(pk=message.pk).update(due_at=timezone.now())


@pytest.mark.django_db
def test_a_message_is_undone_with_what_it_tells_of(trial: Trial) -> None:
    added(trial)
    with pytest.raises(RuntimeError, match="without recording"), audit.transaction(by=PLATFORM):
        announce(COMPLETED, trial=trial, data={})
    assert not WebhookMessage.objects.exists()


@pytest.mark.django_db
def test_a_message_is_signed_posted_once_and_logged(trial: Trial, receiver: Receiver) -> None:
    webhook, secret = add_webhook(trial=trial, url=receiver.url, events=[COMPLETED], by=PLATFORM)
    announce(COMPLETED, trial=trial, data={"received": 3})
    (number,) = due()
    for _ in range(2):
        task(number)
    ((headers, body),) = receiver.got
    message = webhook.messages.get()
    assert headers["webhook-id"] == message.message_id == f"msg_{message.reference.hex}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 30
    expected = signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body.decode())
    assert headers["webhook-signature"] == expected
    assert headers["content-type"] == "application/json"
    content = json.loads(body)
    assert (content["type"], content["data"]) == (COMPLETED, {"trial": trial.slug, "received": 3})
    assert set(content) == {"type", "timestamp", "data"}
    assert (message.state, message.tries, due()) == ("delivered", 1, [])
    assert list(message.attempts.values_list("status", "failure")) == [(204, "")]


@pytest.mark.django_db
def test_a_receiver_that_fails_is_told_once_it_recovered_under_the_same_id(trial: Trial, receiver: Receiver) -> None:
    webhook = added(trial, receiver.url)
    receiver.answers = [500, 302, 200]
    announce(COMPLETED, trial=trial, data={})
    message = webhook.messages.get()
    for number, pause in enumerate(RETRY_AFTER[:2], start=1):
        deliver(message)
        assert (message.state, message.tries, due()) == ("waiting", number, [])
        assert abs(message.due_at - timezone.now() - pause) < timedelta(seconds=20)
        make_due(message)
    deliver(message)
    assert message.state == "delivered"
    assert [status for (status,) in message.attempts.order_by("id").values_list("status")] == [500, 302, 200]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1


@pytest.mark.django_db
def test_a_receiver_that_does_not_answer_is_given_up_for_now(trial, receiver, monkeypatch) -> None:
    monkeypatch.setattr("trials.outbound.posting.LONGEST_SECONDS", 0.2)
    receiver.silent_seconds = 0.5
    webhook = added(trial, receiver.url)
    message = deliver(send_test(webhook=webhook, by=PLATFORM))
    assert message.state == "waiting"
    assert message.attempts.get().failure == "timeout"


@pytest.mark.django_db
def test_what_else_waits_for_a_receiver_that_fails_waits_with_it(trial: Trial, receiver: Receiver) -> None:
    webhook, other = added(trial, receiver.url), added(trial, f"{receiver.url}/other")
    receiver.answers = [503]
    for _ in range(3):
        announce(COMPLETED, trial=trial, data={})
    assert len(due()) == 2  # one for each receiver
    deliver(webhook.messages.earliest("id"))
    assert due() == [other.messages.earliest("id").pk]


@pytest.mark.django_db
def test_a_receiver_that_is_silent_for_days_is_paused_and_its_keepers_are_told(trial, receiver) -> None:
    keeper = make_member(trial, "data_manager")
    make_member(trial, "monitor")
    webhook = added(trial, receiver.url)
    receiver.answers = [500]
    announce(COMPLETED, trial=trial, data={})
    announce(COMPLETED, trial=trial, data={})
    first, second = webhook.messages.order_by("id")
    for _ in range(len(RETRY_AFTER) + 1):
        make_due(first)
        deliver(first)
    webhook.refresh_from_db()
    assert (first.state, first.tries, webhook.state) == ("failed", len(RETRY_AFTER) + 1, "paused")
    notice = OutgoingMessage.objects.get(to=keeper.user.email)
    assert webhook.url in notice.text
    assert OutgoingMessage.objects.filter(subject__startswith="A webhook").count() == 1
    make_due(second)
    assert (due(), deliver(second).state) == ([], "waiting")
    receiver.answers = [200]
    set_webhook_active(webhook=webhook, active=True, by=PLATFORM)
    assert deliver(second).state == "delivered"
    assert deliver(resend_webhook_message(message=first, by=PLATFORM)).state == "delivered"


@pytest.mark.django_db
def test_one_message_that_is_never_taken_does_not_pause_a_receiver_that_lives(trial, receiver) -> None:
    webhook = added(trial, receiver.url)
    announce(COMPLETED, trial=trial, data={})
    announce(COMPLETED, trial=trial, data={})
    first, second = webhook.messages.order_by("id")
    deliver(second)
    receiver.answers = [400]
    WebhookMessage.objects.filter(pk=first.pk).update(tries=len(RETRY_AFTER))
    assert deliver(first).state == "failed"
    webhook.refresh_from_db()
    assert webhook.state == "active"


@pytest.mark.django_db
def test_410_ends_a_webhook(trial: Trial, receiver: Receiver) -> None:
    webhook = added(trial, receiver.url)
    receiver.answers = [410]
    deliver(send_test(webhook=webhook, by=PLATFORM))
    webhook.refresh_from_db()
    assert (webhook.state, "410" in webhook.state_reason) == ("ended", True)
    announce(COMPLETED, trial=trial, data={})
    assert webhook.messages.count() == 1
    with pytest.raises(InConflict):
        send_test(webhook=webhook, by=PLATFORM)


@pytest.mark.django_db
def test_a_message_of_a_killed_worker_is_left_alone_for_a_while_and_then_tried_again(trial, receiver) -> None:
    webhook = added(trial, receiver.url)
    announce(COMPLETED, trial=trial, data={})
    announce(COMPLETED, trial=trial, data={})
    message = webhook.messages.earliest("id")
    claimed = webhook_delivery._claim(message)  # and then the worker is killed
    assert claimed is not None
    assert due() == []
    deliver(message)
    assert receiver.got == []
    WebhookMessage.objects.filter(pk=message.pk).update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert due() == [message.pk]
    assert deliver(message).state == "delivered"
    webhook_delivery._settle(claimed, webhook_delivery.Posted(500, "", 1), PLATFORM)  # it was not killed, only late
    message.refresh_from_db()
    assert message.state == "delivered"
    assert timedelta(seconds=10) < LEASE


def test_two_workers_deliver_a_message_once(committed: str, receiver: Receiver) -> None:
    trial = make_trial()
    webhook = added(trial, receiver.url)
    receiver.silent_seconds = 0.3
    announce(COMPLETED, trial=trial, data={})
    (number,) = due()
    run_in_threads([lambda: task(number)] * 6)
    assert len(receiver.got) == 1
    assert webhook.messages.get().state == "delivered"


def run_in_threads(calls: list[Any]) -> None:
    from django.db import connection

    def run(call: Any) -> None:
        try:
            call()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db
def test_the_dispatcher_hands_it_to_a_worker(trial: Trial) -> None:
    webhook, broker = added(trial), Taken()
    announce(COMPLETED, trial=trial, data={})
    dispatcher = Dispatcher(broker)
    dispatcher.round()
    dispatcher.round()
    assert broker.tasks == [(task.name, [webhook.messages.get().pk])]


def test_the_dispatcher_delivers_without_a_broker_and_a_silent_receiver_holds_up_no_round(committed, receiver) -> None:
    trial = make_trial()
    webhook = added(trial, receiver.url)
    receiver.silent_seconds = 1.0
    announce(COMPLETED, trial=trial, data={})
    dispatcher = Dispatcher(Refused())
    dispatcher.round()
    assert webhook.messages.get().state == "waiting"
    deadline = time.monotonic() + 20
    while webhook.messages.get().state != "delivered":
        assert time.monotonic() < deadline
        dispatcher.round()
        time.sleep(0.05)
    assert len(receiver.got) == 1


@pytest.mark.django_db
def test_a_trial_hears_of_everything_and_a_laboratory_of_its_own(trial: Trial) -> None:
    ghent = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    leeds = add_laboratory(trial=trial, code="leeds", name="Leeds", by=PLATFORM)
    of_trial = added(trial)
    of_ghent, of_leeds = (added(trial, laboratory=each, events=[COMPLETED, QUERY]) for each in (ghent, leeds))
    elsewhere = added(make_trial("u"))
    announce(COMPLETED, trial=trial, laboratory=ghent, data={})
    announce(QUERY, trial=trial, data={})
    announce(ESTIMATES, trial=trial, data={})
    assert [each["type"] for each in told(of_trial)] == [COMPLETED, QUERY, ESTIMATES]
    assert [each["type"] for each in told(of_ghent)] == [COMPLETED]
    assert told(of_leeds) == told(elsewhere) == []


@pytest.mark.django_db
def test_without_a_webhook_an_event_costs_one_query(trial: Trial, django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        announce(COMPLETED, trial=trial, data={})


@pytest.mark.django_db
def test_deliveries_queries_and_estimates_are_told_without_what_they_hold() -> None:
    trial = fill_trial(8)
    WebhookMessage.objects.all().delete()
    webhook = added(trial)
    values = values_of(trial, "baseline", ["CRP"])[0]
    corrected = values | {"value": "987.654", "status": "corrected", "reason": "Typing error"}
    deliver_values(trial, [corrected])
    participant = trial.participants.get(code=values["participant"])
    open_query(participant=participant, question="Is 987.654 right?", by=make_member(trial, "data_manager"))
    open_query(participant=participant, question="Is 987.654 right?", by=make_member(trial, "monitor"))
    from analytics.tasks import refresh_estimates

    refresh_estimates(trial.pk)
    refresh_estimates(trial.pk)
    trial.refresh_from_db()
    by_type = {each["type"]: each["data"] for each in told(webhook)}
    assert set(by_type) == set(ALL)
    submission = by_type[COMPLETED]
    assert {name: submission[name] for name in ("received", "created", "corrected", "held", "rejected")} == {
        "received": 1, "created": 0, "corrected": 1, "held": 0, "rejected": 0,
    }  # fmt: skip
    assert set(by_type[ESTIMATES]) == {"trial", "data_version", "computed_at", "url"}
    assert by_type[ESTIMATES]["data_version"] == trial.data_version
    assert by_type[QUERY]["queries"][-1:] == [Query.objects.latest("id").pk]
    assert [each["type"] for each in told(webhook)].count(ESTIMATES) == 1
    text = json.dumps(told(webhook))
    arms = [word for arm in trial.arms.all() for word in (arm.code, arm.name)]
    for secret in ["987", participant.code, "CRP", values["visit"], "Typing", *arms]:
        assert secret not in text, secret


@pytest.mark.django_db
def test_a_secret_is_shown_once_sealed_and_in_no_trail(trial: Trial) -> None:
    webhook, secret = add_webhook(trial=trial, url="https://example.org/", events=ALL, by=PLATFORM)
    kept = webhook.secrets.get()
    assert signing_secrets(webhook) == [secret]
    raw = b64decode(secret.removeprefix("whsec_"))
    assert raw not in bytes(kept.ciphertext)
    assert secret.encode() not in bytes(kept.ciphertext)
    trail = str([*AuditEvent.objects.values(), *AuditChange.objects.values()])
    assert secret not in trail
    assert bytes(kept.ciphertext).hex() not in trail
    assert "webhook.added" in trail


@pytest.mark.django_db
def test_a_sealed_secret_opens_for_its_own_webhook_alone(trial: Trial, receiver: Receiver) -> None:
    webhook, other = added(trial, receiver.url), added(trial, "https://example.org/2")
    with audit.transaction(by=PLATFORM) as event:
        other.secrets.update(expires_at=timezone.now())
        webhook.secrets.update(webhook=other)
        event.record("test.moved", trial=trial)
    send_test(webhook=other, by=PLATFORM)
    message = deliver(other.messages.get())
    assert message.attempts.get().failure == "secret_unreadable"
    assert receiver.got == []


@pytest.mark.django_db
def test_while_a_secret_is_changed_messages_are_signed_by_both(trial: Trial, receiver: Receiver) -> None:
    webhook, old = add_webhook(trial=trial, url=receiver.url, events=ALL, by=PLATFORM)
    present = webhook.secrets.get().pk
    new = rotate_secret(webhook=webhook, replaces=present, by=PLATFORM)
    with pytest.raises(InConflict):  # the button was pressed twice
        rotate_secret(webhook=webhook, replaces=present, by=PLATFORM)
    deliver(send_test(webhook=webhook, by=PLATFORM))
    ((headers, body),) = receiver.got
    signed = [
        signature(secret, headers["webhook-id"], int(headers["webhook-timestamp"]), body.decode())
        for secret in (new, old)
    ]
    assert headers["webhook-signature"].split(" ") == signed
    with audit.transaction(by=PLATFORM) as event:
        webhook.secrets.filter(pk=present).update(expires_at=timezone.now())
        event.record("test.later", trial=trial)
    assert signing_secrets(webhook) == [new]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"url": "http://example.org/"}, "url_refused"),
        ({"url": "https://169.254.169.254/latest/meta-data/"}, "url_refused"),
        ({"url": "https://10.0.0.7/"}, "url_refused"),
        ({"events": []}, "events_missing"),
        ({"events": ["allocation.made"]}, "events_missing"),
    ],
)
def test_what_cannot_be_told_is_refused(trial: Trial, more: dict[str, Any], code: str) -> None:
    with pytest.raises(RuleBroken) as refused:
        add_webhook(**{"trial": trial, "url": "https://example.org/", "events": ALL, "by": PLATFORM} | more)
    assert refused.value.code == code


@pytest.mark.django_db
def test_a_laboratory_is_not_told_of_the_whole_trial_and_must_deliver_to_it(trial: Trial) -> None:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    with pytest.raises(RuleBroken) as refused:
        added(trial, laboratory=laboratory)
    assert refused.value.code == "event_of_the_trial"
    webhook = added(trial, laboratory=laboratory, events=[COMPLETED])
    with pytest.raises(RuleBroken):
        change_events(webhook=webhook, events=[ESTIMATES], by=PLATFORM)
    with pytest.raises(RuleBroken) as refused:
        added(make_trial("u"), laboratory=laboratory, events=[COMPLETED])
    assert refused.value.code == "laboratory_unknown"


@pytest.mark.django_db
def test_who_is_bound_to_a_site_does_not_hear_of_the_others(trial: Trial) -> None:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    by = make_member(trial, "principal_investigator", "leeds")
    with pytest.raises(RuleBroken) as refused:
        add_webhook(trial=trial, url="https://example.org/", events=ALL, by=by)
    assert refused.value.code == "laboratory_missing"
    assert add_webhook(trial=trial, url="https://example.org/", events=[COMPLETED], laboratory=laboratory, by=by)
    assert add_webhook(trial=trial, url="https://example.org/", events=ALL, by=make_member(trial, "data_manager"))


@pytest.mark.django_db
def test_an_address_is_told_once(trial: Trial) -> None:
    webhook = added(trial)
    with pytest.raises(InConflict):
        added(trial)
    end_webhook(webhook=webhook, by=PLATFORM)
    added(trial)


@pytest.mark.django_db
def test_only_those_who_look_after_laboratories_may(trial: Trial) -> None:
    webhook = added(trial)
    for by in (make_member(trial, "monitor"), make_member(trial, "coordinator")):
        with pytest.raises(NotAllowed):
            end_webhook(webhook=webhook, by=by)
    stranger: Actor = make_member(make_trial("u"), "data_manager")
    with pytest.raises(NotFound):
        end_webhook(webhook=webhook, by=stranger)
    end_webhook(webhook=webhook, by=make_member(trial, "lab_manager"))
