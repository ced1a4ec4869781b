"""Posting sessions, as docs/sessions-api.md says it: every bad input by its code, retries harmless, no arm told."""

import json
import threading
from pathlib import Path

import pytest
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from measurements.models import IdempotentAnswer, Session
from measurements.validation.session_codes import render_markdown
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import RANDOMIZED_ON, make_bench, make_participant, make_token
from trials import audit
from trials.models import Allocation, AuditEvent, Participant, Trial
from trials.services.credentials import create_personal_token
from trials.services.enrollment import record_consent, record_event, screen_participant
from trials.services.therapy import add_therapist

SCOPES = ("sessions:write",)


class App:
    """A coach-bot at work for a trial with two randomized participants."""

    def __init__(self, bench):
        self.bench, self.trial = bench, bench.trial
        self.credential, self.token = make_token(bench.trial, bench.laboratory, scopes=SCOPES)
        self.codes = list(self.trial.participants.order_by("number").values_list("code", flat=True))

    @property
    def url(self):
        return f"/api/v1/trials/{self.trial.slug}/sessions/"

    def row(self, **fields):
        sent = {"participant": self.codes[0], "occurred_at": "2026-03-10T18:30:00+01:00", "minutes": "24.5"} | fields
        return {name: value for name, value in sent.items() if value is not None}

    def post(self, rows, *, query="", token="", content_type="application/json", **headers):
        body = rows if isinstance(rows, bytes) else json.dumps({"sessions": rows}).encode()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent |= {"Authorization": f"Bearer {token or self.token}"}
        return Client().post(self.url + query, body, content_type=content_type, headers=sent)

    def get(self, query="", *, token=""):
        return Client().get(self.url + query, headers={"Authorization": f"Bearer {token or self.token}"})


@pytest.fixture
def app(bench):
    return App(bench)


def of_person(trial, role, site=None, scopes=("sessions:write", "read")):
    member = make_member(trial, role, site)
    return create_personal_token(user=member.user, name="t", scopes=scopes, by=PLATFORM)[1]


class TestSaved:
    def test_201_with_counts(self, app):
        answer = app.post([app.row(external_id="a-1", software_version="2.3"), app.row(participant=app.codes[1])])
        assert answer.status_code == 201
        assert answer.json() == {
            "received": 2,
            "created": 2,
            "unchanged": 0,
            "rejected": 0,
            "dry_run": False,
            "errors": [],
            "warnings": [],
        }
        first = Session.objects.get(external_id="a-1")
        assert (first.minutes, first.kind, first.attended, first.source) == (24.5, "digital", True, "api")

    def test_a_session_raises_no_data_version(self, app):
        before = Trial.objects.get(pk=app.trial.pk).data_version
        app.post([app.row()])
        assert Trial.objects.get(pk=app.trial.pk).data_version == before

    def test_sent_again_it_changes_nothing(self, app):
        for row in (app.row(external_id="a-1"), app.row(participant=app.codes[1])):
            assert app.post([row]).status_code == 201
            answer = app.post([row])
            assert (answer.status_code, answer.json()["unchanged"]) == (200, 1)
            assert [each["code"] for each in answer.json()["warnings"]] == ["already_recorded"]
        assert Session.objects.count() == 2

    def test_a_rotated_credential_repeats_nothing(self, app):
        app.post([app.row(external_id="a-1")])
        _, token = make_token(app.trial, app.bench.laboratory, scopes=SCOPES)
        assert app.post([app.row(external_id="a-1")], token=token).status_code == 200

    def test_a_missed_session_with_its_reason(self, app):
        answer = app.post([app.row(attended=False, minutes=None, reason="Ill")])
        assert answer.status_code == 201
        assert Session.objects.get().attended is False

    def test_a_dry_run_stores_nothing(self, app):
        answer = app.post([app.row()], query="?dry_run=true")
        assert (answer.status_code, answer.json()["dry_run"], answer.json()["created"]) == (200, True, 1)
        assert not Session.objects.exists()

    def test_one_wrong_row_refuses_all_unless_asked_otherwise(self, app):
        rows = [app.row(), app.row(participant="T-999")]
        answer = app.post(rows)
        assert (answer.status_code, answer.json()["rejected"], Session.objects.count()) == (422, 2, 0)
        answer = app.post(rows, query="?on_error=reject_rows")
        assert (answer.status_code, answer.json()["created"], answer.json()["rejected"]) == (201, 1, 1)
        assert answer.json()["errors"][0]["pointer"] == "/sessions/1/participant"

    def test_the_audit_trail_has_one_event(self, app):
        app.post([app.row(), app.row(participant=app.codes[1])])
        event = AuditEvent.objects.get(verb="session.recorded")
        assert (event.row_count, event.actor_kind, event.detail) == (2, "laboratory", {})


BAD = [
    ({"participant": "T-999"}, "participant", "participant_unknown"),
    ({"participant": None}, "participant", "field_missing"),
    ({"participant": ["T"]}, "participant", "field_not_text"),
    ({"occurred_at": None}, "occurred_at", "field_missing"),
    ({"occurred_at": "2026-03-10T18:30:00"}, "occurred_at", "date_no_zone"),
    ({"occurred_at": "2099-03-10T18:30:00Z"}, "occurred_at", "date_future"),
    ({"occurred_at": "10.3.2026"}, "occurred_at", "date_unreadable"),
    ({"occurred_at": "2026-03-01T10:00:00Z"}, "occurred_at", "date_before_randomization"),
    ({"minutes": "twenty"}, "minutes", "value_not_number"),
    ({"minutes": "1_000"}, "minutes", "value_not_number"),
    ({"minutes": "٣"}, "minutes", "character_refused"),
    ({"minutes": "NaN"}, "minutes", "value_not_number"),
    ({"minutes": 1.234}, "minutes", "value_not_number"),
    ({"minutes": -1}, "minutes", "value_negative"),
    ({"minutes": 1441}, "minutes", "value_out_of_reach"),
    ({"minutes": True}, "minutes", "field_not_text"),
    ({"completion": "1.1"}, "completion", "value_out_of_reach"),
    ({"number": 0}, "number", "value_not_number"),
    ({"number": "1.5"}, "number", "value_not_number"),
    ({"attended": "maybe"}, "attended", "attended_unknown"),
    ({"attended": False, "minutes": None}, "reason", "field_missing"),
    ({"attended": False, "reason": "Ill"}, "minutes", "minutes_without_attendance"),
    ({"kind": "coachbot"}, "kind", "kind_unknown"),
    ({"therapist": "nobody"}, "therapist", "therapist_unknown"),
    ({"external_id": "x" * 101}, "external_id", "field_too_long"),
    ({"external_id": "a\u200bb"}, "external_id", "character_refused"),
    ({"software_version": "2\ufffd"}, "software_version", "encoding"),
    ({"minute": 3}, "minute", "field_unknown"),
    ({"note": "Ann was late"}, "note", "field_unknown"),
]


class TestRefused:
    @pytest.mark.parametrize(("fields", "field", "code"), BAD)
    def test_each_bad_input_by_its_code(self, app, fields, field, code):
        answer = app.post([app.row(**fields)])
        assert answer.status_code == 422
        assert answer["Content-Type"] == "application/problem+json"
        [error] = answer.json()["errors"]
        assert (error["field"], error["code"], error["row"]) == (field, code, 1)
        assert error["message"].endswith("Row 1 was not saved.")
        assert not Session.objects.exists()

    def test_what_is_near_is_named(self, app):
        rows = [app.row(kind="coachbot"), app.row(minute=3), app.row(participant=app.codes[0].lower())]
        assert [each["did_you_mean"] for each in app.post(rows).json()["errors"]] == [
            "coach_bot",
            "minutes",
            app.codes[0],
        ]

    def test_twice_in_a_file_and_different_from_what_is_recorded(self, app):
        rows = [app.row(external_id="a"), app.row(external_id="a", minutes=3)]
        assert [each["code"] for each in app.post(rows).json()["errors"]] == ["duplicate_in_file"]
        app.post(rows[:1])
        [error] = app.post(rows[1:]).json()["errors"]
        assert error["code"] == "differs_from_recorded"
        assert "another minutes" in error["message"]

    def test_somebody_not_randomized_and_somebody_who_withdrew(self, app):
        site = app.trial.sites.get(code="leeds")
        person = screen_participant(trial=app.trial, site=site, by=PLATFORM, screened_on=RANDOMIZED_ON)
        person = record_consent(participant=person, by=PLATFORM, on=RANDOMIZED_ON, version="1.0")
        gone = Participant.objects.get(code=app.codes[1])
        record_event(participant=gone, kind="data_use_withdrawn", by=PLATFORM, on=RANDOMIZED_ON)
        errors = app.post([app.row(participant=person.code), app.row(participant=gone.code)]).json()["errors"]
        assert [each["code"] for each in errors] == ["participant_not_randomized", "participant_withdrawn"]

    def test_a_therapist_of_another_site(self, app):
        add_therapist(trial=app.trial, site=app.trial.sites.get(code="ghent"), code="th-1", by=PLATFORM)
        [error] = app.post([app.row(therapist="th-1")]).json()["errors"]
        assert error["code"] == "therapist_unknown"
        assert app.post([app.row(participant=app.codes[1], therapist="th-1")]).status_code == 201

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b" ", 400, "malformed"),
            (b"[]", 422, "not_an_object"),
            (b"{}", 422, "field_missing"),
            (b'{"sessions": [], "run": 1}', 422, "field_unknown"),
            (b'{"sessions": [], "sessions": []}', 400, "duplicate_key"),
            (b'{"sessions": [{"participant": ' + b"[" * 30 + b"]" * 30 + b"}]}", 400, "too_deep"),
            (b"\xff", 422, "encoding"),
            (json.dumps({"sessions": [{}] * 1001}).encode(), 413, "too_many_rows"),
        ],
    )
    def test_a_body_that_holds_no_rows(self, app, body, status, code):
        answer = app.post(body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    def test_type_parameters_and_rights(self, app):
        assert app.post(b"participant\n", content_type="text/csv").status_code == 415
        assert app.post([app.row()], query="?dryrun=true").json()["code"] == "parameter_unknown"
        assert app.post([app.row()], query="?dry_run=yes").json()["code"] == "parameter_wrong"
        assert app.post([app.row()], token=app.bench.token).status_code == 403
        assert Client().post(app.url, b"{}", content_type="application/json").status_code == 401
        assert not Session.objects.exists()

    def test_locked_data_take_nothing(self, app):
        with audit.transaction(by=PLATFORM) as event:
            Trial.objects.filter(pk=app.trial.pk).update(data_state="frozen")
            event.record("trial.frozen", trial=app.trial)
        answer = app.post([app.row()])
        assert (answer.status_code, answer.json()["code"]) == (409, "trial_locked")


class TestReading:
    def test_a_laboratory_reads_what_it_sent(self, app):
        app.post([app.row(external_id="a")])
        [listed] = app.get().json()["results"]
        assert (listed["participant"], listed["external_id"], listed["minutes"]) == (app.codes[0], "a", "24.50")
        assert app.get("?participant=nobody").json()["results"] == []
        assert app.get("?arm=cbt").json()["code"] == "parameter_unknown"

    def test_people_read_where_they_see_arms(self, app):
        app.post([app.row(), app.row(participant=app.codes[1])])
        for role in ("data_manager", "blinded_statistician", "monitor"):
            answer = app.get(token=of_person(app.trial, role, scopes=("read",)))
            assert (answer.status_code, answer.json()["code"]) == (403, "blinded")
        listed = app.get(token=of_person(app.trial, "coordinator", "leeds", scopes=("read",))).json()["results"]
        assert [each["participant"] for each in listed] == [app.codes[0]]

    def test_what_others_sent_is_not_read(self, app):
        app.post([app.row(external_id="mine")], token=of_person(app.trial, "coordinator", "leeds"))
        assert app.get().json()["results"] == []

    def test_a_participant_of_another_site_is_as_one_that_is_missing(self, app):
        token = of_person(app.trial, "coordinator", "leeds")
        foreign, missing = (app.post([app.row(participant=code)], token=token) for code in (app.codes[1], "T-999-0"))
        [first], [second] = foreign.json()["errors"], missing.json()["errors"]
        assert first["code"] == second["code"] == "participant_unknown"


class TestOnce:
    def test_the_same_key_replays_the_first_answer(self, app):
        first = app.post([app.row()], Idempotency_Key="k")
        again = app.post([app.row()], Idempotency_Key="k")
        assert (again.status_code, again.content, again["Idempotent-Replay"]) == (201, first.content, "true")
        other = app.post([app.row(minutes=3)], Idempotency_Key="k")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    def test_a_refused_delivery_leaves_no_key(self, app):
        app.post([app.row(minutes="x")], Idempotency_Key="k")
        assert not IdempotentAnswer.objects.exists()
        assert app.post([app.row()], Idempotency_Key="k").status_code == 201


def at_once(call, count):
    """Call from as many threads at the same moment."""
    start, answers = threading.Barrier(count), [None] * count

    def run(number):
        try:
            start.wait()
            answers[number] = call()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("headers", [{"Idempotency_Key": "k"}, {}])
def test_12_at_once_are_one_session(committed, headers):
    app = App(make_bench())
    answers = at_once(lambda: app.post([app.row(external_id="a")], **headers), 12)
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert Session.objects.count() == 1
    if headers:
        assert len({answer.content for answer in answers}) == 1


def test_no_answer_depends_on_the_arm(bench):
    """Two participants in different arms; every post, repeated and refused ones too, is answered alike."""
    app = App(bench)
    arms = {}
    while len(arms) < 2:
        person = make_participant(bench.trial, "leeds")
        arms.setdefault(Allocation.objects.get(participant=person).arm.kind, person.code)
    tokens = [
        app.token,
        of_person(bench.trial, "coordinator", "leeds"),
        of_person(bench.trial, "principal_investigator"),
    ]
    posts = [{}, {"minutes": "x"}, {}, {"minutes": 3}, {"occurred_at": "2026-03-01T10:00:00Z"}, {"attended": False}]
    for token in tokens:
        for fields in posts:
            answers = {
                app.post([app.row(participant=code, **fields)], token=token).content.replace(code.encode(), b"CODE")
                for code in arms.values()
            }
            assert len(answers) == 1, fields


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=120), st.lists(st.integers())
)
USUAL = {
    "participant": ["T-001-H", "T-002-D", "T-009", ""],
    "occurred_at": ["2026-03-10T18:30:00Z", "2026-03-10", "0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59+00:00"],
    "minutes": [30, "30.5", "1e3", "-0", 0],
    "attended": [True, False, "true"],
    "external_id": ["a", "b", "\x00", "\ud800"],
    "kind": ["group", "coach_bot"],
    "completion": ["0.5", "1.0000"],
    "number": [1, "2"],
    "reason": ["Ill", ""],
    "therapist": ["th-1"],
    "software": ["Nightlight ☾"],
    "software_version": ["1.0"],
}
ROW = st.fixed_dictionaries({}, optional={name: st.one_of(st.sampled_from(each), ODD) for name, each in USUAL.items()})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.one_of(ROW, ROW, ODD), max_size=5), query=st.sampled_from(["", "?on_error=reject_rows"]))
def test_any_rows_are_counted_and_never_a_fault(app, rows, query):
    before = Session.objects.count()
    answer = app.post(rows, query=query)
    body = answer.json()
    assert answer.status_code in {200, 201, 422}
    assert body["received"] == body["created"] + body["unchanged"] + body["rejected"] == len(rows)
    assert Session.objects.count() == before + body["created"]


def test_the_codes_are_documented() -> None:
    assert render_markdown() in Path("docs/sessions-api.md").read_text()
