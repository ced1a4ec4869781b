"""Those who record a visit at the same moment, and who locks it meanwhile. Transactions commit."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, connections, transaction

from measurements.services.visits import complete_visit, lock_visit, record_attendance
from tests.making import PLATFORM
from tests.measurements.following import days_ago, make_waitlist_trial
from trials.errors import InConflict, RuleBroken
from trials.models import Attendance

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


def waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees what it saw first
        cursor.execute(WAITING)
        return cursor.fetchone()[0] > 0


def meeting(first, second):
    """Run `second` from another thread while `first` is done and not committed; return what refused `second`."""
    is_over = Event()

    def run():
        try:
            second()
        except RuleBroken as refused:
            return refused
        finally:
            is_over.set()
            connections.close_all()
        return None

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            first()
            told = threads.submit(run)
            while not (waits() or is_over.wait(0.02)):
                pass
        return told.result()


@pytest.fixture
def place(committed):
    trial = make_waitlist_trial(2)
    return {"participant": trial.participants.first(), "visit": trial.visits.get(code="baseline")}


def attend(place, days=242):
    record_attendance(**place, by=PLATFORM, attended_on=days_ago(days))


def test_the_second_of_two_days_is_a_change_and_needs_a_reason(place):
    refused = meeting(lambda: attend(place), lambda: attend(place, 241))
    assert refused.code == "reason_missing"
    assert Attendance.objects.get().attended_on == days_ago(242)


@pytest.mark.parametrize("late", ["record", "complete"])
def test_nothing_is_written_into_a_visit_that_is_locked_meanwhile(place, late):
    attend(place)
    write = {"record": lambda: attend(place), "complete": lambda: complete_visit(**place, by=PLATFORM)}[late]
    refused = meeting(lambda: lock_visit(**place, by=PLATFORM), write)
    assert isinstance(refused, InConflict)
    assert refused.code == "visit_locked"
    assert Attendance.objects.get().completed_at is None
