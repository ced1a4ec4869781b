"""A laboratory posts results; the statistician reads the estimate that they made; nobody blinded does."""

import json
import time
import urllib.error
import urllib.request
from datetime import date
from typing import Any

import pytest

from measurements.services.catalogue import add_biomarkers
from tests.making import PLATFORM, make_member, make_trial
from trials.models import Trial
from trials.services.credentials import create_laboratory_credential, create_personal_token
from trials.services.enrollment import record_consent, screen_participant
from trials.services.people import add_laboratory
from trials.services.randomization import randomize_participant

FRESH_SECONDS = 20


def ask(url: str, token: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """Return status and JSON of a GET, or of a POST when there is a body."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def recruited(count: int) -> tuple[Trial, list[tuple[str, str]]]:
    """Return a trial that measures IL-6, with `count` randomized participants as (code, arm)."""
    trial = make_trial(factors={}, planned=count)
    add_biomarkers(trial=trial, biomarkers=("IL6",), by=PLATFORM)
    people = []
    for _ in range(count):
        day = date(2026, 1, 5)
        participant = screen_participant(trial=trial, site=trial.sites.first(), by=PLATFORM, screened_on=day)
        participant = record_consent(participant=participant, by=PLATFORM, on=day, version="1.0")
        allocation = randomize_participant(participant=participant, by=PLATFORM, on=day)
        people.append((participant.code, allocation.arm.code))
    return trial, people


def rows(people: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Return baseline and six-month values in which the therapy halves IL-6."""
    made = []
    for number, (code, arm) in enumerate(people):
        before = 2.0 + 0.31 * number
        after = before * (0.5 if arm == "cbt" else 1.0) * (1 + 0.02 * (number % 5))
        for visit, value in (("baseline", before), ("six_months", after)):
            made.append(
                {"participant": code, "visit": visit, "biomarker": "IL6", "value": f"{value:.3f}", "unit": "pg/mL"}
            )
    return made


def fresh_estimates(url: str, token: str, version: int) -> dict[str, Any]:
    """Return the estimates once they contain the given data version."""
    deadline = time.monotonic() + FRESH_SECONDS
    while time.monotonic() < deadline:
        status, answer = ask(url, token)
        if status == 200 and not answer["stale"] and answer["data_version"] >= version:
            return answer
        time.sleep(0.1)
    pytest.fail(f"no fresh estimates of version {version}: {status} {answer}")


def test_from_a_laboratorys_post_to_the_estimate(platform: str) -> None:
    trial, people = recruited(16)
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent Immunology", by=PLATFORM)
    _, lab = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="t", scopes=("results:write", "results:read"), by=PLATFORM
    )
    tokens = {}
    for role in ("unblinded_statistician", "blinded_statistician"):
        user = make_member(trial, role).user
        _, tokens[role] = create_personal_token(user=user, name="t", scopes=("read", "estimates:read"), by=PLATFORM)
    base = f"{platform}/api/v1/trials/{trial.slug}"

    status, report = ask(f"{base}/results/", lab, {"results": rows(people)}, **{"Idempotency-Key": "one"})
    assert (status, report["received"], report["created"], report["errors"]) == (201, 32, 32, [])
    status, again = ask(f"{base}/results/", lab, {"results": rows(people)}, **{"Idempotency-Key": "one"})
    assert (status, again) == (201, report)
    status, unchanged = ask(f"{base}/results/", lab, {"results": rows(people)})
    assert (status, unchanged["unchanged"], unchanged["data_version"]) == (200, 32, report["data_version"])

    answer = fresh_estimates(f"{base}/estimates/", tokens["unblinded_statistician"], report["data_version"])
    (ratio,) = [
        each
        for each in answer["estimates"]
        if (each["method"], each["measure"]) == ("ancova_hc3", "ratio_of_geometric_means")
    ]
    assert 0.45 < ratio["estimate"] < 0.55
    assert ratio["ci_high"] < 1
    assert sum(ratio["n"].values()) == 16

    assert ask(f"{platform}/readyz", "")[1]["status"] == "ok"  # broker and worker took part

    status, refused = ask(f"{base}/estimates/", tokens["blinded_statistician"])
    assert (status, refused["code"]) == (403, "blinded")
    assert ask(f"{base}/estimates/", lab)[0] == 403

    code, arm = people[0]
    correction = {
        "participant": code,
        "visit": "six_months",
        "biomarker": "IL6",
        "value": "900",
        "unit": "pg/mL",
        "status": "corrected",
        "reason": "Dilution not applied",
    }
    status, report = ask(f"{base}/results/", lab, {"results": [correction]})
    assert (status, report["corrected"]) == (201, 1)
    moved = fresh_estimates(f"{base}/estimates/", tokens["unblinded_statistician"], report["data_version"])
    (after,) = [
        each
        for each in moved["estimates"]
        if (each["method"], each["measure"]) == ("ancova_hc3", "ratio_of_geometric_means")
    ]
    assert after["estimate"] != ratio["estimate"]
    assert (after["estimate"] > ratio["estimate"]) == (arm == "cbt")


def test_a_wrong_row_saves_nothing_and_says_how_to_mend_it(platform: str) -> None:
    trial, people = recruited(2)
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent Immunology", by=PLATFORM)
    _, lab = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="t", scopes=("results:write", "results:read"), by=PLATFORM
    )
    sent = rows(people)
    sent[1]["value"] = "1,234"
    url = f"{platform}/api/v1/trials/{trial.slug}/results/"
    status, report = ask(url, lab, {"results": sent})
    assert status == 422
    (error,) = report["errors"]
    assert (error["row"], error["pointer"], error["code"]) == (2, "/results/1/value", "value_ambiguous")
    assert ask(url, lab)[1]["results"] == []
