"""What laboratories and people read: results, biomarkers, the worklist, submissions."""

import pytest

from tests.making import PLATFORM, make_member
from tests.measurements.conftest import make_bench, make_token
from trials.services.credentials import create_personal_token
from trials.services.people import add_laboratory

IL6 = {"specimen": "S-1", "biomarker": "IL6", "value": "1.80", "unit": "pg/mL"}


def listed(answer):
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert set(body) == {"next", "previous", "results"}
    return body["results"]


@pytest.fixture
def member_token(bench):
    def make(role, site=None):
        member = make_member(bench.trial, role, site)
        return create_personal_token(user=member.user, name="t", scopes=["read"], by=member)[1]

    return make


def test_a_result_as_sent_and_as_used(bench):
    submission = bench.post([IL6 | {"value": "0.00180", "unit": "ng/mL"}]).json()["submission"]
    [result] = listed(bench.get("results/"))
    shown = {
        name: result[name]
        for name in ("value_as_sent", "unit_as_sent", "value", "unit", "specimen", "participant", "visit")
    }
    assert shown == {
        "value_as_sent": "0.00180",
        "unit_as_sent": "ng/mL",
        "value": "1.8",
        "unit": "pg/mL",
        "specimen": "S-1",
        "participant": "T-001-F",
        "visit": "baseline",
    }
    assert result["submission"] == submission


def test_a_superseded_result_says_by_which(bench):
    bench.post([IL6])
    bench.post([IL6 | {"value": "2", "status": "corrected", "reason": "Dilution"}])
    old, new = listed(bench.get("results/"))
    assert (old["corrected_by"], new["corrects"], new["reason"]) == (new["id"], old["id"], "Dilution")


def test_filters(bench):
    bench.post([IL6, IL6 | {"biomarker": "IL10"}, IL6 | {"specimen": "S-2"}])
    assert len(listed(bench.get("results/?biomarker=IL6"))) == 2
    assert len(listed(bench.get("results/?visit=baseline&biomarker=IL10"))) == 1
    assert listed(bench.get("results/?visit=six_months")) == []
    assert len(listed(bench.get("results/?updated_since=2026-01-01T00:00:00Z"))) == 3


def test_pages_by_cursor(bench):
    bench.post([IL6 | {"replicate": number} for number in range(1, 6)])
    found, path = [], "results/?page_size=2"
    while path:
        answer = bench.get(path)
        found += [result["replicate"] for result in listed(answer)]
        following = answer.json()["next"]
        path = f"results/?{following.split('?')[1]}" if following else None
    assert found == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("biomarker=XYZ", 422),
        ("biomarker=%00", 400),
        ("visit=never", 422),
        ("updated_since=yesterday", 422),
        ("updated_since=2026-01-01", 422),
        ("cursor=%00garbage", 400),
    ],
)
def test_wrong_parameters_are_told(bench, query, status):
    answer = bench.get(f"results/?{query}")
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_laboratories_see_their_own_results_only(bench):
    bench.post([IL6])
    other = add_laboratory(trial=bench.trial, code="leeds-lab", name="Leeds Lab", by=PLATFORM)
    _, token = make_token(bench.trial, other)
    reference = bench.trial.submissions.get().reference
    assert listed(bench.get("results/", token=token)) == []
    assert bench.get(f"submissions/{reference}/", token=token).status_code == 404
    assert bench.get(f"submissions/{reference}/").json()["created"] == 1


def test_people_see_the_results_of_their_sites(bench, member_token):
    bench.post([IL6, IL6 | {"specimen": "S-2"}])
    shown = listed(bench.get("results/", token=member_token("coordinator", "ghent")))
    assert [result["specimen"] for result in shown] == ["S-2"]
    assert len(listed(bench.get("results/", token=member_token("blinded_statistician")))) == 2


def test_without_the_scope(bench):
    _, token = make_token(bench.trial, bench.laboratory, scopes=["results:write"])
    assert bench.get("results/", token=token).status_code == 403
    assert bench.get("specimens/", token=token).status_code == 403
    assert bench.get("biomarkers/", token=token).status_code == 200


def test_a_foreign_trial_is_as_unknown_as_a_missing_one(bench):
    other = make_bench("other")
    for path in ("results/", "biomarkers/", "specimens/", "submissions/6f1c6f0e-2a7e-4a8e-9f0c-3a0f2a1b4c5d/"):
        assert bench.get(path, token=other.token).status_code == 404


def test_biomarkers_with_units_and_limits(bench):
    shown = {biomarker["code"]: biomarker for biomarker in listed(bench.get("biomarkers/"))}
    assert list(shown) == ["IL6", "CRP", "IL10", "CORT", "PSS10"]
    assert (shown["IL6"]["unit"], shown["IL6"]["plausible_high"], shown["IL6"]["loinc"]) == ("pg/mL", "100", "26881-3")
    [assay] = shown["IL10"]["assays"]
    assert (assay["code"], assay["lower_limit_of_quantification"]) == ("luminex", "0.4")


def test_the_worklist_gets_shorter(bench):
    def awaited():
        return {each["specimen"]: each["awaiting"] for each in listed(bench.get("specimens/?awaiting=results"))}

    assert awaited() == {"S-1": ["IL6", "CRP", "IL10", "CORT"], "S-2": ["IL6", "CRP", "IL10", "CORT"]}
    units = {"IL6": "pg/mL", "CRP": "mg/L", "IL10": "pg/mL", "CORT": "nmol/L"}
    bench.post([IL6])
    assert awaited()["S-1"] == ["CRP", "IL10", "CORT"]
    bench.post([IL6 | {"biomarker": code, "unit": unit} for code, unit in units.items()])
    assert set(awaited()) == {"S-2"}
    assert len(listed(bench.get("specimens/"))) == 2
    assert bench.get("specimens/?awaiting=rain").status_code == 422


def test_a_submission_with_its_report(bench):
    reference = bench.post([IL6 | {"biomarker": "IL-6"}]).json()["submission"]
    shown = bench.get(f"submissions/{reference}/").json()
    assert (shown["created"], shown["laboratory"], shown["errors"]) == (1, "ghent-immunology", [])
    assert "biomarker_alias" in [warning["code"] for warning in shown["warnings"]]


def test_the_schema_describes_these_addresses(client, db):
    schema = client.get("/api/v1/schema/", headers={"Accept": "application/json"}).json()
    post = schema["paths"]["/api/v1/trials/{slug}/results/"]["post"]
    assert set(post["requestBody"]["content"]) == {"application/json", "text/csv"}
    assert {"200", "201", "409", "413", "415", "422"} <= set(post["responses"])
    assert {parameter["name"] for parameter in post["parameters"]} >= {"dry_run", "on_error", "Idempotency-Key"}
