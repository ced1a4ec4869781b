"""Source verification: a mark is bound to what was compared."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from measurements.models import SourceVerification
from measurements.selectors.verification import source_items
from measurements.services.verification import verify_source
from measurements.services.visits import record_attendance
from tests.making import PLATFORM, make_member, make_trial
from trials.errors import NotAllowed, RuleBroken
from trials.permissions import ROLE_PERMISSIONS, Permission, Role
from trials.services.enrollment import record_consent, screen_participant

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


@pytest.fixture
def trial():
    return make_trial()


@pytest.fixture
def participant(trial):
    person = screen_participant(trial=trial, site=trial.sites.get(code="leeds"), by=PLATFORM, screened_on=DAY)
    person = record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")
    attended(trial, person, DAY)
    return person


def attended(trial, participant, on, reason="") -> None:
    visit = trial.visits.get(code="baseline")
    record_attendance(participant=participant, visit=visit, by=PLATFORM, attended_on=on, reason=reason)


def items(participant):
    return {item.key: item for item in source_items([participant], PLATFORM)[participant.pk]}


def test_eligibility_consent_and_visits_can_be_compared(participant) -> None:
    assert [item.item for item in items(participant).values()] == ["eligibility", "consent", "attendance"]
    assert not any(item.is_verified for item in items(participant).values())


def test_a_mark_lapses_when_the_recorded_changes_and_returns_with_it(trial, participant) -> None:
    monitor = make_member(trial, "monitor")
    keys = list(items(participant))
    assert verify_source(participant=participant, keys=keys, by=monitor) == 3
    assert verify_source(participant=participant, keys=keys, by=monitor) == 0
    attended(trial, participant, DAY + timedelta(days=1), reason="typed wrong")
    left = [item.item for item in items(participant).values() if not item.is_verified]
    assert left == ["attendance"]
    attended(trial, participant, DAY, reason="it was right")
    assert all(item.is_verified for item in items(participant).values())


def test_marks_are_taken_back_and_kept(trial, participant) -> None:
    monitor = make_member(trial, "monitor")
    key = next(iter(items(participant)))
    verify_source(participant=participant, keys=[key], by=monitor)
    assert verify_source(participant=participant, keys=[key], by=monitor, is_verified=False) == 1
    assert not items(participant)[key].is_verified
    assert SourceVerification.objects.count() == 2


def test_an_item_that_is_not_there_is_refused_whole(trial, participant) -> None:
    key = next(iter(items(participant)))
    with pytest.raises(RuleBroken):
        verify_source(participant=participant, keys=[key, "value-0"], by=make_member(trial, "monitor"))
    assert not SourceVerification.objects.exists()


@pytest.mark.parametrize("role", list(Role))
def test_only_monitors_mark(trial, participant, role) -> None:
    member = make_member(trial, role)
    if Permission.SOURCE_VERIFY in ROLE_PERMISSIONS[role]:
        assert verify_source(participant=participant, keys=list(items(participant)), by=member) == 3
    else:
        with pytest.raises(NotAllowed):
            verify_source(participant=participant, keys=[], by=member)


def test_the_pages_mark_and_count(trial, participant, signed_in, django_assert_max_num_queries) -> None:
    browser = signed_in(make_member(trial, "monitor", "leeds"))
    address = reverse("participant-source", kwargs={"slug": "t", "code": participant.code})
    keys = list(items(participant))
    assert browser.post(address, {"keys": [*keys, "value-0"], "action": "mark"}).status_code == 422
    assert browser.post(address, {"keys": keys, "action": "mark"}).status_code == 302
    listed = browser.get(reverse("source-verification", kwargs={"slug": "t"}))
    assert [(count, verified) for _, count, verified in listed.context["lines"]] == [(3, 3)]
    coordinator = signed_in(make_member(trial, "coordinator"))
    assert b"Mark as verified" not in coordinator.get(address).content
    assert coordinator.post(address, {"keys": keys}).status_code == 403
