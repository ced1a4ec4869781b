"""Enrolment's rules, each with the code that it says no with; nothing is written when it does."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from tests.making import PLATFORM, make_member, make_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Participant, ParticipantEvent, Site, Trial
from trials.services import sealing
from trials.services.design import CriterionDesign
from trials.services.enrollment import (
    AFTER_RANDOMIZATION,
    Consent,
    enroll_participant,
    exclude_participant,
    record_consent,
    record_event,
    screen_participant,
)
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant

DAY = date(2026, 3, 1)
TOMORROW = timezone.localdate() + timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def trial():
    return make_trial()


@pytest.fixture
def site(trial):
    return trial.sites.get(code="leeds")


def screened(trial, site, **more) -> Participant:
    return screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY, **more)


def consented(trial, site) -> Participant:
    return record_consent(participant=screened(trial, site), by=PLATFORM, on=DAY, version="1.0")


def randomized(trial, site) -> Participant:
    return randomize_participant(
        participant=consented(trial, site), by=PLATFORM, levels={"sex": "F"}, on=DAY
    ).participant


def with_criteria() -> tuple[Trial, Site]:
    """Return a trial with two criteria, and its site."""
    criteria = [CriterionDesign("adult", "Adult"), CriterionDesign("sleep", "Sleeps badly")]
    trial = make_trial("asking", criteria=criteria)
    return trial, trial.sites.get(code="leeds")


def code_of(refusal, call) -> str:
    """Call, expect the refusal, and return its code; nothing may be written meanwhile."""
    before = ParticipantEvent.objects.count()
    with pytest.raises(refusal) as caught:
        call()
    assert ParticipantEvent.objects.count() == before
    return caught.value.code


def test_screening_needs_a_recruiting_trial(trial, site) -> None:
    change_status(trial=trial, to="follow_up", by=PLATFORM)
    assert code_of(InConflict, lambda: screened(trial, site)) == "not_recruiting"


def test_no_screening_in_the_future(trial, site) -> None:
    def screen():
        screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=TOMORROW)

    assert code_of(RuleBroken, screen) == "date_future"


def test_no_screening_at_another_site(trial, site) -> None:
    coordinator = make_member(trial, "coordinator", "ghent")

    def screen():
        screen_participant(trial=trial, site=site, by=coordinator, screened_on=DAY)

    assert code_of(NotAllowed, screen) == "not_allowed"


def test_a_form_sent_twice_screens_one_person(trial, site) -> None:
    first = screened(trial, site, key="form-1")
    assert screened(trial, site, key="form-1") == first
    assert screened(trial, site, key="form-2") != first


@pytest.mark.parametrize(
    ("answers", "consent", "state"),
    [
        ([True, True], None, "screened"),
        ([True, True], Consent(DAY, "1.0"), "consented"),
        ([True, False], Consent(DAY, "1.0"), "excluded"),
    ],
)
def test_eligibility_decides(answers, consent, state) -> None:
    trial, site = with_criteria()
    participant = enroll_participant(
        trial=trial, site=site, by=PLATFORM, screened_on=DAY, eligibility=answers, consent=consent
    )
    assert participant.state == state


def test_every_criterion_is_answered() -> None:
    trial, site = with_criteria()

    def enroll():
        enroll_participant(trial=trial, site=site, by=PLATFORM, screened_on=DAY, eligibility=[True])

    assert code_of(RuleBroken, enroll) == "eligibility_unanswered"


def test_nobody_consents_twice(trial, site) -> None:
    participant = consented(trial, site)

    def consent():
        record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")

    assert code_of(InConflict, consent) == "state_wrong"


def test_no_consent_of_somebody_not_eligible() -> None:
    trial, site = with_criteria()
    participant = screened(trial, site, eligibility={"adult": False})

    def consent():
        record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")

    assert code_of(InConflict, consent) == "not_eligible"


@pytest.mark.parametrize(
    ("on", "code"), [(DAY - timedelta(days=1), "date_before_screening"), (TOMORROW, "date_future")]
)
def test_consent_comes_after_screening_and_not_in_the_future(trial, site, on, code) -> None:
    participant = screened(trial, site)

    def consent():
        record_consent(participant=participant, by=PLATFORM, on=on, version="1.0")

    assert code_of(RuleBroken, consent) == code


def test_no_consent_after_recruitment(trial, site) -> None:
    participant = screened(trial, site)
    change_status(trial=trial, to="follow_up", by=PLATFORM)

    def consent():
        record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")

    assert code_of(InConflict, consent) == "not_recruiting"


def test_exclusion_takes_a_known_reason_and_comes_before_randomization(trial, site) -> None:
    waiting, inside = screened(trial, site), randomized(trial, site)
    wrong = code_of(RuleBroken, lambda: exclude_participant(participant=waiting, reason="ill", by=PLATFORM, on=DAY))
    late = code_of(InConflict, lambda: exclude_participant(participant=inside, reason="other", by=PLATFORM, on=DAY))
    assert (wrong, late) == ("reason_unknown", "state_wrong")
    assert exclude_participant(participant=waiting, reason="declined", by=PLATFORM, on=DAY).state == "excluded"


@pytest.mark.parametrize(
    ("levels", "on", "refusal", "code"),
    [
        ({}, DAY, RuleBroken, "level_unknown"),
        ({"sex": "X"}, DAY, RuleBroken, "level_unknown"),
        ({"sex": "F"}, TOMORROW, RuleBroken, "date_future"),
        ({"sex": "F"}, DAY - timedelta(days=1), RuleBroken, "date_before_consent"),
    ],
)
def test_randomization_refuses(trial, site, levels, on, refusal, code) -> None:
    participant = consented(trial, site)

    def randomize():
        randomize_participant(participant=participant, by=PLATFORM, levels=levels, on=on)

    assert code_of(refusal, randomize) == code


def test_no_randomization_after_recruitment(trial, site) -> None:
    participant = consented(trial, site)
    change_status(trial=trial, to="follow_up", by=PLATFORM)

    def randomize():
        randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"})

    assert code_of(InConflict, randomize) == "not_recruiting"


def test_a_used_up_list_gives_no_arm(site, trial, monkeypatch) -> None:
    monkeypatch.setattr(sealing, "SHORTEST_LIST", 2)
    monkeypatch.setattr(sealing, "RESERVE", 1)
    small = make_trial("small", planned=2, factors={}, sites=("leeds",))
    leeds = small.sites.get()
    for _ in range(2):
        randomize_participant(participant=consented(small, leeds), by=PLATFORM)
    third = consented(small, leeds)
    assert code_of(InConflict, lambda: randomize_participant(participant=third, by=PLATFORM)) == "list_used_up"


@pytest.mark.parametrize(
    ("kind", "on", "refusal", "code"),
    [
        ("screened", DAY, RuleBroken, "event_unknown"),
        ("intervention_started", DAY - timedelta(days=1), RuleBroken, "date_before_randomization"),
        ("intervention_started", TOMORROW, RuleBroken, "date_future"),
    ],
)
def test_what_happens_after_randomization_refuses(trial, site, kind, on, refusal, code) -> None:
    participant = randomized(trial, site)
    assert code_of(refusal, lambda: record_event(participant=participant, kind=kind, by=PLATFORM, on=on)) == code


def test_nothing_happens_to_somebody_not_randomized(trial, site) -> None:
    participant = consented(trial, site)
    code = code_of(InConflict, lambda: record_event(participant=participant, kind="completed", by=PLATFORM, on=DAY))
    assert code == "not_randomized"


def test_a_thing_happens_once_and_an_end_is_final(trial, site) -> None:
    participant = randomized(trial, site)
    record_event(participant=participant, kind="lost_to_follow_up", by=PLATFORM, on=DAY)
    again = code_of(
        InConflict, lambda: record_event(participant=participant, kind="lost_to_follow_up", by=PLATFORM, on=DAY)
    )
    after = code_of(InConflict, lambda: record_event(participant=participant, kind="completed", by=PLATFORM, on=DAY))
    assert (again, after) == ("already_recorded", "state_wrong")
    withdrawn = record_event(participant=participant, kind="data_use_withdrawn", by=PLATFORM, on=DAY)
    assert withdrawn.data_use_withdrawn


def test_a_locked_trial_takes_nothing(trial, site) -> None:
    participant = randomized(trial, site)
    for to in ("follow_up", "locked"):
        change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    code = code_of(InConflict, lambda: record_event(participant=participant, kind="completed", by=PLATFORM, on=DAY))
    assert code == "trial_closed"


@pytest.mark.parametrize("kind", sorted(AFTER_RANDOMIZATION))
def test_the_data_version_does_not_tell_who_began_an_intervention(trial, site, kind) -> None:
    participant = randomized(trial, site)
    before = Trial.objects.get(pk=trial.pk).data_version
    record_event(participant=participant, kind=kind, by=PLATFORM, on=DAY)
    rise = Trial.objects.get(pk=trial.pk).data_version - before
    assert rise == (0 if kind.startswith("intervention_") else 1)
