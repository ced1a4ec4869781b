"""Therapists and therapy groups: who joins when, what is refused, and that a group tells nobody an arm."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse

from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Allocation, AuditEvent, GroupMember, TherapyGroup, Trial
from trials.permissions import Role
from trials.selectors.audit_trail import events_of
from trials.selectors.therapy import groups_visible_to, present_members
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status, register_trial
from trials.services.randomization import randomize_participant
from trials.services.therapy import (
    add_therapist,
    close_group,
    form_group,
    join_group,
    leave_group,
    set_therapist_active,
)

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


def people(trial, count, site="leeds", *, randomized=True):
    made = []
    for _ in range(count):
        participant = screen_participant(trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=DAY)
        participant = record_consent(participant=participant, by=PLATFORM, on=DAY, version="1.0")
        if randomized:
            randomize_participant(participant=participant, by=PLATFORM, levels={"sex": "F"}, on=DAY)
            participant.refresh_from_db()
        made.append(participant)
    return made


def by_arm(trial, kind, count=1):
    found = [each for each in people(trial, 12) if Allocation.objects.get(participant=each).arm.kind == kind]
    return found[:count]


def cluster_trial():
    """A trial whose therapy groups are randomized."""
    trial = make_trial(status="draft")
    with audit.transaction(by=PLATFORM) as event:
        Trial.objects.filter(pk=trial.pk).update(randomization_unit="group")
        event.record("trial.designed", trial=trial)
    trial = register_trial(trial=Trial.objects.get(pk=trial.pk), by=PLATFORM)
    return change_status(trial=trial, to="recruiting", by=PLATFORM)


def group_of(trial, code="g1", site="leeds", by=PLATFORM):
    return form_group(trial=trial, site=trial.sites.get(code=site), code=code, by=by)


def code_of(call):
    with pytest.raises(RuleBroken) as refusal:
        call()
    return refusal.value.code


def test_codes_are_codes_and_taken_once() -> None:
    trial = make_trial()
    leeds = trial.sites.get(code="leeds")
    therapist = add_therapist(trial=trial, site=leeds, code="th-1", by=PLATFORM)
    assert code_of(lambda: add_therapist(trial=trial, site=leeds, code="th-1", by=PLATFORM)) == "code_taken"
    assert code_of(lambda: add_therapist(trial=trial, site=leeds, code="Ann Lee", by=PLATFORM)) == "code_unusable"
    group_of(trial)
    assert code_of(lambda: group_of(trial)) == "code_taken"
    set_therapist_active(therapist=therapist, is_active=False, by=PLATFORM)
    assert (
        code_of(lambda: form_group(trial=trial, site=leeds, code="g2", therapist=therapist, by=PLATFORM))
        == "therapist_unknown"
    )


def test_a_group_is_of_one_site_one_at_a_time_and_of_one_arm() -> None:
    trial = make_trial()
    group = group_of(trial)
    first, second = by_arm(trial, "intervention", 2)
    join_group(group=group, participant=first, by=PLATFORM, on=DAY)
    join_group(group=group, participant=first, by=PLATFORM, on=DAY)
    assert GroupMember.objects.count() == 1
    other = group_of(trial, "g2")
    assert code_of(lambda: join_group(group=other, participant=first, by=PLATFORM, on=DAY)) == "in_another_group"
    [foreign] = people(trial, 1, "ghent")
    assert code_of(lambda: join_group(group=group, participant=foreign, by=PLATFORM, on=DAY)) == "participant_elsewhere"
    early = DAY - timedelta(days=1)
    assert code_of(lambda: join_group(group=group, participant=second, by=PLATFORM, on=early)) == "date_order"
    [waiting] = by_arm(trial, "waitlist")
    assert code_of(lambda: join_group(group=group, participant=waiting, by=PLATFORM, on=DAY)) == "arm_without_therapy"
    [consented] = people(trial, 1, randomized=False)
    assert code_of(lambda: join_group(group=group, participant=consented, by=PLATFORM, on=DAY)) == "not_randomized"


def test_who_left_may_join_again_and_nobody_joins_a_closed_group() -> None:
    trial = make_trial()
    group = group_of(trial)
    first, second = by_arm(trial, "intervention", 2)
    with pytest.raises(InConflict, match="Nobody is in group"):
        close_group(group=group, by=PLATFORM)
    member = join_group(group=group, participant=first, by=PLATFORM, on=DAY)
    assert code_of(lambda: leave_group(member=member, by=PLATFORM, on=DAY, reason=" ")) == "reason_missing"
    leave_group(member=member, by=PLATFORM, on=DAY, reason="Moved")
    assert present_members(group) == []
    join_group(group=group, participant=first, by=PLATFORM, on=DAY)
    closed = close_group(group=group, by=PLATFORM)
    assert close_group(group=group, by=PLATFORM).closed_on == closed.closed_on
    assert code_of(lambda: join_group(group=group, participant=second, by=PLATFORM, on=DAY)) == "group_closed"


def test_only_where_arms_may_be_seen_are_groups_formed() -> None:
    masked = make_trial(is_open_label=False)
    with pytest.raises(NotAllowed):
        group_of(masked, by=make_member(masked, "coordinator"))
    open_label = make_trial("o")
    coordinator = make_member(open_label, "coordinator", "leeds")
    group_of(open_label, by=coordinator)
    with pytest.raises(NotAllowed):
        group_of(open_label, "g2", "ghent", by=coordinator)


SEES = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD, Role.PRINCIPAL_INVESTIGATOR, Role.COORDINATOR}


def page_of(browser, address):
    """The page without its one-time tokens."""
    return re.sub(rb"\b\w{64}\b", b"", browser.get(address).content)


@pytest.mark.parametrize("role", [role for role in Role if role != Role.LAB_MANAGER])
def test_the_blinded_read_the_page_as_if_there_were_no_group(role, signed_in) -> None:
    trial = make_trial()
    browser = signed_in(make_member(trial, role))
    address = reverse("therapy-groups", kwargs={"slug": "t"})
    before = page_of(browser, address)
    join_group(group=group_of(trial), participant=by_arm(trial, "intervention")[0], by=PLATFORM, on=DAY)
    assert (page_of(browser, address) == before) == (role not in SEES)
    group = browser.get(reverse("therapy-group", kwargs={"slug": "t", "code": "g1"}))
    assert group.status_code == (200 if role in SEES else 404)
    exported = browser.get(address, {"format": "csv"})
    assert (b"g1" in b"".join(exported)) == (role in SEES)


def test_the_audit_trail_hides_groups_from_the_blinded() -> None:
    trial = make_trial()
    group_of(trial)
    assert AuditEvent.objects.filter(verb="therapy_group.formed").exists()
    assert not events_of(trial, make_member(trial, "monitor")).filter(verb__startswith="therapy_group").exists()


class TestRandomizedGroups:
    def test_people_join_between_consent_and_closing(self) -> None:
        trial = cluster_trial()
        group = group_of(trial)
        first, second = people(trial, 2, randomized=False)
        member = join_group(group=group, participant=first, by=PLATFORM, on=DAY)
        close_group(group=group, by=PLATFORM)
        with pytest.raises(InConflict, match="nobody joins"):
            join_group(group=group, participant=second, by=PLATFORM, on=DAY)
        with pytest.raises(InConflict, match="analysed as it is"):
            leave_group(member=member, by=PLATFORM, on=DAY, reason="Moved")

    def test_everybody_sees_them(self) -> None:
        trial = cluster_trial()
        group_of(trial)
        assert groups_visible_to(make_member(trial, "monitor"), trial).count() == 1
        assert not groups_visible_to(make_member(trial, "coordinator", "ghent"), trial).exists()


def test_the_pages_form_fill_and_close(signed_in) -> None:
    trial = make_trial()
    person, other = by_arm(trial, "intervention", 2)
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    address = reverse("therapy-groups", kwargs={"slug": "t"})
    leeds = trial.sites.get(code="leeds").pk
    for step in ("therapist", "group"):
        sent = {"step": step, f"{step}-code": "c1", f"{step}-site": leeds}
        assert browser.post(address, sent).status_code == 302
        assert browser.post(address, sent).status_code == 422
    group = reverse("therapy-group", kwargs={"slug": "t", "code": "c1"})
    for code, status in ((person.code, 302), ("T-999", 422)):
        sent = {"step": "join", "participant": code, "on": DAY.isoformat()}
        assert browser.post(group, sent).status_code == status
    member = GroupMember.objects.get()
    leave = reverse("therapy-leave", kwargs={"slug": "t", "code": "c1", "number": member.pk})
    assert browser.post(leave, {"on": DAY.isoformat(), "reason": ""}).status_code == 422
    assert browser.post(leave, {"on": DAY.isoformat(), "reason": "Moved"}).status_code == 302
    assert browser.post(group, {"step": "close"}).status_code == 422
    join_group(group=TherapyGroup.objects.get(), participant=other, by=PLATFORM, on=DAY)
    assert browser.post(group, {"step": "close"}).status_code == 302
    active = reverse("therapist-active", kwargs={"slug": "t", "code": "c1"})
    assert browser.post(active, {"active": "no"}).status_code == 302
    assert b"Ended" in browser.get(address).content


def test_a_closed_group_is_randomized_from_its_page(signed_in) -> None:
    trial = cluster_trial()
    group = group_of(trial)
    for participant in people(trial, 2, randomized=False):
        join_group(group=group, participant=participant, by=PLATFORM, on=DAY)
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    page = reverse("therapy-group", kwargs={"slug": "t", "code": "g1"})
    randomize = reverse("randomize-group", kwargs={"slug": "t", "code": "g1"})
    assert randomize.encode() not in browser.get(page).content
    assert browser.post(randomize, {"sex": "F"}).status_code == 422
    close_group(group=group, by=PLATFORM)
    assert randomize.encode() in browser.get(page).content
    assert b"cannot be undone" in browser.get(randomize).content
    for _ in range(2):
        assert browser.post(randomize, {"sex": "F"}).status_code == 302
    arms = set(Allocation.objects.filter(trial=trial).values_list("arm", flat=True))
    assert (len(arms), Allocation.objects.count()) == (1, 2)
    assert b"Randomized" in browser.get(page).content
    assert randomize.encode() not in browser.get(page).content
