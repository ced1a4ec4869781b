"""What people type into a field, and the words for why there is no value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.validation.typed import TypedCell, read_typed


@pytest.mark.parametrize(
    ("text", "reason", "expected"),
    [
        ("1.83", "", TypedCell("1.83")),
        (" <0.4 ", " misread ", TypedCell("<0.4", "final", "misread")),
        ("not done", "", TypedCell(None, "not_done")),
        ("ND", "tube broken", TypedCell(None, "not_done", "tube broken")),
        ("Not done: tube broken", "other", TypedCell(None, "not_done", "tube broken")),
        ("not_done - no blood", "", TypedCell(None, "not_done", "no blood")),
        ("entered in error", "", TypedCell(None, "not_done", None, is_error=True)),
        (
            "Entered in error: of T-002",
            "",
            TypedCell(None, "not_done", "Entered in error: of T-002", is_error=True),
        ),
        ("not done yet", "", TypedCell("not done yet")),
        ("", "", TypedCell("")),
    ],
)
def test_a_field_is_read(text: str, reason: str, expected: TypedCell) -> None:
    assert read_typed(text, reason) == expected


@given(st.from_regex(r"[<>]? ?[0-9]{1,6}(\.[0-9]{0,4})?", fullmatch=True), st.text(max_size=20))
def test_a_number_is_never_taken_for_words(text: str, reason: str) -> None:
    assert read_typed(text, reason) == TypedCell(text.strip(), "final", reason.strip() or None)


@given(st.text(max_size=40))
def test_nothing_typed_is_lost(text: str) -> None:
    cell = read_typed(text)
    assert cell.value == text.strip() or cell.status == "not_done"
