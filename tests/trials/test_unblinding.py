"""Emergency unblinding: one arm to one person, told to another, and nothing to anybody else."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from tests.making import PASSWORD, PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import AuditEvent, EmergencyUnblinding, OutgoingMessage, Participant, ParticipantEvent, Trial
from trials.selectors.participants import allocated_arm
from trials.selectors.unblindings import people_to_notify, unblindings_by_person
from trials.services.design import ArmDesign
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant
from trials.services.unblinding import unblind_participant

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)
CANARY, OTHER = "Canary therapy", "Canary waiting"
ARMS = (
    ArmDesign("canaryone", CANARY, "intervention", intervention_type="cbt"),
    ArmDesign("canarytwo", OTHER, "waitlist", is_reference=True),
)


def blinded_trial() -> Trial:
    return make_trial(is_open_label=False, factors={}, arms=ARMS)


def randomized(trial: Trial, site: str = "leeds") -> Participant:
    person = screen_participant(trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=DAY)
    person = record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")
    return randomize_participant(participant=person, by=PLATFORM, on=DAY).participant


def opened(person: Participant, by: Actor, told: Actor, **changed):
    given = {"reason": "Anaphylaxis", "notify": told.user, "on": timezone.localdate()}
    return unblind_participant(participant=person, by=by, **given | changed)


def test_one_arm_to_one_person() -> None:
    trial = blinded_trial()
    person, another = randomized(trial), randomized(trial)
    coordinator, monitor = make_member(trial, "coordinator", "leeds"), make_member(trial, "monitor")
    colleague = make_member(trial, "coordinator")
    arm = opened(person, coordinator, monitor)
    assert arm == person.allocation.arm
    assert allocated_arm(person, coordinator) == arm
    for participant, by in ((another, coordinator), (person, colleague), (person, monitor)):
        assert allocated_arm(participant, by) is None
    with_token = Actor(user=coordinator.user, scopes=frozenset({"read"}))
    assert allocated_arm(person, with_token) is None
    with pytest.raises(NotAllowed):
        opened(person, with_token, monitor)


def test_asked_twice_nothing_is_written_twice() -> None:
    trial = blinded_trial()
    person, coordinator = randomized(trial), make_member(trial, "coordinator")
    monitor = make_member(trial, "monitor")
    assert opened(person, coordinator, monitor) == opened(person, coordinator, monitor, reason="")
    assert EmergencyUnblinding.objects.count() == 1
    assert OutgoingMessage.objects.count() == 1
    assert ParticipantEvent.objects.filter(kind="unblinded").count() == 1
    assert AuditEvent.objects.filter(verb="participant.unblinding_repeated").count() == 1


def test_notice_and_record_name_no_arm() -> None:
    trial = blinded_trial()
    person, coordinator = randomized(trial), make_member(trial, "coordinator")
    opened(person, coordinator, make_member(trial, "monitor"))
    message = OutgoingMessage.objects.get()
    assert message.to == "monitor-all@example.org"
    assert person.code in message.subject
    assert "Anaphylaxis" in message.text
    events = AuditEvent.objects.filter(verb__startswith="participant.unblind").values()
    rows = [*EmergencyUnblinding.objects.values(), *ParticipantEvent.objects.filter(kind="unblinded").values(), *events]
    for told in (message.subject, message.text, *map(str, rows)):
        assert "canary" not in told.lower()
    assert AuditEvent.objects.get(verb="participant.unblinded").reason == "Anaphylaxis"


@pytest.mark.parametrize(
    ("role", "site", "may"),
    [
        ("principal_investigator", None, True),
        ("coordinator", "leeds", True),
        ("coordinator", "ghent", False),
        ("monitor", None, False),
        ("data_manager", None, False),
        ("lab_manager", None, False),
        ("unblinded_statistician", None, False),
    ],
)
def test_who_may(role, site, may) -> None:
    trial = blinded_trial()
    person, told = randomized(trial), make_member(trial, "monitoring_board")
    by = make_member(trial, role, site)
    if may:
        assert opened(person, by, told)
        return
    with pytest.raises(NotAllowed):
        opened(person, by, told)
    assert not EmergencyUnblinding.objects.exists()


def test_what_is_refused() -> None:
    trial = blinded_trial()
    person, coordinator = randomized(trial), make_member(trial, "coordinator")
    monitor, stranger = make_member(trial, "monitor"), make_member(make_trial("other"), "principal_investigator")
    screened = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=DAY)
    for refusal, changed in (
        (RuleBroken, {"reason": " "}),
        (RuleBroken, {"notify": stranger.user}),
        (RuleBroken, {"notify": coordinator.user}),
        (RuleBroken, {"on": timezone.localdate() + timedelta(days=1)}),
    ):
        with pytest.raises(refusal):
            opened(person, coordinator, monitor, **changed)
    with pytest.raises(InConflict):
        opened(screened, coordinator, monitor)
    assert not EmergencyUnblinding.objects.exists()
    assert not OutgoingMessage.objects.exists()


def test_where_nobody_watches_any_other_member_is_told() -> None:
    trial = blinded_trial()
    person, coordinator = randomized(trial), make_member(trial, "coordinator")
    assert not people_to_notify(person, coordinator).exists()
    statistician = make_member(trial, "blinded_statistician")
    assert list(people_to_notify(person, coordinator)) == [statistician.user]
    monitor = make_member(trial, "monitor")
    assert list(people_to_notify(person, coordinator)) == [monitor.user]


def test_from_the_third_by_one_person_on_the_board_is_told_too(signed_in) -> None:
    trial = blinded_trial()
    coordinator, monitor = make_member(trial, "coordinator"), make_member(trial, "monitor")
    board, colleague = make_member(trial, "monitoring_board"), make_member(trial, "principal_investigator")
    to_board = OutgoingMessage.objects.filter(to=board.user.email)
    opened(randomized(trial), colleague, monitor)
    for told in (0, 0, 1, 2):
        opened(randomized(trial), coordinator, monitor)
        assert to_board.count() == told
    assert "unblinding 4 by Coordinator" in to_board.first().text + to_board.last().text
    assert not any("anary" in message.text for message in to_board.all())
    opened(randomized(trial), coordinator, board)
    assert to_board.count() == 3
    assert unblindings_by_person(trial, monitor) == [("Coordinator", 5), ("Principal Investigator", 1)]
    page = signed_in(monitor).get("/trials/t/unblindings/").content.decode()
    assert '<th scope="row">Coordinator</th><td class="number">5</td>' in page


@pytest.mark.parametrize("to", ["follow_up", "locked"])
def test_it_works_in_every_state(to) -> None:
    trial = blinded_trial()
    person, coordinator = randomized(trial), make_member(trial, "coordinator")
    monitor = make_member(trial, "monitor")
    for each in ("follow_up", "locked"):
        trial = change_status(trial=trial, to=each, by=PLATFORM, reason="planned")
        if each == to:
            break
    assert opened(person, coordinator, monitor)


def test_the_page_shows_the_arm_once_and_keeps_others_blind(signed_in) -> None:
    trial = blinded_trial()
    person, another = randomized(trial), randomized(trial)
    coordinator, monitor = make_member(trial, "coordinator"), make_member(trial, "monitor")
    url = f"/trials/t/participants/{person.code}/unblind/"
    browser = signed_in(coordinator)
    sent = {
        "reason": "Anaphylaxis",
        "notify": monitor.user.pk,
        "on": timezone.localdate().isoformat(),
        "confirmation": person.code,
        "password": PASSWORD,
    }
    for wrong in ({"password": "wrong"}, {"confirmation": another.code}, {"reason": ""}, {"notify": ""}):
        answer = browser.post(url, sent | wrong)
        assert answer.status_code == 422
        assert b"anary" not in answer.content
    assert b"anary" not in browser.get(url).content
    answer = browser.post(url, sent)
    arm = person.allocation.arm.name
    assert answer.status_code == 200
    assert arm in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    assert arm in browser.get(f"/trials/t/participants/{person.code}/").content.decode()
    for page in (f"participants/{another.code}/", "participants/", "", "effects/", "audit/", "unblindings/"):
        assert b"anary" not in browser.get(f"/trials/t/{page}").content
    watching = signed_in(monitor)
    assert watching.get(url).status_code == 403
    listed = watching.get("/trials/t/unblindings/").content.decode()
    assert person.code in listed
    assert "Anaphylaxis" in listed
    for page in ("unblindings/", "audit/", f"participants/{person.code}/"):
        assert b"anary" not in watching.get(f"/trials/t/{page}").content
