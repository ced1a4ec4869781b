"""From the bytes of a CSV delivery to rows, and from those of a text file to a table."""

import csv
import io
import re
from collections.abc import Iterator, Mapping

from measurements.validation.columns import header_columns, known_names
from measurements.validation.decode import (
    Payload,
    RunAsSent,
    refuse_payload,
    require_few,
    require_small,
    utf8_text,
)
from measurements.validation.sent import row_as_sent
from measurements.validation.tables import HEADER_WITHIN, MOST_COLUMNS, Line, Table

_SEPARATORS = ",;\t"
_SEPARATOR_LINE = re.compile(r"sep=(?P<separator>[,;\t])\r?\n", re.IGNORECASE)
_MADE_HARMLESS = re.compile(r"'(?=[=+@\t\r\n-])")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def decode_csv(body: bytes) -> Payload:
    """The rows of a CSV body: UTF-8; comma, semicolon or tab; a header with the fields or their common names.

    Raises `PayloadRefused` (413 `too_large` or `too_many_rows`, 422 `encoding`, `field_missing`, `column_twice` or
    `malformed`).
    """
    text = utf8_text(body)
    header_line = text.split("\n", 1)[0]
    lines = _records(text, max(_SEPARATORS, key=header_line.count))
    header = next(lines, None)
    if header is None:
        refuse_payload(
            422, "field_missing", "The file is empty. Send a header line and one line for each row. Nothing was saved."
        )
    columns = header_columns(header)
    rows = []
    for cells in lines:
        if any(cells):
            rows.append(row_as_sent(_cells(columns, cells)))
            require_few(len(rows))
    return Payload(RunAsSent(), tuple(rows))


def read_text_file(content: bytes, biomarkers: Mapping[str, str] = {}, separator: str = "") -> Table:
    """The table of a text file: UTF-8, UTF-16 with a mark, or else Windows-1252.

    Without a `separator`, it is the one by which a header names most columns; `biomarkers` are codes by name.

    Raises `PayloadRefused` (413 `too_large`, `too_many_rows` or `too_many_columns`, 422 `encoding`, `malformed` or
    `field_missing`).
    """
    text, encoding = _decoded(content)
    told = _SEPARATOR_LINE.match(text)
    skipped = 1 if told else 0
    text = text[told.end() :] if told else text
    separator = separator or (told["separator"] if told else _separator(text, biomarkers))
    lines = []
    for number, cells in enumerate(_records(text, separator), 1 + skipped):
        if any(cells):
            lines.append(Line(number, tuple(_MADE_HARMLESS.sub("", cell, count=1) or None for cell in cells)))
            _require_narrow(len(cells))
            require_few(len(lines) - HEADER_WITHIN)
    if not lines:
        refuse_payload(422, "field_missing", "The file is empty. Send a header line and the rows. Nothing was saved.")
    remarks = {"cp1252": ("windows_1252",)}.get(encoding, ("utf_16",) if encoding.startswith("utf-16") else ())
    return Table("csv", tuple(lines), separator, encoding, remarks=remarks)


def _decoded(content: bytes) -> tuple[str, str]:
    """The text of a file and the name of its encoding."""
    require_small(content)
    encoding = _BYTE_ORDER_MARKS.get(content[:2])
    if encoding is None:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            encoding = "cp1252"
        else:
            return text.removeprefix("\ufeff"), "utf-8-sig" if text.startswith("\ufeff") else "utf-8"
    try:
        return content.decode(encoding).removeprefix("\ufeff"), encoding
    except UnicodeDecodeError:
        refuse_payload(
            422,
            "encoding",
            "The file is neither UTF-8 nor Windows-1252. Save it as CSV UTF-8 and send it again. Nothing was saved.",
        )


def _separator(text: str, biomarkers: Mapping[str, str]) -> str:
    """The separator by which one of the first lines names most fields; of equals the one that occurs most in it."""
    lines = text.split("\n", HEADER_WITHIN)[:HEADER_WITHIN]

    def fit(separator: str) -> tuple[int, int]:
        cut = (line.rstrip("\r").split(separator) for line in lines)
        return max((known_names([cell.strip('"') for cell in cells], biomarkers), len(cells)) for cells in cut)

    return max(_SEPARATORS, key=fit)


def _records(text: str, separator: str) -> Iterator[list[str]]:
    """The lines of a CSV text, cut at `separator`."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        refuse_payload(
            422, "malformed", f"Line {reader.line_num} cannot be cut into cells: {error}. Mend it. Nothing was saved."
        )


def _cells(columns: list[str | None], cells: list[str]) -> dict[str, str | None]:
    """A line as fields; an empty cell was not sent, and cells beyond the header belong to a column without a name."""
    named = zip(columns, cells, strict=False)
    fields = {name: cell or None for name, cell in named if name is not None and (name or cell)}
    if any(cells[len(columns) :]):
        fields["(beyond the header)"] = None
    return fields


def _require_narrow(columns: int) -> None:
    if columns > MOST_COLUMNS:
        sentence = f"A line has more than {MOST_COLUMNS} columns. Send fewer. Nothing was saved."
        refuse_payload(413, "too_many_columns", sentence)
