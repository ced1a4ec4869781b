"""Invitations: one account for one link, by the rules that hold when it is taken up."""

import logging
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.making import PASSWORD, PLATFORM, make_administrator, make_member, make_trial
from trials import audit
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import AuditChange, AuditEvent, Invitation, Membership, OutgoingMessage, User
from trials.services.invitations import (
    MOST_OPEN,
    accept_invitation,
    invite_person,
    resend_invitation,
    revoke_invitation,
    take_up_invitation,
)
from trials.services.people import create_account, end_role, grant_role

pytestmark = pytest.mark.django_db
GOOD = "correct horse battery staple"


def link(token: str) -> str:
    """Where a token is taken up; here the token itself."""
    return token


def invite(trial, by, email="new@example.org", role="monitor", **more) -> str | None:
    return invite_person(trial=trial, email=email, role=role, by=by, link=link, **more)


@pytest.fixture
def trial():
    return make_trial()


@pytest.fixture
def investigator(trial) -> Actor:
    return make_member(trial, "principal_investigator")


def test_a_new_address_is_sent_a_link_that_makes_the_account_with_its_role(trial, investigator) -> None:
    token = invite(trial, investigator, email=" New@Example.org ", site=trial.sites.get(code="leeds"))
    assert token in OutgoingMessage.objects.get(to="new@example.org").text
    person = accept_invitation(token=token, name="New", password=GOOD)
    held = Membership.objects.get(user=person)
    assert (held.role, held.site.code, person.email, person.check_password(GOOD)) == (
        "monitor",
        "leeds",
        "new@example.org",
        True,
    )
    assert AuditEvent.objects.get(verb="role.granted", target_id=person.pk).actor_name == "Principal Investigator"


def test_an_account_holds_the_role_at_once_and_is_told(trial, investigator) -> None:
    person = create_account(email="here@example.org", name="Here", password=PASSWORD, by=PLATFORM)
    assert invite(trial, investigator, email="HERE@example.org") is None
    assert Membership.objects.get(user=person).role == "monitor"
    assert "monitor" in OutgoingMessage.objects.get(to="here@example.org").text
    assert not Invitation.objects.exists()


def test_used_withdrawn_replaced_old_unknown_and_orphaned_links_answer_alike(trial, investigator) -> None:
    used = invite(trial, investigator, email="a@example.org")
    accept_invitation(token=used, name="A", password=GOOD)
    withdrawn = invite(trial, investigator, email="b@example.org")
    revoke_invitation(invitation=Invitation.objects.get(email="b@example.org"), by=investigator)
    replaced = invite(trial, investigator, email="c@example.org")
    fresh = invite(trial, investigator, email="c@example.org")
    old = invite(trial, investigator, email="d@example.org")
    with audit.transaction(by=PLATFORM) as event:
        Invitation.objects.filter(email="d@example.org").update(expires_at=timezone.now() - timedelta(seconds=1))
        event.record("test.aged", trial=None)
    leaver = make_member(trial, "principal_investigator", "leeds")
    orphaned = invite(trial, leaver, email="e@example.org", site=trial.sites.get(code="leeds"))
    end_role(membership=Membership.objects.get(user=leaver.user), by=investigator, reason="Left")
    pages = {}
    for token in (used, withdrawn, replaced, old, orphaned, "inv_unknown"):
        with pytest.raises(NotFound):
            accept_invitation(token=token, name="X", password=GOOD)
        browser = Client()
        answer = browser.get(reverse("invitation", kwargs={"token": token}), follow=True)
        posted = browser.post(reverse("invitation-accept"), {"name": "X", "password": GOOD})
        assert answer.status_code == posted.status_code == 404
        pages[unmasked(answer)] = pages[unmasked(posted)] = token
    assert len(pages) == 1
    assert accept_invitation(token=fresh, name="C", password=GOOD).email == "c@example.org"


def unmasked(answer) -> str:
    """The page without what is new in every answer."""
    return re.sub(r'("x-csrftoken": |name="csrfmiddlewaretoken" value=)"\w+"', "", answer.content.decode())


def test_the_page_sets_name_and_password_by_the_rules_and_opens_no_door_without_a_link(trial, investigator) -> None:
    token, browser = invite(trial, investigator, name="Ada"), Client()
    page, address = (
        browser.get(reverse("invitation", kwargs={"token": token}), follow=True),
        reverse("invitation-accept"),
    )
    assert page.redirect_chain == [(address, 302)]
    assert 'value="Ada"' in page.content.decode()
    assert page.headers["Cache-Control"].startswith("max-age=0")
    for weak in ("short", "new@example.org", "passwordpassword"[:14]):
        assert browser.post(address, {"name": "Ada", "password": weak}).status_code == 422
    assert not User.objects.filter(email="new@example.org").exists()
    assert browser.post(address, {"name": "Ada", "password": GOOD}).status_code == 302
    assert browser.post(address, {"name": "Eve", "password": GOOD}).status_code == 404
    assert User.objects.get(email="new@example.org").name == "Ada"
    assert b"by invitation" in Client().get(reverse("account_signup")).content


def test_an_address_that_came_by_an_account_meanwhile_takes_the_role_signed_in(trial, investigator, signed_in) -> None:
    first, second = invite(trial, investigator), invite(trial, investigator, role="data_manager")
    person = accept_invitation(token=first, name="New", password=GOOD)
    with pytest.raises(InConflict):
        accept_invitation(token=second, name="Eve", password="another long password")
    address = reverse("invitation-accept")

    def opened(browser: Client) -> Client:
        browser.get(reverse("invitation", kwargs={"token": second}))
        return browser

    assert b"Sign in" in opened(Client()).get(address).content
    assert b"Sign out" in opened(signed_in(investigator)).post(address).content
    with pytest.raises(NotFound):
        take_up_invitation(token=second, by=investigator)
    assert opened(signed_in(Actor(user=person))).post(address).status_code == 302
    assert {held.role for held in Membership.objects.filter(user=person)} == {"monitor", "data_manager"}


def test_the_rules_on_blinding_hold_when_it_is_taken_up(trial, investigator) -> None:
    statistician = invite(trial, make_administrator(), role="unblinded_statistician")
    deciding = invite(trial, investigator, role="principal_investigator")
    person = accept_invitation(token=statistician, name="New", password=GOOD)
    with pytest.raises(RuleBroken, match="two people"):
        take_up_invitation(token=deciding, by=Actor(user=person))
    assert Invitation.objects.get(role="principal_investigator").accepted_at is None


@pytest.mark.parametrize("role", ["unblinded_statistician", "monitoring_board"])
def test_who_runs_a_trial_invites_nobody_to_see_arms(trial, investigator, signed_in, role) -> None:
    create_account(email="here@example.org", name="Second address", password=PASSWORD, by=PLATFORM)
    for email in ("new@example.org", "here@example.org"):
        with pytest.raises(RuleBroken) as caught:
            invite(trial, investigator, email=email, role=role)
        assert caught.value.code == "unblinding_role"
    people = reverse("people", kwargs={"slug": "t"})
    offer, answer = f'<option value="{role}">', signed_in(investigator).post(people, {"email": "n@e.org", "role": role})
    assert (answer.status_code, "takes no part in it" in answer.content.decode()) == (422, True)
    assert not OutgoingMessage.objects.exists()
    assert not Membership.objects.filter(role=role).exists()
    may, may_not = (signed_in(by).get(people).content.decode() for by in (make_administrator(), investigator))
    assert may.count(offer) == may_not.count(offer) + 1
    assert "takes no part in it" not in may


def test_an_inviter_who_takes_part_meanwhile_unblinds_nobody(trial) -> None:
    administrator = make_administrator()
    token = invite(trial, administrator, role="monitoring_board")
    grant_role(trial=trial, user=administrator.user, role="principal_investigator", by=PLATFORM)
    with pytest.raises(RuleBroken) as caught:
        accept_invitation(token=token, name="New", password=GOOD)
    assert caught.value.code == "unblinding_role"
    assert not User.objects.filter(email="new@example.org").exists()


def test_who_may_invite(trial, investigator) -> None:
    for by in (make_member(trial, "coordinator"), make_member(trial, "data_manager")):
        with pytest.raises(NotAllowed):
            invite(trial, by)
    with pytest.raises(NotAllowed):
        invite_person(email="x@example.org", by=investigator, link=link)
    local = make_member(trial, "principal_investigator", "leeds")
    for site in (None, trial.sites.get(code="ghent")):
        with pytest.raises(RuleBroken, match="your own site"):
            invite(trial, local, site=site)
        with pytest.raises(RuleBroken, match="your own site"):
            grant_role(trial=trial, user=investigator.user, role="monitor", by=local, site=site)
    for wrong in ({"role": "owner"}, {"site": make_trial("other").sites.first()}):
        with pytest.raises(RuleBroken):
            invite(trial, investigator, **wrong)


def test_sending_again_and_withdrawing_reach_no_further_than_inviting(trial, investigator, signed_in) -> None:
    here, there = trial.sites.get(code="leeds"), trial.sites.get(code="ghent")
    for email, site in (("whole@example.org", None), ("there@example.org", there), ("here@example.org", here)):
        invite(trial, investigator, email=email, site=site)
    local = make_member(trial, "principal_investigator", "leeds")
    browser, page = signed_in(local), reverse("people", kwargs={"slug": "t"})
    for email in ("whole@example.org", "there@example.org"):
        beyond = Invitation.objects.get(email=email)
        assert email not in browser.get(page).content.decode()
        for name in ("invitation-resend", "invitation-revoke"):
            assert browser.post(reverse(name, kwargs={"slug": "t", "number": beyond.pk})).status_code == 404
        with pytest.raises(RuleBroken, match="your own site"):
            resend_invitation(invitation=beyond, by=local, link=link)
        with pytest.raises(RuleBroken, match="your own site"):
            revoke_invitation(invitation=beyond, by=local)
        after = Invitation.objects.get(email=email)
        assert (after.sha256, after.revoked_at, after.invited_by) == (beyond.sha256, None, investigator.user)
    assert "here@example.org" in browser.get(page).content.decode()
    own = Invitation.objects.get(email="here@example.org")
    resend_invitation(invitation=own, by=local, link=link)
    revoke_invitation(invitation=own, by=local)
    assert Invitation.objects.get(email="here@example.org").invited_by == local.user


def test_an_invitation_to_see_arms_is_not_sent_again_by_who_may_not_give_the_role(trial, investigator) -> None:
    administrator = make_administrator()
    invite(trial, administrator, role="monitoring_board")
    invited = Invitation.objects.get()
    with pytest.raises(RuleBroken) as caught:
        resend_invitation(invitation=invited, by=investigator, link=link)
    after = Invitation.objects.get()
    assert (caught.value.code, after.sha256, after.invited_by) == (
        "unblinding_role",
        invited.sha256,
        administrator.user,
    )


def test_a_link_that_works_is_in_no_line_of_the_log(trial, investigator, caplog) -> None:
    token, browser = invite(trial, investigator), Client()
    caplog.set_level(logging.DEBUG)
    link_address = reverse("invitation", kwargs={"token": token})
    for method in (browser.get, browser.post, browser.put, browser.head):
        assert method(link_address).headers["Location"] == reverse("invitation-accept")
    assert browser.post(reverse("invitation-accept"), {"name": "A", "password": "short"}).status_code == 422
    assert browser.put(reverse("invitation-accept")).status_code == 405
    assert "/invitation/accept/" in caplog.text
    assert token not in caplog.text


def test_an_administrator_invites_to_the_platform(signed_in) -> None:
    user = create_account(email="a@example.org", name="A", password=PASSWORD, by=PLATFORM, is_administrator=True)
    browser, address = signed_in(Actor(user=user)), reverse("invitations")
    answer = browser.post(address, {"email": "new@example.org", "name": "New"})
    token = re.search(r"/invitation/(inv_[\w-]+)/", answer.content.decode())[1]
    assert answer.status_code == 201
    assert token not in browser.get(address).content.decode()
    assert not accept_invitation(token=token, name="New", password=GOOD).memberships.exists()
    assert browser.post(address, {"email": "new@example.org"}).status_code == 422


def test_the_link_is_shown_to_the_inviter_only_without_a_mail_server(trial, investigator, signed_in, settings) -> None:
    browser, address = signed_in(investigator), reverse("people", kwargs={"slug": "t"})
    sent = {"email": "new@example.org", "role": "monitor"}
    shown = browser.post(address, sent)
    assert (shown.status_code, "/invitation/inv_" in shown.content.decode()) == (201, True)
    settings.MAIL_SERVER_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    answer = browser.post(address, sent, follow=True)
    assert (answer.status_code, "/invitation/inv_" in answer.content.decode()) == (200, False)
    number = Invitation.objects.get().pk
    again = reverse("invitation-resend", kwargs={"slug": "t", "number": number})
    assert "/invitation/inv_" not in browser.post(again, follow=True).content.decode()
    settings.MAIL_SERVER_BACKEND = ""
    assert "/invitation/inv_" in browser.post(again).content.decode()
    assert browser.post(reverse("invitation-revoke", kwargs={"slug": "t", "number": number})).status_code == 302
    with pytest.raises(InConflict):
        resend_invitation(invitation=Invitation.objects.get(), by=investigator, link=link)


def test_no_link_and_no_hash_is_in_the_trail(trial, investigator) -> None:
    token = invite(trial, investigator)
    accept_invitation(token=token, name="New", password=GOOD)
    trail = str([*AuditEvent.objects.values(), *AuditChange.objects.values()])
    assert token not in trail
    assert Invitation.objects.get().sha256 not in trail


def test_at_most_fifty_are_open(trial, investigator) -> None:
    for number in range(MOST_OPEN):
        invite(trial, investigator, email=f"p{number}@example.org")
    with pytest.raises(InConflict, match="50"):
        invite(trial, investigator, email="more@example.org")
    assert invite(trial, investigator, email="p1@example.org")
    revoke_invitation(invitation=Invitation.objects.get(email="p2@example.org"), by=investigator)
    assert invite(trial, investigator, email="more@example.org")
