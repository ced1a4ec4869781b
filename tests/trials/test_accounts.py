"""The first administrator, recovery by e-mail, and what ends with a changed password."""

import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from studyplatform.mail import OutboxBackend
from tests.making import PASSWORD, PLATFORM, make_administrator
from trials.models import AuditEvent, OutgoingMessage, User
from trials.services.people import create_account

pytestmark = pytest.mark.django_db
NEW = "another long enough password"


def run(*arguments: str, command: str = "create_administrator") -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def set_password(browser: Client, path: str, password: str = NEW) -> int:
    """Follow a link and set a password; return the status of the last answer."""
    page = browser.get(path, follow=True)
    form = page.redirect_chain[-1][0] if page.redirect_chain else path
    return browser.post(form, {"password1": password, "password2": password}).status_code


def sign_in(browser: Client, email: str, password: str) -> bool:
    return browser.post(reverse("account_login"), {"login": email, "password": password}).status_code == 302


@pytest.fixture(autouse=True)
def outbox(monkeypatch: pytest.MonkeyPatch, settings) -> None:
    """What is sent goes where it goes in operation: the test runner puts a backend of its own."""
    settings.EMAIL_BACKEND = f"{OutboxBackend.__module__}.{OutboxBackend.__name__}"


def test_the_first_administrator_sets_a_password_by_a_link_that_works_once() -> None:
    said = run("Root@Example.org", "--name", "Root", "--address", "https://trials.example.org")
    link = re.search(r"https://trials.example.org(/\S+)", said)[1]
    person = User.objects.get(email="root@example.org")
    assert (person.is_administrator, person.name, person.has_usable_password()) == (True, "Root", False)
    assert set_password(Client(), link) == 302
    assert sign_in(Client(), "root@example.org", NEW)
    assert b"used before" in Client().get(link, follow=True).content
    assert "already" in run("root@example.org")
    assert "/accounts/" in run("root@example.org", "--reset")
    assert User.objects.count() == 1


def test_no_administrator_is_made_of_somebody_in_trials_nor_of_no_address() -> None:
    create_account(email="ada@example.org", name="Ada", password=PASSWORD, by=PLATFORM)
    with pytest.raises(CommandError, match="another address"):
        run("ada@example.org")
    with pytest.raises(CommandError, match="no e-mail address"):
        run("ada")


def test_recovery_answers_alike_for_every_address_and_its_link_works_once() -> None:
    create_account(email="ada@example.org", name="Ada", password=PASSWORD, by=PLATFORM)
    signed_in, answers = Client(), set()
    assert sign_in(signed_in, "ada@example.org", PASSWORD)
    assert signed_in.get(reverse("home")).status_code == 200
    for email in ("ada@example.org", "nobody@example.org"):
        answer = Client().post(reverse("account_reset_password"), {"email": email}, follow=True)
        answers.add((answer.status_code, tuple(answer.redirect_chain), "If the address belongs" in str(answer.content)))
    assert len(answers) == 1
    assert set(OutgoingMessage.objects.values_list("to", "subject")) == {
        ("ada@example.org", "Set a new password"),
        ("nobody@example.org", "Set a new password"),
    }
    text = OutgoingMessage.objects.get(to="ada@example.org").text
    assert "http" not in OutgoingMessage.objects.get(to="nobody@example.org").text
    path = re.search(r"http://testserver(/\S+)", text)[1]
    assert set_password(Client(), path) == 302
    assert signed_in.get(reverse("home")).status_code == 302
    assert not sign_in(Client(), "ada@example.org", PASSWORD)
    assert sign_in(Client(), "ada@example.org", NEW)
    assert b"used before" in Client().get(path, follow=True).content
    assert OutgoingMessage.objects.filter(to="ada@example.org").count() == 2


def test_no_administrator_takes_over_an_account_through_the_outbox(signed_in) -> None:
    create_account(email="ada@example.org", name="Ada", password=PASSWORD, by=PLATFORM)
    browser = signed_in(make_administrator())
    Client().post(reverse("account_reset_password"), {"email": "ada@example.org"})
    written = OutgoingMessage.objects.get(to="ada@example.org")
    assert "/accounts/password/reset/key/" in written.text
    for state in OutgoingMessage.State.values:
        OutgoingMessage.objects.update(state=state)
        shown = browser.get(reverse("outbox-message", kwargs={"number": written.pk}))
        assert shown.status_code == 200
        assert "/accounts/password/reset/key/" not in shown.content.decode()
    assert "account_link" in shown.content.decode()


def test_who_runs_the_server_makes_a_link_for_any_open_account() -> None:
    person = create_account(email="ada@example.org", name="Ada", password=PASSWORD, by=PLATFORM)
    path = re.search(r"http://127.0.0.1:8000(/\S+)", run("Ada@example.org", command="account_link"))[1]
    assert AuditEvent.objects.get(verb="account.link_made").target_id == person.pk
    assert set_password(Client(), path) == 302
    assert sign_in(Client(), "ada@example.org", NEW)
    assert b"used before" in Client().get(path, follow=True).content
    with pytest.raises(CommandError, match="no open account"):
        run("nobody@example.org", command="account_link")
