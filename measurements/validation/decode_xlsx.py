"""From the bytes of an Excel workbook to a table: looked at as an archive first, and opened only when it is harmless.

openpyxl is imported when the first workbook comes, because it would cost every process 20 MB at its start.
"""

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, NoReturn

from measurements.validation.decode import PayloadRefused, refuse_payload, require_few, require_small
from measurements.validation.tables import HEADER_WITHIN, MOST_COLUMNS, Line, Table
from measurements.validation.texts import shown

MOST_UNPACKED = 20_000_000
MOST_ENTRIES = 500
MOST_LINES = 1_048_576
MOST_LETTERS = 20_000_000
LONGEST_SHEET_NAME = 31
"""Bytes, parts, lines, letters in all cells and in a name: lines and names are what Excel itself allows.

Letters are counted in cells, because thousands of cells may hold the same long text, which the archive has once.
"""

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_HIDDEN = re.compile(rb"<(?:\w+:)?(?:row|col)\b[^<>]*\shidden=[\"'](?:1|true)")
_PERCENTAGES = re.compile(rb"numFmtId=[\"'](?:9|10)[\"']|formatCode=(?:\"[^\"]*|'[^']*)%")
_LITERAL = re.compile(r'"[^"]*"|\\.')
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s")


def is_workbook(content: bytes) -> bool:
    """Whether the bytes begin as those of a workbook (or another archive) do."""
    return content.startswith(_ZIP)


def is_old_workbook(content: bytes) -> bool:
    """Whether the bytes begin as those of Excel 97 do, or of a workbook with a password."""
    return content.startswith(_OLE)


def read_workbook(content: bytes, sheet: str = "") -> Table:
    """The table of a sheet, the first one where none is named.

    Texts stay as they were typed; numbers are written with up to 15 significant digits, which is what Excel itself
    keeps, percentages as they are seen; dates become ISO 8601. A formula gives its last calculated value, and itself
    where there is none.

    Raises `PayloadRefused` (413 `too_large`, `too_many_rows` or `too_many_columns`, 422 `workbook_refused`,
    `sheet_unknown` or `field_missing`).
    """
    parts = _checked_parts(content)
    # A hostile file makes the library fail in ways that nobody listed; that it cannot be read is the answer to all.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _table(content, sheet, parts)
    except PayloadRefused:
        raise
    except Exception as error:
        sentence = f"The workbook cannot be read ({type(error).__name__}). Save it again in Excel as .xlsx. "
        raise PayloadRefused(422, "workbook_refused", sentence + "Nothing was saved.") from error


def _refuse(sentence: str) -> NoReturn:
    refuse_payload(422, "workbook_refused", f"{sentence} Nothing was saved.")


def _checked_parts(content: bytes) -> Mapping[str, bytes]:
    """The parts of the workbook, each unpacked once and found harmless: the library reads XML under any name."""
    require_small(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            _require_modest(entries)
            _require_plain_workbook({entry.filename for entry in entries}, archive)
            parts = {entry.filename: archive.read(entry) for entry in entries}
    except PayloadRefused:
        raise
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError):
        _refuse("The workbook is damaged or not complete. Save it again in Excel as .xlsx.")
    for name, part in parts.items():
        if _DOCTYPE.search(part) or _DOCTYPE.search(part.replace(b"\0", b"")):
            _refuse(f'The part "{shown(name)}" of the workbook declares XML entities, which no spreadsheet needs.')
    return parts


def _require_modest(entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        _refuse(f"The workbook has more than {MOST_ENTRIES} parts. Copy the results into a new one.")
    if sum(entry.file_size for entry in entries) > MOST_UNPACKED:
        sentence = "The workbook is larger than 20 MB when unpacked. Copy the results into a new one. "
        refuse_payload(413, "too_large", sentence + "Nothing was saved.")
    if any(entry.flag_bits & 1 for entry in entries):
        _refuse("The workbook is protected by a password. Save it without one.")
    if len({entry.filename for entry in entries}) != len(entries):
        _refuse("The workbook has two parts of the same name. Save it again in Excel as .xlsx.")


def _require_plain_workbook(names: set[str], archive: zipfile.ZipFile) -> None:
    if "mimetype" in names and b"opendocument" in archive.read("mimetype"):
        _refuse("OpenDocument sheets (.ods) are not read. Save the sheet as .xlsx or CSV.")
    if any(name.rsplit("/", 1)[-1].casefold() == "vbaproject.bin" for name in names):
        _refuse("Workbooks with macros (.xlsm) are not read. Save the workbook as .xlsx without macros.")
    if "xl/workbook.bin" in names:
        _refuse("Binary workbooks (.xlsb) are not read. Save the workbook as .xlsx.")
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        _refuse("The file is an archive and no Excel workbook. Save the results as .xlsx or CSV.")


def _table(content: bytes, wanted: str, parts: Mapping[str, bytes]) -> Table:
    book = opened(content, data_only=True)
    names = tuple(sheet.title for sheet in book.worksheets)
    name = _sheet_name(wanted, names)
    sheet = book[name]
    part = parts.get(str(sheet._worksheet_path).lstrip("/"), b"")
    has_formulas = _FORMULA.search(part) is not None
    has_percentages = any(_PERCENTAGES.search(style) for path, style in parts.items() if path.endswith("styles.xml"))
    if has_formulas:
        source = _with_formulas(sheet, opened(content, data_only=False)[name])
    else:
        source = _as_seen(sheet) if has_percentages else _plain(sheet)
    lines = _lines(source)
    told = {
        "formulas": has_formulas,
        "hidden": _HIDDEN.search(part) is not None,
        "merged": _MERGED.search(part) is not None,
        "other_sheets": len(names) > 1 and not wanted,
    }
    return Table("xlsx", lines, sheet=name, sheets=names, remarks=tuple(code for code, is_so in told.items() if is_so))


def opened(content: bytes, *, data_only: bool) -> Any:
    """A workbook whose parts were checked, opened by openpyxl for reading line by line."""
    from openpyxl import load_workbook

    return load_workbook(io.BytesIO(content), read_only=True, data_only=data_only, keep_links=False)


def _sheet_name(wanted: str, names: Sequence[str]) -> str:
    if not names:
        _refuse("The workbook has no sheet with cells. Save the results in a sheet.")
    fitting = [name for name in names if not wanted or name.strip().casefold() == wanted.strip().casefold()]
    if not fitting:
        known = ", ".join(f'"{shown(name)}"' for name in names[:12])
        sentence = f'The workbook has no sheet "{shown(wanted)}". Its sheets are {known}. Nothing was saved.'
        refuse_payload(422, "sheet_unknown", sentence)
    if len(fitting[0]) > LONGEST_SHEET_NAME:
        _refuse(f"The name of the sheet is longer than {LONGEST_SHEET_NAME} characters. Shorten it.")
    return fitting[0]


def _plain(sheet: Any) -> Iterator[Sequence[Any]]:
    """The values of each line; the sheet's own word about its size is not believed."""
    sheet.reset_dimensions()
    return sheet.iter_rows(max_col=MOST_COLUMNS + 1, values_only=True)  # type: ignore[no-any-return]  # untyped library


def _as_seen(sheet: Any) -> Iterator[Sequence[Any]]:
    """The values of each line, with percentages: slower, because every cell is asked for its format."""
    sheet.reset_dimensions()
    return ([_seen(cell) for cell in cells] for cells in sheet.iter_rows(max_col=MOST_COLUMNS + 1))


def _seen(cell: Any) -> Any:
    """The value of a cell; 45% as that text. Excel keeps 0.45 of it, which beside the unit % would be another value."""
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_percentage(cell.number_format):
        return f"{100 * value:.15g}%"
    return value


@lru_cache(maxsize=512)
def _is_percentage(number_format: str) -> bool:
    return "%" in _LITERAL.sub("", number_format)


def _with_formulas(calculated: Any, written: Any) -> Iterator[Sequence[Any]]:
    """The values of each line; a formula that was never calculated stands for itself."""
    calculated.reset_dimensions()
    cells = calculated.iter_rows(max_col=MOST_COLUMNS + 1)
    for values, formulas in zip(cells, _plain(written), strict=False):
        yield [_calculated(cell, formula) for cell, formula in zip(values, formulas, strict=False)]


def _calculated(cell: Any, formula: Any) -> Any:
    """The value of a cell. An empty text, which a formula may well give, comes with the type of texts."""
    if cell.value is not None or formula is None or getattr(cell, "data_type", "") in {"s", "str"}:
        return _seen(cell)
    return formula if isinstance(formula, str) else str(getattr(formula, "text", None) or "=TABLE()")


def _lines(source: Iterator[Sequence[Any]]) -> tuple[Line, ...]:
    lines: list[Line] = []
    letters = 0
    for number, values in enumerate(source, 1):
        if number > MOST_LINES:
            _refuse("The sheet has cells below line 1,048,576. Copy the results into a new workbook.")
        if values.count(None) == len(values):
            continue  # above a stray cell there may be a million of them
        cells = [_text(value) for value in values]
        while cells and cells[-1] is None:
            cells.pop()
        if len(cells) > MOST_COLUMNS:
            sentence = f"Line {number} has more than {MOST_COLUMNS} columns. Send fewer. Nothing was saved."
            refuse_payload(413, "too_many_columns", sentence)
        letters += sum(len(cell) for cell in cells if cell)
        if letters > MOST_LETTERS:
            sentence = f"The cells hold more than {MOST_LETTERS:,} letters. Copy the results into a new workbook. "
            refuse_payload(413, "too_large", sentence + "Nothing was saved.")
        if cells:
            lines.append(Line(number, tuple(cells)))
            require_few(len(lines) - HEADER_WITHIN)
    if not lines:
        refuse_payload(422, "field_missing", "The sheet is empty. Send a header line and the rows. Nothing was saved.")
    return tuple(lines)


def _text(value: Any) -> str | None:
    """A cell as text; None where it is empty."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(timespec="seconds")
    return value.isoformat() if isinstance(value, date | time) else str(value)
