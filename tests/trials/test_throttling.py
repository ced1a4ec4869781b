"""What tokens may send: refused beyond it with `Retry-After`, let in again with time, counted by token."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import F
from django.test import Client

from measurements.models import Result
from tests.making import make_member
from tests.measurements.conftest import Bench, make_bench, make_token
from trials.models import Allowance
from trials.services.allowances import Limit, spend
from trials.services.credentials import create_personal_token

ROW = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
MINUTE = Limit(3, 60)


def pass_time(seconds: float) -> None:
    """Let every bucket believe that so much time has passed."""
    Allowance.objects.update(counted_at=F("counted_at") - timedelta(seconds=seconds))


@pytest.mark.django_db
class TestBucket:
    def test_so_many_and_no_more_and_again_with_time(self):
        assert [spend(name="a", amount=1, limit=MINUTE).is_granted for _ in range(5)] == [True] * 3 + [False] * 2
        pass_time(20)
        assert [spend(name="a", amount=1, limit=MINUTE).is_granted for _ in range(2)] == [True, False]

    def test_it_says_what_is_left_and_when(self):
        told = [spend(name="a", amount=1, limit=MINUTE) for _ in range(4)]
        assert [each.remaining for each in told] == [2, 1, 0, 0]
        assert [each.full_after for each in told[:3]] == [20, 40, 60]
        assert (told[2].retry_after, told[3].retry_after) == (0, 20)

    def test_who_keeps_asking_is_let_in_as_soon_as_others(self):
        for _ in range(50):
            spend(name="a", amount=1, limit=MINUTE)
        pass_time(21)
        assert spend(name="a", amount=1, limit=MINUTE).is_granted

    def test_it_never_holds_more_than_it_may(self):
        spend(name="a", amount=1, limit=MINUTE)
        pass_time(3600)
        assert spend(name="a", amount=1, limit=MINUTE).remaining == 2

    def test_a_clock_that_goes_back_fills_nothing(self):
        spend(name="a", amount=3, limit=MINUTE)
        pass_time(-3600)
        assert not spend(name="a", amount=1, limit=MINUTE).is_granted

    def test_more_than_the_bucket_goes_in_when_it_is_full_only(self):
        assert spend(name="a", amount=10, limit=MINUTE).is_granted
        refused = spend(name="a", amount=10, limit=MINUTE)
        assert (refused.is_granted, refused.retry_after) == (False, 60)

    def test_everybody_has_their_own(self):
        assert not [name for name in "abc" if not spend(name=name, amount=3, limit=MINUTE).is_granted]

    def test_it_is_written_to_no_log_of_the_database(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT relpersistence::text FROM pg_class WHERE relname = 'trials_allowance'")
            assert cursor.fetchone() == ("u",)


def test_many_at_once_get_no_more_than_one_after_the_other(committed: str) -> None:
    granted: list[bool] = []

    def ask() -> None:
        try:
            granted.extend(spend(name="a", amount=1, limit=Limit(10, 100_000)).is_granted for _ in range(5))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (granted.count(True), len(granted)) == (10, 40)


@pytest.mark.django_db
class TestApi:
    @pytest.fixture
    def bench(self) -> Bench:
        return make_bench()

    def test_refusal_and_recovery(self, bench, settings):
        settings.REQUESTS_A_MINUTE = 2
        assert [bench.get("").status_code for _ in range(3)] == [200, 200, 429]
        refused = bench.get("")
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert refused.json()["code"] == "too_many_requests"
        assert refused.headers["Retry-After"] == "30"
        assert (refused.headers["RateLimit-Limit"], refused.headers["RateLimit-Remaining"]) == ("2", "0")
        pass_time(30)
        answer = bench.get("")
        assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, "0")

    def test_nothing_is_saved_by_what_is_refused(self, bench, settings):
        settings.REQUESTS_A_MINUTE = 1
        bench.get("")
        assert (bench.post([ROW]).status_code, Result.objects.count()) == (429, 0)

    def test_rows_are_counted_and_dry_runs_too(self, bench, settings):
        settings.ROWS_AN_HOUR = 5
        rows = [ROW, ROW | {"biomarker": "CRP", "unit": "mg/L"}]
        assert [bench.post(rows, query="?dry_run=true").status_code for _ in range(2)] == [200, 200]
        refused = bench.post(rows)
        assert (refused.status_code, refused.json()["code"], Result.objects.count()) == (429, "too_many_requests", 0)
        assert 0 < int(refused.headers["Retry-After"]) <= 720
        assert "Nothing was saved" in refused.json()["detail"]
        pass_time(720)
        assert bench.post(rows).status_code == 201

    def test_a_batch_larger_than_the_hour_is_let_in_once(self, bench, settings):
        settings.ROWS_AN_HOUR = 1
        rows = [ROW, ROW | {"biomarker": "CRP", "unit": "mg/L"}]
        assert [bench.post(rows).status_code for _ in range(2)] == [201, 429]

    def test_the_sandbox_has_its_own_lower_limit(self, bench, settings):
        settings.SANDBOX_REQUESTS_A_MINUTE = 1
        _, token = make_token(bench.trial, bench.laboratory, is_sandbox=True)
        assert [bench.get("", token=token).status_code for _ in range(2)] == [200, 429]
        assert bench.get("", token=token).headers["Sandbox"] == "true"
        assert bench.get("").status_code == 200

    def test_one_token_s_haste_is_not_another_s(self, bench, settings):
        settings.REQUESTS_A_MINUTE = 1
        _, other = make_token(bench.trial, bench.laboratory)
        member = make_member(bench.trial, "monitor")
        _, personal = create_personal_token(user=member.user, name="R", scopes=["read"], by=member)
        assert [bench.get("", token=token).status_code for token in (bench.token, other, personal)] == [200] * 3
        assert [bench.get("", token=token).status_code for token in (bench.token, other, personal)] == [429] * 3

    def test_zero_is_no_limit(self, bench, settings):
        settings.REQUESTS_A_MINUTE = 0
        answer: Any = bench.get("")
        assert (answer.status_code, "RateLimit-Limit" in answer.headers) == (200, False)
        assert not Allowance.objects.exists()

    def test_people_on_pages_are_not_counted(self, bench, settings, signed_in):
        settings.REQUESTS_A_MINUTE = 1
        browser = signed_in(make_member(bench.trial, "monitor"))
        assert [browser.get("/api/v1/trials/t/").status_code for _ in range(3)] == [200] * 3

    def test_without_a_token_nobody_is_told_a_limit(self, db):
        assert "RateLimit-Limit" not in Client().get("/api/v1/trials/").headers
