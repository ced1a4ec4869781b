"""A rehearsal from the request to estimates, resumed where it stopped, and apart from real trials."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.models import AnalysisPlan, EstimateRun, Rehearsal
from analytics.selectors.readiness import before_registering
from analytics.selectors.work import REHEARSAL, due_work
from analytics.services import rehearsal as rehearsing
from analytics.services import simulation
from analytics.services.plans import DEFAULT_SPECIFICATION, record_plan
from analytics.services.recompute import recompute_estimates
from analytics.services.registration import register_trial
from analytics.services.rehearsal import archive_rehearsal, continue_rehearsal, request_rehearsal, retry_rehearsal
from analytics.services.simulation import PlannedVisit, Quantity
from measurements.services.assays import Limits, add_assay
from measurements.services.catalogue import add_biomarkers
from tests.making import ARMS, PLATFORM, make_member, make_trial
from trials.errors import InConflict, NotAllowed, RuleBroken
from trials.models import Allocation, AuditEvent, Participant, ParticipantEvent, ProtocolVersion, Trial
from trials.services.credentials import create_laboratory_credential
from trials.services.design import create_trial
from trials.services.lifecycle import change_status
from trials.services.people import add_laboratory
from trials.services.registry import Amendment, OutcomeDesign, amend_protocol

IL6 = Quantity("IL6", is_log=True, low=0.05, high=100.0, better=-1)
PSS = Quantity("PSS10", is_log=False, low=0.0, high=40.0, better=0, is_score=True)

ON_A_BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def _same_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate the same people each time: by chance, nobody of twelve may be excluded."""
    monkeypatch.setattr(rehearsing, "secrets", SimpleNamespace(randbits=lambda _bits: 20_200_603))


def draft() -> Trial:
    trial = make_trial(status="draft")
    add_biomarkers(trial=trial, biomarkers=("IL6", "PSS10"), by=PLATFORM)
    return trial


def rehearse(trial: Trial, participants: int = 12, **assumed: float) -> Rehearsal:
    rehearsal = request_rehearsal(trial=trial, by=PLATFORM, participants=participants, **assumed)
    for _ in range(200):
        continue_rehearsal(rehearsal=rehearsal, by=PLATFORM)
        rehearsal.refresh_from_db()
        if rehearsal.state not in {"queued", "running"}:
            break
    assert rehearsal.failure == ""
    assert rehearsal.state == "finished"
    return rehearsal


@pytest.mark.django_db
def test_a_rehearsal_ends_in_estimates() -> None:
    trial = draft()
    coordinator = make_member(trial, "coordinator", "leeds")
    copy = rehearse(trial, attrition=0.3, effect=0.5).copy
    assert (copy.slug, copy.rehearsal_of, copy.status) == ("t-rehearsal-1", trial, "follow_up")
    assert Allocation.objects.filter(trial=copy).count() == 12
    kinds = set(ParticipantEvent.objects.filter(trial=copy).values_list("kind", flat=True))
    assert {"excluded", "consented", "randomized", "completed"} <= kinds
    assert copy.memberships.get(role="coordinator").site.code == "leeds"
    assert copy.memberships.get(role="coordinator").user == coordinator.user
    run = recompute_estimates(trial=copy, by=PLATFORM)
    assert (run.state, run.failure) == ("finished", "")
    assert run.result_count > 20
    assert run.estimates.filter(estimate__isnull=False).exists()
    assert not copy.queries.exists()
    # The real trial was only looked at.
    trial.refresh_from_db()
    assert (trial.status, trial.data_version, trial.participants.count()) == ("draft", 0, 0)
    assert not EstimateRun.objects.filter(trial=trial).exists()


@pytest.mark.django_db
def test_an_interrupted_rehearsal_goes_on_with_the_same_people(monkeypatch) -> None:
    monkeypatch.setattr(rehearsing, "SLICE_SECONDS", 0.2)
    trial = draft()
    rehearsal = request_rehearsal(trial=trial, by=PLATFORM, participants=8)
    assert [work.id for work in due_work() if work.kind == REHEARSAL] == [rehearsal.pk]
    assert request_rehearsal(trial=trial, by=PLATFORM, participants=20) == rehearsal
    continue_rehearsal(rehearsal=rehearsal, by=PLATFORM)
    before = list(Participant.objects.filter(trial__rehearsal_of=trial).values_list("code", flat=True))
    Rehearsal.objects.update(state="failed", failure="interrupted")
    assert [work for work in due_work() if work.kind == REHEARSAL] == []
    retry_rehearsal(rehearsal=rehearsal, by=PLATFORM)
    finished = rehearse(trial, 8)
    assert finished == rehearsal
    codes = list(finished.copy.participants.order_by("pk").values_list("code", flat=True))
    assert set(before) <= set(codes) or len(before) <= len(codes)
    assert Trial.objects.filter(rehearsal_of=trial).count() == 1
    assert finished.copy.participants.exclude(randomized_on=None).count() == 8


@pytest.mark.django_db
def test_a_held_rehearsal_is_left_to_who_holds_it() -> None:
    rehearsal = request_rehearsal(trial=draft(), by=PLATFORM, participants=8)
    assert rehearsing._claim(rehearsal, PLATFORM)  # another worker has it
    continue_rehearsal(rehearsal=rehearsal, by=PLATFORM)
    rehearsal.refresh_from_db()
    assert (rehearsal.copy, rehearsal.progress) == (None, 0)
    assert [work for work in due_work() if work.kind == REHEARSAL] == []


@pytest.mark.django_db
def test_a_fault_is_told_and_another_try_works(monkeypatch) -> None:
    trial = draft()
    rehearsal = request_rehearsal(trial=trial, by=PLATFORM, participants=8)
    with monkeypatch.context() as broken:
        broken.setattr(simulation, "person", lambda *_, **__: 1 / 0)
        continue_rehearsal(rehearsal=rehearsal, by=PLATFORM)
    rehearsal.refresh_from_db()
    assert (rehearsal.state, "ZeroDivisionError" in rehearsal.failure) == ("failed", True)
    retry_rehearsal(rehearsal=rehearsal, by=PLATFORM)
    assert rehearse(trial, 8).pk == rehearsal.pk


@pytest.mark.django_db
def test_a_rehearsal_is_apart_from_real_trials(client, signed_in, with_token) -> None:
    trial = draft()
    investigator = make_member(trial, "principal_investigator")
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    _, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="A", scopes=["results:write"], by=PLATFORM
    )
    copy = rehearse(trial, 8).copy
    row = {"participant": copy.participants.exclude(number=None).first().code, "visit": "baseline", "biomarker": "IL6"}
    answer = client.post(
        f"/api/v1/trials/{copy.slug}/results/",
        {"results": [row | {"value": "1", "unit": "pg/mL"}]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 404
    with pytest.raises(InConflict):
        add_laboratory(trial=copy, code="ghent", name="Ghent", by=PLATFORM)
    with pytest.raises(InConflict):
        request_rehearsal(trial=copy, by=PLATFORM, participants=8)
    browser = signed_in(investigator)
    for page in ("", "participants/", "protocol/", "life/"):
        assert b"everybody here is simulated" in browser.get(f"/trials/{copy.slug}/{page}").content
        assert b"everybody here is simulated" not in browser.get(f"/trials/{trial.slug}/{page}").content
    home = browser.get("/").content.decode()
    assert home.index("Rehearsals") < home.index(copy.title)
    shown = {
        each["slug"]: each["is_rehearsal"] for each in with_token(investigator).get("/api/v1/trials/").json()["results"]
    }
    assert shown == {"t": False, "t-rehearsal-1": True}
    real = {person.code for person in make_trial("other").participants.all()}
    assert not real & {person.code for person in copy.participants.all()}
    assert all(person.code.startswith("R1T-") for person in copy.participants.all())


@pytest.mark.django_db
def test_a_rehearsal_is_archived_by_the_steps_of_a_real_trial() -> None:
    trial = draft()
    copy = rehearse(trial, 8).copy
    with pytest.raises(NotAllowed):
        archive_rehearsal(copy=copy, by=make_member(copy, "coordinator"))
    with pytest.raises(InConflict):
        archive_rehearsal(copy=trial, by=PLATFORM)
    assert archive_rehearsal(copy=copy, by=PLATFORM).status == "archived"
    assert archive_rehearsal(copy=copy, by=PLATFORM).status == "archived"


@pytest.mark.django_db
def test_what_cannot_be_rehearsed() -> None:
    trial = draft()
    with pytest.raises(NotAllowed):
        request_rehearsal(trial=trial, by=make_member(trial, "data_manager"), participants=8)
    for changed in ({"participants": 7}, {"participants": 301}, {"effect": float("nan")}, {"attrition": 1.0}):
        with pytest.raises(RuleBroken):
            request_rehearsal(trial=trial, by=PLATFORM, **{"participants": 8, **changed})
    recruiting = make_trial("r")
    with pytest.raises(InConflict):
        request_rehearsal(trial=recruiting, by=PLATFORM, participants=8)


@pytest.mark.django_db
def test_registering_seals_the_plan_with_the_design() -> None:
    trial = draft()
    register_trial(trial=trial, by=PLATFORM)
    plan = AnalysisPlan.objects.get(trial=trial)
    assert plan.frozen_at is not None
    assert ProtocolVersion.objects.filter(trial=trial).count() == 1
    sealed = AuditEvent.objects.get(verb="trial.sealed")
    assert (sealed.sha256, sealed.detail["plan"]) == (plan.sha256, 1)
    with pytest.raises(InConflict):
        register_trial(trial=Trial.objects.get(pk=trial.pk), by=PLATFORM)


def plan_outcomes(trial: Trial, *outcomes: OutcomeDesign) -> None:
    amend_protocol(trial=trial, by=PLATFORM, amendment=Amendment(outcomes=outcomes))


@pytest.mark.django_db
def test_the_planned_primary_outcomes_are_those_of_the_sealed_plan() -> None:
    trial = draft()
    plan_outcomes(
        trial,
        OutcomeDesign("o1", "primary", "Interleukin-6", visit="six_months", biomarker="IL6"),
        OutcomeDesign("o2", "primary", "The same in other words", visit="six_months", biomarker="IL6"),
        OutcomeDesign("o3", "primary", "Gestational age", time_frame="End of pregnancy"),
        OutcomeDesign("o4", "primary", "Stress at the start", visit="baseline", biomarker="PSS10"),
        OutcomeDesign("o5", "secondary", "Stress", visit="six_months", biomarker="PSS10"),
    )
    open_points = [str(point.label) for point in before_registering(trial, PLATFORM) if not point.is_met]
    said = [label for label in open_points if "primary outcome" in label]
    assert ["Gestational age" in said[0], "Stress at the start" in said[1], len(said)] == [True, True, 2]
    register_trial(trial=trial, by=PLATFORM)
    specification = AnalysisPlan.objects.get(trial=trial).specification
    assert specification["primary"] == [["IL6", "six_months"]]
    assert specification["biomarkers"] == ["IL6", "PSS10"]


@pytest.mark.django_db
def test_a_rehearsal_has_the_plan_the_outcomes_and_the_limits_of_its_original() -> None:
    trial = draft()
    plan_outcomes(trial, OutcomeDesign("o1", "primary", "Interleukin-6", visit="six_months", biomarker="IL6"))
    specification = DEFAULT_SPECIFICATION | {"minimum_pairs_per_arm": 7}
    record_plan(trial=trial, specification=specification, by=PLATFORM)
    for code in ("ghent", "leeds"):
        laboratory = add_laboratory(trial=trial, code=code, name=code.title(), by=PLATFORM)
        add_assay(
            trial=trial,
            laboratory=laboratory,
            biomarker=trial.biomarkers.get(code="IL6"),
            code="il6-elisa",
            unit="pg/mL",
            limits=Limits(quantification=Decimal("0.7"), upper=Decimal(300)),
            by=PLATFORM,
        )
    copy = rehearse(trial, 10).copy
    sealed = AnalysisPlan.objects.get(trial=copy, frozen_at__isnull=False).specification
    assert sealed == specification | {"primary": [["IL6", "six_months"]], "biomarkers": ["IL6", "PSS10"]}
    (planned,) = copy.planned_outcomes.all()
    assert (planned.visit.trial, planned.biomarker) == (copy, "IL6")
    (assay,) = copy.assays.all()
    assert (assay.laboratory.deliveries.get().trial, assay.biomarker.trial) == (copy, copy)
    assert (assay.lower_limit_of_quantification, assay.upper_limit_of_quantification) == (Decimal("0.7"), 300)
    run = recompute_estimates(trial=copy, by=PLATFORM)
    assert set(run.estimates.filter(role="primary").values_list("biomarker__code", flat=True)) == {"IL6"}
    assert not AnalysisPlan.objects.filter(trial=trial, frozen_at__isnull=False).exists()


@pytest.mark.django_db
def test_a_rehearsal_of_a_registered_trial_keeps_what_was_sealed() -> None:
    trial = register_trial(trial=draft(), by=PLATFORM)
    add_biomarkers(trial=trial, biomarkers=("CRP",), by=PLATFORM)
    copy = rehearse(trial, 8).copy
    assert AnalysisPlan.objects.get(trial=copy, frozen_at__isnull=False).specification["biomarkers"] == ["IL6", "PSS10"]
    run = recompute_estimates(trial=copy, by=PLATFORM)
    assert set(run.estimates.filter(role="exploratory").values_list("biomarker__code", flat=True)) == {"CRP"}


@pytest.mark.django_db
def test_what_no_trial_can_do_without_is_insisted_on(signed_in) -> None:
    trial = create_trial(slug="bare", title="Bare", by=PLATFORM, arms=ARMS, sites=[("leeds", "Leeds")])
    page = signed_in(make_member(trial, "principal_investigator")).get("/trials/bare/life/").content.decode()
    assert "missing, give it" in page
    with pytest.raises(RuleBroken) as caught:
        register_trial(trial=trial, by=PLATFORM)
    assert caught.value.code == "not_ready"
    assert "planned number" in caught.value.sentence
    trial.refresh_from_db()
    assert trial.status == "draft"
    assert not AnalysisPlan.objects.exists()


@pytest.mark.django_db
def test_estimates_after_an_unlock_say_so(with_token) -> None:
    trial = rehearse(draft(), 8).copy
    assert not recompute_estimates(trial=trial, by=PLATFORM).after_unlock
    for to in ("locked", "follow_up"):
        trial = change_status(trial=trial, to=to, by=PLATFORM, reason="A value was missed")
    Trial.objects.filter(pk=trial.pk).update(data_version=trial.data_version + 1)
    assert recompute_estimates(trial=trial, by=PLATFORM).after_unlock
    statistician = make_member(trial, "unblinded_statistician")
    assert with_token(statistician).get(f"/api/v1/trials/{trial.slug}/estimates/").json()["after_unlock"] is True


@ON_A_BUSY_MACHINE
@given(st.integers(0, 2**48), st.integers(1, 400), st.integers(8, 300), st.integers(2, 6), st.floats(0, 0.9))
def test_people_are_drawn_alike_and_in_time(seed, number, participants, visits, attrition) -> None:
    starts = date(2026, 1, 1)
    asked = {"participants": participants, "visits": visits, "attrition": attrition, "starts": starts}
    person = simulation.person(seed, number, **asked)
    assert person == simulation.person(seed, number, **asked)
    assert starts <= person.screened_on < starts + timedelta(days=simulation.recruitment_days(participants))
    assert len(person.attends) == visits
    assert person.attends[0]
    if person.lost_after is not None:
        assert not any(person.attends[person.lost_after :])


@ON_A_BUSY_MACHINE
@given(st.integers(0, 2**48), st.integers(1, 400), st.integers(0, 3), st.floats(-3, 3), st.sampled_from([IL6, PSS]))
def test_values_stay_in_their_plausible_range(seed, number, visit, effect, measured) -> None:
    value = simulation.value(seed, number, 0, visit, measured, effect)
    assert measured.low <= float(value) <= measured.high
    assert "e" not in value


def test_an_assumed_effect_and_the_correlation_come_out() -> None:
    pairs = [[simulation.value(7, number, 0, visit, IL6, 0.5) for visit in (0, 1)] for number in range(1, 3001)]
    before, after = np.log(np.array(pairs, dtype=float)).T
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(simulation.CORRELATION, abs=0.05)
    assert (after.mean() - before.mean()) / before.std() == pytest.approx(-0.5, abs=0.07)


@ON_A_BUSY_MACHINE
@given(st.integers(-30, 300), st.integers(0, 30), st.integers(0, 30), st.floats(0, 1))
def test_visits_lie_in_their_window(target, before, after, shift) -> None:
    visit = PlannedVisit("v", False, target, target - before, target + after)
    assert visit.window_from <= simulation.visit_day(visit, shift) <= visit.window_to
