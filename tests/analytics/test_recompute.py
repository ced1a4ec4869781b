"""Recomputing a trial's estimates, and knowing when that is due."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection

from analytics.models import AnalysisPlan, ArmDescription, EffectEstimate, EstimateRun
from analytics.models.estimate import POOLED
from analytics.selectors import runs
from analytics.selectors.runs import freshness, newest_finished_run
from analytics.selectors.work import due_work, oldest_stale_seconds
from analytics.services import recompute
from analytics.services.plans import DEFAULT_SPECIFICATION, ensure_plan, record_plan
from analytics.services.recheck import differences_from_scratch
from analytics.services.recompute import recompute_estimates
from tests.analytics.filling import INTERVENTION, WAITLIST, fill_trial, post, values_of
from tests.making import PLATFORM, make_member, make_trial
from trials import audit
from trials.errors import NotAllowed
from trials.models import AuditEvent, Trial
from trials.services.enrollment import record_event


def computed(trial: Trial) -> EstimateRun:
    run = recompute_estimates(trial=trial, by=PLATFORM)
    assert run is not None
    return run


@pytest.mark.django_db
def test_a_run_holds_every_estimate_with_its_counts() -> None:
    trial = fill_trial()
    run = computed(trial)
    assert (run.state, run.data_version, run.result_count) == ("finished", trial.data_version, 64)
    assert len(run.inputs_sha256) == 64
    assert "numpy" in run.software
    found = run.estimates.get(biomarker__code="IL6", method="ancova_hc3", measure="log_difference")
    assert (found.arm, found.reference_arm) == (INTERVENTION, WAITLIST)
    assert sum(found.n.values()) == sum(found.n_randomized.values()) == 16
    assert found.estimate is not None
    assert found.ci_low < found.estimate < found.ci_high
    assert found.oriented_estimate == -found.estimate  # less of a harmful biomarker is better
    assert found.p_bh >= found.p_value
    assert (found.role, found.p_holm) == ("secondary", None)
    methods = set(run.estimates.values_list("method", "measure"))
    assert methods >= {
        ("ancova_model", "percent_difference"),
        ("ancova_hc3", "ratio_of_geometric_means"),
        ("ppc", "d_ppc2"),
    }


@pytest.mark.django_db
def test_every_arm_and_all_together_are_described_at_every_visit() -> None:
    trial = fill_trial()
    described = ArmDescription.objects.filter(run=computed(trial), biomarker__code="CRP")
    assert set(described.values_list("visit__code", "arm")) == {
        (visit, arm) for visit in ("baseline", "six_months") for arm in (INTERVENTION, WAITLIST, POOLED)
    }
    per_arm = described.filter(visit__code="six_months").exclude(arm=POOLED)
    assert sum(each.numbers["available"] for each in per_arm) == 16
    pooled = described.get(visit__code="six_months", arm=POOLED).numbers
    assert pooled["pairs"] == 16
    assert -1 <= pooled["correlation"] <= 1


@pytest.mark.django_db
def test_a_second_recomputation_writes_nothing() -> None:
    trial = fill_trial(8)
    first, events = computed(trial), AuditEvent.objects.count()
    assert computed(trial) == first
    assert EstimateRun.objects.count() == 1
    assert AuditEvent.objects.count() == events


@pytest.mark.django_db
def test_new_results_make_the_estimates_stale_until_they_are_recomputed() -> None:
    trial = fill_trial(8)
    assert freshness(trial).run is None
    assert freshness(trial).is_stale
    computed(trial)
    assert not freshness(trial).is_stale
    before = trial.data_version
    post(trial, _correction(trial))
    assert freshness(trial).is_stale
    assert [work.id for work in due_work()] == [trial.pk]
    assert oldest_stale_seconds() >= 0
    newer = computed(trial)
    assert newer.data_version == before + 1
    assert not freshness(trial).is_stale
    assert due_work() == []


def _correction(trial: Trial) -> list[dict[str, str]]:
    row = values_of(trial, "six_months", ["IL6"])[0]
    return [row | {"value": "9.5", "status": "corrected", "reason": "Dilution was noted wrong"}]


@pytest.mark.django_db
def test_an_older_computation_never_replaces_a_newer_one() -> None:
    trial = fill_trial(8)
    newer = computed(trial)
    older = recompute.Computed(newer.data_version - 1, failure="too late")
    assert recompute._store(trial, newer.plan, older, PLATFORM) == newer
    assert EstimateRun.objects.count() == 1


@pytest.mark.django_db
def test_the_database_refuses_a_second_finished_run_of_a_version() -> None:
    trial = fill_trial(8)
    run = computed(trial)
    versions = {"data_version": run.data_version, "method_version": run.method_version}
    again = EstimateRun(trial=trial, plan=run.plan, state="finished", **versions)
    with pytest.raises(IntegrityError, match="a_run_is_finished_once_per_version"), audit.transaction(by=PLATFORM):
        again.save()


@pytest.mark.django_db
def test_a_failing_computation_is_kept_with_its_sentence_and_is_not_tried_at_once_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial, other = fill_trial(8), fill_trial(8, slug="u")
    good = recompute.analysis_frame

    def broken(asked: Trial) -> Any:
        if asked.pk == trial.pk:
            raise ValueError("two values where one is allowed")
        return good(asked)

    monkeypatch.setattr(recompute, "analysis_frame", broken)
    failed = computed(trial)
    assert (failed.state, failed.failure) == ("failed", "ValueError: two values where one is allowed")
    assert freshness(trial).failed == failed
    assert newest_finished_run(trial) is None
    assert computed(other).state == "finished"
    assert due_work() == []
    monkeypatch.setattr(recompute, "analysis_frame", good)
    post(trial, _correction(trial))
    assert [work.id for work in due_work()] == [trial.pk]
    assert computed(trial).state == "finished"
    assert freshness(trial).failed is None


@pytest.mark.django_db
def test_a_failed_computation_is_not_repeated_on_the_same_data_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, tried = fill_trial(4), []

    def broken(_: Trial) -> Any:
        tried.append(None)
        raise ValueError("a fault of ours")

    monkeypatch.setattr(recompute, "analysis_frame", broken)
    assert computed(trial) == computed(trial)
    assert len(tried) == EstimateRun.objects.count() == 1
    monkeypatch.setattr(runs, "RETRY_FAILED_AFTER", timedelta(0))
    computed(trial)
    assert len(tried) == 2


@pytest.mark.django_db
def test_a_statement_that_fails_is_kept_as_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = fill_trial(4)

    def broken(_: Trial) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(recompute, "analysis_frame", broken)
    run = computed(trial)
    assert run.state == "failed"
    assert "division by zero" in run.failure


@pytest.mark.django_db
def test_numbers_that_cannot_be_written_are_kept_as_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, good = fill_trial(4), recompute.estimate_columns
    long = {"not_estimable": "x" * 401}
    monkeypatch.setattr(recompute, "estimate_columns", lambda trial: lambda each: good(trial)(each) | long)
    run = computed(trial)
    assert run.state == "failed"
    assert "value too long" in run.failure
    assert not run.estimates.exists()
    assert due_work() == []


@pytest.mark.django_db
def test_a_lost_database_raises_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = fill_trial(4)

    def away(_: Trial) -> Any:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(recompute, "analysis_frame", away)
    with pytest.raises(OperationalError):
        recompute_estimates(trial=trial, by=PLATFORM)
    assert not EstimateRun.objects.exists()


@pytest.mark.django_db
def test_estimates_of_an_older_plan_or_method_are_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = fill_trial(4)
    computed(trial)
    record_plan(trial=trial, specification=DEFAULT_SPECIFICATION | {"primary": [["IL6", "six_months"]]}, by=PLATFORM)
    assert freshness(trial).is_stale
    computed(trial)
    assert not freshness(trial).is_stale
    monkeypatch.setattr(runs, "METHOD_VERSION", "next")
    assert freshness(trial).is_stale


@pytest.mark.django_db
def test_a_draft_without_data_is_never_due() -> None:
    make_trial(status="draft")
    assert due_work() == []
    assert oldest_stale_seconds() == 0


@pytest.mark.django_db
def test_a_new_plan_makes_a_new_run_at_the_same_data() -> None:
    trial = fill_trial(8)
    first = computed(trial)
    plan = DEFAULT_SPECIFICATION | {"primary": [["IL6", "six_months"]]}
    record_plan(trial=trial, specification=plan, by=PLATFORM)
    assert [work.id for work in due_work()] == [trial.pk]
    second = computed(trial)
    assert second != first
    assert second.data_version == first.data_version
    primary = second.estimates.filter(role="primary", measure="log_difference")
    assert [(each.biomarker.code, each.method, each.p_holm) for each in primary] == [
        ("IL6", "ancova_hc3", pytest.approx(primary[0].p_value))
    ]


@pytest.mark.django_db
def test_the_default_plan_is_recorded_once() -> None:
    trial = make_trial()
    assert ensure_plan(trial, PLATFORM) == ensure_plan(trial, PLATFORM)
    plan = AnalysisPlan.objects.get()
    assert (plan.version, len(plan.sha256)) == (1, 64)


@pytest.mark.django_db
def test_only_those_entitled_to_effects_may_recompute() -> None:
    trial = fill_trial(2)
    with pytest.raises(NotAllowed) as refused:
        recompute_estimates(trial=trial, by=make_member(trial, "principal_investigator"))
    assert refused.value.code == "blinded"


@pytest.mark.django_db
def test_withdrawn_use_of_data_takes_values_and_not_people_out() -> None:
    trial = fill_trial(8)
    computed(trial)
    leaving = trial.participants.order_by("number").first()
    record_event(participant=leaving, kind="data_use_withdrawn", by=PLATFORM, on=leaving.randomized_on)
    run = computed(trial)
    found = run.estimates.get(biomarker__code="IL6", method="ancova_hc3", measure="log_difference")
    assert (sum(found.n.values()), sum(found.n_randomized.values()), run.result_count) == (7, 8, 28)


@pytest.mark.django_db
def test_the_check_finds_nothing_where_nothing_is_wrong_and_every_difference_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = fill_trial(8)
    assert "data version None" in differences_from_scratch(trial=trial, by=PLATFORM)[0]
    call_command("recompute", trial.slug)
    call_command("recompute", trial.slug, "--check")
    assert "0 differences" in capsys.readouterr().out
    good = recompute.analysis_frame
    monkeypatch.setattr(
        recompute, "analysis_frame", lambda asked: good(asked).assign(value=lambda frame: frame["value"] ** 2)
    )
    with pytest.raises(CommandError):
        call_command("recompute", trial.slug, "--check")
    assert "is stored as" in capsys.readouterr().out


@pytest.mark.django_db
def test_estimates_are_printed_with_ten_digits(capsys: pytest.CaptureFixture[str]) -> None:
    trial = fill_trial()
    run = computed(trial)
    call_command("print_estimates", trial.slug)
    printed = capsys.readouterr().out
    found = EffectEstimate.objects.get(run=run, biomarker__code="CRP", method="ancova_hc3", measure="log_difference")
    assert f"{found.estimate:.10g}" in printed
    assert f"{found.standard_error:.10g}" in printed
    with pytest.raises(CommandError, match="nowhere"):
        call_command("print_estimates", "nowhere")


@pytest.mark.usefixtures("committed")
def test_a_run_is_labelled_with_the_version_of_the_data_it_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery that commits while a run is computed is not in it, and the run says so."""
    trial = fill_trial(8)
    before, good = trial.data_version, recompute.randomized_frame

    def interrupted(asked: Trial) -> Any:
        def deliver() -> None:
            post(trial, _correction(trial))
            connection.close()

        thread = threading.Thread(target=deliver)
        thread.start()
        thread.join()
        return good(asked)

    monkeypatch.setattr(recompute, "randomized_frame", interrupted)
    run = computed(trial)
    assert run.data_version == before
    state = freshness(trial)
    assert (state.data_version, state.is_stale) == (before + 1, True)
    monkeypatch.setattr(recompute, "randomized_frame", good)
    again = computed(trial)
    assert again.data_version == before + 1
    assert again.inputs_sha256 != run.inputs_sha256


@pytest.mark.usefixtures("committed")
def test_one_process_at_a_time_computes_a_trial() -> None:
    trial = fill_trial(4)
    with psycopg.connect(os.environ["STUDYPLATFORM_TEST_OWNER_URL"], dbname=connection.settings_dict["NAME"]) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", [recompute.LOCK_SPACE, trial.pk])
        assert recompute_estimates(trial=trial, by=PLATFORM) is None
    assert computed(trial).state == "finished"


def test_the_web_server_starts_without_the_workers_libraries() -> None:
    code = (
        "import sys, studyplatform.wsgi; from django.urls import get_resolver; get_resolver().url_patterns;"
        "print(sorted({'pandas', 'scipy', 'statsmodels'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
