"""The same row says the same through every door: JSON, CSV, a text file of any kind, a workbook."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from measurements.validation import (
    ROW_CODES,
    Finding,
    Options,
    Payload,
    Reference,
    check_rows,
    decode_csv,
    decode_json,
)
from measurements.validation.columns import Cell, header_at, proposed_plan, rows_of
from measurements.validation.files import read_file
from measurements.validation.returned import located
from tests.measurements.validation.test_row_code_wording import set_up

GOLDEN = json.loads((Path(__file__).parent / "row_codes.json").read_text(encoding="utf-8"))
GOOD = {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
Rows = Sequence[Mapping[str, Any]]
Decoded = tuple[Payload, Sequence[Cell]]


def table_of(rows: Rows) -> list[list[str]]:
    """A header and a line for each row; what was not sent is an empty cell."""
    header = list(rows[0])
    return [header, *([row[name] or "" for name in header] for row in rows)]


def text_of(rows: Rows, separator: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows(table_of(rows))
    return text.getvalue()


def read(name: str, content: bytes) -> Decoded:
    table = read_file(name, content)
    at = header_at(table.lines)
    rows = rows_of(table, at, proposed_plan(table.lines[at].cells, {}))
    return rows.payload, rows.cells


def by_json(rows: Rows) -> Decoded:
    return decode_json(json.dumps({"results": [dict(row) for row in rows]}).encode()), ()


def by_csv(rows: Rows) -> Decoded:
    return decode_csv(text_of(rows).encode()), ()


def by_text_file(rows: Rows) -> Decoded:
    return read("r.csv", ("Plate 7\n\n" + text_of(rows, ";")).encode("utf-8-sig"))


def by_unicode_text(rows: Rows) -> Decoded:
    return read("r.txt", text_of(rows, "\t").encode("utf-16"))


def by_workbook(rows: Rows) -> Decoded:
    book = Workbook()
    for line in table_of(rows):
        book.active.append(line)
    file = io.BytesIO()
    book.save(file)
    return read("r.xlsx", file.getvalue())


DOORS: dict[str, Callable[[Rows], Decoded]] = {
    "json": by_json,
    "csv": by_csv,
    "text file": by_text_file,
    "unicode text": by_unicode_text,
    "workbook": by_workbook,
}
# Every cell of a table is one text; only JSON can send something else.
JSON_ALONE = {"field_not_text"}


def without_line(finding: Finding, cells: Sequence[Cell]) -> dict[str, Any]:
    """The finding as the API says it; that of a file names the line as well, and is the same without it."""
    said = finding.as_json()
    if not cells:
        return said
    told = located(said, cells)
    line = told.pop("line")
    assert told.pop("column") == ""
    assert line >= 2
    return told | {"message": told["message"].replace(f" (line {line}) ", " ")}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["finding"]["code"])
def test_the_finding_is_the_golden_one(case: dict[str, Any], door: str, trial: Reference) -> None:
    code, setting = case["finding"]["code"], case.get("setting", {})
    rows = [GOOD | case["changes"]] * setting.get("times", 1)
    if code in JSON_ALONE and door != "json":
        assert not all(isinstance(value, str | None) for value in rows[0].values())
        return
    payload, cells = DOORS[door](rows)
    checked = check_rows(payload.rows, set_up(trial, setting), Options(**setting.get("options", {})))
    found = [without_line(finding, cells) for finding in (*checked.errors, *checked.warnings)]
    assert case["finding"] in found


def test_no_code_is_left_out() -> None:
    assert {case["finding"]["code"] for case in GOLDEN} == ROW_CODES.keys()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("sent", "comparator", "flag"),
    [
        ("OOR <", "<", "out_of_range"),
        ("OOR >", ">", "out_of_range"),
        ("*1.23", None, "extrapolated"),
        ("---", None, "not_measured"),
        ("***", None, "not_measured"),
        ("<0.4", "<", None),
        (">500", ">", None),
    ],
)
def test_marks_of_instruments_are_understood(
    sent: str, comparator: str | None, flag: str | None, door: str, trial: Reference
) -> None:
    payload, _ = DOORS[door]([GOOD | {"value": sent}])
    row = check_rows(payload.rows, trial).accepted[0]
    assert (row.value, row.comparator, row.flag) == (sent, comparator, flag)
