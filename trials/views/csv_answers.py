"""Lists as CSV: what a page shows, every row of it, safe to open in a spreadsheet."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from django.http import StreamingHttpResponse

FORMULA_START = re.compile(r"[=+@\t\r\n-]")
NUMBER = re.compile(r"[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?")


class _Line:
    """What csv writes to: it gives each line back."""

    def write(self, line: str) -> str:
        return line


def harmless(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula; numbers keep their minus sign, dates are ISO 8601."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    if isinstance(cell, str) and FORMULA_START.match(cell) and not NUMBER.fullmatch(cell):
        return f"'{cell}"
    return "" if cell is None else cell


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingHttpResponse:
    """Answer with a file of this name (without ending), row by row, in UTF-8 without a byte order mark."""
    answer = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _lines(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([harmless(cell) for cell in row])
