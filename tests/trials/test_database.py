"""What the application's role may do: every table has its class, and the database keeps it."""

from datetime import UTC, date, datetime

import pytest
from django.apps import apps
from django.db import ProgrammingError, connection, transaction

from tests.making import PLATFORM, make_trial
from trials import audit
from trials.access import Actor
from trials.lifecycle import MOVES, UNLOCKS
from trials.models import AllocationSlot, AuditChange, AuditEvent, Participant, Trial
from trials.services.enrollment import record_consent, screen_participant
from trials.services.lifecycle import change_status
from trials.services.randomization import randomize_participant

MUTABLE = {
    "trials.adverseevent", "trials.arm", "trials.attendance", "trials.consentform", "trials.criterion",
    "trials.deviation", "trials.groupmember", "trials.intervention", "trials.invitation", "trials.laboratory",
    "trials.laboratorycredential", "trials.laboratorycredential_trials", "trials.laboratorytrial",
    "trials.membership", "trials.participant", "trials.participantidentity", "trials.personaltoken",
    "trials.plannedoutcome", "trials.registration", "trials.site", "trials.stratificationfactor", "trials.therapist",
    "trials.therapygroup", "trials.trial", "trials.twopersonmove", "trials.user", "trials.visit", "trials.webhook",
    "trials.webhooksecret", "measurements.assay", "measurements.biomarker", "measurements.columnmapping",
    "measurements.controlmaterial", "measurements.plate", "measurements.plate_assays", "measurements.query",
    "measurements.shipment", "measurements.specimen",
}  # fmt: skip
APPEND_ONLY = {
    "trials.allocation", "trials.auditevent", "trials.emergencyunblinding", "trials.groupallocation",
    "trials.participantevent", "trials.protocolversion", "trials.randomizationscheme", "measurements.heldrow",
    "measurements.controlvalue", "measurements.entrybatch", "measurements.entrypass", "measurements.entrysettlement",
    "measurements.heldrowoutcome", "measurements.idempotentanswer", "measurements.platelayout",
    "measurements.querynote", "measurements.questionnairesheet", "measurements.result", "measurements.session",
    "measurements.sessionretraction", "measurements.shipmentline", "measurements.sourceverification",
    "measurements.submission", "measurements.submissionfile",
    "analytics.analysisplan", "analytics.armdescription", "analytics.effectestimate", "analytics.estimaterun",
}  # fmt: skip
SEALED = {"trials.allocationslot", "trials.sealedseed"}
WRITTEN_BY_THE_OWNER = {"trials.auditchange", "trials.stratum", "measurements.specimenevent"}
# Their rows go again: links, planned outcomes, and the design of a draft (a trigger keeps it after registration).
REMOVABLE = {
    "trials.laboratorycredential_trials", "trials.plannedoutcome", "trials.arm", "trials.criterion",
    "measurements.plate_assays",
    "trials.intervention", "trials.site", "trials.stratificationfactor", "trials.visit",
}  # fmt: skip
BOOKKEEPING = {
    "trials.allowance",
    "measurements.upload",
    "analytics.export", "analytics.heartbeat", "analytics.rehearsal", "trials.outgoingmessage",
    "trials.webhookattempt", "trials.webhookmessage",
}  # fmt: skip
EXPECTED = {
    **dict.fromkeys(MUTABLE, frozenset({"SELECT", "INSERT", "UPDATE"})),
    **{key: {"SELECT", "INSERT", "UPDATE", "DELETE"} for key in BOOKKEEPING | REMOVABLE},
    **dict.fromkeys(APPEND_ONLY, frozenset({"SELECT", "INSERT"})),
    **dict.fromkeys(SEALED, frozenset({"INSERT"})),
    "trials.auditchange": {"SELECT"},
    "measurements.specimenevent": {"SELECT"},
    "trials.stratum": {"SELECT", "INSERT"},
}


class Undone(Exception):  # noqa: N818 - what happened, not an error
    """The statement was possible, and is undone."""


def data_in(status: str) -> str:
    """Return the state of the data that goes with a status."""
    return "locked" if status in {"locked", "unblinded", "archived"} else "open"


def our_tables() -> dict[str, str]:
    """Return the table of every model of ours, many-to-many tables included."""
    models = [
        m
        for m in apps.get_models(include_auto_created=True)
        if m._meta.app_label in {"trials", "measurements", "analytics"}
    ]
    return {m._meta.label_lower: m._meta.db_table for m in models}


def test_every_model_has_its_class() -> None:
    assert set(our_tables()) == set(EXPECTED)


@pytest.mark.django_db
def test_the_database_grants_what_the_class_says() -> None:
    with connection.cursor() as cursor:
        for label, table in our_tables().items():
            granted = set()
            for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
                cursor.execute("SELECT has_table_privilege(current_user, %s, %s)", [table, privilege])
                if cursor.fetchone()[0]:
                    granted.add(privilege)
            assert granted == EXPECTED[label], label


@pytest.mark.django_db
def test_every_mutable_table_has_its_audit_trigger() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'audit_%'")
        with_trigger = {row[0] for row in cursor.fetchall()}
    assert with_trigger == {our_tables()[label] for label in MUTABLE}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trials_auditevent SET verb = 'x'",
        "DELETE FROM trials_auditevent",
        "TRUNCATE trials_auditevent CASCADE",
        "ALTER TABLE trials_auditevent DISABLE TRIGGER ALL",
        "DROP TRIGGER refuse_change_trials_auditevent ON trials_auditevent",
        "INSERT INTO trials_auditchange (event_id, table_name, row_id, operation) VALUES (1, 'x', 1, 'UPDATE')",
        "UPDATE trials_stratum SET next_sequence = 1",
        "SELECT ciphertext FROM trials_allocationslot",
        "SELECT ciphertext FROM trials_sealedseed",
        "CREATE TABLE mine (id int)",
        "DROP TABLE measurements_result",
        "UPDATE measurements_result SET value = 1",
        "SET session_replication_role = replica",
        "DELETE FROM trials_participant",
        "DELETE FROM trials_membership",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT refuse_late_slots()",
    ],
)
def test_tampering_is_refused(statement: str) -> None:
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_no_actor_no_write() -> None:
    with pytest.raises(ProgrammingError, match="no actor, no write"), transaction.atomic():
        Trial.objects.create(slug="x", title="x")


@pytest.mark.django_db
def test_a_change_hangs_under_its_event_also_in_bulk() -> None:
    with audit.transaction(by=Actor(process="test"), reason="because") as event:
        Trial.objects.create(slug="x", title="Old")
        Trial.objects.filter(slug="x").update(title="New")
        event.record("trial.renamed", trial=None)
    assert AuditEvent.objects.get(pk=event.number).reason == "because"
    update = AuditChange.objects.get(event_id=event.number, operation="UPDATE")
    assert (update.old["title"], update.new["title"]) == ("Old", "New")


@pytest.mark.django_db
def test_a_service_that_records_no_event_is_undone() -> None:
    with pytest.raises(RuntimeError, match="without recording"), audit.transaction(by=Actor(process="test")):
        Trial.objects.create(slug="x", title="x")
    assert not Trial.objects.exists()


@pytest.mark.django_db
def test_raising_the_data_version_alone_is_no_audited_change() -> None:
    with audit.transaction(by=Actor(process="test")) as event:
        Trial.objects.create(slug="x", title="x")
        event.record("trial.created", trial=None)
    Trial.objects.update(data_version=5)
    assert not AuditChange.objects.filter(operation="UPDATE").exists()


def execute(statement: str, values: list[object]) -> tuple[object, ...]:
    """Run a statement that is undone when refused; return its first row."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()


def consented(trial: Trial) -> Participant:
    site = trial.sites.get(code="leeds")
    person = screen_participant(trial=trial, site=site, by=PLATFORM, screened_on=date(2026, 3, 1))
    return record_consent(participant=person, by=PLATFORM, on=date(2026, 3, 1), version="1.0")


@pytest.mark.django_db
def test_a_slot_is_taken_for_somebody_who_waits_and_one_at_a_time() -> None:
    trial = make_trial()
    first, second, foreign = consented(trial), consented(trial), consented(make_trial("other"))
    stratum, take = trial.strata.first(), "SELECT * FROM take_allocation_slot(%s, %s)"
    for nobody in (foreign.pk, 0):
        with pytest.raises(ProgrammingError, match="waits for no arm"):
            execute(take, [stratum.pk, nobody])
    randomized = randomize_participant(participant=first, by=PLATFORM, levels={"sex": "F"})
    with pytest.raises(ProgrammingError, match="waits for no arm"):
        execute(take, [randomized.stratum_id, first.pk])
    execute(take, [randomized.stratum_id, second.pk])
    with pytest.raises(ProgrammingError, match="taken and not given"):
        execute(take, [randomized.stratum_id, second.pk])


@pytest.mark.django_db
def test_a_list_grows_no_more_once_people_are_randomized() -> None:
    trial, draft = make_trial(), make_trial("draft", status="draft")
    for named in (trial, draft):
        with pytest.raises(ProgrammingError, match="made at registration"), audit.transaction(by=PLATFORM):
            AllocationSlot.objects.create(trial=named, stratum=trial.strata.first(), sequence=999, ciphertext=b"x")


@pytest.mark.django_db
def test_the_server_says_when_an_event_happened() -> None:
    with audit.transaction(by=PLATFORM) as event:
        AuditEvent.objects.create(id=event.number, verb="x", occurred_at=datetime(2000, 1, 1, tzinfo=UTC))
        event.is_recorded = True
    assert AuditEvent.objects.get(pk=event.number).occurred_at.year > 2000


@pytest.mark.django_db
@pytest.mark.parametrize("before", Trial.Status)
def test_the_database_makes_the_moves_of_the_table_and_no_others(before: str) -> None:
    with audit.transaction(by=PLATFORM) as event:
        trial = Trial.objects.create(slug="x", title="x", status=before, data_state=data_in(before))
        event.record("trial.created", trial=trial)
    possible = set()
    for to in set(Trial.Status) - {before}:
        try:
            with transaction.atomic(), audit.transaction(by=PLATFORM) as event:
                Trial.objects.filter(pk=trial.pk).update(status=to, data_state=data_in(to))
                event.record("trial.moved", trial=trial)
                raise Undone
        except Undone:
            possible.add((before, to))
        except ProgrammingError as refused:
            assert "no move of a trial" in str(refused)  # noqa: PT017 - each is tried
    assert possible == {move for move in {**MOVES, **dict.fromkeys(UNLOCKS)} if move[0] == before}


@pytest.mark.django_db
def test_a_trial_keeps_its_number() -> None:
    trial = make_trial()
    with pytest.raises(ProgrammingError, match="no move of a trial"), audit.transaction(by=PLATFORM):
        Trial.objects.filter(pk=trial.pk).update(id=-1)


@pytest.mark.django_db
@pytest.mark.parametrize("way", [("follow_up",), ("follow_up", "locked"), ("follow_up", "locked", "unblinded")])
def test_no_slot_is_given_but_while_the_trial_recruits(way: tuple[str, ...]) -> None:
    trial = make_trial()
    person = consented(trial)
    for to in way:
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
    with pytest.raises(ProgrammingError, match="does not recruit"):
        execute("SELECT * FROM take_allocation_slot(%s, %s)", [trial.strata.first().pk, person.pk])


def test_an_unblinding_that_is_not_committed_reveals_no_seed(committed: str) -> None:
    trial = make_trial()
    with transaction.atomic():
        for to in ("follow_up", "locked", "unblinded"):
            trial = change_status(trial=trial, to=to, by=PLATFORM, reason="planned")
        assert execute("SELECT reveal_sealed_seed(%s)", [trial.pk]) == (None,)
    assert execute("SELECT reveal_sealed_seed(%s)", [trial.pk]) != (None,)


@pytest.mark.django_db
def test_nobody_makes_temporary_tables() -> None:
    privilege = "SELECT has_database_privilege(current_user, 'studyplatform_template', 'TEMPORARY')"
    assert execute(privilege, []) == (False,)
