"""One decimal grammar: what is read, exactly, and what is refused with which code."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.validation.findings import NotedError
from measurements.validation.values import ParsedValue, parse_value

READ = [
    ("1.80", "1.80", None, None),
    ("0", "0", None, None),
    ("-3", "-3", None, None),
    ("+4.5", "4.5", None, None),
    (".5", "0.5", None, None),
    ("1e3", "1E+3", None, None),
    ("1.2E+05", "1.2E+5", None, None),
    (" 7 ", "7", None, None),
    ("<0.4", "0.4", "<", None),
    ("< 0.4", "0.4", "<", None),
    (">500", "500", ">", None),
    ("OOR <", None, "<", "out_of_range"),
    ("OOR>", None, ">", "out_of_range"),
    ("*1.23", "1.23", None, "extrapolated"),
    ("---", None, None, "not_measured"),
    ("***", None, None, "not_measured"),
]
REFUSED = [
    (None, "value_empty"),
    ("", "value_empty"),
    ("  ", "value_empty"),
    ("n/a", "value_empty"),
    ("NaN", "value_not_finite"),
    ("-Infinity", "value_not_finite"),
    ("1e400", "value_not_finite"),
    ("1e-400", "value_not_finite"),
    ("1e99999999999999999999", "value_not_finite"),
    ("1_000", "value_not_number"),
    ("١٢٣", "value_not_number"),  # Arabic-Indic digits
    ("１.８", "value_not_number"),  # full-width digits
    ("−1.2", "value_not_number"),  # U+2212 minus
    ("0x10", "value_not_number"),
    ("1.2.3", "value_not_number"),
    ("1.", "value_not_number"),
    ("1 000", "value_not_number"),
    ("1,234.5", "value_not_number"),
    ("<=0.4", "value_not_number"),
    ("*<0.4", "value_not_number"),
    ("1,234", "value_ambiguous"),
    ("1,83", "value_ambiguous"),
    ("01-Feb", "value_excel_date"),
    ("Feb-01", "value_excel_date"),
    ("2026-02-01", "value_excel_date"),
    ("1/2/2026", "value_excel_date"),
    ("1\ufffd", "encoding"),
    ("9" * 65, "field_too_long"),
]


@pytest.mark.parametrize(("text", "number", "comparator", "flag"), READ)
def test_value_is_read(text: str, number: str | None, comparator: str | None, flag: str | None) -> None:
    parsed = parse_value(text)
    assert (None if parsed.number is None else str(parsed.number), parsed.comparator, parsed.flag) == (
        number,
        comparator,
        flag,
    )


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_value_is_refused_with_its_code(text: str | None, code: str) -> None:
    with pytest.raises(NotedError) as noted:
        parse_value(text)
    assert noted.value.note.code == code


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**20), max_value=10**20))
def test_every_plain_decimal_is_read_exactly(number: Decimal) -> None:
    assert parse_value(f"{number:f}") == ParsedValue(number)


@given(st.text(max_size=80))
def test_any_text_is_read_or_noted(text: str) -> None:
    try:
        parsed = parse_value(text)
    except NotedError:
        return
    assert parsed.number is None or parsed.number.is_finite()
