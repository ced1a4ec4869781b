"""The pages of webhooks: the secret once, the log, who may, and what a second click does."""

import re

import pytest
from django.urls import reverse

from tests.making import PLATFORM, make_member, make_trial
from trials.models import Trial, Webhook, WebhookAttempt
from trials.services.people import add_laboratory
from trials.services.webhooks import add_webhook, announce, end_webhook, send_test, signing_secrets

pytestmark = pytest.mark.django_db
URL = "https://example.org/hook"


@pytest.fixture
def trial() -> Trial:
    return make_trial()


@pytest.fixture
def browser(trial, signed_in):
    return signed_in(make_member(trial, "data_manager"))


def page_of(webhook: Webhook, name: str = "webhook", **more: object) -> str:
    return reverse(name, kwargs={"slug": webhook.trial.slug, "number": webhook.pk, **more})


def test_an_address_is_added_and_its_secret_shown_once(trial, browser) -> None:
    address = reverse("webhooks", kwargs={"slug": trial.slug})
    sent = {"url": URL, "events": ["submission.completed", "query.opened"]}
    answer = browser.post(address, sent)
    webhook = Webhook.objects.get()
    (secret,) = signing_secrets(webhook)
    assert answer.status_code == 201
    assert secret in answer.text.replace("&#x2B;", "+")
    assert answer["Cache-Control"].find("no-store") >= 0
    assert secret not in browser.get(address).text
    assert secret not in browser.get(page_of(webhook)).text
    again = browser.post(address, sent)
    assert (again.status_code, Webhook.objects.count()) == (422, 1)
    assert "is told already" in again.text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"url": "http://example.org/", "events": ["query.opened"]}, "begins with https://"),
        ({"url": "https://10.1.2.3/", "events": ["query.opened"]}, "is not a public address"),
        ({"url": URL}, "Choose at least one event"),
        ({"url": "", "events": ["query.opened"]}, "This field is required"),
        ({"url": URL, "events": ["no.such"]}, "no.such"),
    ],
)
def test_what_is_wrong_is_said_in_the_form(trial, browser, sent, words) -> None:
    answer = browser.post(reverse("webhooks", kwargs={"slug": trial.slug}), sent)
    assert answer.status_code == 422
    assert words in answer.text
    assert not Webhook.objects.exists()


def test_a_secret_is_changed_and_shown_once(trial, browser) -> None:
    webhook, old = add_webhook(trial=trial, url=URL, events=["query.opened"], by=PLATFORM)
    present = re.search(r'name="replaces" value="(\d+)"', browser.get(page_of(webhook)).text)[1]
    answer = browser.post(page_of(webhook, "webhook-rotate"), {"replaces": present})
    new = signing_secrets(webhook)[0]
    assert answer.status_code == 201
    assert new in answer.text.replace("&#x2B;", "+")
    assert old not in answer.text
    twice = browser.post(page_of(webhook, "webhook-rotate"), {"replaces": present}, follow=True)
    assert "was replaced already" in twice.text
    assert len(signing_secrets(webhook)) == 2
    for nonsense in ("", "x", "9" * 30, "१"):
        assert browser.post(page_of(webhook, "webhook-rotate"), {"replaces": nonsense}).status_code == 302
    assert len(signing_secrets(webhook)) == 2


def test_the_log_shows_what_was_tried_and_sends_again(trial, browser) -> None:
    webhook, _ = add_webhook(trial=trial, url=URL, events=["query.opened"], by=PLATFORM)
    for number in range(60):
        announce("query.opened", trial=trial, data={"count": number})
    failed, delivered = webhook.messages.order_by("id")[:2]
    WebhookAttempt.objects.create(message=failed, status=503, milliseconds=1234)
    WebhookAttempt.objects.create(message=failed, failure="timeout", milliseconds=10_000)
    webhook.messages.filter(pk=failed.pk).update(state="failed", tries=10)
    webhook.messages.filter(pk=delivered.pk).update(state="delivered")
    assert "1 to 50 of 60 messages" in browser.get(page_of(webhook)).text
    text = browser.get(page_of(webhook), {"state": "failed"}).text
    assert ("timeout" in text, "503" in text, failed.message_id in text) == (True, True, True)
    assert delivered.message_id not in text
    table = browser.get(page_of(webhook, "webhook-csv"), {"state": "failed"})
    lines = b"".join(table.streaming_content).decode().splitlines() if table.streaming else table.text.splitlines()
    assert len(lines) == 2
    assert f"{failed.message_id},query.opened" in lines[1]
    assert browser.post(page_of(webhook, "webhook-resend", message=failed.pk)).status_code == 302
    failed.refresh_from_db()
    assert (failed.state, failed.tries) == ("waiting", 0)
    for query in ("sort=-written", "sort=state", "sort=nonsense", "page=2", "page=x", "state=x"):
        assert browser.get(f"{page_of(webhook)}?{query}").status_code == 200


def test_it_is_tested_paused_resumed_given_other_events_and_ended(trial, browser) -> None:
    webhook, _ = add_webhook(trial=trial, url=URL, events=["query.opened"], by=PLATFORM)
    assert browser.post(page_of(webhook, "webhook-test")).status_code == 302
    assert webhook.messages.get().type == "webhook.test"
    for name, state in (("pause", "paused"), ("pause", "paused"), ("resume", "active")):
        browser.post(page_of(webhook, f"webhook-{name}"))
        webhook.refresh_from_db()
        assert webhook.state == state
    browser.post(page_of(webhook), {"events": ["estimates.updated"]})
    webhook.refresh_from_db()
    assert webhook.events == ["estimates.updated"]
    assert browser.post(page_of(webhook), {}).status_code == 422
    for _ in range(2):
        assert browser.post(page_of(webhook, "webhook-end")).status_code == 302
    webhook.refresh_from_db()
    assert webhook.state == "ended"
    assert "was ended" in browser.post(page_of(webhook, "webhook-test"), follow=True).text


def test_others_are_refused_and_strangers_find_nothing(trial, signed_in) -> None:
    webhook, _ = add_webhook(trial=trial, url=URL, events=["query.opened"], by=PLATFORM)
    send_test(webhook=webhook, by=PLATFORM)
    elsewhere = make_trial("u")
    stranger, monitor = (
        signed_in(make_member(elsewhere, "data_manager")),
        signed_in(make_member(trial, "monitor")),
    )
    message = webhook.messages.get().pk
    pages = [reverse("webhooks", kwargs={"slug": trial.slug}), page_of(webhook), page_of(webhook, "webhook-csv")]
    posts = [page_of(webhook, f"webhook-{name}") for name in ("rotate", "test", "pause", "resume", "end")]
    posts.append(page_of(webhook, "webhook-resend", message=message))
    for address in pages:
        assert (stranger.get(address).status_code, monitor.get(address).status_code) == (404, 403), address
    for address in posts:
        sent = {"replaces": "1"}
        assert (stranger.post(address, sent).status_code, monitor.post(address, sent).status_code) == (404, 403)
        assert stranger.post(address.replace("/t/", "/u/"), sent).status_code == 404
    assert webhook.messages.count() == 1


def test_a_laboratory_may_be_chosen_and_an_ended_one_is_shown(trial, browser) -> None:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent Immunology", by=PLATFORM)
    address = reverse("webhooks", kwargs={"slug": trial.slug})
    browser.post(address, {"url": URL, "laboratory": laboratory.pk, "events": ["submission.completed"]})
    webhook = Webhook.objects.get()
    assert webhook.laboratory == laboratory
    end_webhook(webhook=webhook, by=PLATFORM)
    text = browser.get(address).text
    assert ("Ghent Immunology" in text, "Ended" in text) == (True, True)
    assert "Make a new secret" not in browser.get(page_of(webhook)).text


def test_a_webhook_of_every_site_is_nothing_for_who_is_bound_to_one(trial, signed_in) -> None:
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    of_all, _ = add_webhook(trial=trial, url=URL, events=["query.opened"], by=PLATFORM)
    of_laboratory, _ = add_webhook(trial=trial, url=URL, events=["query.opened"], laboratory=laboratory, by=PLATFORM)
    bound = signed_in(make_member(trial, "lab_manager", "leeds"))
    assert [bound.get(page_of(each)).status_code for each in (of_all, of_laboratory)] == [404, 200]
    present = of_all.secrets.get()
    assert bound.post(page_of(of_all, "webhook-rotate"), {"replaces": present.pk}).status_code == 404
    assert list(of_all.secrets.all()) == [present]
    listed = bound.get(reverse("webhooks", kwargs={"slug": trial.slug})).text
    assert (page_of(of_all) in listed, page_of(of_laboratory) in listed) == (False, True)
