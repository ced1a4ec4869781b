"""The pages of this app as a browser without a script uses them."""

import re
from datetime import date

import pytest
from django.urls import reverse

from tests.making import PLATFORM, make_member, make_trial
from trials.models import Allocation, AuditEvent, Membership, Participant, PersonalToken, Trial
from trials.services.enrollment import record_consent, screen_participant
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


def management(prefix: str, total: int) -> dict[str, str]:
    return {f"{prefix}-TOTAL_FORMS": str(total), f"{prefix}-INITIAL_FORMS": "0"}


def design(**changed: str) -> dict[str, str]:
    """Return what the page sends for a small waitlist trial, blank rows included."""
    return {
        "title": "Calm sleep",
        "slug": "calm",
        "code_prefix": "PNI",
        "planned_participants": "40",
        "is_open_label": "on",
        "inclusion": "Adult\nSleeps badly\n\n",
        "stratify_by_site": "on",
        **management("arms", 6),
        "arms-0-name": "CBT",
        "arms-0-kind": "intervention",
        "arms-0-intervention_type": "cbt",
        "arms-0-ratio": "2",
        "arms-1-name": "Waitlist",
        "arms-1-kind": "waitlist",
        "arms-1-is_reference": "on",
        "arms-2-name": "",
        **management("sites", 20),
        "sites-0-name": "Leeds",
        **management("visits", 12),
        "visits-0-name": "Baseline",
        "visits-0-kind": "baseline",
        "visits-0-target_day": "1",
        "visits-0-window_from": "-28",
        "visits-0-window_to": "1",
        "visits-1-name": "Six months",
        "visits-1-code": "six_months",
        "visits-1-kind": "six_months",
        "visits-1-target_day": "183",
        "visits-1-window_from": "168",
        "visits-1-window_to": "196",
        **management("factors", 4),
        "factors-0-name": "Sex",
        "factors-0-levels": "Female, Male",
        **changed,
    }


def test_from_an_empty_form_to_a_recruiting_trial(signed_in) -> None:
    browser = signed_in(make_member(make_trial("first"), "monitor"))
    form = browser.get(reverse("trial-create"))
    assert b'value="183"' in form.content
    assert browser.post(reverse("trial-create"), design()).headers["Location"] == "/trials/calm/protocol/"
    trial = Trial.objects.get(slug="calm")
    assert [(arm.code, arm.ratio, arm.is_reference) for arm in trial.arms.all()] == [
        ("cbt", 2, False),
        ("waitlist", 1, True),
    ]
    assert [each.text for each in trial.criteria.all()] == ["Adult", "Sleeps badly"]
    assert [visit.window_from for visit in trial.visits.all()] == [-28, 168]
    assert trial.factors.get(code="sex").levels == [
        {"code": "female", "name": "Female"},
        {"code": "male", "name": "Male"},
    ]
    move = reverse("trial-move", kwargs={"slug": "calm"})
    assert browser.post(move, {"to": "registered", "confirmation": "clam"}).status_code == 422
    for sent in ({"to": "registered", "confirmation": "calm"}, {"to": "recruiting"}, {"to": "recruiting"}):
        assert browser.post(move, sent).status_code == 302
    trial.refresh_from_db()
    assert trial.status == "recruiting"
    protocol = browser.get(reverse("protocol", kwargs={"slug": "calm"}))
    assert trial.scheme.commitment in protocol.content.decode().replace("<wbr>", "")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"title": ""}, "This field is required."),
        ({"arms-0-intervention_type": ""}, "Choose what this arm receives."),
        ({"arms-1-is_reference": ""}, "Name exactly one arm"),
        ({"arms-1-name": "CBT"}, "stands in two rows"),
        ({"sites-0-name": ""}, "Name at least one site."),
        ({"visits-1-target_day": "300"}, "lies between the earliest and the latest day"),
        ({"factors-0-levels": "Female"}, "at least two different levels"),
        ({"recruitment_ends": "2026-01-01"}, "Recruitment ends after it starts."),
        ({"slug": "first"}, "already a trial with the short name"),
    ],
)
def test_a_failed_design_comes_back_with_what_to_mend(signed_in, changed, sentence) -> None:
    browser = signed_in(make_member(make_trial("first"), "monitor"))
    answer = browser.post(reverse("trial-create"), design(**changed))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Trial.objects.filter(slug="calm").exists()


def test_only_who_may_moves_a_trial_on(signed_in) -> None:
    trial = make_trial()
    move = reverse("trial-move", kwargs={"slug": "t"})
    refused = signed_in(make_member(trial, "monitor")).post(move, {"to": "follow_up", "confirmation": "t"})
    assert refused.status_code == 403
    assert AuditEvent.objects.get(verb="access.refused").detail == {
        "code": "not_allowed",
        "method": "POST",
        "page": "trial-move",
    }
    trial.refresh_from_db()
    assert trial.status == "recruiting"


def unmasked(page) -> str:
    """Return the page without its CSRF token, which is masked anew each time."""
    return re.sub(r'"x-csrftoken": "\w+"', "", page.content.decode())


def key_in(page) -> str:
    return re.search(r'name="key" value="([^"]+)"', page.content.decode())[1]


def test_enrolling_step_by_step_with_double_clicks(signed_in) -> None:
    trial = make_trial()
    site = trial.sites.get(code="leeds")
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    start = reverse("enrol", kwargs={"slug": "t"})
    screening = {"key": key_in(browser.get(start)), "site": site.pk, "screened_on": "2026-03-01"}
    person = browser.post(start, screening).headers["Location"]
    assert browser.post(start, screening).headers["Location"] == person
    assert Participant.objects.count() == 1
    consent = {"consented_on": "2026-03-02", "version": "1.0"}
    assert browser.post(person, {**consent, "version": ""}).status_code == 422
    assert browser.post(person, consent).status_code == 302
    assert b"Go on to the last look" in browser.get(person).content
    assert browser.get(person, {"confirm": "yes", "sex": ""}).status_code == 422
    last_look = browser.get(person, {"confirm": "yes", "sex": "F"})
    assert b"cannot be undone" in last_look.content
    assert not Allocation.objects.exists()
    for _ in range(2):
        assert browser.post(person, {"step": "randomize", "sex": "F"}).headers["Location"] == person
    arm = Allocation.objects.get().arm
    assert arm.name in browser.get(person).content.decode()


def test_one_no_excludes_at_screening(signed_in) -> None:
    trial = make_trial()
    browser = signed_in(make_member(trial, "coordinator"))
    draft = signed_in(make_member(trial, "principal_investigator"))
    draft.post(reverse("trial-create"), design())
    for sent in ({"to": "registered", "confirmation": "calm"}, {"to": "recruiting"}):
        draft.post(reverse("trial-move", kwargs={"slug": "calm"}), sent)
    start = reverse("enrol", kwargs={"slug": "calm"})
    assert browser.get(start).status_code == 404
    page = draft.get(start)
    assert b"Sleeps badly" in page.content
    site = Trial.objects.get(slug="calm").sites.get()
    sent = {"key": key_in(page), "site": site.pk, "screened_on": "2026-03-01", "criterion_c1": "yes"}
    assert draft.post(start, sent).status_code == 422
    person = draft.post(start, {**sent, "criterion_c2": "no"}).headers["Location"]
    assert b"excluded" in draft.get(person).content
    assert draft.post(person, {"consented_on": "2026-03-02", "version": "1"}).headers["Location"] == person
    assert Participant.objects.get().state == "excluded"


def test_somebody_who_declines_is_excluded_with_a_reason(signed_in) -> None:
    trial = make_trial()
    participant = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=DAY)
    browser = signed_in(make_member(trial, "coordinator"))
    person = reverse("enrol-person", kwargs={"slug": "t", "number": 1})
    assert browser.post(person, {"step": "exclude", "reason": "bored"}).status_code == 422
    assert browser.post(person, {"step": "exclude", "reason": "declined", "note": "No time"}).status_code == 302
    participant.refresh_from_db()
    assert participant.state == "excluded"


def test_nobody_is_enrolled_where_nobody_can_be(signed_in) -> None:
    trial = make_trial(status="registered")
    page = signed_in(make_member(trial, "coordinator")).get(reverse("enrol", kwargs={"slug": "t"}))
    assert b"Nobody can be enrolled now" in page.content


def test_the_wizard_shows_no_one_of_another_site(signed_in) -> None:
    trial = make_trial()
    screen_participant(trial=trial, site=trial.sites.get(code="ghent"), by=PLATFORM, screened_on=DAY)
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    foreign = browser.get(reverse("enrol-person", kwargs={"slug": "t", "number": 1}))
    missing = browser.get(reverse("enrol-person", kwargs={"slug": "t", "number": 9}))
    assert (foreign.status_code, unmasked(foreign)) == (404, unmasked(missing))


def test_giving_and_ending_a_role(signed_in) -> None:
    trial = make_trial()
    investigator, monitor = make_member(trial, "principal_investigator"), make_member(trial, "monitor")
    browser, address = signed_in(investigator), reverse("people", kwargs={"slug": "t"})
    assert browser.post(address, {"email": "nobody", "role": "coordinator"}).status_code == 422
    assert browser.post(address, {"email": monitor.user.email.upper(), "role": "coordinator"}).status_code == 302
    held = Membership.objects.get(user=monitor.user, role="coordinator")
    assert signed_in(monitor).post(address, {"email": "who@example.org", "role": "coordinator"}).status_code == 403
    assert signed_in(monitor).get(address).status_code == 200
    end = reverse("role-end", kwargs={"slug": "t", "number": held.pk})
    assert signed_in(monitor).post(end, {"reason": "Left"}).status_code == 403
    assert (browser.get(end).status_code, browser.post(end).status_code) == (200, 422)
    assert browser.post(end, {"reason": "Left"}).status_code == 302
    held.refresh_from_db()
    assert held.ended_at is not None


def test_a_personal_token_is_shown_once_and_only_its_owner_revokes_it(signed_in) -> None:
    trial = make_trial()
    owner, other = make_member(trial, "monitor"), make_member(trial, "coordinator")
    made = signed_in(owner).post(reverse("tokens"), {"name": "R", "scopes": ["read"], "expires_on": "2030-01-01"})
    assert made.status_code == 201
    token = re.search(r"pat_[\w-]{43}", made.content.decode())[0]
    assert token not in signed_in(owner).get(reverse("tokens")).content.decode()
    revoke = reverse("token-revoke", kwargs={"number": PersonalToken.objects.get().pk})
    assert signed_in(other).post(revoke).status_code == 404
    assert signed_in(owner).post(revoke).status_code == 302
    past = signed_in(owner).post(reverse("tokens"), {"name": "R", "scopes": ["read"], "expires_on": "2020-01-01"})
    assert past.status_code == 422


def test_the_audit_trail_is_for_those_who_may(signed_in) -> None:
    trial = make_trial()
    address = reverse("audit-trail", kwargs={"slug": "t"})
    page = signed_in(make_member(trial, "monitor")).get(address, {"verb": "trial.registered"})
    assert page.content.decode().count("<code>trial.registered</code>") == 1
    assert b"<code>trial.created</code>" not in page.content
    assert signed_in(make_member(trial, "coordinator")).get(address).status_code == 403


def test_a_refusal_is_answered_also_when_it_cannot_be_recorded(signed_in, monkeypatch) -> None:
    from django.db import ProgrammingError

    from trials import audit

    def broken(*_args, **_kwargs):
        raise ProgrammingError("refused")

    trial = make_trial()
    monkeypatch.setattr(audit, "record_read", broken)
    page = signed_in(make_member(trial, "coordinator")).get(reverse("audit-trail", kwargs={"slug": "t"}))
    assert page.status_code == 403


PAGES = ("protocol", "enrol", "people", "laboratories", "audit-trail")


@pytest.mark.parametrize("name", PAGES)
def test_a_foreign_trial_is_a_missing_trial(signed_in, name) -> None:
    make_trial("foreign")
    browser = signed_in(make_member(make_trial(), "principal_investigator"))
    foreign = browser.get(reverse(name, kwargs={"slug": "foreign"}))
    missing = browser.get(reverse(name, kwargs={"slug": "missing"}))
    assert (foreign.status_code, unmasked(foreign)) == (404, unmasked(missing))


@pytest.mark.parametrize("name", PAGES)
def test_pages_ask_to_sign_in(client, name) -> None:
    make_trial()
    answer = client.get(reverse(name, kwargs={"slug": "t"}))
    assert (answer.status_code, answer.headers["Location"][:16]) == (302, "/accounts/login/")


def test_an_open_label_trial_shows_the_arm_at_the_own_site_only(signed_in) -> None:
    trial = make_trial()
    site = trial.sites.get(code="leeds")
    participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
    participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
    arm = randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}).arm
    person = reverse("enrol-person", kwargs={"slug": "t", "number": 1})
    assert arm.name in signed_in(make_member(trial, "coordinator", "leeds")).get(person).content.decode()
    assert signed_in(make_member(trial, "coordinator", "ghent")).get(person).status_code == 404
