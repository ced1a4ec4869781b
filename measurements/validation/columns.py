"""What the columns of a sheet mean: fields by their common names, biomarkers side by side, or what somebody said."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field

from measurements.units import UnitUnknown, parse_unit
from measurements.validation.decode import Payload, RunAsSent, refuse_payload, require_few
from measurements.validation.nearness import Nearness, squeezed
from measurements.validation.sent import FIELDS, RowAsSent, row_as_sent
from measurements.validation.tables import HEADER_WITHIN, Line, Table
from measurements.validation.texts import shown

REPORT_COLUMNS = ("status", "code", "message", "fix")
"""The columns that the same file comes back with, always side by side; on reading they are not the sender's."""

CONSTANT_FIELDS = ("biomarker", "unit", "visit", "assay", "run", "performed_on")
"""Fields that may hold for all rows of a sheet."""

NOT_READ, UNKNOWN, BIOMARKER = "", "?", "="
"""What a column can mean beside a field's name: left out by choice, not known, `=IL6` the values of a biomarker."""

_ALIASES = {
    "specimenid": "specimen",
    "sample": "specimen",
    "sampleid": "specimen",
    "participantcode": "participant",
    "participantid": "participant",
    "visitcode": "visit",
    "timepoint": "visit",
    "analyte": "biomarker",
    "test": "biomarker",
    "result": "value",
    "concentration": "value",
    "units": "unit",
    "method": "assay",
    "collected": "collected_at",
    "collectiontime": "collected_at",
    "comment": "reason",
    "plate": "run",
    "runid": "run",
    "performed": "performed_on",
}
_NAMES = {squeezed(name): name for name in FIELDS} | _ALIASES
_REQUIRED = ("biomarker", "value")
# No two neighbours of this pattern take the same letter, so that a long cell costs no more than reading it.
_WITH_UNIT = re.compile(r"(?P<name>[^(\[]+)[(\[](?P<unit>[^()\[\]]+)[)\]]")
_BEYOND = "(beyond the header)"


class Plan(Struct, frozen=True):
    """What every column of a sheet means, from left to right, and what holds for all its rows."""

    columns: tuple[str, ...]
    constants: Mapping[str, str] = field(default_factory=dict)


class Cell(Struct, frozen=True):
    """Where a row of a file comes from: the line of the sheet, and the column where a line makes several rows."""

    line: int
    column: str = ""


class FileRows(Struct, frozen=True):
    """The rows of a file and where each stands."""

    payload: Payload
    cells: tuple[Cell, ...]


def field_named(name: str | None) -> str | None:
    """The field that a header names, by its own or a common name; None where it is none."""
    return _NAMES.get(squeezed(name)) if name else None


def report_block(header: Sequence[str | None]) -> range:
    """The places of our own four columns in a header; empty where they are not there side by side."""
    names = [squeezed(name) if name else "" for name in header]
    width = len(REPORT_COLUMNS)
    for start in range(len(names) - width, -1, -1):
        if tuple(names[start : start + width]) == REPORT_COLUMNS:
            return range(start, start + width)
    return range(0)


def header_columns(header: Sequence[str]) -> list[str | None]:
    """What the columns of an API delivery mean: a field, or the name of an unknown column, or None for ours.

    Raises `PayloadRefused` (422 `column_twice`, `field_missing`).
    """
    ours = report_block(header)
    columns = [None if at in ours else field_named(name) or name.strip() for at, name in enumerate(header)]
    names = [name for name in columns if name is not None]
    require_once(names)
    require_needed(names)
    return columns


def require_once(columns: Sequence[str]) -> None:
    """Raise `PayloadRefused` (422 `column_twice`) where two columns mean the same."""
    seen: set[str] = set()
    for name in columns:
        if name and name != UNKNOWN and name in seen:
            sentence = f'The column "{shown(name.removeprefix(BIOMARKER))}" occurs twice. Send it once. '
            refuse_payload(422, "column_twice", sentence + "Nothing was saved.")
        seen.add(name)


def require_needed(columns: Sequence[str], known: Sequence[str] | None = None) -> None:
    """Raise `PayloadRefused` (422 `field_missing`) where no column says which specimen, which biomarker, which value.

    A near name is looked for among `known`, which are the columns themselves where nothing else is said.
    """
    missing = [name for name in _REQUIRED if name not in columns]
    if "specimen" not in columns and "participant" not in columns:
        missing.insert(0, "specimen")
    if missing:
        near = Nearness(columns if known is None else known).nearest(missing[0])
        hint = f'Rename "{shown(near)}" if that is it.' if near else "Add it to the first line."
        refuse_payload(422, "field_missing", f'The header has no column "{missing[0]}". {hint} Nothing was saved.')


def header_at(lines: Sequence[Line], biomarkers: Mapping[str, str] = {}) -> int:
    """The place of the header: among the first 20 lines the one that names most; `biomarkers` by any name."""
    best, most = 0, 0
    for at, line in enumerate(lines[:HEADER_WITHIN]):
        known = known_names(line.cells, biomarkers)
        if known > most:
            best, most = at, known
    return best


def known_names(cells: Sequence[str | None], biomarkers: Mapping[str, str] = {}) -> int:
    """How many cells name a field or a biomarker."""
    return sum(field_named(cell) is not None or biomarker_named(cell, biomarkers) is not None for cell in cells)


def biomarker_named(header: str | None, biomarkers: Mapping[str, str]) -> str | None:
    """The code of the biomarker that a header names, with or without a unit behind it: `IL-6 (pg/mL)`."""
    if not header:
        return None
    match = _WITH_UNIT.fullmatch(header.strip())
    return biomarkers.get(squeezed(header)) or (biomarkers.get(squeezed(match["name"])) if match else None)


def unit_in(header: str | None) -> str | None:
    """The unit in brackets behind a name; `(hs)` and `(CXCL8)` belong to names. A misspelt `pg/mLL` is to be told."""
    match = _WITH_UNIT.fullmatch((header or "").strip())
    unit = match["unit"].strip() if match else ""
    return unit if "/" in unit or _is_unit(unit) else None


def _is_unit(text: str) -> bool:
    try:
        parse_unit(text)
    except UnitUnknown:
        return False
    return True


def signature(header: Sequence[str | None]) -> str:
    """The SHA-256 by which the same header is known next time; our own columns do not count."""
    ours = report_block(header)
    names = [squeezed(name or "") for at, name in enumerate(header) if at not in ours]
    while names and not names[-1]:
        names.pop()
    return hashlib.sha256("\x1f".join(names).encode("utf-8", "replace")).hexdigest()


def proposed_plan(header: Sequence[str | None], biomarkers: Mapping[str, str]) -> Plan:
    """What the columns mean by their names. Biomarkers side by side are read where there is no column of values."""
    ours = report_block(header)
    fields = ["" if at in ours else field_named(name) or "" for at, name in enumerate(header)]
    is_wide = "value" not in fields and "biomarker" not in fields
    columns = []
    for at, name in enumerate(header):
        code = biomarker_named(name, biomarkers) if is_wide and not fields[at] else None
        unclear = UNKNOWN if name and at not in ours else NOT_READ
        columns.append(fields[at] or (f"{BIOMARKER}{code}" if code else unclear))
    return Plan(tuple(columns))


def rows_of(table: Table, at: int, plan: Plan) -> FileRows:
    """The rows below the header at place `at` of the table's lines, as the plan reads them.

    Raises `PayloadRefused` (413 `too_many_rows`, 422 `column_twice`, `field_missing`, `no_rows`).
    """
    header = table.lines[at].cells
    require_once(plan.columns)
    wide = [(place, each[1:]) for place, each in enumerate(plan.columns) if each.startswith(BIOMARKER)]
    names = [*plan.columns, *plan.constants, *(("biomarker", "value") if wide else ())]
    require_needed(names, [name for name in header if name])
    rows: list[RowAsSent] = []
    cells: list[Cell] = []
    for line in table.lines[at + 1 :]:
        fields = _fields(header, line.cells, plan)
        for row, cell in _melted(header, line, fields, wide) if wide else [(fields, Cell(line.number))]:
            rows.append(row_as_sent(row))
            cells.append(cell)
            require_few(len(rows))
    if not rows:
        refuse_payload(422, "no_rows", "There is no row below the header. Add the results. Nothing was saved.")
    return FileRows(Payload(RunAsSent(), tuple(rows)), tuple(cells))


def _fields(header: Sequence[str | None], cells: Sequence[str | None], plan: Plan) -> dict[str, str | None]:
    """A line as fields; an empty cell was not sent, and what holds for all rows fills it."""
    fields: dict[str, str | None] = dict(plan.constants)
    for place, cell in enumerate(cells):
        means = plan.columns[place] if place < len(plan.columns) else UNKNOWN
        if means == UNKNOWN:
            name = header[place] if place < len(header) else None
            if name or cell:
                fields[(name or _BEYOND).strip()] = None
        elif means != NOT_READ and not means.startswith(BIOMARKER) and (cell or means not in fields):
            fields[means] = cell
    return fields


def _melted(
    header: Sequence[str | None], line: Line, fields: dict[str, str | None], wide: Sequence[tuple[int, str]]
) -> Iterator[tuple[dict[str, str | None], Cell]]:
    """One row for each filled cell below a biomarker; an empty one says nothing."""
    for place, code in wide:
        value = line.cells[place] if place < len(line.cells) else None
        if value is not None and value.strip():
            name = header[place] or code
            unit = unit_in(name) or fields.get("unit")
            yield {**fields, "biomarker": code, "value": value, "unit": unit}, Cell(line.number, shown(name))


def names_of(biomarkers: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """Codes of biomarkers by every name of theirs as `squeezed` writes it; a name that two share is left out."""
    owners: dict[str, set[str]] = {}
    for code, names in biomarkers:
        for name in (code, *names):
            owners.setdefault(squeezed(name), set()).add(code)
    return {name: min(codes) for name, codes in owners.items() if name and len(codes) == 1}


def kept_columns(header: Sequence[str | None], plan: Plan) -> list[str]:
    """What is remembered of a plan: the meaning of the sender's own columns, in their order."""
    ours = report_block(header)
    return [means for at, means in enumerate(plan.columns) if at not in ours]


def recalled_plan(header: Sequence[str | None], kept: Sequence[str], constants: Mapping[str, str]) -> Plan:
    """The plan of a header that was mapped before, wherever our own columns stand in it now."""
    ours = report_block(header)
    waiting = iter(kept)
    return Plan(tuple(NOT_READ if at in ours else next(waiting, NOT_READ) for at in range(len(header))), constants)


def meanings_of(columns: Iterable[str]) -> frozenset[str]:
    """The fields and biomarkers among what columns mean."""
    return frozenset(columns) - {NOT_READ, UNKNOWN}
