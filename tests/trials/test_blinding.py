"""No page and no answer of this app names an arm to a blinded role: canary arms, every role, every address."""

import re
from datetime import date

import pytest
from django.urls import reverse

from tests.making import PLATFORM, make_member, make_trial
from trials.permissions import Role
from trials.services.design import ArmDesign
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)
CANARY = re.compile(rb"canary", re.IGNORECASE)
ARMS = (
    ArmDesign("canary-one", "Canary one", "intervention", intervention_type="cbt"),
    ArmDesign("canary-two", "Canary two", "waitlist", is_reference=True),
)
PAGES = ("protocol", "enrol", "people", "laboratories", "audit-trail")
READS = ("", "visits/", "participants/", "consort/")
SEES_ARMS = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD}


def filled_trial(*, is_open_label=False):
    trial = make_trial(arms=ARMS, is_open_label=is_open_label)
    for site in trial.sites.all():
        for _ in range(4):
            participant = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY)
            participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
            allocation = randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}, on=DAY)
            if allocation.arm.kind == "intervention":
                record_event(participant=participant, kind="intervention_started", by=PLATFORM, on=DAY)
    return trial


def answers(browser, client):
    """Yield (address, answer) of everything this app shows, reads and refusals alike."""
    for name in PAGES:
        yield name, browser.get(reverse(name, kwargs={"slug": "t"}))
    for number in range(1, 9):
        yield f"person {number}", browser.get(reverse("enrol-person", kwargs={"slug": "t", "number": number}))
    for path in READS:
        yield f"api {path}", client.get(f"/api/v1/trials/t/{path}")
    for code in ("T-001-F", "T-002-D", "T-009-0"):
        yield (
            f"api randomize {code}",
            client.post(f"/api/v1/trials/t/participants/{code}/randomize/", {}, format="json"),
        )


def naming(browser, client) -> list[str]:
    """Return the addresses whose answer names a canary, in body or headers."""
    shown = [(name, answer.content + str(answer.headers).encode()) for name, answer in answers(browser, client)]
    return [name for name, content in shown if CANARY.search(content)]


@pytest.mark.parametrize("role", list(Role))
def test_before_unblinding_only_the_entitled_are_told(role, signed_in, with_token) -> None:
    member = make_member(filled_trial(), role)
    named = naming(signed_in(member), with_token(member))
    assert bool(named) == (role in SEES_ARMS)


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.PRINCIPAL_INVESTIGATOR])
def test_open_label_staff_read_no_counts_per_arm(role, signed_in, with_token) -> None:
    member = make_member(filled_trial(is_open_label=True), role, "leeds")
    named = naming(signed_in(member), with_token(member))
    assert "api participants/" in named
    assert "api consort/" not in named
    listed = with_token(member).get("/api/v1/trials/t/participants/").json()["results"]
    assert {each["site"] for each in listed} == {"leeds"}


@pytest.mark.parametrize("role", sorted(SEES_ARMS))
def test_a_role_at_one_site_reads_no_counts_per_arm(role, with_token) -> None:
    client = with_token(make_member(filled_trial(), role, "leeds"))
    assert client.get("/api/v1/trials/t/consort/").json()["is_pooled"]
    listed = client.get("/api/v1/trials/t/participants/").json()["results"]
    assert [bool(each["arm"]) for each in listed] == [True] * 4


def test_the_audit_trail_of_one_site_tells_of_its_participants_alone(signed_in) -> None:
    trial = filled_trial()
    for site in ("leeds", "ghent"):
        page = signed_in(make_member(trial, Role.MONITOR, site)).get(reverse("audit-trail", kwargs={"slug": "t"}))
        told = {event.target_name for event in page.context["page"].paginator.object_list}
        codes = set(trial.participants.filter(site__code=site).values_list("code", flat=True))
        assert {name for name in told if re.fullmatch(r"T-\d+-.", name)} == codes
        assert "T" in told
        assert b"at other sites than yours" in page.content


@pytest.mark.parametrize("role", [Role.DATA_MANAGER, Role.MONITOR])
def test_the_audit_trail_does_not_tell_who_started_an_intervention(role, signed_in) -> None:
    trial = filled_trial()
    address = reverse("audit-trail", kwargs={"slug": "t"})
    page = signed_in(make_member(trial, role)).get(address, {"verb": "participant.intervention_started"})
    assert b"intervention_started" not in page.content
    assert b"left out" in page.content
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    page = signed_in(make_member(trial, role)).get(address)
    assert b"intervention_started" in page.content


def test_from_unblinding_on_the_laboratory_alone_stays_blinded(signed_in, with_token) -> None:
    trial = filled_trial()
    for to in ("follow_up", "locked", "unblinded"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    for role in Role:
        member = make_member(trial, role)
        named = naming(signed_in(member), with_token(member))
        assert bool(named) == (role != Role.LAB_MANAGER), role


def test_who_draws_the_arm_does_not_change_what_the_blinded_read(with_token) -> None:
    """One more participant in either arm gives the blinded the same counts, a started intervention included."""
    trial = make_trial(arms=ARMS, is_open_label=False, sites=("leeds",), factors={})
    client = with_token(make_member(trial, "coordinator"))
    seen = set()
    for number in range(1, 9):
        participant = screen_participant(trial=trial, site=trial.sites.get(), by=PLATFORM, screened_on=DAY)
        participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
        arm = randomize_participant(participant=participant, by=PLATFORM, on=DAY).arm
        if arm.kind == "intervention":
            record_event(participant=participant, kind="intervention_started", by=PLATFORM, on=DAY)
        counts = client.get("/api/v1/trials/t/consort/").json()
        arm = counts["arms"][0]
        seen.add((counts["randomized"] - number, arm["allocated"] - number, arm["received"], arm["not_started"]))
    assert seen == {(0, 0, None, None)}
