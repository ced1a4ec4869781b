"""Rows from PostgreSQL as CSV bytes, without passing through Python objects: memory stays flat at any size."""

from collections.abc import Iterator
from itertools import chain

from django.db import connection, transaction
from psycopg import sql

from analytics.exports.rights import Scope
from analytics.exports.tables import TABLES, parameters

# A reader on a slow line may take long; what is read is one statement and locks nobody out.
LONGEST = "SET LOCAL statement_timeout = '15min'"
PIECE_BYTES = 64 * 1024
COPY = sql.SQL("COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')")


def csv_lines(table: str, scope: Scope) -> Iterator[bytes]:
    """Yield the table as CSV, the header first, then a row at a time (COPY sends each row as one message)."""
    copy = COPY.format(query=TABLES[table](scope))
    with connection.wrap_database_errors, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LONGEST)
        with cursor.copy(copy, parameters(scope)) as rows:
            for row in rows:
                yield bytes(row)


def csv_stream(table: str, scope: Scope) -> Iterator[bytes]:
    """Return the table in pieces that suit a network; the first is read at once, so that a fault shows before it."""
    pieces = _gathered(csv_lines(table, scope))
    return chain([next(pieces)], pieces)


def _gathered(lines: Iterator[bytes]) -> Iterator[bytes]:
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)
