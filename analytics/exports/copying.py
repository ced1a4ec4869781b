"""Rows from PostgreSQL as CSV bytes, without passing through Python objects: memory stays flat at any size."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from psycopg import sql

from analytics.exports.rights import Scope
from analytics.exports.tables import TABLES, parameters

# A reader on a slow line may take long; what is read is one statement and locks nobody out.
LONGEST = "SET LOCAL statement_timeout = '15min'"
PIECE_BYTES = 64 * 1024
COPY = sql.SQL("COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')")


class CsvStream:
    """A table as CSV in pieces that suit a network. `close` ends the reading wherever it is; Django calls it."""

    def __init__(self, table: str, scope: Scope) -> None:
        """Read the first piece at once, so that a fault shows before anything is sent."""
        self._pieces = _gathered(table, scope)
        self._first = next(self._pieces)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces, once."""
        yield self._first
        yield from self._pieces

    def close(self) -> None:
        """Give the connection back, whether or not everything was read."""
        self._pieces.close()


def csv_lines(table: str, scope: Scope) -> Generator[bytes, None, None]:
    """Yield the table as CSV, the header first, then a row at a time (COPY sends each row as one message)."""
    copy = COPY.format(query=TABLES[table](scope))
    with connection.wrap_database_errors, _reading() as cursor:
        cursor.execute(LONGEST)
        with cursor.copy(copy, parameters(scope)) as rows:
            for row in rows:
                yield bytes(row)


@contextmanager
def _reading() -> Iterator[Any]:
    """Give a cursor in a transaction: that of the caller, where there is one, for its view of the database.

    Otherwise one of a connection of its own. The thread's connection serves the next request, and it would stay in
    the middle of the COPY for ever where a reader goes away.
    """
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            yield cursor
        return
    own = connection.get_new_connection(connection.get_connection_params())
    try:
        with own.cursor() as cursor:
            yield cursor
    finally:
        own.close()


def _gathered(table: str, scope: Scope) -> Generator[bytes, None, None]:
    piece = bytearray()
    lines = csv_lines(table, scope)
    try:
        for line in lines:
            piece += line
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece)
    finally:
        lines.close()
