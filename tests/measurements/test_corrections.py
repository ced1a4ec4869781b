"""Corrections at every door: superseded with a reason, never where it is locked or the role does not reach."""

import pytest
from django.test import Client

from measurements.models import Query, QueryNote, Result
from measurements.selectors.frames import analysis_frame
from measurements.services.assays import add_assay
from measurements.services.queries import open_query
from measurements.services.results import laboratory_of, record_results
from measurements.services.visits import lock_visit, record_attendance
from measurements.validation import Options, Payload, RowAsSent, RunAsSent
from tests.making import PLATFORM, make_member
from trials.errors import NotAllowed
from trials.services.people import grant_role

IL6 = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
CRP = {"specimen": "S-1", "biomarker": "CRP", "value": "34", "unit": "mg/L"}
FIX = {"status": "corrected", "reason": "Dilution misread"}
URL = "/trials/t/participants/T-001-F/visits/baseline/"


def chain() -> list[tuple[str, str, int]]:
    return [(each.value_as_sent, each.status, each.revision) for each in Result.objects.order_by("id")]


def current() -> Result:
    return Result.objects.get(superseded_by=None)


def analysed(bench) -> list[float]:
    return list(analysis_frame(bench.trial)["value"])


def test_preliminary_final_corrected_and_corrected_again(bench):
    assert bench.post([IL6 | {"status": "preliminary"}]).status_code == 201
    assert analysed(bench) == []
    assert bench.post([IL6]).json()["corrected"] == 1
    assert analysed(bench) == [1.83]
    assert bench.post([IL6 | FIX | {"value": "2"}]).json()["corrected"] == 1
    assert bench.post([IL6 | FIX | {"value": "3", "reason": "Read once more"}]).json()["corrected"] == 1
    assert analysed(bench) == [3.0]
    assert chain() == [("1.83", "preliminary", 0), ("1.83", "final", 1), ("2", "corrected", 2), ("3", "corrected", 3)]
    assert current().reason == "Read once more"


def test_a_final_value_becomes_not_done_and_is_measured_after_all(bench):
    bench.post([IL6])
    refused = bench.post([IL6 | {"value": None, "status": "not_done", "reason": "Haemolysed"}])
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["code"], error["did_you_mean"]) == ("differs_from_recorded", str(current().pk))
    not_done = {"value": None, "status": "not_done", "reason": "Haemolysed", "corrects": error["did_you_mean"]}
    assert bench.post([IL6 | not_done]).json()["corrected"] == 1
    assert analysed(bench) == []
    assert bench.post([IL6 | FIX | {"value": "2"}]).json()["corrected"] == 1
    assert analysed(bench) == [2.0]


def test_a_replaced_value_is_not_corrected_a_second_time(bench):
    bench.post([IL6])
    first = str(current().pk)
    bench.post([IL6 | FIX | {"value": "2", "corrects": first}])
    late = bench.post([IL6 | FIX | {"value": "3", "corrects": first}])
    assert (late.status_code, late.json()["errors"][0]["code"]) == (422, "corrects_unknown")
    assert current().value_as_sent == "2"


def test_a_file_sent_again_after_its_assay_was_described_makes_no_second_results(bench):
    bench.post([IL6])
    add_assay(
        trial=bench.trial,
        laboratory=bench.laboratory,
        biomarker=bench.trial.biomarkers.get(code="IL6"),
        code="il6-elisa",
        unit="pg/mL",
        by=PLATFORM,
    )
    assert bench.post([IL6]).json()["unchanged"] == 1
    assert bench.post([IL6 | FIX | {"value": "2"}]).json()["corrected"] == 1
    assert analysed(bench) == [2.0]
    assert not Query.objects.exists()
    assert current().assay is None, "a correction keeps the assay"


def test_a_converted_value_is_the_same_however_it_is_written(bench):
    cortisol = {"specimen": "S-1", "biomarker": "CORT", "value": "10.10", "unit": "ug/dL"}
    assert bench.post([cortisol]).status_code == 201
    for again in ({"value": "10.1"}, {"value": "101", "unit": "ng/mL"}, {"value": "101.0", "unit": "ug/L"}):
        assert bench.post([cortisol | again]).json()["unchanged"] == 1
    assert bench.post([cortisol | {"value": "10.11"}]).status_code == 422


def test_a_correction_keeps_the_days_it_does_not_send(bench):
    bench.post([IL6 | {"collected_at": "2026-03-02T08:00:00+01:00", "performed_on": "2026-03-03"}])
    bench.post([IL6 | FIX | {"value": "2"}])
    old, new = Result.objects.order_by("id")
    assert (new.collected_at, new.performed_on) == (old.collected_at, old.performed_on)
    assert old.collected_at is not None


@pytest.mark.parametrize("change", [FIX | {"value": "2"}, {"value": None, "status": "not_done", "reason": "Clotted"}])
def test_a_locked_visit_refuses_corrections(bench, change):
    bench.post([IL6])
    person, visit = bench.participant("T-001-F"), bench.trial.visits.get(code="baseline")
    record_attendance(participant=person, visit=visit, by=PLATFORM, attended_on=person.randomized_on)
    lock_visit(participant=person, visit=visit, by=PLATFORM)
    answer = bench.post([IL6 | change | {"corrects": str(current().pk)}])
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "visit_locked")
    assert len(chain()) == 1


def record(bench, by, **row):
    payload = Payload(RunAsSent(), (RowAsSent(**(IL6 | row)),))
    laboratory = laboratory_of(by, bench.trial)
    return record_results(
        trial=bench.trial, laboratory=laboratory, payload=payload, by=by, channel="form", options=Options()
    )


@pytest.mark.django_db
def test_the_right_to_correct_is_asked_for_whatever_the_reason_says(bench):
    manager = make_member(bench.trial, "lab_manager")
    record(bench, manager, status="preliminary")
    assert record(bench, manager).status == 201, "a final value after a preliminary one is no correction"
    for reason in ("Misread", "Final value after a preliminary one.", "Accepted after it was held."):
        with pytest.raises(NotAllowed):
            record(bench, manager, value="2", status="corrected", reason=reason)
    assert current().value_as_sent == "1.83"


def test_the_right_to_correct_counts_at_its_site_only(bench):
    member = make_member(bench.trial, "lab_manager")
    grant_role(
        trial=bench.trial, user=member.user, role="coordinator", by=PLATFORM, site=bench.trial.sites.get(code="leeds")
    )
    for specimen in ("S-1", "S-2"):
        record(bench, member, specimen=specimen)
    assert record(bench, member, value="2", **FIX).status == 201
    with pytest.raises(NotAllowed, match="site"):
        record(bench, member, specimen="S-2", value="2", **FIX)


def test_a_rules_query_is_closed_and_a_persons_goes_over_to_the_new_value(bench):
    bench.post([CRP])
    person, visit = bench.participant("T-001-F"), bench.trial.visits.get(code="baseline")
    asked = open_query(
        participant=person,
        visit=visit,
        biomarker=bench.trial.biomarkers.get(code="CRP"),
        result=current(),
        question="Is the unit right?",
        by=make_member(bench.trial, "monitor"),
    )
    for value in ("3.4", "3.5"):
        bench.post([CRP | FIX | {"value": value}])
    rule = Query.objects.get(code="value_implausible")
    assert (rule.state, rule.answer) == ("closed", "The value was corrected.")
    asked.refresh_from_db()
    assert (asked.state, asked.result) == ("answered", current())
    assert list(QueryNote.objects.order_by("id").values_list("query", "kind")) == [
        (asked.pk, "opened"),
        (rule.pk, "closed"),
        (asked.pk, "answered"),
    ]


@pytest.fixture
def coordinator(bench) -> Client:
    client = Client()
    person = make_member(bench.trial, "coordinator", "leeds").user
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def leave(bench, client, value, reason=""):
    key = bench.trial.biomarkers.get(code="IL6").pk
    return client.post(f"{URL}values/{key}/", {f"b{key}": value, f"b{key}-reason": reason}).content.decode()


def test_a_value_is_struck_in_the_visit_form(bench, coordinator):
    assert "Nothing is recorded here" in leave(bench, coordinator, "entered in error")
    leave(bench, coordinator, "1.83")
    assert "Reason for the change" in leave(bench, coordinator, "entered in error")
    assert "Entered in error: of T-002-D" in leave(bench, coordinator, "entered in error", "of T-002-D")
    assert (current().status, current().reason) == ("not_done", "Entered in error: of T-002-D")
    assert analysed(bench) == []
    leave(bench, coordinator, "2", "Right tube found")
    assert analysed(bench) == [2.0]
