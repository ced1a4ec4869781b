"""Sessions by form: one or a whole group, retractions, the dose they add up to, and that the blinded see none."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from measurements.models import Session
from measurements.selectors.sessions import (
    dose_by_participant,
    doses_visible_to,
    first_session_dates,
    sessions_of,
)
from measurements.services.sessions import Contact, record_group_session, record_session, retract_session
from tests.making import PLATFORM, make_member, make_trial
from tests.measurements.conftest import make_participant
from trials import audit
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Allocation, Intervention, ParticipantEvent
from trials.permissions import Role
from trials.selectors.audit_trail import events_of
from trials.services.design import ArmDesign
from trials.services.enrollment import record_event
from trials.services.lifecycle import change_status, register_trial
from trials.services.therapy import add_therapist, form_group, join_group

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 10, 18, 30, tzinfo=UTC)
JOINED = date(2026, 3, 3)
CANARY = re.compile(rb"canary", re.IGNORECASE)
ARMS = (
    ArmDesign("canary-one", "Canary one", "intervention", intervention_type="cbt"),
    ArmDesign("canary-two", "Canary two", "waitlist", is_reference=True),
)


def in_arm(trial, kind, count=1):
    """Randomize people in Leeds until so many are in this arm."""
    found = []
    while len(found) < count:
        participant = make_participant(trial, "leeds")
        if Allocation.objects.get(participant=participant).arm.kind == kind:
            found.append(participant)
    return found


def recorded(participant, *, key="", by=PLATFORM, **fields):
    contact = Contact(**({"occurred_at": AT, "minutes": Decimal(50)} | fields))
    return record_session(participant=participant, contact=contact, by=by, key=key or f"k{Session.objects.count()}")


def at(day):
    return AT.replace(day=day)


BAD = [
    ({"occurred_at": datetime(2099, 1, 1, tzinfo=UTC)}, "date_future"),
    ({"occurred_at": datetime(2026, 3, 1, 12, tzinfo=UTC)}, "date_before_randomization"),
    ({"attended": False, "minutes": None}, "reason_missing"),
    ({"attended": False, "reason": "Ill"}, "minutes_without_attendance"),
]


@pytest.mark.parametrize(("fields", "code"), BAD)
def test_what_cannot_be_is_refused(fields, code) -> None:
    participant = make_participant(make_trial(), "leeds")
    with pytest.raises(RuleBroken) as refusal:
        recorded(participant, **fields)
    assert refusal.value.code == code
    assert not Session.objects.exists()


def test_one_moment_one_session_and_a_form_sent_twice() -> None:
    participant = make_participant(make_trial(), "leeds")
    first = recorded(participant, key="k")
    assert recorded(participant, key="k").pk == first.pk
    with pytest.raises(RuleBroken, match="recorded already"):
        recorded(participant, key="other")
    retract_session(session=first, reason="Wrong day", by=PLATFORM)
    recorded(participant, key="other")
    assert Session.objects.count() == 2


def test_a_therapist_of_the_same_site_and_a_participant_who_did_not_withdraw() -> None:
    trial = make_trial()
    participant = make_participant(trial, "leeds")
    foreign = add_therapist(trial=trial, site=trial.sites.get(code="ghent"), code="th-1", by=PLATFORM)
    with pytest.raises(RuleBroken, match="not a therapist of Leeds"):
        recorded(participant, therapist=foreign)
    record_event(participant=participant, kind="data_use_withdrawn", by=PLATFORM, on=date(2026, 3, 3))
    with pytest.raises(InConflict, match="withdrew"):
        recorded(participant)


def test_a_blinded_recorder_learns_nothing_of_what_others_recorded() -> None:
    trial = make_trial(is_open_label=False)
    participant = make_participant(trial, "leeds")
    recorded(participant)
    coordinator = make_member(trial, "coordinator")
    recorded(participant, by=coordinator)
    assert Session.objects.count() == 2
    with pytest.raises(RuleBroken, match="recorded already"):
        recorded(participant, by=coordinator, key="again")


class TestGroups:
    def make(self, trial):
        group = form_group(trial=trial, site=trial.sites.get(code="leeds"), code="g1", by=PLATFORM)
        members = in_arm(trial, "intervention", 3)
        for member in members:
            join_group(group=group, participant=member, by=PLATFORM, on=JOINED)
        return group, members

    def record(self, group, missed, key="k"):
        contact = Contact(occurred_at=AT, minutes=Decimal(90), kind="group", number=1)
        return record_group_session(group=group, contact=contact, missed=missed, by=PLATFORM, key=key)

    def test_one_page_for_everybody_once(self) -> None:
        group, members = self.make(make_trial())
        for _ in range(2):
            self.record(group, {members[1].pk: "Ill"})
        sessions = Session.objects.order_by("participant__number")
        assert [(each.attended, each.reason, each.minutes) for each in sessions] == [
            (True, "", 90),
            (False, "Ill", None),
            (True, "", 90),
        ]

    def test_all_or_nothing(self) -> None:
        group, members = self.make(make_trial())
        with pytest.raises(RuleBroken) as refusal:
            self.record(group, {members[2].pk: " "})
        assert refusal.value.field == f"reason_{members[2].pk}"
        assert not Session.objects.exists()

    def test_the_page(self, signed_in) -> None:
        trial = make_trial()
        _, members = self.make(trial)
        browser = signed_in(make_member(trial, "coordinator", "leeds"))
        address = reverse("session-group", kwargs={"slug": "t", "code": "g1"})
        assert browser.get(address).status_code == 200
        sent = {"key": "k", "on": "2026-03-10", "at": "18:30", "minutes": "90", f"attended_{members[0].pk}": "on"}
        assert browser.post(address, sent).status_code == 422
        sent |= {f"reason_{each.pk}": "Ill" for each in members[1:]}
        assert browser.post(address, sent).status_code == 302
        assert list(Session.objects.order_by("pk").values_list("attended", flat=True)) == [True, False, False]


def test_the_dose_counts_what_was_attended_before_a_cross_over() -> None:
    trial = make_trial()
    [treated], [waiting] = in_arm(trial, "intervention"), in_arm(trial, "waitlist")
    recorded(treated, occurred_at=at(10))
    recorded(treated, occurred_at=at(11), minutes=None)
    recorded(treated, occurred_at=at(12), attended=False, reason="Ill", minutes=None)
    retract_session(session=recorded(treated, occurred_at=at(13)), reason="Somebody else", by=PLATFORM)
    recorded(waiting, occurred_at=at(10))
    recorded(waiting, occurred_at=at(20))
    with audit.transaction(by=PLATFORM) as event:
        ParticipantEvent.objects.create(
            trial=trial, participant=waiting, kind="crossed_over", occurred_on=date(2026, 3, 15)
        )
        event.record("participant.crossed_over", trial=trial)
    doses = {each.participant_id: (each.sessions, each.minutes) for each in dose_by_participant(trial)}
    assert (doses[treated.pk], doses[waiting.pk]) == ((2, 50), (1, 50))
    assert len(doses) == trial.participants.count()
    assert first_session_dates(trial) == {treated.pk: date(2026, 3, 10), waiting.pk: date(2026, 3, 10)}
    shown = {each.pk: each for each in doses_visible_to(make_member(trial, "coordinator", "leeds"), trial)}
    assert (shown[treated.pk].attended, shown[treated.pk].missed, shown[treated.pk].minutes) == (2, 1, 50)
    assert (shown[waiting.pk].contaminated, shown[treated.pk].contaminated) == (1, 0)


def test_below_the_planned_dose(signed_in) -> None:
    trial = make_trial(status="draft")
    with audit.transaction(by=PLATFORM) as event:
        Intervention.objects.filter(arm__trial=trial, arm__kind="intervention").update(sessions_planned=2)
        event.record("trial.designed", trial=trial)
    trial = change_status(trial=register_trial(trial=trial, by=PLATFORM), to="recruiting", by=PLATFORM)
    full, part = in_arm(trial, "intervention", 2)
    for day in (10, 11):
        recorded(full, occurred_at=at(day), software_version=f"2.{day}")
    recorded(part)
    browser = signed_in(make_member(trial, "coordinator", "leeds"))
    address = reverse("sessions", kwargs={"slug": "t"})
    assert list(browser.get(address, {"show": "below_plan"}).context["page"]) == [part]
    for sort in ("participant", "-attended", "version", "-last", "arm", "minutes", "planned"):
        assert browser.get(address, {"sort": sort}).status_code == 200
    exported = b"".join(browser.get(address, {"format": "csv", "sort": "-attended"}))
    assert exported.splitlines()[1].startswith(f"{full.code},leeds,cbt,2,2,0,100.00,".encode())


SEES = {Role.UNBLINDED_STATISTICIAN, Role.MONITORING_BOARD, Role.PRINCIPAL_INVESTIGATOR, Role.COORDINATOR}


@pytest.mark.parametrize("role", list(Role))
def test_sessions_are_shown_where_arms_are(role, signed_in) -> None:
    trial = make_trial(arms=ARMS)
    [participant] = in_arm(trial, "intervention")
    recorded(participant, software="Canary app")
    member = make_member(trial, role)
    browser = signed_in(member)
    pages = [
        reverse("sessions", kwargs={"slug": "t"}),
        reverse("sessions", kwargs={"slug": "t"}) + "?format=csv",
        reverse("session-retract", kwargs={"slug": "t", "number": Session.objects.get().pk}),
        reverse("session-record", kwargs={"slug": "t"}),
    ]
    answers = [browser.get(page) for page in pages]
    named = [bool(CANARY.search(b"".join(each) if each.streaming else each.content)) for each in answers]
    assert any(named) == (role in SEES)
    if role not in SEES:
        assert {each.status_code for each in answers[:3]} == {403}
        assert not sessions_of(participant, member)
    if role == Role.MONITOR:
        assert not events_of(trial, member).filter(verb__startswith="session.").exists()


def test_staff_of_one_site_see_their_own(signed_in) -> None:
    trial = make_trial()
    participant, foreign = make_participant(trial, "leeds"), make_participant(trial, "ghent")
    for each in (participant, foreign):
        recorded(each)
    coordinator = make_member(trial, "coordinator", "leeds")
    assert list(doses_visible_to(coordinator, trial)) == [participant]
    assert sessions_of(foreign, coordinator) is None
    number = Session.objects.get(participant=foreign).pk
    assert (
        signed_in(coordinator).get(reverse("session-retract", kwargs={"slug": "t", "number": number})).status_code
        == 404
    )
    with pytest.raises(NotAllowed):
        retract_session(session=Session.objects.get(pk=number), reason="x", by=coordinator)


def test_the_pages_record_and_retract(signed_in) -> None:
    trial = make_trial()
    participant, foreign = make_participant(trial, "leeds"), make_participant(trial, "ghent")
    browser: Client = signed_in(make_member(trial, "coordinator", "leeds"))
    new = reverse("session-record", kwargs={"slug": "t"})
    sent = {"key": "k", "participant": participant.code, "kind": "individual", "on": "2026-03-10", "at": "18:30"}
    assert browser.post(new, sent | {"participant": foreign.code}).status_code == 422
    assert browser.post(new, sent | {"missed": "on"}).status_code == 422
    for _ in range(2):
        assert browser.post(new, sent | {"minutes": "50"}).status_code == 302
    session = Session.objects.get()
    retract = reverse("session-retract", kwargs={"slug": "t", "number": session.pk})
    assert browser.post(retract, {"reason": ""}).status_code == 422
    for _ in range(2):
        assert browser.post(retract, {"reason": "Somebody else"}).status_code == 302
    assert dose_by_participant(trial)[0].sessions == 0
