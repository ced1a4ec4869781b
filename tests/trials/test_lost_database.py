"""A database that went away in the middle of a request leaves nothing behind for the next one."""

from django.db import OperationalError, connection
from django.test import RequestFactory

from studyplatform.errors import UnavailableMiddleware
from trials.models import Trial


def test_a_transaction_that_lost_its_server_does_not_keep_the_connection(committed) -> None:
    def lose(*_: object) -> None:
        connection.in_atomic_block = True  # as after an exit from the transaction that itself failed
        raise OperationalError("server closed the connection")

    connection.ensure_connection()
    answer = UnavailableMiddleware(lose)(RequestFactory().get("/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert connection.connection is None
    assert not Trial.objects.exists()
