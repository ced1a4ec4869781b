"""One decimal grammar for values: ASCII, a decimal point, exact; and the marks of plate readers beside it."""

import re
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from measurements.validation.findings import Note, NotedError
from measurements.validation.texts import LONGEST

Comparator = Literal["<", ">"]
Flag = Literal["out_of_range", "extrapolated", "not_measured"]

_NUMBER = re.compile(r"([<>]?) ?([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?)")
_OUT_OF_RANGE = re.compile(r"OOR ?([<>])", re.IGNORECASE)
_ONE_COMMA = re.compile(r"[<>]? ?([+-]?[0-9]+),([0-9]+)")
_NOT_FINITE = re.compile(r"[<>]? ?[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez)"
_DATE = re.compile(
    rf"[0-9]{{1,2}}[-/. ]{_MONTH}(?:[-/. ][0-9]{{2,4}})?|{_MONTH}[-/. ][0-9]{{1,4}}"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}|[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}(?:[T ].*)?|[0-9]{1,2}/[0-9]{1,2}",
    re.IGNORECASE,
)
_NO_VALUE = frozenset({"", "na", "n/a", "null", "none", "missing", ".", "-"})
# "---" and "***" are what Bio-Plex and other plate readers print where they have no value.
_NOT_MEASURED = frozenset({"---", "***"})
_LARGEST_EXPONENT = 300  # within a double, with room for conversion between units


class ParsedValue(Struct, frozen=True):
    """What was sent, read: `<0.4` is the number 0.4 with the comparator `<`; `OOR <` has a comparator and no number."""

    number: Decimal | None
    comparator: Comparator | None = None
    flag: Flag | None = None


def parse_value(text: str | None) -> ParsedValue:
    """The value that `text` holds. Raises `NotedError` with the code that says why it holds none."""
    if text is None:
        raise NotedError(Note("value_empty", "value"))
    if len(text) > LONGEST["value"]:
        details = {"length": len(text), "longest": LONGEST["value"]}
        raise NotedError(Note("field_too_long", "value", text, details=details))
    match = _NUMBER.fullmatch(text)
    if match is None:
        stripped = text.strip()
        match = _NUMBER.fullmatch(stripped)
        if match is None:
            return _parse_mark(stripped, text)
    return ParsedValue(_number(match, text), match[1] or None)  # type: ignore[arg-type]  # the pattern allows only < and >


def _number(match: re.Match[str], text: str) -> Decimal:
    # The exponent is looked at as text first: Decimal itself refuses the longest ones with an exception of its own.
    if match[3] is not None and len(match[3].lstrip("+-0")) > 3:
        raise NotedError(Note("value_not_finite", "value", text))
    number = Decimal(match[2])
    if not number:
        return number if match[3] is None else Decimal(0)
    if abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise NotedError(Note("value_not_finite", "value", text))
    return number


def _parse_mark(stripped: str, text: str) -> ParsedValue:
    """What is no plain number: `OOR <`, `*1.23`, `---`, `***`, or the reason why it is nothing."""
    out_of_range = _OUT_OF_RANGE.fullmatch(stripped)
    if out_of_range:
        return ParsedValue(None, out_of_range[1], "out_of_range")  # type: ignore[arg-type]  # only < and >
    if stripped in _NOT_MEASURED:
        return ParsedValue(None, None, "not_measured")
    if stripped.startswith("*"):
        starred = _NUMBER.fullmatch(stripped[1:])
        if starred and not starred[1]:
            return ParsedValue(_number(starred, text), None, "extrapolated")
    raise NotedError(_why_not(stripped, text))


def _why_not(stripped: str, text: str) -> Note:
    if stripped.casefold() in _NO_VALUE:
        return Note("value_empty", "value", text)
    if _NOT_FINITE.fullmatch(stripped):
        return Note("value_not_finite", "value", text)
    if comma := _ONE_COMMA.fullmatch(stripped):
        readings = {"decimal": f"{comma[1]}.{comma[2]}", "whole": f"{comma[1]}{comma[2]}"}
        return Note("value_ambiguous", "value", text, details=readings)
    if _DATE.fullmatch(stripped):
        return Note("value_excel_date", "value", text)
    return Note("encoding" if "\ufffd" in text else "value_not_number", "value", text)
