"""Files as people make them: sheets of text and of Excel."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from openpyxl import Workbook, load_workbook

HEADER = ("specimen", "biomarker", "value", "unit")


def sheet_of_text(*rows: Sequence[Any], separator: str = ",", encoding: str = "utf-8") -> bytes:
    """A text file of these rows."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(rows)
    return text.getvalue().encode(encoding)


def workbook(*rows: Sequence[Any], title: str = "Sheet1") -> bytes:
    """A workbook with one sheet of these rows."""
    book = Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(list(row))
    return saved(book)


def saved(book: Workbook) -> bytes:
    """The bytes of a workbook."""
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def cells_of(content: bytes) -> list[list[Any]]:
    """The values of a workbook's first sheet."""
    return [list(row) for row in load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True)]
