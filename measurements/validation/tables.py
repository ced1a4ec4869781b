"""The cells of a file as texts, before anybody says what a column means."""

from typing import Literal

from msgspec import Struct

FileFormat = Literal["csv", "xlsx"]

MOST_COLUMNS = 200
HEADER_WITHIN = 20
"""Lines from the top in which the header is looked for: laboratories write a title and a date above it."""


class Line(Struct, frozen=True):
    """A line of a file; `number` is what the spreadsheet shows beside it. An empty cell is None."""

    number: int
    cells: tuple[str | None, ...]


class Table(Struct, frozen=True):
    """The lines of a file that hold anything, and how it was read."""

    format: FileFormat
    lines: tuple[Line, ...]
    separator: str = ""
    encoding: str = ""
    sheet: str = ""
    sheets: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """What the sender should know about the reading, as codes: see `REMARKS`."""


REMARKS = {
    "windows_1252": "The file is not UTF-8 and was read as Windows-1252. Check µ, ° and other special characters.",
    "utf_16": "The file was read as UTF-16, which Excel calls Unicode text.",
    "formulas": "Cells with formulas were read as the values that the spreadsheet had calculated last.",
    "hidden": "Hidden rows or columns were read like all others.",
    "merged": "Of merged cells, only the first one holds the value; the others were read as empty.",
    "other_sheets": "Only one sheet was read. The workbook has others.",
}
