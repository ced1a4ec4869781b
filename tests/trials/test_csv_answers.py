"""Lists as CSV."""

import csv
import io
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.views.csv_answers import csv_answer, harmless


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@name", "'@name"),
        ("-cmd", "'-cmd"),
        ("\tx", "'\tx"),
        ("-1.5", "-1.5"),
        ("+2e-3", "+2e-3"),
        ("-1\n", "'-1\n"),
        ("plain", "plain"),
        (-3, -3),
        (None, ""),
        (date(2026, 3, 1), "2026-03-01"),
        (datetime(2026, 3, 1, 8, tzinfo=UTC), "2026-03-01T08:00:00+00:00"),
    ],
)
def test_no_cell_is_a_formula(cell, written) -> None:
    assert harmless(cell) == written


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n")), min_size=2, max_size=2)))
def test_what_is_written_is_read_again(rows) -> None:
    answer = csv_answer("list", ["one", "two"], rows)
    text = b"".join(answer.streaming_content).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["one", "two"],
        *([harmless(cell) for cell in row] for row in rows),
    ]
    assert answer["Content-Disposition"] == 'attachment; filename="list.csv"'
