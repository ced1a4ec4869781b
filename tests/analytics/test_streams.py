"""A reader who goes away leaves nothing behind: neither the thread's connection nor one of the stream's own."""

import time
from collections.abc import Callable

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory

from analytics.exports import copying
from tests.analytics.filling import fill_trial
from tests.making import make_member
from trials.models import AuditEvent, Trial

MORE_THAN_THREADS = 12


def serve(client: Client, path: str, method: str = "GET") -> HttpResponse:
    """Answer as under a server: the test client would end the reading itself."""
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    asked = RequestFactory(HTTP_COOKIE=cookies).generic(method, path)
    return WSGIHandler()(asked.environ, lambda *_: None)


def read_one_piece(client: Client, path: str) -> HttpResponse:
    answer = serve(client, path)
    assert b"participant" in next(iter(answer))
    return answer


def read_nothing(client: Client, path: str) -> HttpResponse:
    return serve(client, path)


def ask_for_the_head(client: Client, path: str) -> HttpResponse:
    answer = serve(client, path, "HEAD")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return answer


@pytest.fixture
def trial(committed: str, monkeypatch: pytest.MonkeyPatch) -> Trial:
    """A trial whose tables are sent in many pieces."""
    monkeypatch.setattr(copying, "PIECE_BYTES", 200)
    return fill_trial(8)


@pytest.mark.parametrize("reader", [read_one_piece, read_nothing, ask_for_the_head])
def test_a_reader_who_goes_away_leaves_the_connection_usable(
    client: Client, trial: Trial, reader: Callable[[Client, str], HttpResponse]
) -> None:
    client.force_login(make_member(trial, "unblinded_statistician").user)
    before, kept = open_connections(), []
    for _ in range(MORE_THAN_THREADS):  # kept, so that nothing but closing can end the reading
        kept.append(reader(client, f"/api/v1/trials/{trial.slug}/results.csv"))
        kept[-1].close()
        assert not connection.in_atomic_block
    wait_until_closed(before)
    assert client.get("/readyz").status_code == 200


def test_what_is_read_to_its_end_is_the_whole_table(client: Client, trial: Trial) -> None:
    client.force_login(make_member(trial, "unblinded_statistician").user)
    answer = client.get(f"/api/v1/trials/{trial.slug}/results.csv")
    assert len(b"".join(answer.streaming_content).splitlines()) == 1 + 32


def test_the_head_of_a_table_is_no_download(client: Client, trial: Trial) -> None:
    client.force_login(make_member(trial, "unblinded_statistician").user)
    client.head(f"/api/v1/trials/{trial.slug}/results.csv")
    assert not AuditEvent.objects.filter(verb="table.downloaded").exists()


def wait_until_closed(wanted: int) -> None:
    """A server process ends a moment after its connection is closed."""
    deadline = time.monotonic() + 20
    while open_connections() > wanted:
        assert time.monotonic() < deadline, "the streams' connections stayed open"
        time.sleep(0.05)


def open_connections() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
