"""Consent after the first, mistakes that are struck, identifiers, and the pages that show them."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.access import Actor
from trials.course import STATE_AFTER, state_after
from trials.errors import InConflict, NotAllowed, NotFound, RuleBroken
from trials.models import AuditChange, AuditEvent, Participant, ParticipantEvent, ParticipantIdentity, Site, Trial
from trials.selectors.consent import Scope, consent_of, reconsent_due
from trials.selectors.consort import consort_counts
from trials.selectors.events import events_that_count
from trials.selectors.screening import screening_totals
from trials.services.consent import add_consent_form, decline_reconsent, record_reconsent, withdraw_scope
from trials.services.design import CriterionDesign
from trials.services.enrollment import enroll_participant, exclude_participant, record_consent, record_event
from trials.services.identities import Identity, erase_identity, read_identity, record_identity
from trials.services.people import create_account
from trials.services.randomization import randomize_participant
from trials.services.retraction import retract_event

CRITERIA = (
    CriterionDesign("adult", "Adult"),
    CriterionDesign("well", "Well"),
    CriterionDesign("shift", "Shift work", "exclusion"),
)
pytestmark = pytest.mark.django_db
DAY = timezone.localdate()
CANARY = "Wilhelmina Zauberfisch"
KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.fixture
def trial() -> Trial:
    """A recruiting trial with two sites."""
    return make_trial()


def randomized(trial: Trial, site: str = "leeds", version: str = "1.0", scope=("trial",)) -> Participant:
    """Return somebody randomized today."""
    person = enroll_participant(
        trial=trial, site=trial.sites.get(code=site), by=PLATFORM, screened_on=DAY, eligibility=[]
    )
    person = record_consent(participant=person, by=PLATFORM, on=DAY, version=version, scope=scope)
    randomize_participant(participant=person, by=PLATFORM, levels={"sex": "F"})
    person.refresh_from_db()
    return person


def event_of(person: Participant, kind: str) -> int:
    """Return the number of the person's event of this kind."""
    return ParticipantEvent.objects.get(participant=person, kind=kind, retracts=None).pk


@given(st.lists(st.sampled_from(sorted(ParticipantEvent.Kind.values))))
def test_the_state_does_not_depend_on_the_order_of_events(kinds) -> None:
    assert state_after(kinds) == state_after(reversed(kinds)) in {*Participant.State.values}


def test_every_state_follows_from_an_event() -> None:
    assert set(STATE_AFTER.values()) == set(Participant.State.values)
    assert set(STATE_AFTER) <= set(ParticipantEvent.Kind.values)


def test_a_version_counts_on_its_days_only(trial) -> None:
    add_consent_form(trial=trial, version="2.0", by=PLATFORM, valid_from=DAY)
    person = enroll_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=DAY, eligibility=[])
    with pytest.raises(RuleBroken, match=r"Version 2\.0 was valid") as refused:
        record_consent(participant=person, by=PLATFORM, on=DAY, version="1.0")
    assert refused.value.code == "version_not_valid"
    assert record_consent(participant=person, by=PLATFORM, on=DAY, version="2.0").state == "consented"


@pytest.mark.parametrize(("scope", "code"), [(["trial", "moon"], "scope_unknown"), (["biobank"], "scope_required")])
def test_scopes_are_those_of_the_version(trial, scope, code) -> None:
    scopes = [Scope("biobank", "Samples may be kept")]
    add_consent_form(trial=trial, version="2.0", by=PLATFORM, valid_from=DAY, scopes=scopes)
    with pytest.raises(RuleBroken) as refused:
        randomized(trial, version="2.0", scope=scope)
    assert refused.value.code == code


def test_those_with_an_older_consent_are_due_until_they_answered(trial) -> None:
    people = [randomized(trial) for _ in range(3)]
    add_consent_form(
        trial=trial, version="2.0", by=PLATFORM, valid_from=DAY, asks_again=True, scopes=[Scope("biobank", "Biobank")]
    )
    assert [each.participant for each in reconsent_due(trial, PLATFORM)] == people
    record_reconsent(participant=people[0], by=PLATFORM, on=DAY, version="2.0", scope=["trial", "biobank"])
    decline_reconsent(participant=people[1], by=PLATFORM, on=DAY, version="2.0", reason="no time")
    assert [each.participant for each in reconsent_due(trial, PLATFORM)] == people[2:]
    assert [consent_of(each).version for each in people] == ["2.0", "1.0", "1.0"]
    withdraw_scope(participant=people[0], by=PLATFORM, on=DAY, scope="biobank")
    (_, biobank) = consent_of(people[0]).scopes
    assert (biobank.is_given, biobank.withdrawn_on) == (False, DAY)
    with pytest.raises(InConflict, match="no optional scope"):
        withdraw_scope(participant=people[0], by=PLATFORM, on=DAY, scope="biobank")
    version = Trial.objects.get(pk=trial.pk).data_version
    assert version == 3  # three randomizations; no consent changes what is analysed


def test_unmet_criteria_are_kept_with_the_exclusion() -> None:
    trial = make_trial(criteria=CRITERIA)
    person = enroll_participant(
        trial=trial,
        site=trial.sites.first(),
        by=PLATFORM,
        screened_on=DAY,
        eligibility={"shift": True, "adult": True, "well": False},
    )
    excluded = person.events.get(kind="excluded")
    assert (person.state, excluded.reason, excluded.detail["unmet"]) == ("excluded", "ineligible", ["well", "shift"])


def test_each_criterion_that_is_wrong_is_named() -> None:
    trial = make_trial(criteria=CRITERIA)
    with pytest.raises(RuleBroken) as refused:
        enroll_participant(
            trial=trial,
            site=trial.sites.first(),
            by=PLATFORM,
            screened_on=DAY,
            eligibility={"adult": True, "shift": False, "moon": True},
        )
    assert [(row["pointer"], row["code"]) for row in refused.value.rows] == [
        ("/eligibility/moon", "criterion_unknown"),
        ("/eligibility/well", "criterion_unanswered"),
    ]


def test_a_mistake_is_struck_and_counts_nowhere(trial) -> None:
    person = randomized(trial)
    record_event(participant=person, kind="data_use_withdrawn", by=PLATFORM, on=DAY, scope="data")
    person.refresh_from_db()
    assert (person.state, person.data_use_withdrawn) == ("withdrawn", True)
    number = event_of(person, "data_use_withdrawn")
    before = Trial.objects.get(pk=trial.pk).data_version
    for _ in range(2):  # the second time changes nothing
        person = retract_event(participant=person, number=number, by=PLATFORM, reason="wrong person")
    assert (person.state, person.data_use_withdrawn) == ("randomized", False)
    assert Trial.objects.get(pk=trial.pk).data_version == before + 1
    assert set(events_that_count(trial).values_list("kind", flat=True)) == {"screened", "consented", "randomized"}
    assert record_event(participant=person, kind="completed", by=PLATFORM, on=DAY).state == "completed"


@pytest.mark.parametrize("kind", ["screened", "consented", "randomized"])
def test_what_carries_the_trial_is_never_struck(trial, kind) -> None:
    person = randomized(trial)
    with pytest.raises(InConflict, match="never struck"):
        retract_event(participant=person, number=event_of(person, kind), by=PLATFORM, reason="x")


def test_the_blinded_neither_record_nor_strike_what_tells_the_arm() -> None:
    trial = make_trial(is_open_label=False)
    coordinator = make_member(trial, "coordinator", "leeds")
    began, waits = randomized(trial), randomized(trial)
    record_event(participant=began, kind="intervention_started", by=PLATFORM, on=DAY)
    told = []
    for person in (began, waits):
        with pytest.raises(NotAllowed) as refused:
            record_event(participant=person, kind="intervention_started", by=coordinator, on=DAY)
        told.append((refused.value.code, refused.value.sentence))
    assert told[0] == told[1]
    number = event_of(began, "intervention_started")
    for missing in (number, 10**9):
        with pytest.raises(NotFound):
            retract_event(participant=began, number=missing, by=coordinator, reason="x")


def test_contradictions_are_refused(trial) -> None:
    person = randomized(trial)
    record_event(participant=person, kind="intervention_not_started", by=PLATFORM, on=DAY)
    with pytest.raises(InConflict) as refused:
        record_event(participant=person, kind="intervention_ended", by=PLATFORM, on=DAY)
    assert refused.value.code == "contradiction"


def test_the_log_counts_as_the_flow_does(trial) -> None:
    randomized(trial)
    person = enroll_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=DAY, eligibility=[])
    exclude_participant(participant=person, reason="declined", by=PLATFORM, on=DAY)
    totals, flow = screening_totals(trial, PLATFORM), consort_counts(trial, PLATFORM)
    assert (totals.assessed, totals.consented, totals.randomized) == (flow.assessed, flow.consented, flow.randomized)
    assert totals.excluded_in_all == sum(count for _, count in flow.excluded) == 1


def test_the_log_shows_own_sites_only_and_narrows(trial, signed_in) -> None:
    leeds, ghent = randomized(trial), randomized(trial, "ghent")
    client = signed_in(make_member(trial, "coordinator", "leeds"))
    page = client.get("/trials/t/screening-log/").content.decode()
    assert leeds.code in page
    assert ghent.code not in page
    file = b"".join(client.get("/trials/t/screening-log/csv/?outcome=randomized").streaming_content).decode()
    assert leeds.code in file
    assert ghent.code not in file
    tomorrow = DAY + timedelta(days=1)
    assert "Nobody matches" in client.get(f"/trials/t/screening-log/?first={tomorrow}&outcome=x").content.decode()
    assert client.get("/trials/t/screening-log/?first=2026-99-99&sort=nothing&page=x").status_code == 200


def test_death_and_withdrawn_data_ask_for_the_code(trial, signed_in) -> None:
    person = randomized(trial)
    client = signed_in(make_member(trial, "coordinator", "leeds"))
    address = f"/trials/t/participants/{person.code}/course/data_use_withdrawn/"
    sent = {"on": DAY.isoformat(), "scope": "data", "confirmation": "T-001"}
    assert client.post(address, sent).status_code == 422
    assert client.post(address, sent | {"confirmation": person.code}).status_code == 302
    person.refresh_from_db()
    assert person.data_use_withdrawn
    assert client.get(f"/trials/t/participants/{person.code}/").status_code == 200
    assert client.get(f"/trials/t/participants/{person.code}/course/").status_code == 200


def test_a_slip_in_a_code_is_understood_among_those_who_may_be_seen(trial, signed_in) -> None:
    own, foreign = randomized(trial), randomized(trial, "ghent")
    client = signed_in(make_member(trial, "coordinator", "leeds"))
    assert own.code in client.get("/trials/t/participants/T-001-X/").content.decode()
    answers = [client.get(f"/trials/t/participants/{code}/").status_code for code in (foreign.code, "T-999-2")]
    assert answers == [404, 404]
    assert foreign.code not in client.get("/trials/t/participants/T-002-X/").content.decode()


@pytest.fixture
def keeping(trial, settings) -> Participant:
    """A participant at a site that keeps identifiers, in an installation with a key."""
    settings.IDENTIFIER_KEY = KEY
    with audit.transaction(by=PLATFORM) as event:
        Site.objects.filter(trial=trial, code="leeds").update(keeps_identifiers=True)
        event.record("site.changed", trial=trial)
    return randomized(trial)


def dump() -> str:
    """Return every row of every table of ours that can be read, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        texts = []
        for table in tables:
            cursor.execute("SELECT has_table_privilege(current_user, %s, 'SELECT')", [table])
            if cursor.fetchone()[0]:
                cursor.execute(f'SELECT row_to_json(t)::text FROM "{table}" t')
                texts += [row for (row,) in cursor.fetchall()]
    return "\n".join(texts)


def test_identifiers_are_read_by_their_own_site_and_found_nowhere_else(keeping, trial, signed_in, caplog) -> None:
    carer = make_member(trial, "coordinator", "leeds")
    address = f"/trials/t/participants/{keeping.code}/identity/"
    client = signed_in(carer)
    with caplog.at_level("DEBUG"):
        assert client.post(address, {"step": "record", "name": CANARY, "email": "w@example.org"}).status_code == 302
        assert CANARY not in client.get(address).content.decode()
        assert CANARY in client.post(address, {"step": "read"}).content.decode()
        assert CANARY not in client.get(f"/trials/t/participants/{keeping.code}/").content.decode()
    everything = dump()
    hexed = CANARY.encode().hex()
    assert CANARY not in everything
    assert hexed not in everything
    assert CANARY not in caplog.text
    assert AuditEvent.objects.filter(verb="identity.read").get().detail == {"kept": True}
    changes = AuditChange.objects.filter(table_name="trials_participantidentity")
    assert changes.exists()
    assert not any("ciphertext" in json.dumps([change.old, change.new]) for change in changes)


@pytest.mark.parametrize(
    ("role", "site", "status"),
    [("coordinator", "ghent", 404), ("monitor", None, 403), ("data_manager", None, 403), ("lab_manager", None, 403)],
)
def test_nobody_else_opens_the_page(keeping, trial, signed_in, role, site, status) -> None:
    client = signed_in(make_member(trial, role, site))
    assert client.get(f"/trials/t/participants/{keeping.code}/identity/").status_code == status


def test_an_administrator_reads_no_identifiers(keeping, trial) -> None:
    user = create_account(email="a@example.org", name="A", password="a long enough password", by=PLATFORM)
    user.is_administrator = True
    with pytest.raises(NotAllowed):
        read_identity(participant=keeping, by=Actor(user=user))


def test_a_seal_is_bound_to_its_participant_and_erasing_needs_no_key(keeping, trial, settings) -> None:
    other = randomized(trial)
    for person in (keeping, other):
        record_identity(participant=person, identity=Identity(name=CANARY), by=PLATFORM)
    with audit.transaction(by=PLATFORM) as event:
        sealed = ParticipantIdentity.objects.get(participant=other).ciphertext
        ParticipantIdentity.objects.filter(participant=keeping).update(ciphertext=sealed)
        event.record("identity.moved", trial=trial)
    with pytest.raises(InConflict, match="cannot be opened"):
        read_identity(participant=keeping, by=PLATFORM)
    settings.IDENTIFIER_KEY = ""
    with pytest.raises(InConflict, match="no key for identifiers"):
        read_identity(participant=other, by=PLATFORM)
    erase_identity(participant=other, by=PLATFORM, reason="asked for it")
    assert read_identity(participant=other, by=PLATFORM) is None
    assert bytes(ParticipantIdentity.objects.get(participant=other).ciphertext) == b""


def test_sites_that_keep_none_store_none(keeping, trial) -> None:
    with pytest.raises(InConflict, match="keeps no identifiers"):
        record_identity(participant=randomized(trial, "ghent"), identity=Identity(name=CANARY), by=PLATFORM)


def test_no_identity_shows_itself() -> None:
    assert CANARY not in repr(Identity(name=CANARY))
