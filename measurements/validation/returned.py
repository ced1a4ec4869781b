"""The same file back: the sender's cells as they were, and beside each row what became of it and what to do.

The text file keeps its separator and its encoding; cells that a spreadsheet would take for formulas get an apostrophe
in front, which reading takes away again. The workbook keeps texts, numbers and dates with their formats; in place of a
formula stands the value that was read. So both can be mended and sent again.
"""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from typing import Any

from msgspec import Struct

from measurements.validation.columns import REPORT_COLUMNS, Cell, report_block
from measurements.validation.decode_xlsx import opened
from measurements.validation.tables import MOST_COLUMNS, Line, Table

_FORMULA_START = re.compile(r"[=+@\t\r\n-]")
_NO_FORMULA = re.compile(r"[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?|[-+]+")
REPORT_HEADER = ("row", "line", "column", "field", "severity", "code", "value", "message", "fix", "did_you_mean")
"""The columns of a report as CSV."""
SEVERITIES = ("error", "warning", "info")

_WORST_FIRST = ("not saved", "held", "saved", "known already")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")
_HELD = frozenset({"specimen_held", "trial_locked"})


class Remark(Struct, frozen=True):
    """What is said of a line, as the four columns hold it."""

    status: str
    code: str = ""
    message: str = ""
    fix: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """In the order of `REPORT_COLUMNS`."""
        return self.status, self.code, self.message, self.fix


def located(finding: Mapping[str, Any], cells: Sequence[Cell]) -> dict[str, Any]:
    """A finding of the answer with the line of the sheet, which its last sentence names as well."""
    row = finding["row"]
    cell = cells[row - 1]
    before, name, after = finding["message"].rpartition(f"Row {row} ")
    message = f"{before}Row {row} (line {cell.line}) {after}" if name else finding["message"]
    return {**finding, "line": cell.line, "column": cell.column, "message": message}


def remarks_by_line(answer: Mapping[str, Any], cells: Sequence[Cell]) -> dict[int, Remark]:
    """What became of each line, from the answer to the whole file (its counts, `errors` and `warnings`)."""
    findings = [*answer["errors"], *answer["warnings"]]
    of_rows: dict[int, list[Mapping[str, Any]]] = {}
    for finding in findings:
        of_rows.setdefault(finding["row"], []).append(finding)
    all_refused = bool(answer["errors"]) and answer["rejected"] == answer["received"]
    of_lines: dict[int, list[tuple[str, list[Mapping[str, Any]]]]] = {}
    for number, cell in enumerate(cells, 1):
        said = of_rows.get(number, [])
        of_lines.setdefault(cell.line, []).append((_status(said, all_refused=all_refused), said))
    return {line: _joined(rows, is_dry=bool(answer.get("dry_run"))) for line, rows in of_lines.items()}


def _status(findings: Iterable[Mapping[str, Any]], *, all_refused: bool) -> str:
    codes = {finding["code"] for finding in findings}
    if all_refused or any(finding["severity"] == "error" for finding in findings):
        return "not saved"
    if "already_recorded" in codes:
        return "known already"
    return "held" if codes & _HELD else "saved"


def _joined(rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], *, is_dry: bool) -> Remark:
    """One remark for all rows of a line: the worst status, and everything that was said."""
    status = min((status for status, _ in rows), key=_WORST_FIRST.index)
    said = [finding for _, findings in rows for finding in findings]
    if is_dry:
        status = {"not saved": "would not be saved", "saved": "would be saved", "held": "would be held"}.get(
            status, status
        )
    return Remark(
        status,
        "; ".join(dict.fromkeys(finding["code"] for finding in said)),
        " ".join(finding["message"] for finding in said),
        " ".join(dict.fromkeys(finding["fix"] for finding in said if finding["severity"] != "info")),
    )


def findings_of(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All findings of an answer by row, errors first."""
    findings = [*said.get("errors", []), *said.get("warnings", [])]
    return sorted(findings, key=lambda finding: (finding["row"], SEVERITIES.index(finding["severity"])))


def report_lines(said: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """The findings of an answer as lines of a file, in the order of `REPORT_HEADER`."""
    for finding in findings_of(said):
        yield tuple(finding.get(name) for name in REPORT_HEADER)


def harmless(cell: str | None) -> str:
    """A cell that no spreadsheet takes for a formula; numbers keep their sign."""
    if cell and _FORMULA_START.match(cell) and not _NO_FORMULA.fullmatch(cell):
        return f"'{cell}"
    return cell or ""


def returned_text(table: Table, header_line: int, remarks: Mapping[int, Remark]) -> bytes:
    """The text file with the four columns, each line where it was."""
    width, ours = _shape(table, header_line)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=table.separator)
    number = 1
    for line in table.lines:
        for _ in range(number, line.number):
            writer.writerow([])
        number = line.number + 1
        beside = _beside(line, header_line, remarks)
        cells = [harmless(cell) for cell in _without(line.cells, ours, width)]
        writer.writerow([*cells, *map(harmless, beside)] if beside else cells)
    mark = "\ufeff" if table.encoding.startswith("utf-16") else ""
    # What the old encoding lacks can only stand in our own columns.
    return (mark + text.getvalue()).encode(table.encoding or "utf-8", "replace")


def returned_workbook(content: bytes, table: Table, header_line: int, remarks: Mapping[int, Remark]) -> bytes:
    """The workbook with the sheet that was read and the four columns, the header kept in view."""
    from xlsxwriter import Workbook

    width, ours = _shape(table, header_line)
    file = io.BytesIO()
    book = Workbook(file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(_SHEET_NAME.sub("_", table.sheet)[:31].strip("'") or "Results")
    formats: dict[str, Any] = {}
    sheet.freeze_panes(header_line, 0)
    source = opened(content, data_only=True)[table.sheet]
    source.reset_dimensions()
    lines = {line.number: line for line in table.lines}
    for number, cells in enumerate(source.iter_rows(max_col=MOST_COLUMNS), 1):
        if number not in lines:
            continue
        for at, cell in enumerate(_without(cells, ours, width)):
            _write_cell(sheet, number - 1, at, cell, book, formats)
        for at, text in enumerate(_beside(lines[number], header_line, remarks), width):
            sheet.write_string(number - 1, at, text)
    book.close()
    return file.getvalue()


def _shape(table: Table, header_line: int) -> tuple[int, range]:
    """How wide the sender's part is, and where four columns of ours stand already."""
    header = next(line.cells for line in table.lines if line.number == header_line)
    ours = report_block(header)
    widest = max(len([*_kept(line.cells, ours)]) for line in table.lines)
    return widest, ours


def _kept(cells: Sequence[Any], ours: range) -> Iterable[Any]:
    return (cell for at, cell in enumerate(cells) if at not in ours)


def _without(cells: Sequence[Any], ours: range, width: int) -> list[Any]:
    """The sender's cells of a line, all lines of the same width."""
    kept = [*_kept(cells, ours)][:width]
    return kept + [None] * (width - len(kept))


def _beside(line: Line, header_line: int, remarks: Mapping[int, Remark]) -> Sequence[str]:
    if line.number == header_line:
        return REPORT_COLUMNS
    return remarks[line.number].cells if line.number in remarks else ()


def _write_cell(sheet: Any, row: int, column: int, cell: Any, book: Any, formats: dict[str, Any]) -> None:
    """Write a cell by its type, with its number format; a text that begins like a formula stays a text."""
    value = getattr(cell, "value", None)
    if value is None:
        return
    shape = _format(cell.number_format, book, formats)
    if isinstance(value, str):
        sheet.write_string(row, column, value, shape)
    elif isinstance(value, bool):
        sheet.write_boolean(row, column, value, shape)
    elif isinstance(value, int | float) and math.isfinite(value):
        sheet.write_number(row, column, value, shape)
    elif isinstance(value, date | time | timedelta):
        sheet.write_datetime(row, column, value, shape)
    else:
        sheet.write_string(row, column, str(value))


def _format(number_format: str, book: Any, formats: dict[str, Any]) -> Any:
    if number_format in {"", "General", None}:
        return None
    if number_format not in formats:
        formats[number_format] = book.add_format({"num_format": number_format})
    return formats[number_format]
