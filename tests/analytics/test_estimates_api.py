"""Estimates and descriptions over the API: exactly the promised fields, and only to those entitled."""

import json
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from analytics.services.recompute import recompute_estimates
from tests.analytics.filling import INTERVENTION, WAITLIST, fill_trial, post, values_of
from tests.making import PLATFORM, make_member, make_trial
from trials.access import Actor
from trials.models import Trial
from trials.services.credentials import create_laboratory_credential, create_personal_token
from trials.services.people import add_laboratory


def answer_of(client: Client, by: Actor, path: str) -> tuple[int, Any]:
    client.force_login(by.user)
    answer = client.get(f"/api/v1/trials/{path}")
    return answer.status_code, answer.json()


def computed() -> Trial:
    trial = fill_trial()
    recompute_estimates(trial=trial, by=PLATFORM)
    return trial


@pytest.mark.django_db
def test_estimates_have_the_shape_of_the_contract_in_full_precision(client: Client) -> None:
    trial = computed()
    by = make_member(trial, "unblinded_statistician")
    status, body = answer_of(
        client, by, f"{trial.slug}/estimates/?biomarker=CRP&visit=six_months&method=ancova_hc3&measure=log_difference"
    )
    assert status == 200
    assert (body["trial"], body["data_version"], body["trial_data_version"]) == (
        "t",
        trial.data_version,
        trial.data_version,
    )
    assert (body["stale"], body["method_version"], body["failed_since"]) == (False, "2", None)
    assert body["plan"].startswith("sha256:")
    (estimate,) = body["estimates"]
    stored = trial.estimate_runs.get().estimates.get(
        biomarker__code="CRP", method="ancova_hc3", measure="log_difference"
    )
    assert estimate["estimate"] == stored.estimate
    assert estimate["standard_error"] == stored.standard_error
    assert set(estimate["n"]) == set(estimate["n_randomized"]) == {INTERVENTION, WAITLIST}
    assert (estimate["role"], estimate["population"], estimate["missing"]) == (
        "secondary",
        "as_randomized",
        "complete_case",
    )
    assert estimate["oriented_estimate"] == -estimate["estimate"]
    assert estimate["not_estimable"] is None


@pytest.mark.django_db
def test_newer_data_are_said_to_be_newer(client: Client) -> None:
    trial = computed()
    row = values_of(trial, "baseline", ["CRP"])[0]
    post(trial, [row | {"value": "3.75", "status": "corrected", "reason": "Typing error"}])
    _, body = answer_of(client, make_member(trial, "monitoring_board"), f"{trial.slug}/estimates/")
    assert body["stale"]
    assert body["trial_data_version"] == body["data_version"] + 1


@pytest.mark.django_db
def test_before_the_first_run_there_is_an_answer_without_estimates(client: Client) -> None:
    trial = fill_trial(2)
    _, body = answer_of(client, make_member(trial, "monitoring_board"), f"{trial.slug}/estimates/")
    assert (body["data_version"], body["estimates"], body["stale"]) == (None, [], True)


@pytest.mark.django_db
def test_what_cannot_be_estimated_says_why(client: Client) -> None:
    trial = fill_trial(2)
    recompute_estimates(trial=trial, by=PLATFORM)
    _, body = answer_of(client, make_member(trial, "monitoring_board"), f"{trial.slug}/estimates/?method=ancova_hc3")
    assert body["estimates"]
    for estimate in body["estimates"]:
        assert estimate["estimate"] is None
        assert set(estimate["not_estimable"]) == {"code", "sentence"}


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["biomarker=nothing", "visit=%F0%9F%92%89", "method='--", "measure="])
def test_an_unknown_filter_matches_nothing(client: Client, query: str) -> None:
    trial = computed()
    status, body = answer_of(client, make_member(trial, "monitoring_board"), f"{trial.slug}/estimates/?{query}")
    assert (status, body["estimates"]) == (200, [])


@pytest.mark.django_db
def test_descriptives_are_given_per_arm(client: Client) -> None:
    trial = computed()
    _, body = answer_of(client, make_member(trial, "unblinded_statistician"), f"{trial.slug}/descriptives/")
    places = [(row["biomarker"], row["visit"], row["arm"]) for row in body["descriptives"]]
    assert len(places) == len(set(places)) == 2 * 2 * 2
    assert {arm for _, _, arm in places} == {INTERVENTION, WAITLIST}
    assert all(row["randomized"] == row["available"] == row["moments"]["n"] for row in body["descriptives"])
    assert sum(row["randomized"] for row in body["descriptives"]) == 2 * 2 * 16


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["estimates/", "descriptives/", "estimates.csv"])
@pytest.mark.parametrize(
    "role",
    [
        "principal_investigator",
        "coordinator",
        "data_manager",
        "monitor",
        "blinded_statistician",
        "lab_manager",
        "export_staff",
    ],
)
def test_the_blinded_are_refused_in_one_word(client: Client, role: str, path: str) -> None:
    trial = computed()
    status, body = answer_of(client, make_member(trial, role), f"{trial.slug}/{path}")
    assert (status, body["code"]) == (403, "blinded")


@pytest.mark.django_db
def test_a_laboratory_and_a_strangers_token_learn_nothing(client: Client) -> None:
    trial = computed()
    laboratory = add_laboratory(trial=trial, code="ghent-lab", name="Ghent", by=PLATFORM)
    _, lab = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="t", scopes=["results:read"], by=PLATFORM
    )
    stranger = make_member(make_trial("other"), "unblinded_statistician").user
    _, foreign = create_personal_token(user=stranger, name="t", scopes=["estimates:read"], by=PLATFORM)
    url = f"/api/v1/trials/{trial.slug}/estimates/"
    refused = client.get(url, headers={"Authorization": f"Bearer {lab}"})
    assert (refused.status_code, refused.json()["code"]) == (403, "blinded")
    unknown = client.get(url, headers={"Authorization": f"Bearer {foreign}"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "trial_unknown")
    assert client.get(url).status_code == 401


@pytest.mark.django_db
def test_a_token_reads_estimates_only_with_the_scope_for_it(client: Client) -> None:
    trial = computed()
    user = make_member(trial, "unblinded_statistician").user
    for scopes, status in ((["estimates:read"], 200), (["read"], 403)):
        _, token = create_personal_token(user=user, name="t", scopes=scopes, by=PLATFORM)
        answer = client.get(f"/api/v1/trials/{trial.slug}/estimates/", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status


def test_openapi_describes_these_addresses_without_a_warning() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--format", "openapi-json"],
        capture_output=True,
        text=True,
        check=True,
    )
    paths = json.loads(done.stdout)["paths"]
    assert {path.rsplit("}/", 1)[1] for path in paths if "trials/{slug}" in path} >= {
        "estimates/",
        "descriptives/",
        "exports/",
        "participants.csv",
        "results.csv",
        "analysis.csv",
        "estimates.csv",
    }
    assert [line for line in done.stderr.splitlines() if "analytics" in line] == []
