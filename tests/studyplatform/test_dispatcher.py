"""The dispatcher: what is due gets done, by a worker or without one, and not more often than needed."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import pytest
from celery import Task
from django.db import OperationalError, connection, transaction

from analytics.models import EstimateRun, Heartbeat
from analytics.selectors.runs import freshness
from analytics.services.heartbeats import DISPATCHER
from analytics.services.plans import DEFAULT_SPECIFICATION, record_plan
from analytics.tasks import note_alive, refresh_estimates
from studyplatform import dispatcher as dispatching
from studyplatform.broker import Broker
from studyplatform.dispatcher import PATIENCE_SECONDS, Dispatcher
from tests.analytics.filling import fill_trial, post, randomize, values_of
from tests.making import PLATFORM
from trials import audit
from trials.models import Trial
from trials.services.design import mark_data_changed


class Taken(Broker):
    """A broker that takes everything; a test plays the worker."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[tuple[str, Sequence[int]]] = []

    def hand_over(self, task: Task, arguments: Sequence[int] = (), *, expires: float | None = None) -> bool:
        if task.name != note_alive.name:
            self.tasks.append((task.name, arguments))
        return True


class Refused(Broker):
    """A broker that is away."""

    def hand_over(self, task: Task, arguments: Sequence[int] = (), *, expires: float | None = None) -> bool:
        return False


class Clock:
    """Time that passes when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def change(trial: Trial) -> None:
    """Raise the trial's data version as a service would."""
    with audit.transaction(by=PLATFORM) as event:
        mark_data_changed(trial)
        event.record("test.changed", trial=trial)


@pytest.mark.django_db
def test_stale_estimates_are_handed_out_once() -> None:
    trial, broker = fill_trial(4), Taken()
    dispatcher = Dispatcher(broker, Clock())
    dispatcher.round()
    dispatcher.round()
    assert broker.tasks == [(refresh_estimates.name, [trial.pk])]
    assert not EstimateRun.objects.exists()


@pytest.mark.django_db
def test_a_burst_of_deliveries_makes_few_runs() -> None:
    """At most one computation a trial is under way; what comes meanwhile waits for it together."""
    trial, broker = fill_trial(4), Taken()
    dispatcher = Dispatcher(broker, Clock())
    for _ in range(20):
        change(trial)
        dispatcher.round()
    assert len(broker.tasks) == 1
    refresh_estimates(trial.pk)  # the worker comes to it
    for _ in range(20):
        change(trial)
        dispatcher.round()
    assert len(broker.tasks) == 2
    refresh_estimates(trial.pk)
    dispatcher.round()
    assert EstimateRun.objects.count() == 2
    assert not freshness(trial).is_stale


@pytest.mark.django_db
def test_the_dispatcher_works_itself_while_the_broker_is_away() -> None:
    trial = fill_trial(4)
    Dispatcher(Refused(), Clock()).round()
    assert not freshness(trial).is_stale


@pytest.mark.django_db
def test_the_dispatcher_does_what_a_worker_lost() -> None:
    trial, broker, clock = fill_trial(4), Taken(), Clock()
    dispatcher = Dispatcher(broker, clock)
    dispatcher.round()
    clock.now += PATIENCE_SECONDS - 1
    dispatcher.round()
    assert freshness(trial).is_stale
    clock.now += 2
    dispatcher.round()
    assert not freshness(trial).is_stale
    assert len(broker.tasks) == 1


@pytest.mark.django_db
def test_work_that_fails_keeps_no_other_waiting_and_is_not_repeated_at_every_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good, clock = fill_trial(4), fill_trial(4, slug="u"), Clock()
    attempts: list[int] = []

    def work(trial_id: int) -> None:
        attempts.append(trial_id)
        if trial_id == bad.pk:
            raise RuntimeError("a fault of ours")
        refresh_estimates(trial_id)

    monkeypatch.setattr(dispatching, "TASKS", {"estimates": work})
    dispatcher = Dispatcher(Refused(), clock)
    dispatcher.round()
    dispatcher.round()
    assert attempts == [bad.pk, good.pk]
    assert not freshness(good).is_stale
    clock.now += PATIENCE_SECONDS + 1
    dispatcher.round()
    assert attempts == [bad.pk, good.pk, bad.pk]


@pytest.mark.django_db
def test_work_of_another_plan_is_handed_out_once_too() -> None:
    """The run that is there is of an older plan at this very version; it says nothing of the work that was given."""
    trial, broker = fill_trial(4), Taken()
    refresh_estimates(trial.pk)
    record_plan(trial=trial, specification=DEFAULT_SPECIFICATION | {"primary": [["IL6", "six_months"]]}, by=PLATFORM)
    dispatcher = Dispatcher(broker, Clock())
    for _ in range(5):
        dispatcher.round()
    assert len(broker.tasks) == 1
    refresh_estimates(trial.pk)
    dispatcher.round()
    assert len(broker.tasks) == 1
    assert not freshness(trial).is_stale


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_keeps_no_other_trial_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = fill_trial(4), fill_trial(4, slug="u")

    def work(trial_id: int) -> None:
        if trial_id == bad.pk:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL statement_timeout = 10")
                cursor.execute("SELECT pg_sleep(5)")
        refresh_estimates(trial_id)

    monkeypatch.setattr(dispatching, "TASKS", {"estimates": work})
    Dispatcher(Refused(), Clock()).round()
    assert not freshness(good).is_stale


@pytest.mark.django_db
def test_the_dispatcher_shows_that_it_lives() -> None:
    Dispatcher(Refused(), Clock()).round()
    assert Heartbeat.objects.filter(process=DISPATCHER).exists()


def test_a_database_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, rounds = threading.Event(), []

    def fail_once(_: Dispatcher) -> None:
        rounds.append(None)
        if len(rounds) == 1:
            raise OperationalError("server closed the connection")
        stop.set()

    monkeypatch.setattr(Dispatcher, "round", fail_once)
    monkeypatch.setattr(dispatching, "connections", type("None", (), {"close_all": lambda: None}))
    Dispatcher(Refused()).run(stop)
    assert len(rounds) == 2


def test_a_frozen_broker_is_given_up_and_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen, calls = threading.Event(), []

    def wait(*_: object, **__: object) -> None:
        calls.append(None)
        frozen.wait(30)

    monkeypatch.setattr(note_alive, "apply_async", wait)
    monkeypatch.setattr("studyplatform.broker.ANSWER_SECONDS", 0.05)
    broker = Broker()
    assert not broker.hand_over(note_alive)
    assert not broker.hand_over(note_alive)
    assert broker.is_away
    assert len(calls) == 1
    frozen.set()


def test_the_process_computes_without_a_broker_and_stops_at_sigterm(committed: str) -> None:
    """The real command with a broker address where nobody listens."""
    trial = fill_trial(4)
    environment = os.environ | {"DATABASE_URL": committed, "REDIS_URL": "redis://127.0.0.1:9/0"}
    process = subprocess.Popen([sys.executable, "manage.py", "dispatch"], env=environment)
    try:
        wait_until_fresh(trial)
        randomize(trial, "leeds")
        wait_until_fresh(trial)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def wait_until_fresh(trial: Trial) -> None:
    deadline = time.monotonic() + 60
    while freshness(trial).is_stale:
        assert time.monotonic() < deadline, "the estimates stayed stale"
        time.sleep(0.1)


@pytest.mark.usefixtures("committed")
def test_the_dispatcher_outlives_a_lost_connection() -> None:
    trial = fill_trial(4)
    dispatcher, stop = Dispatcher(Refused()), threading.Event()
    thread = threading.Thread(target=dispatcher.run, args=[stop])
    thread.start()
    try:
        wait_until_fresh(trial)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database() AND usename = current_user"
            )
        post(trial, _correction(trial))
        wait_until_fresh(trial)
    finally:
        stop.set()
        thread.join()


def _correction(trial: Trial) -> list[dict[str, str]]:
    return [
        values_of(trial, "baseline", ["CRP"])[0] | {"value": "2.5", "status": "corrected", "reason": "Typing error"}
    ]
