"""What people type into one field: a value, or words for why there is none. Pure, the same for every form and grid."""

import re

from msgspec import Struct

from measurements.validation.reference import Status

ENTERED_IN_ERROR = "Entered in error"
_NOT_DONE = re.compile(r"(?:not[ _]done|nd)\s*(?:[:;,-]\s*(?P<why>.*))?", re.IGNORECASE)
_IN_ERROR = re.compile(r"entered in error\s*(?:[:;,-]\s*(?P<why>.*))?", re.IGNORECASE)


class TypedCell(Struct, frozen=True):
    """A field as it is to be sent; `value` is None where nothing was measured."""

    value: str | None
    status: Status = "final"
    reason: str | None = None
    is_error: bool = False
    """Whether what is recorded is to be struck: it belongs to nobody or to somebody else."""


def read_typed(text: str, reason: str = "") -> TypedCell:
    """Read a field, with the reason beside it: `1.83`, `<0.4`, `not done: tube broken`, `entered in error: …`.

    A reason in the field itself counts before the one beside it. Values are left for the row checker to judge.
    """
    text, beside = text.strip(), reason.strip() or None
    if struck := _IN_ERROR.fullmatch(text):
        why = (struck["why"] or "").strip() or beside
        return TypedCell(None, "not_done", why and f"{ENTERED_IN_ERROR}: {why}", is_error=True)
    if empty := _NOT_DONE.fullmatch(text):
        return TypedCell(None, "not_done", (empty["why"] or "").strip() or beside)
    return TypedCell(text, "final", beside)
