"""Posting results, sentence by sentence as lab-api says it."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from measurements.models import HeldRow, IdempotentAnswer, Query, Result, Specimen, Submission
from measurements.services.specimens import register_specimen
from tests.making import PLATFORM, make_member
from tests.measurements.conftest import make_bench, make_token
from trials import audit
from trials.models import Attendance, AuditEvent, Trial
from trials.services.credentials import create_personal_token, revoke_laboratory_credential
from trials.services.enrollment import record_event

IL6 = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
IL10 = {"participant": "T-002-D", "visit": "six_months", "biomarker": "IL10", "value": "<0.4", "unit": "pg/mL"}
COUNTS = ("created", "unchanged", "corrected", "held", "rejected")


def counts_of(answer):
    body = answer.json()
    assert body["received"] == sum(body[name] for name in COUNTS)
    return {name: body[name] for name in COUNTS if body[name]}


def codes(findings):
    return [finding["code"] for finding in findings]


def error_of(answer):
    [error] = answer.json()["errors"]
    return error


def set_data_state(trial, state):
    with audit.transaction(by=PLATFORM) as event:
        Trial.objects.filter(pk=trial.pk).update(data_state=state)
        event.record("trial.frozen", trial=trial)


class TestSaved:
    def test_201_with_counts_and_version(self, bench):
        answer = bench.post([IL6, IL10 | {"collected_at": "2026-09-01T08:30:00+01:00"}])
        bench.trial.refresh_from_db()
        assert answer.status_code == 201
        assert counts_of(answer) == {"created": 2}
        assert answer.json()["data_version"] == bench.trial.data_version
        assert answer.json()["dry_run"] is False
        submission = Submission.objects.get(reference=answer.json()["submission"])
        assert (submission.laboratory.code, submission.created, submission.channel) == (
            "ghent-immunology",
            2,
            "api_json",
        )

    def test_as_sent_and_as_used(self, bench):
        bench.post([IL6 | {"value": "0.00180", "unit": "ng/mL"}])
        result = Result.objects.get()
        assert (result.value_as_sent, result.unit_as_sent, result.unit) == ("0.00180", "ng/mL", "pg/mL")
        assert f"{result.value.normalize()}" == "1.8"

    def test_a_number_keeps_its_digits(self, bench):
        bench.post(b'{"results": [{"specimen": "S-1", "biomarker": "IL6", "value": 1.80, "unit": "pg/mL"}]}')
        assert Result.objects.get().value_as_sent == "1.80"

    @pytest.mark.parametrize(
        ("value", "comparator", "flag"),
        [
            ("<0.4", "<", ""),
            (">500", ">", ""),
            ("OOR <", "<", "out_of_range"),
            ("*1.23", "", "extrapolated"),
            ("---", "", "not_measured"),
        ],
    )
    def test_marks_of_plate_readers(self, bench, value, comparator, flag):
        assert bench.post([IL6 | {"biomarker": "IL10", "value": value}]).status_code == 201
        result = Result.objects.get()
        assert (result.value_as_sent, result.comparator, result.flag) == (value, comparator, flag)

    def test_the_run_is_that_of_the_body(self, bench):
        body = {"run": {"id": "plate-7", "performed_on": "2026-03-03"}, "results": [IL6]}
        bench.post(json.dumps(body).encode())
        result = Result.objects.get()
        assert (result.run, str(result.performed_on), result.submission.run) == ("plate-7", "2026-03-03", "plate-7")

    def test_a_missing_specimen_is_made_once(self, bench):
        rows = [IL10, IL10 | {"biomarker": "IL6", "value": "2"}]
        answer = bench.post(rows)
        assert counts_of(answer) == {"created": 2}
        specimen = Specimen.objects.get(identifier="T-002-D-six_months-1")
        assert specimen.results.count() == 2
        assert counts_of(bench.post(rows)) == {"unchanged": 2}

    def test_one_audit_event_with_count_and_sha256(self, bench):
        before = AuditEvent.objects.count()
        answer = bench.post([IL6, IL10])
        event = AuditEvent.objects.latest("id")
        submission = Submission.objects.get(reference=answer.json()["submission"])
        assert AuditEvent.objects.count() == before + 1
        assert (event.verb, event.row_count, event.sha256) == ("results.recorded", 2, submission.body_sha256)
        assert set(Result.objects.values_list("event_id", flat=True)) == {event.pk}

    def test_an_implausible_value_opens_a_query(self, bench):
        answer = bench.post([IL6 | {"value": "5000"}])
        assert codes(answer.json()["warnings"]) == ["specimen_not_received", "value_implausible"] or codes(
            answer.json()["warnings"]
        ) == ["value_implausible", "specimen_not_received"]
        assert Query.objects.get().result == Result.objects.get()

    def test_csv(self, bench):
        body = b"specimen;biomarker;value;unit\nS-1;IL6;1.83;pg/mL\nS-2;IL6;2.01;pg/mL\n"
        answer = bench.post(body, content_type="text/csv; charset=utf-8")
        assert counts_of(answer) == {"created": 2}
        assert Submission.objects.get().channel == "api_csv"

    def test_a_person_with_the_right_posts_for_the_site(self, bench):
        member = make_member(bench.trial, "data_manager")
        _, token = create_personal_token(user=member.user, name="t", scopes=["read"], by=member)
        assert bench.post([IL6], token=token).status_code == 403

    def test_an_empty_delivery(self, bench):
        answer = bench.post([])
        assert (answer.status_code, answer.json()["received"]) == (200, 0)


class TestKnownAlready:
    def test_the_same_again_changes_nothing(self, bench):
        version = bench.post([IL6]).json()["data_version"]
        answer = bench.post([IL6 | {"value": "1.830"}])
        assert answer.status_code == 200
        assert counts_of(answer) == {"unchanged": 1}
        assert codes(answer.json()["warnings"]) == ["already_recorded"]
        assert answer.json()["data_version"] == version

    def test_another_value_is_refused(self, bench):
        bench.post([IL6])
        answer = bench.post([IL6 | {"value": "2"}])
        assert answer.status_code == 422
        assert error_of(answer)["code"] == "differs_from_recorded"

    def test_a_correction_supersedes(self, bench):
        first = bench.post([IL6]).json()["data_version"]
        answer = bench.post([IL6 | {"value": "2", "status": "corrected", "reason": "Dilution"}])
        assert counts_of(answer) == {"corrected": 1}
        assert answer.json()["data_version"] == first + 1
        old, new = Result.objects.order_by("id")
        assert (new.supersedes, new.revision, new.reason) == (old, 1, "Dilution")
        again = bench.post([IL6 | {"value": "2", "status": "corrected", "reason": "Dilution"}])
        assert counts_of(again) == {"unchanged": 1}

    def test_a_correction_without_run_keeps_the_run(self, bench):
        bench.post([IL6 | {"run": "plate-7"}])
        answer = bench.post([IL6 | {"value": "2", "status": "corrected", "reason": "Dilution"}])
        assert counts_of(answer) == {"corrected": 1}
        assert Result.objects.latest("id").run == "plate-7"

    def test_final_after_preliminary(self, bench):
        version = bench.post([IL6 | {"status": "preliminary"}]).json()["data_version"]
        answer = bench.post([IL6 | {"value": "1.9"}])
        assert counts_of(answer) == {"corrected": 1}
        assert answer.json()["data_version"] == version + 1

    def test_preliminary_values_change_no_estimate(self, bench):
        before = Trial.objects.get(pk=bench.trial.pk).data_version
        assert bench.post([IL6 | {"status": "preliminary"}]).json()["data_version"] == before


class TestRefused:
    def test_one_wrong_row_keeps_all_from_being_saved_and_every_wrong_row_is_told(self, bench, stored):
        answer = bench.post([IL6, IL6 | {"biomarker": "CRP", "value": "1,234"}, IL6 | {"specimen": "S-9"}])
        body = answer.json()
        assert (answer.status_code, stored(), Submission.objects.count()) == (422, 0, 0)
        assert answer["Content-Type"] == "application/problem+json"
        assert {name: body[name] for name in ("status", "code", "submission")} == {
            "status": 422,
            "code": "rows_wrong",
            "submission": None,
        }
        assert counts_of(answer) == {"rejected": 3}
        assert [(error["row"], error["pointer"], error["code"]) for error in body["errors"]] == [
            (2, "/results/1/value", "value_ambiguous"),
            (3, "/results/2/specimen", "specimen_unknown"),
        ]

    def test_reject_rows_saves_the_others(self, bench):
        answer = bench.post([IL6, IL6 | {"specimen": "S-9"}], query="?on_error=reject_rows")
        assert answer.status_code == 201
        assert counts_of(answer) == {"created": 1, "rejected": 1}
        assert Submission.objects.get().report["errors"][0]["code"] == "specimen_unknown"

    def test_reject_rows_with_nothing_right(self, bench, stored):
        answer = bench.post([IL6 | {"specimen": "S-9"}], query="?on_error=reject_rows")
        assert (answer.status_code, stored(), Submission.objects.count()) == (422, 0, 0)

    def test_did_you_mean(self, bench):
        register_specimen(
            participant=bench.participant("T-001-F"),
            visit=bench.trial.visits.get(code="six_months"),
            identifier="S-081-6M-P1",
            by=PLATFORM,
        )
        assert error_of(bench.post([IL6 | {"specimen": "S-081-6M-PI"}]))["did_you_mean"] == "S-081-6M-P1"

    def test_a_withdrawn_participant(self, bench):
        participant = bench.participant("T-001-F")
        record_event(participant=participant, kind="data_use_withdrawn", by=PLATFORM, on=participant.randomized_on)
        assert error_of(bench.post([IL6]))["code"] == "participant_withdrawn"

    def test_a_locked_visit(self, bench):
        with audit.transaction(by=PLATFORM) as event:
            Attendance.objects.create(
                trial=bench.trial,
                participant=bench.participant("T-001-F"),
                visit=bench.trial.visits.get(code="baseline"),
                attended_on="2026-03-01",
                locked_at="2026-03-02T00:00Z",
                locked_by="Mara Quist",
            )
            event.record("visit.locked", trial=bench.trial)
        assert error_of(bench.post([IL6]))["code"] == "visit_locked"
        assert bench.post([IL6 | {"specimen": "S-2"}]).status_code == 201

    def test_several_specimens(self, bench):
        visit = bench.trial.visits.get(code="baseline")
        register_specimen(participant=bench.participant("T-001-F"), visit=visit, identifier="S-1b", by=PLATFORM)
        answer = bench.post(
            [{"participant": "T-001-F", "visit": "baseline", "biomarker": "IL6", "value": "1", "unit": "pg/mL"}]
        )
        assert error_of(answer)["code"] == "specimen_ambiguous"

    @pytest.mark.parametrize("value", ["1e30", "1e-30", "9" * 64])
    def test_a_number_beyond_what_is_kept(self, bench, value):
        assert error_of(bench.post([IL6 | {"value": value}]))["code"] == "value_out_of_reach"

    def test_the_answer_never_says_an_arm(self, bench):
        body = bench.post([IL6, IL10]).content + bench.get("results/").content + bench.get("specimens/").content
        assert b"cbt" not in body
        assert b"waitlist" not in body


class TestForeign:
    """A specimen of another trial behaves as one that does not exist, byte for byte."""

    @pytest.fixture
    def other(self, bench):
        other = make_bench("other")
        visit = other.trial.visits.get(code="baseline")
        register_specimen(participant=other.participant("T-001-F"), visit=visit, identifier="Q-4711", by=PLATFORM)
        return other

    @pytest.mark.parametrize("query", ["", "?unknown_specimen=hold"])
    def test_specimen(self, bench, other, query):
        foreign = bench.post([IL6 | {"specimen": "Q-4711"}], query=f"{query}{'&' if query else '?'}dry_run=true")
        unknown = bench.post([IL6 | {"specimen": "Q-4712"}], query=f"{query}{'&' if query else '?'}dry_run=true")
        assert foreign.status_code == unknown.status_code
        assert foreign.content.replace(b"Q-4711", b"Q-4712") == unknown.content

    def test_trial(self, bench, other):
        foreign = bench.post([IL6], token=other.token)
        url, missing = bench.url, bench.url.replace("/t/", "/z/")
        object.__setattr__(bench.trial, "slug", "z")
        unknown = bench.post([IL6])
        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert foreign.content.replace("“t”".encode(), "“z”".encode()) == unknown.content
        assert url != missing

    def test_a_site_bound_person_knows_no_other_sites(self, bench):
        member = make_member(bench.trial, "coordinator", "leeds")
        from measurements.services.results import laboratory_of, record_results
        from measurements.validation import decode_json

        def post(row):
            payload = decode_json(json.dumps({"results": [row]}).encode())
            laboratory = laboratory_of(member, bench.trial)
            return record_results(trial=bench.trial, laboratory=laboratory, payload=payload, by=member, channel="form")

        assert post(IL6).status == 201
        foreign, unknown = post(IL6 | {"specimen": "S-2"}), post(IL6 | {"specimen": "S-3"})
        assert foreign.status == 422
        assert json.dumps(foreign.body).replace("S-2", "S-3") == json.dumps(unknown.body)


class TestHeld:
    def test_a_row_of_an_unknown_specimen_waits_and_joins_once_it_is_known(self, bench, stored):
        row = IL6 | {"specimen": "S-7"}
        answer = bench.post([row], query="?unknown_specimen=hold")
        assert answer.status_code == 201
        assert counts_of(answer) == {"held": 1}
        assert codes(answer.json()["warnings"]) == ["specimen_held"]
        assert (stored(), HeldRow.objects.count()) == (0, 1)
        assert counts_of(bench.post([row], query="?unknown_specimen=hold")) == {"unchanged": 1}
        other = bench.post([row | {"value": "9"}], query="?unknown_specimen=hold")
        assert error_of(other)["code"] == "differs_from_recorded"
        visit = bench.trial.visits.get(code="baseline")
        register_specimen(participant=bench.participant("T-001-F"), visit=visit, identifier="S-7", by=PLATFORM)
        assert stored() == 1
        assert counts_of(bench.post([row])) == {"unchanged": 1}
        assert stored() == 1

    @pytest.mark.parametrize("state", ["frozen", "locked"])
    def test_what_comes_after_a_lock_is_held_and_not_lost(self, bench, stored, state):
        before = bench.post([IL6]).json()["data_version"]
        set_data_state(bench.trial, state)
        late = bench.post([IL6 | {"biomarker": "IL10", "value": "3"}, IL10])
        assert late.status_code == 201
        assert counts_of(late) == {"held": 2}
        assert codes(late.json()["warnings"]).count("trial_locked") == 2
        assert late.json()["data_version"] == before
        assert (stored(), HeldRow.objects.count()) == (1, 2)
        assert not Specimen.objects.filter(identifier="T-002-D-six_months-1").exists()
        assert counts_of(bench.post([IL10])) == {"unchanged": 1}
        set_data_state(bench.trial, "open")
        assert counts_of(bench.post([IL10])) == {"created": 1}

    def test_a_correction_of_a_held_row_waits_beside_it(self, bench):
        set_data_state(bench.trial, "locked")
        bench.post([IL6])
        answer = bench.post([IL6 | {"value": "2", "status": "corrected", "reason": "Dilution"}])
        assert counts_of(answer) == {"held": 1}
        back = bench.post([IL6 | {"status": "corrected", "reason": "Was right"}])
        assert counts_of(back) == {"held": 1}
        assert HeldRow.objects.count() == 3


class TestNothingStored:
    def test_dry_run(self, bench, stored):
        answer = bench.post([IL6, IL10], query="?dry_run=true", Idempotency_Key="k")
        body = answer.json()
        assert (answer.status_code, body["dry_run"], body["submission"]) == (200, True, None)
        assert counts_of(answer) == {"created": 2}
        assert (stored(), Submission.objects.count(), IdempotentAnswer.objects.count()) == (0, 0, 0)
        assert Specimen.objects.count() == 2
        assert bench.post([IL6, IL10], Idempotency_Key="k").status_code == 201

    def test_a_dry_run_of_a_wrong_row(self, bench):
        answer = bench.post([IL6 | {"value": "x"}], query="?dry_run=true")
        assert (answer.status_code, answer.json()["dry_run"]) == (422, True)
        assert "would not be saved" in error_of(answer)["message"]


class TestIdempotency:
    def test_the_same_key_and_body_replays_the_first_answer(self, bench, stored):
        first = bench.post([IL6], Idempotency_Key="k-1")
        again = bench.post([IL6], Idempotency_Key="k-1")
        assert (again.status_code, again.content) == (201, first.content)
        assert again["Idempotent-Replay"] == "true"
        assert "Idempotent-Replay" not in first
        assert (stored(), Submission.objects.count()) == (1, 1)

    @pytest.mark.parametrize("other", [{"rows": [IL10]}, {"query": "?on_error=reject_rows"}])
    def test_the_same_key_for_something_else(self, bench, other):
        bench.post([IL6], Idempotency_Key="k-1")
        answer = bench.post(other.get("rows", [IL6]), query=other.get("query", ""), Idempotency_Key="k-1")
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    def test_a_failed_attempt_leaves_no_key(self, bench):
        assert bench.post([IL6 | {"value": "x"}], Idempotency_Key="k-1").status_code == 422
        assert not IdempotentAnswer.objects.exists()
        assert bench.post([IL6], Idempotency_Key="k-1").status_code == 201

    def test_a_key_never_crosses_credentials(self, bench):
        _, other = make_token(bench.trial, bench.laboratory)
        bench.post([IL6], Idempotency_Key="k-1")
        answer = bench.post([IL10], token=other, Idempotency_Key="k-1")
        assert answer.status_code == 201
        assert "Idempotent-Replay" not in answer

    @pytest.mark.parametrize("key", ["k" * 201, "clé", "a\tb"])
    def test_a_key_that_cannot_be_used(self, bench, key):
        answer = bench.post([IL6], Idempotency_Key=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_unusable")


class TestAtTheDoor:
    def test_401(self, bench):
        answer = bench.post([IL6], token="lab_live_nobody")
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")

    def test_a_revoked_token(self, bench):
        revoke_laboratory_credential(credential=bench.credential, trial=bench.trial, by=PLATFORM)
        assert bench.post([IL6]).status_code == 401

    def test_403_without_the_scope(self, bench, stored):
        _, token = make_token(bench.trial, bench.laboratory, scopes=["results:read"])
        assert (bench.post([IL6], token=token).status_code, stored()) == (403, 0)

    @pytest.mark.parametrize(
        "content_type", ["application/xml", "multipart/form-data", "text/csv; charset=latin-1", "", "nonsense"]
    )
    def test_415(self, bench, content_type):
        assert bench.post(b"{}", content_type=content_type).status_code == 415

    def test_413_for_bytes(self, bench):
        answer = bench.post(b" " * 10_000_001)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")

    def test_413_for_rows(self, bench):
        answer = bench.post([{}] * 20_001)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_many_rows")

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b" ", 400, "malformed"),
            (b'{"results": [', 400, "malformed"),
            (b'{"results": [], "results": []}', 400, "duplicate_key"),
            (b"[1]", 422, "not_an_object"),
            (b"{}", 422, "field_missing"),
            (b"\xff\xfe", 422, "encoding"),
            (b'{"results": ' + b"[" * 100_000, 400, "too_deep"),
        ],
    )
    def test_a_body_that_holds_no_rows(self, bench, body, status, code):
        answer = bench.post(body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)

    @pytest.mark.parametrize(
        "query",
        ["?on_error=maybe", "?dry_run=yes", "?unknown_specimen=", "?dryrun=true", "?dry_run=true&dry_run=false"],
    )
    def test_parameters_that_are_not_known(self, bench, stored, query):
        answer = bench.post([IL6], query=query)
        assert (answer.status_code, stored()) == (422, 0)
        assert "Nothing was saved." in answer.json()["detail"]


def test_the_number_of_queries_does_not_grow_with_the_rows(bench):
    def queries(rows):
        with CaptureQueriesContext(connection) as captured:
            assert bench.post(rows).status_code == 201
        return len(captured)

    visit = bench.trial.visits.get(code="six_months")
    for number in range(100):
        register_specimen(participant=bench.participant("T-001-F"), visit=visit, identifier=f"X-{number}", by=PLATFORM)
    bench.post([IL6])
    few = queries([IL6 | {"specimen": "X-0"}, IL6 | {"specimen": "X-1"}])
    many = queries(
        [IL6 | {"specimen": f"X-{number}", "biomarker": code} for number in range(2, 100) for code in ("IL6", "IL10")]
    )
    assert many == few
    assert many < 40
