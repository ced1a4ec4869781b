"""The sandbox: a copy of the trial that answers as the trial does, and that nothing of the trial is found in."""

from decimal import Decimal

import pytest
from django.db import ProgrammingError
from django.test import Client

from analytics.models import EstimateRun
from analytics.selectors.work import ESTIMATES, due_work
from analytics.services.recompute import recompute_estimates
from measurements.models import HeldRow, Query, Result, Specimen, Submission
from measurements.services.assays import Limits, add_assay
from measurements.services.catalogue import add_biomarkers
from measurements.services.sandbox import empty_sandbox, ready_sandbox
from tests.making import ARMS, PLATFORM, make_administrator, make_member, make_trial
from tests.measurements.api.test_results_at_once import at_once
from tests.measurements.conftest import Bench, make_bench, make_token
from trials import audit
from trials.errors import InConflict, NotAllowed, NotFound
from trials.models import Arm, AuditEvent, Participant, Trial
from trials.selectors.trials import trials_visible_to, visible_trial
from trials.services.lifecycle import change_status, register_trial
from trials.services.people import add_laboratory

IL6 = {"specimen": "TEST-001-BL", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}


@pytest.fixture
def token(bench: Bench) -> str:
    scopes = ("results:write", "results:read", "specimens:read", "sessions:write")
    return make_token(bench.trial, bench.laboratory, scopes=scopes, is_sandbox=True)[1]


def copy_of(trial: Trial) -> Trial:
    return Trial.objects.get(sandbox_of=trial, sandbox_ended_at=None)


class TestAnswersAsTheTrialDoes:
    def test_a_delivery_is_stored_in_the_copy_and_nowhere_else(self, bench, token):
        answer = bench.post([IL6], token=token)
        assert (answer.status_code, answer.json()["created"], answer.json()["dry_run"]) == (201, 1, False)
        assert answer.headers["Sandbox"] == "true"
        assert Result.objects.get().trial == copy_of(bench.trial)
        assert not bench.trial.results.exists()
        assert bench.get("results/", token=token).json()["results"][0]["value"] == "1.83"
        reference = answer.json()["submission"]
        assert bench.get(f"submissions/{reference}/", token=token).json()["created"] == 1

    def test_the_second_time_it_is_recorded_already_and_another_value_differs(self, bench, token):
        bench.post([IL6], token=token)
        assert bench.post([IL6], token=token).json()["unchanged"] == 1
        answer = bench.post([IL6 | {"value": "2"}], token=token)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "differs_from_recorded")

    @pytest.mark.parametrize(
        ("specimen", "status", "code"),
        [
            ("TEST-001-BX", 422, "specimen_unknown"),
            ("TEST-010-BL", 422, "visit_locked"),
            ("TEST-011-BL", 201, "specimen_not_received"),
            ("TEST-012-6M", 422, "participant_withdrawn"),
        ],
    )
    def test_the_less_usual_answers_can_be_had(self, bench, token, specimen, status, code):
        answer = bench.post([IL6 | {"specimen": specimen}], token=token)
        findings = answer.json()["errors"] + answer.json()["warnings"]
        assert (answer.status_code, [each["code"] for each in findings]) == (status, [code])

    def test_an_ordinary_row_is_answered_without_a_word(self, bench, token):
        row = IL6 | {"specimen": "TEST-009-6M"}
        assert (bench.post([row], token=token).json()["warnings"]) == []

    def test_the_trial_keeps_its_name_and_the_design_is_its_own(self, bench, token):
        listed = Client().get("/api/v1/trials/", headers={"Authorization": f"Bearer {token}"}).json()["results"]
        assert [each["slug"] for each in listed] == ["t"]
        assert bench.get("", token=token).json()["slug"] == "t"
        for path in ("biomarkers/", "visits/"):
            assert bench.get(path, token=token).json() == bench.get(path).json()

    def test_specimens_wait_for_results(self, bench, token):
        found = bench.get("specimens/?awaiting=results", token=token).json()["results"]
        assert "TEST-001-BL" in [each["specimen"] for each in found]
        assert all(each["specimen"].startswith("TEST-0") for each in found)

    def test_sessions_are_recorded_although_nobody_has_an_arm(self, bench, token):
        row = {"participant": "TEST-003", "occurred_at": "2026-11-01T10:00:00Z", "kind": "individual"}
        url = "/api/v1/trials/t/sessions/"
        sent = {"sessions": [row]}
        headers = {"Authorization": f"Bearer {token}"}
        answer = Client().post(url, sent, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json().get("created")) == (201, 1), answer.json()

    def test_a_dry_run_and_an_idempotency_key(self, bench, token):
        assert bench.post([IL6], token=token, query="?dry_run=true").json()["dry_run"] is True
        assert not Result.objects.exists()
        first = bench.post([IL6], token=token, Idempotency_Key="k")
        again = bench.post([IL6], token=token, Idempotency_Key="k")
        assert (again.content, again.headers["Idempotent-Replay"]) == (first.content, "true")


class TestHoldsNothingOfTheTrial:
    def test_neither_arm_nor_participant_nor_specimen_nor_value(self, bench, token):
        bench.post([{**IL6, "specimen": "S-1", "value": "7.77"}])
        bench.get("", token=token)
        copy = copy_of(bench.trial)
        assert not Arm.objects.filter(trial=copy).exists()
        assert not set(copy.participants.values_list("code")) & set(bench.trial.participants.values_list("code"))
        assert not set(copy.specimens.values_list("identifier")) & {("S-1",), ("S-2",)}
        assert not copy.results.exists()
        for path in ("results/", "specimens/", "", "biomarkers/"):
            content = bench.get(path, token=token).content.decode()
            assert not [word for word in ("7.77", '"S-1"', *(arm.name for arm in ARMS)) if word in content]

    def test_a_real_specimen_is_as_unknown_as_any(self, bench, token):
        for name in ("S-1", "S-9"):
            answer = bench.post([IL6 | {"specimen": name}], token=token)
            assert answer.json()["errors"][0]["code"] == "specimen_unknown"

    def test_the_trail_and_the_version_of_the_trial_stand_still(self, bench, token):
        before = AuditEvent.objects.filter(trial_id=bench.trial.pk).count()
        version = Trial.objects.get(pk=bench.trial.pk).data_version
        bench.post([IL6, IL6 | {"specimen": "TEST-002-BL", "value": "999999"}], token=token)
        bench.post([IL6 | {"specimen": "unheard-of"}], token=token, query="?unknown_specimen=hold")
        assert AuditEvent.objects.filter(trial_id=bench.trial.pk).count() == before
        assert Trial.objects.get(pk=bench.trial.pk).data_version == version
        assert not Query.objects.filter(trial=bench.trial).exists()
        assert not HeldRow.objects.filter(trial=bench.trial).exists()


class TestReachedByNobodyElse:
    def test_people_and_live_credentials_never_meet_it(self, bench, token):
        bench.post([IL6], token=token)
        copy = copy_of(bench.trial)
        callers = [make_member(bench.trial, "principal_investigator"), make_administrator()]
        for by in callers:
            assert list(trials_visible_to(by)) == [bench.trial]
            with pytest.raises(NotFound):
                visible_trial(copy.slug, by)
        assert bench.get("").json()["slug"] == "t"
        headers = {"Authorization": f"Bearer {bench.token}"}
        assert Client().get(f"/api/v1/trials/{copy.slug}/", headers=headers).status_code == 404
        headers = {"Authorization": f"Bearer {token}"}
        assert Client().get(f"/api/v1/trials/{copy.slug}/", headers=headers).status_code == 404

    def test_a_membership_of_the_copy_gives_nothing(self, bench, token):
        bench.get("", token=token)
        stranger = make_member(copy_of(bench.trial), "principal_investigator")
        assert not trials_visible_to(stranger).exists()
        with pytest.raises(NotFound):
            recompute_estimates(trial=copy_of(bench.trial), by=stranger)

    def test_it_is_never_estimated(self, bench, token):
        bench.post([IL6], token=token)
        copy = copy_of(bench.trial)
        assert copy.data_version > 0
        assert copy.pk not in [work.id for work in due_work() if work.kind == ESTIMATES]
        with pytest.raises(InConflict):
            recompute_estimates(trial=copy, by=PLATFORM)
        assert not EstimateRun.objects.filter(trial=copy).exists()

    def test_laboratories_do_not_see_each_others_values(self, bench, token):
        other = add_laboratory(trial=bench.trial, code="leeds", name="Leeds", by=PLATFORM)
        _, foreign = make_token(bench.trial, other, is_sandbox=True)
        reference = bench.post([IL6], token=token).json()["submission"]
        assert bench.get("results/", token=foreign).json()["results"] == []
        assert bench.get(f"submissions/{reference}/", token=foreign).status_code == 404


class TestFollowsTheDesign:
    def test_new_biomarkers_limits_and_their_specimens(self, bench, token):
        bench.get("", token=token)
        cort = add_biomarkers(trial=bench.trial, biomarkers=["OXT"], by=PLATFORM)[0]
        add_assay(
            trial=bench.trial,
            laboratory=bench.laboratory,
            biomarker=cort,
            code="elisa",
            unit=cort.unit,
            limits=Limits(quantification=Decimal("0.5")),
            by=PLATFORM,
        )
        assert bench.get("biomarkers/", token=token).json() == bench.get("biomarkers/").json()
        kinds = {each.specimen_type for each in bench.trial.biomarkers.all()}
        of_first = Specimen.objects.filter(trial=copy_of(bench.trial), participant__code="TEST-001")
        assert set(of_first.values_list("specimen_type", flat=True)) == kinds
        assert Trial.objects.filter(sandbox_of=bench.trial).count() == 1

    def test_unchanged_it_is_only_read(self, bench, token):
        bench.get("", token=token)
        before = AuditEvent.objects.count()
        bench.get("", token=token)
        assert AuditEvent.objects.count() == before

    def test_a_draft_s_copy_recruits_once_the_trial_does(self, db):
        trial = make_trial("d", status="draft")
        assert ready_sandbox(trial=trial, by=PLATFORM).status == "draft"
        trial = register_trial(trial=trial, by=PLATFORM)
        trial = change_status(trial=trial, to="recruiting", by=PLATFORM)
        copy = ready_sandbox(trial=trial, by=PLATFORM)
        assert (copy.status, Trial.objects.filter(sandbox_of=trial).count()) == ("recruiting", 1)

    def test_ids_are_as_documented(self, bench):
        copy = ready_sandbox(trial=bench.trial, by=PLATFORM)
        assert list(Participant.objects.filter(trial=copy).values_list("code", flat=True)) == [
            f"TEST-{number:03}" for number in range(1, 13)
        ]
        of_first = copy.specimens.filter(participant__code="TEST-001").values_list("identifier", flat=True)
        assert {"TEST-001-BL", "TEST-001-6M"} <= set(of_first)


class TestEmptied:
    def test_a_new_copy_takes_the_place_of_the_old_which_stays(self, bench, token):
        bench.post([IL6], token=token)
        old = copy_of(bench.trial)
        new = empty_sandbox(trial=bench.trial, by=make_member(bench.trial, "data_manager"))
        assert (new.pk != old.pk, copy_of(bench.trial)) == (True, new)
        assert bench.get("results/", token=token).json()["results"] == []
        assert bench.post([IL6], token=token).json()["created"] == 1
        assert Submission.objects.filter(trial=old).count() == 1

    def test_only_who_manages_laboratories_empties_it(self, bench):
        with pytest.raises(NotAllowed):
            empty_sandbox(trial=bench.trial, by=make_member(bench.trial, "monitor"))

    def test_a_sandbox_has_no_sandbox(self, bench):
        with pytest.raises(InConflict):
            ready_sandbox(trial=ready_sandbox(trial=bench.trial, by=PLATFORM), by=PLATFORM)

    def test_the_database_keeps_copies_and_trials_apart(self, bench):
        copy = ready_sandbox(trial=bench.trial, by=PLATFORM)
        for trial, of in ((copy, None), (bench.trial, copy.pk)):
            with pytest.raises(ProgrammingError, match="stays"), audit.transaction(by=PLATFORM):
                Trial.objects.filter(pk=trial.pk).update(sandbox_of=of)


def test_first_requests_at_once_make_one_copy(committed: str) -> None:
    bench = make_bench()
    _, token = make_token(bench.trial, bench.laboratory, is_sandbox=True)
    answers = at_once([lambda: bench.post([IL6], token=token)] * 4)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert Trial.objects.filter(sandbox_of=bench.trial).count() == 1
    assert Result.objects.filter(trial=copy_of(bench.trial)).count() == 1
