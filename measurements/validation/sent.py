"""A row as it was sent: every field as text, nothing decided yet. Every door makes these; one checker reads them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct


class RowAsSent(Struct, frozen=True):
    """One row; None where a field was not sent. Numbers keep the digits they were sent with."""

    specimen: str | None = None
    participant: str | None = None
    visit: str | None = None
    biomarker: str | None = None
    value: str | None = None
    unit: str | None = None
    assay: str | None = None
    replicate: str | None = None
    collected_at: str | None = None
    status: str | None = None
    reason: str | None = None
    corrects: str | None = None
    run: str | None = None
    performed_on: str | None = None
    not_text: tuple[tuple[str, str], ...] = ()
    """Fields that held something else than one text or number, each with what it was ("a list")."""
    unknown: tuple[str, ...] = ()
    """Names of fields that results do not have."""


FIELDS = tuple(field for field in RowAsSent.__struct_fields__ if field not in {"not_text", "unknown"})
_KNOWN = frozenset(FIELDS)
_TEXTS = frozenset({str, type(None)})
_KINDS = {list: "a list", dict: "an object", bool: "true or false"}


def row_as_sent(fields: Mapping[str, Any]) -> RowAsSent:
    """The row that a mapping of field names to texts and numbers makes; whatever else it holds is noted in the row."""
    if _KNOWN.issuperset(fields) and _TEXTS.issuperset(map(type, fields.values())):
        return RowAsSent(**fields)
    texts: dict[str, str] = {}
    not_text = []
    for name in _KNOWN.intersection(fields):
        value = fields[name]
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | None):
            not_text.append((name, _KINDS.get(type(value), "something else")))
        elif value is not None:
            texts[name] = _as_text(value)
    unknown = tuple(str(name) for name in fields if name not in _KNOWN)
    return RowAsSent(**texts, not_text=tuple(sorted(not_text)), unknown=unknown)


def _as_text(value: str | float | Decimal) -> str:
    if isinstance(value, str):
        return value
    # Python refuses to write integers beyond some thousand digits; such a number is too long as a value in any case.
    return str(value) if not isinstance(value, int) or abs(value) < 10**300 else "9" * 301
