"""Deliveries that meet: the same key, the same rows, overlapping batches, a lock amid them. Transactions commit."""

import threading
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection, connections, transaction

from measurements.models import Result, Specimen, Submission
from measurements.services import idempotency
from measurements.services.visits import lock_visit
from tests.making import PLATFORM
from tests.measurements.conftest import Bench, make_bench
from trials import audit
from trials.models import Attendance, AuditEvent, Trial

DAY = date(2026, 3, 1)
IL6 = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}


@pytest.fixture
def bench(committed: str) -> Bench:
    return make_bench()


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Start all calls at the same moment; return their answers in order."""
    start, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def call(number: int) -> None:
        try:
            start.wait()
            answers[number] = calls[number]()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_16_with_the_same_key_are_one_row_and_one_identical_answer(bench):
    answers = at_once([lambda: bench.post([IL6], Idempotency_Key="k")] * 16)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replay" in answer for answer in answers) == 15
    assert (Result.objects.count(), Submission.objects.count()) == (1, 1)


def test_16_without_a_key_are_one_row(bench):
    answers = at_once([lambda: bench.post([IL6])] * 16)
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert Result.objects.count() == 1


def test_two_values_at_once_are_one_and_a_contradiction(bench):
    answers = at_once([lambda value=value: bench.post([IL6 | {"value": value}]) for value in ("1", "2")])
    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert Result.objects.count() == 1


def test_overlapping_batches_in_different_order_are_each_recorded_once(bench):
    """Rows of participant and visit, so that the specimens are made at once as well."""
    rows = [
        {
            "participant": participant,
            "visit": visit,
            "biomarker": code,
            "value": "2",
            "unit": "pg/mL",
            "replicate": number,
        }
        for participant in ("T-001-F", "T-002-D")
        for visit in ("six_months",)
        for code in ("IL6", "IL10")
        for number in range(1, 41)
    ]
    batches = [rows[:120], rows[40:][::-1], rows[::-1], rows[::2] + rows[1::2], rows[80:] + rows[:20], rows]
    answers = at_once([lambda batch=batch: bench.post(batch) for batch in batches])
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert sum(answer.json()["created"] for answer in answers) == len(rows) == Result.objects.count()
    assert Specimen.objects.filter(visit__code="six_months").count() == 2


def test_a_key_that_stays_in_work_is_409_with_retry_after(bench, monkeypatch):
    monkeypatch.setattr(idempotency, "WAIT", "200ms")
    key = idempotency.Key("k", "", bench.credential.pk, None)
    with transaction.atomic():
        idempotency._lock(key)
        [answer] = at_once([lambda: bench.post([IL6], Idempotency_Key="k")])
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_work")
    assert int(answer["Retry-After"]) > 0
    assert bench.post([IL6], Idempotency_Key="k").status_code == 201


def test_a_lock_comes_before_a_batch_or_after_it(bench, monkeypatch):
    """The trial is locked after the batch was checked and before it is stored: it is checked again, and held."""
    from measurements.services import results

    check = results.check_rows

    def lock_meanwhile(*arguments):
        checked = check(*arguments)
        at_once([lambda: lock(bench.trial)])
        return checked

    monkeypatch.setattr(results, "check_rows", lock_meanwhile)
    answer = bench.post([IL6])
    assert (answer.status_code, answer.json()["held"]) == (201, 1)
    assert Result.objects.count() == 0


def test_a_lock_of_the_visit_comes_before_a_batch_or_after_it(bench, monkeypatch):
    from measurements.services import results

    row = {"participant": "T-001-F", "visit": "six_months", "biomarker": "IL6", "value": "1", "unit": "pg/mL"}
    place = {"participant": bench.participant("T-001-F"), "visit": bench.trial.visits.get(code="six_months")}
    with audit.transaction(by=PLATFORM) as event:
        Attendance.objects.create(trial=bench.trial, attended_on=DAY, **place)
        event.record("test.attended", trial=bench.trial)
    check = results.check_rows

    def lock_meanwhile(*arguments):
        checked = check(*arguments)
        at_once([lambda: lock_visit(**place, by=PLATFORM)])
        return checked

    monkeypatch.setattr(results, "check_rows", lock_meanwhile)
    answer = bench.post([row])
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "visit_locked")
    assert Result.objects.count() == 0


def lock(trial: Trial) -> None:
    with audit.transaction(by=PLATFORM) as event:
        Trial.objects.filter(pk=trial.pk).update(data_state="locked")
        event.record("trial.locked", trial=trial)


def test_nothing_is_half_written_when_the_last_step_fails(bench, monkeypatch):
    from measurements.services import results

    before = AuditEvent.objects.count()

    def break_down(trial: Trial) -> int:
        raise RuntimeError("planted")

    monkeypatch.setattr(results, "mark_data_changed", break_down)
    with pytest.raises(RuntimeError, match="planted"):
        bench.post(
            [IL6, {"participant": "T-002-D", "visit": "six_months", "biomarker": "IL6", "value": "1", "unit": "pg/mL"}]
        )
    assert (Result.objects.count(), Submission.objects.count(), AuditEvent.objects.count()) == (0, 0, before)
    assert Specimen.objects.count() == 2
    assert not connection.in_atomic_block
