"""The trials' part of the API: the contract of fields, codes and rights."""

import pytest
from django.db import DataError
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from tests.making import PLATFORM, make_member, make_trial
from trials.models import Participant
from trials.services.credentials import create_laboratory_credential, revoke_laboratory_credential
from trials.services.people import add_laboratory, end_role

pytestmark = pytest.mark.django_db
SCREENING = {"site": "leeds", "screened_on": "2026-03-01"}
WITH_CONSENT = {**SCREENING, "consent": {"on": "2026-03-01", "version": "1.0"}}
READS = ("", "visits/", "participants/", "consort/")


def enrol(client, **more):
    return client.post("/api/v1/trials/t/participants/", {**WITH_CONSENT, **more}, format="json")


def randomize(client, code="T-001-F", levels=None):
    body = {"levels": levels or {"sex": "F"}}
    return client.post(f"/api/v1/trials/t/participants/{code}/randomize/", body, format="json")


def laboratory_client(trial, *scopes):
    laboratory = add_laboratory(trial=trial, code="ghent", name="Ghent", by=PLATFORM)
    credential, token = create_laboratory_credential(
        laboratory=laboratory, trials=[trial], name="A", scopes=scopes, by=PLATFORM
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return credential, client


def test_a_trial_and_its_visits(with_token) -> None:
    client = with_token(make_member(make_trial(), "unblinded_statistician"))
    listed = client.get("/api/v1/trials/").json()
    assert (listed["next"], [trial["slug"] for trial in listed["results"]]) == (None, ["t"])
    trial = client.get("/api/v1/trials/t/").json()
    assert [arm["code"] for arm in trial["arms"]] == ["cbt", "waitlist"]
    assert len(trial["commitment"]) == 64
    visits = client.get("/api/v1/trials/t/visits/").json()["results"]
    assert [(visit["code"], visit["window_from"], visit["window_to"]) for visit in visits] == [
        ("baseline", -28, 1),
        ("six_months", 168, 196),
    ]


def test_enrolling_and_randomizing_by_token(with_token) -> None:
    trial = make_trial()
    client = with_token(make_member(trial, "coordinator", "leeds"))
    enrolled = enrol(client)
    assert (enrolled.status_code, enrolled.json()) == (
        201,
        {
            "code": "T-001-F",
            "site": "leeds",
            "state": "consented",
            "screened_on": "2026-03-01",
            "randomized_on": None,
            "arm": None,
        },
    )
    first, again = randomize(client), randomize(client, levels={"sex": "M"})
    assert (first.status_code, first.content) == (200, again.content)
    assert first.json()["arm"] in {"cbt", "waitlist"}
    assert client.get("/api/v1/trials/t/participants/").json()["results"] == [first.json()]


def test_the_blinded_randomize_and_are_not_told(with_token) -> None:
    trial = make_trial(is_open_label=False)
    client = with_token(make_member(trial, "coordinator"))
    assert "arm" not in enrol(client).json()
    assert set(randomize(client).json()) == {"code", "site", "state", "screened_on", "randomized_on"}
    assert "arms" not in client.get("/api/v1/trials/t/").json()
    consort = client.get("/api/v1/trials/t/consort/").json()
    assert (consort["is_pooled"], [arm["code"] for arm in consort["arms"]]) == (True, [""])


def test_the_same_idempotency_key_gives_the_same_participant(with_token) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    answers = [
        client.post("/api/v1/trials/t/participants/", WITH_CONSENT, format="json", HTTP_IDEMPOTENCY_KEY="k").json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert Participant.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({**SCREENING, "arm": "cbt"}, "fields_wrong", "arm"),
        ({**SCREENING, "site": "york"}, "site_unknown", "site"),
        ({**SCREENING, "screened_on": "2999-01-01"}, "date_future", "screened_on"),
        ({**SCREENING, "screened_on": "yesterday"}, "fields_wrong", "screened_on"),
        ({**SCREENING, "eligibility": [True]}, "eligibility_unanswered", "eligibility"),
        ([], "fields_wrong", "non_field_errors"),
    ],
)
def test_wrong_bodies_name_the_field_and_save_nothing(with_token, body, code, field) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    answer = client.post("/api/v1/trials/t/participants/", body, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")
    assert (answer.json()["code"], answer.json()["errors"][0]["field"]) == (code, field)
    assert not Participant.objects.exists()


def test_conflicts(with_token) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    client.post("/api/v1/trials/t/participants/", SCREENING, format="json")
    early = randomize(client, "T-S001")
    assert (early.status_code, early.json()["code"]) == (409, "not_consented")
    enrol(client)
    without_level = client.post("/api/v1/trials/t/participants/T-001-F/randomize/", {}, format="json")
    assert (without_level.status_code, without_level.json()["code"]) == (422, "level_unknown")


def test_pages_follow_a_cursor(with_token) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    for _ in range(3):
        client.post("/api/v1/trials/t/participants/", SCREENING, format="json")
    first = client.get("/api/v1/trials/t/participants/?page_size=2").json()
    second = client.get(first["next"]).json()
    codes = [each["code"] for page in (first, second) for each in page["results"]]
    assert (codes, second["next"]) == (["T-S001", "T-S002", "T-S003"], None)
    excluded = client.get("/api/v1/trials/t/participants/?state=excluded").json()["results"]
    assert excluded == []
    assert client.get("/api/v1/trials/t/participants/?state=happy").status_code == 422


def test_a_member_of_one_site_sees_that_site_alone(with_token) -> None:
    trial = make_trial()
    everywhere, leeds = make_member(trial, "coordinator"), make_member(trial, "coordinator", "leeds")
    both = with_token(everywhere)
    enrol(both)
    enrol(both, site="ghent")
    client = with_token(leeds)
    assert [each["site"] for each in client.get("/api/v1/trials/t/participants/").json()["results"]] == ["leeds"]
    assert client.get("/api/v1/trials/t/participants/?site=ghent").json()["results"] == []
    foreign, missing = randomize(client, "T-002-D"), randomize(client, "T-999-2")
    assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert enrol(client, site="ghent").status_code == 403


def told(answer) -> dict[str, str]:
    """The headers, but for what is left of the token's requests: the second of two has one less."""
    return {name: value for name, value in answer.headers.items() if name != "RateLimit-Remaining"}


@pytest.mark.parametrize("path", READS)
def test_a_foreign_trial_is_a_missing_trial_byte_for_byte(with_token, path) -> None:
    make_trial("foreign")
    client = with_token(make_member(make_trial(), "principal_investigator"))
    foreign = client.get(f"/api/v1/trials/foreign/{path}")
    missing = client.get(f"/api/v1/trials/missing/{path}")
    assert (foreign.status_code, foreign.content, told(foreign)) == (404, missing.content, told(missing))


@pytest.mark.parametrize("path", ["participants/", "participants/T-001-F/randomize/"])
def test_posting_to_a_foreign_trial_answers_as_to_a_missing_one(with_token, path) -> None:
    make_trial("foreign")
    client = with_token(make_member(make_trial(), "principal_investigator"))
    foreign = client.post(f"/api/v1/trials/foreign/{path}", {"x": 1}, format="json")
    missing = client.post(f"/api/v1/trials/missing/{path}", {"x": 1}, format="json")
    assert (foreign.status_code, foreign.content) == (404, missing.content)


@pytest.mark.parametrize("token", [None, "pat_wrong", "lab_live_wrong"])
def test_without_a_valid_token_401(client, token) -> None:
    make_trial()
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    for path in READS:
        answer = client.get(f"/api/v1/trials/t/{path}", **headers)
        assert (answer.status_code, answer["WWW-Authenticate"][:6]) == (401, "Bearer")


def test_a_laboratory_sees_the_trial_and_no_participants() -> None:
    trial = make_trial()
    make_trial("other")
    credential, client = laboratory_client(trial, "results:write")
    assert [each["slug"] for each in client.get("/api/v1/trials/").json()["results"]] == ["t"]
    assert "arms" not in client.get("/api/v1/trials/t/").json()
    assert client.get("/api/v1/trials/t/visits/").status_code == 200
    assert client.get("/api/v1/trials/t/participants/").status_code == 403
    assert enrol(client).status_code == 403
    assert client.get("/api/v1/trials/other/").status_code == 404
    revoke_laboratory_credential(credential=credential, trial=trial, by=PLATFORM)
    assert client.get("/api/v1/trials/t/").status_code == 401


def test_an_ended_role_ends_the_token_at_once(with_token) -> None:
    trial = make_trial()
    actor = make_member(trial, "monitor")
    client = with_token(actor)
    assert client.get("/api/v1/trials/t/").status_code == 200
    end_role(membership=trial.memberships.get(user=actor.user), by=PLATFORM)
    assert client.get("/api/v1/trials/t/").status_code == 404
    assert client.get("/api/v1/trials/").json()["results"] == []


def test_scopes_narrow_a_token(with_token) -> None:
    trial = make_trial()
    client = with_token(make_member(trial, "coordinator"), ("read",))
    assert client.get("/api/v1/trials/t/participants/").status_code == 200
    assert enrol(client).status_code == 403


@pytest.mark.parametrize("cursor", ["cD0A", "cj0xJnA9YWJj", "cD1OYU4=", "bz0xJnA9MWU0MDA=", "cD0tMQ=="])
def test_a_cursor_that_names_no_id_leads_nowhere(with_token, cursor) -> None:
    answer = with_token(make_member(make_trial(), "monitor")).get("/api/v1/trials/", {"cursor": cursor})
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["participants/", "participants/T-001-F/randomize/"])
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b"[" * 21 + b"]" * 21,
        rb'{"\ud800": 1}',
        rb'{"site": "\ud800"}',
        rb'{"levels": {"sex": "\u0000"}}',
        b'{"site": "leeds", "site": "ghent"}',
        b'{"levels": NaN}',
        b"\xff",
        b"1" * 5000,
    ],
)
def test_bodies_that_no_client_writes_are_refused(with_token, path, body) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    enrol(client)
    answer = client.post(f"/api/v1/trials/t/{path}", body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("code", ["T%0A", "T%F0%9F%98%80", "T" * 41])
def test_a_code_that_cannot_be_one_is_no_address(with_token, code) -> None:
    client = with_token(make_member(make_trial(), "coordinator"))
    answer = client.post(f"/api/v1/trials/t/participants/{code}/randomize/", {}, format="json")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_the_documentation_page_says_what_it_does_not_do(client) -> None:
    assert client.options("/api/v1/docs/").status_code == 405
    assert client.get("/api/v1/docs/").status_code == 200


def test_a_value_the_database_refuses_is_no_fault(with_token, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise DataError("out of range")

    monkeypatch.setattr("trials.api.views.trials_visible_to", refuse)
    answer = with_token(make_member(make_trial(), "monitor")).get("/api/v1/trials/")
    assert (answer.status_code, answer.json()["code"]) == (422, "value_refused")


def test_the_openapi_document_of_these_views_has_no_warnings() -> None:
    GENERATOR_STATS.reset()
    document = SchemaGenerator().get_schema(request=None, public=True)
    told = [*GENERATOR_STATS._warn_cache, *GENERATOR_STATS._error_cache]
    assert [line for line in told if "trials/api" in line] == []
    assert "/api/v1/trials/{slug}/participants/{code}/randomize/" in document["paths"]
