"""What load balancers and people are told about the platform's health."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError, ProgrammingError
from django.test import Client
from django.utils import timezone

from analytics.models import Heartbeat
from analytics.services.heartbeats import DISPATCHER, WORKER, note_heartbeat
from studyplatform import health
from tests.analytics.filling import fill_trial


def answer_of(client: Client, path: str = "/readyz") -> tuple[int, dict[str, Any]]:
    answer = client.get(path)
    return answer.status_code, answer.json()


def test_the_process_says_that_it_answers_without_a_database(client: Client) -> None:
    assert answer_of(client, "/healthz") == (200, {"status": "ok"})


def test_the_version_is_told(client: Client, settings: LazySettings) -> None:
    assert answer_of(client, "/version") == (200, {"version": settings.VERSION})


@pytest.mark.django_db
def test_all_is_well_while_everything_lives(client: Client) -> None:
    note_heartbeat(DISPATCHER)
    note_heartbeat(WORKER)
    status, body = answer_of(client)
    assert (status, body["status"]) == (200, "ok"), body
    assert body["oldest_stale_seconds"] == 0


@pytest.mark.django_db
def test_without_a_broker_the_platform_serves_and_says_that_it_is_degraded(
    client: Client, settings: LazySettings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    status, body = answer_of(client)
    assert (status, body["status"], body["broker"]) == (200, "degraded", "away")


@pytest.mark.django_db
def test_a_silent_worker_is_reported(client: Client) -> None:
    note_heartbeat(DISPATCHER)
    assert answer_of(client)[1]["worker"] == "not seen"
    Heartbeat.objects.create(process=WORKER, seen_at=timezone.now() - timedelta(minutes=5))
    status, body = answer_of(client)
    assert (status, body["status"], body["worker"], body["dispatcher"]) == (200, "degraded", "silent", "ok")


@pytest.mark.django_db
def test_estimates_that_wait_too_long_are_reported(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_trial(2)
    note_heartbeat(DISPATCHER)
    note_heartbeat(WORKER)
    assert answer_of(client)[1]["oldest_stale_seconds"] > 0
    monkeypatch.setattr(health, "STALE_LIMIT_SECONDS", 0)
    assert answer_of(client)[1]["status"] == "degraded"


def test_without_the_database_the_answer_is_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(health, "_state", away)
    answer = client.get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer.json()["database"] == "away"


def test_a_fault_of_ours_is_not_taken_for_a_database_that_is_away(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> None:
        raise ProgrammingError("relation does not exist")

    monkeypatch.setattr(health, "_state", wrong)
    with pytest.raises(ProgrammingError):
        client.get("/readyz")
