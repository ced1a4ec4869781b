"""The pages of people and rights: lists, the log of delegations, the matrix, the outbox, and the navigation."""

import csv
import io

import pytest
from django.urls import reverse

from tests.making import PASSWORD, PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.models import AuditEvent, Membership, OutgoingMessage
from trials.permissions import Role
from trials.services.lifecycle import change_status
from trials.services.messages import send_message
from trials.services.people import create_account, end_role, grant_role

pytestmark = pytest.mark.django_db


def rows(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))


def at(name: str, **kwargs) -> str:
    return reverse(name, kwargs={"slug": "t", **kwargs})


def test_members_are_narrowed_down_sorted_and_downloaded_as_shown(signed_in) -> None:
    trial = make_trial()
    browser = signed_in(make_member(trial, "principal_investigator"))
    make_member(trial, "coordinator", "leeds")
    make_member(trial, "coordinator", "ghent")
    grant_role(
        trial=trial,
        user=create_account(email="x@example.org", name="=1+1", password=None, by=PLATFORM),
        role="monitor",
        by=PLATFORM,
    )
    assert len(rows(browser.get(at("people-csv")))) == 4
    shown = {"role": "coordinator", "site": "leeds", "q": "COORD"}
    (only,) = rows(browser.get(at("people-csv"), shown))
    assert (only["role"], only["site"]) == ("coordinator", "leeds")
    assert "1 to 1 of 1" in browser.get(at("people"), shown).content.decode()
    emails = [row["email"] for row in rows(browser.get(at("people-csv"), {"sort": "-email"}))]
    assert emails == sorted(emails, reverse=True)
    assert "'=1+1" in {row["person"] for row in rows(browser.get(at("people-csv")))}
    assert b"Nobody matches" in browser.get(at("people"), {"q": "zzz"}).content


def test_the_delegation_log_says_who_gave_what_and_why_it_ended(signed_in) -> None:
    trial = make_trial()
    investigator, monitor = make_member(trial, "principal_investigator"), make_member(trial, "monitor")
    grant_role(trial=trial, user=monitor.user, role="coordinator", by=investigator, site=trial.sites.get(code="leeds"))
    held = Membership.objects.get(role="coordinator")
    end_role(membership=held, by=investigator, reason="Moved to another trial")
    grant_role(trial=trial, user=monitor.user, role="coordinator", by=investigator, site=trial.sites.get(code="leeds"))
    log = rows(signed_in(monitor).get(at("delegation-log-csv")))
    ended, again = [row for row in log if row["role"] == "Coordinator"]
    assert (ended["granted_by"], ended["ended_by"], ended["reason"], ended["site"]) == (
        "Principal Investigator",
        "Principal Investigator",
        "Moved to another trial",
        "Leeds",
    )
    assert ended["from"] < ended["until"]
    assert (again["until"], again["reason"]) == ("", "")
    assert "Randomizes" in ended["tasks"]
    assert AuditEvent.objects.filter(verb="delegation_log.exported").count() == 1
    page = signed_in(monitor).get(at("delegation-log")).content.decode()
    assert "Moved to another trial" in page
    assert signed_in(make_member(trial, "export_staff")).get(at("delegation-log")).status_code == 403


def test_the_matrix_follows_the_trial(signed_in) -> None:
    trial = make_trial(is_open_label=True)
    browser = signed_in(make_member(trial, "monitor"))

    def reach() -> dict[str, str]:
        return next(row for row in rows(browser.get(at("who-sees-what-csv"))) if row["permission"] == "allocation.view")

    assert (reach()["coordinator"], reach()["monitor"]) == ("own_site", "nowhere")
    assert "Monitor" in browser.get(at("who-sees-what")).content.decode()
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    after = reach()
    assert {after[role] for role in Role.values} == {"everywhere", "nowhere"}
    assert (after["lab_manager"], after["administrator"]) == ("nowhere", "nowhere")


@pytest.fixture
def administrator() -> Actor:
    user = create_account(email="a@example.org", name="A", password=PASSWORD, by=PLATFORM, is_administrator=True)
    return Actor(user=user)


def test_the_outbox_is_the_administrators_and_reading_is_recorded(signed_in, administrator) -> None:
    send_message(to="ada@example.org", subject="Hello", text="Open https://example.org/x", by=PLATFORM)
    message, browser = OutgoingMessage.objects.get(), signed_in(administrator)
    listed = browser.get(reverse("outbox")).content.decode()
    assert "Hello" in listed
    assert "https://example.org/x" not in listed
    assert "https://example.org/x" not in str(rows(browser.get(reverse("outbox-csv"))))
    assert b"No messages" in browser.get(reverse("outbox"), {"state": "sent"}).content
    shown = browser.get(reverse("outbox-message", kwargs={"number": message.pk}))
    assert "https://example.org/x" in shown.content.decode()
    assert shown.headers["Cache-Control"].startswith("max-age=0")
    assert AuditEvent.objects.get(verb="message.read").actor_id == administrator.user.pk
    assert browser.get(reverse("outbox-message", kwargs={"number": 99999})).status_code == 404
    again = reverse("outbox-resend", kwargs={"number": message.pk})
    assert browser.post(again).status_code == 302
    member = signed_in(make_member(make_trial(), "principal_investigator"))
    for path in (reverse("outbox"), reverse("outbox-csv"), reverse("outbox-message", kwargs={"number": message.pk})):
        assert member.get(path).status_code == 403
    assert member.post(again).status_code == 403


def test_the_navigation_shows_what_one_may_open(signed_in, administrator) -> None:
    trial = make_trial()
    home = reverse("home")
    assert reverse("outbox") in signed_in(administrator).get(home).content.decode()
    staff = signed_in(make_member(trial, "export_staff"))
    assert reverse("outbox") not in staff.get(home).content.decode()
    page = staff.get(at("people")).content.decode()
    assert at("exports") in page
    for hidden in ("audit-trail", "laboratories", "safety", "queries"):
        assert at(hidden) not in page
    assert at("audit-trail") in signed_in(make_member(trial, "monitor")).get(at("people")).content.decode()
