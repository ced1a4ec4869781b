"""What is said about a row: noted while it is checked, put into words when it is known what became of it."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from measurements.validation.codes import ROW_CODES, SAID_ONCE, RowCode, Severity
from measurements.validation.texts import shown

Disposition = Literal["created", "unchanged", "corrected", "held"]
Fate = Literal["created", "unchanged", "corrected", "held", "rejected", "refused_with_others"]

_OUTCOMES: dict[Fate, tuple[str, str]] = {
    "created": ("was saved", "would be saved"),
    "unchanged": ("changed nothing", "would change nothing"),
    "corrected": ("was saved as a correction", "would be saved as a correction"),
    "held": ("was saved and is held", "would be saved and held"),
    "rejected": ("was not saved", "would not be saved"),
    "refused_with_others": (
        "was not saved, because other rows were not",
        "would not be saved, because other rows would not",
    ),
}


class Note(Struct, frozen=True):
    """A code found in a row, with what its sentence needs; no words yet."""

    code: str
    field: str
    value: str | None = None
    did_you_mean: str | None = None
    details: dict[str, Any] = {}


class NotedError(ValueError):
    """Raised by a step of the check that cannot go on; carries the note."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.code)
        self.note = note


class Finding(Struct, frozen=True):
    """One error, warning or info of the answer. `row` counts from 1; `value` is as sent, made printable."""

    row: int
    field: str
    code: str
    severity: Severity
    value: str | None
    message: str
    fix: str
    did_you_mean: str | None
    within: str = "results"
    """The list of the body that the row stands in."""

    @property
    def pointer(self) -> str:
        """RFC 6901 pointer to the field in a JSON body; in a column's name, "~" and "/" are escaped."""
        return f"/{self.within}/{self.row - 1}/{self.field.replace('~', '~0').replace('/', '~1')}"

    def as_json(self) -> dict[str, int | str | None]:
        """The finding as the answer holds it."""
        return {
            "row": self.row,
            "pointer": self.pointer,
            "field": self.field,
            "code": self.code,
            "severity": self.severity,
            "value": self.value,
            "message": self.message,
            "fix": self.fix,
            "did_you_mean": self.did_you_mean,
        }


def put_into_words(
    row: int,
    note: Note,
    fate: Fate,
    *,
    dry_run: bool,
    others: int = 0,
    codes: Mapping[str, RowCode] = ROW_CODES,
    within: str = "results",
) -> Finding:
    """The finding for `note`, when `row` came to `fate`; `others` counts further rows of which the same is true."""
    row_code = codes[note.code]
    value = None if note.value is None else shown(note.value)
    field = shown(note.field)
    words = {"row": row, "field": field, "value": value or "", "did_you_mean": note.did_you_mean} | note.details
    template = row_code.fix_near if row_code.fix_near and note.did_you_mean else row_code.fix
    fix = template.format_map(words)
    same = f" The same is true of {others} more." if others else ""
    message = f"{row_code.says.format_map(words)} {fix} Row {row} {_OUTCOMES[fate][dry_run]}.{same}"
    return Finding(row, field, note.code, row_code.severity, value, message, fix, note.did_you_mean, within)


def once(notes: list[tuple[int, Note]]) -> list[tuple[int, Note, int]]:
    """The notes with the number of later repetitions, which are left out where `SAID_ONCE` says so."""
    counts: dict[tuple[str, str, str | None], int] = {}
    for _, note in notes:
        if note.code in SAID_ONCE:
            key = (note.code, note.field, note.value)
            counts[key] = counts.get(key, 0) + 1
    # Popping the count marks the first occurrence, so that the later ones find none.
    kept = ((row, note, _repetitions(counts, note)) for row, note in notes)
    return [(row, note, others) for row, note, others in kept if others is not None]


def _repetitions(counts: dict[tuple[str, str, str | None], int], note: Note) -> int | None:
    if note.code not in SAID_ONCE:
        return 0
    count = counts.pop((note.code, note.field, note.value), None)
    return None if count is None else count - 1
