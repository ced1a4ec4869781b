"""From the bytes of a file to its cells: nothing guessed, nothing opened that could do harm."""

import csv
import io
import zipfile
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook, load_workbook
from xlsxwriter import Workbook as NewWorkbook

from measurements.validation import PayloadRefused
from measurements.validation.columns import (
    Plan,
    header_at,
    kept_columns,
    names_of,
    proposed_plan,
    recalled_plan,
    rows_of,
    signature,
    unit_in,
)
from measurements.validation.files import harmless_name, read_file
from measurements.validation.returned import Remark, remarks_by_line, returned_text, returned_workbook

HEADER = ("specimen", "biomarker", "value", "unit")
TEXT = "specimen;biomarker;value;unit\r\nS-1;TNF-α;1,83;µg/L\r\n"


def saved(book: Workbook) -> bytes:
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    return saved(book)


def in_shared_texts(*cells: str) -> bytes:
    """A workbook as Excel writes it: the texts apart from the sheet."""
    file = io.BytesIO()
    book = NewWorkbook(file)
    book.add_worksheet().write_row(0, 0, cells)
    book.close()
    return file.getvalue()


def repacked(content: bytes, **parts: bytes) -> bytes:
    """A workbook with some of its parts changed or added; "__" in a name stands for "/" and "_dot_" for "."."""
    named = {name.replace("__", "/").replace("_dot_", "."): part for name, part in parts.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in named:
                new.writestr(name, old.read(name))
        for name, part in named.items():
            new.writestr(name, part)
    return file.getvalue()


def refusal(name: str, content: bytes, sheet: str = "") -> PayloadRefused:
    with pytest.raises(PayloadRefused) as refused:
        read_file(name, content, sheet=sheet)
    assert refused.value.sentence.endswith("Nothing was saved.")
    return refused.value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_text_is_read_as_it_was_saved(encoding: str, separator: str) -> None:
    table = read_file("r.csv", TEXT.replace(";", separator).encode(encoding))
    assert table.lines[1].cells == ("S-1", "TNF-α", "1,83", "µg/L")
    assert table.remarks == (("utf_16",) if encoding == "utf-16" else ())


def test_windows_1252_is_read_and_said() -> None:
    table = read_file("r.csv", TEXT.replace("α", "a").encode("cp1252"))
    assert table.lines[1].cells[3] == "µg/L"
    assert table.remarks == ("windows_1252",)


def test_what_no_encoding_fits_is_refused() -> None:
    assert refusal("r.csv", b"specimen,biomarker,value\nS-\x81,IL6,1\n").code == "encoding"


def test_a_separator_may_be_told_and_lines_keep_their_numbers() -> None:
    table = read_file("r.csv", b"sep=;\r\nPlate 7, read by AB\r\n\r\nspecimen;biomarker;value\r\n\r\nS-1;IL6;1,8\r\n")
    assert [line.number for line in table.lines] == [2, 4, 6]
    assert table.lines[2].cells == ("S-1", "IL6", "1,8")
    assert header_at(table.lines) == 1


def test_the_separator_of_the_header_counts_and_not_the_commas_of_numbers() -> None:
    names = names_of([("IL6", ["IL-6"]), ("CRP", []), ("TNF", [])])
    table = read_file("r.csv", b"specimen;IL-6;CRP;TNF\nS-1;1,8;2,5;3,1\n", biomarkers=names)
    assert table.lines[1].cells == ("S-1", "1,8", "2,5", "3,1")


def test_cells_of_a_workbook_are_texts_that_say_what_was_typed() -> None:
    moment = datetime(2026, 2, 1, 8, 30)  # noqa: DTZ001 - spreadsheets know no zone
    row = ("1.80", 1.83, 0.1 + 0.2, 12, 1e-7, date(2026, 2, 1), moment, True, None, "#N/A", " x ")
    table = read_file("r.xlsx", workbook(("a",), row))
    assert table.lines[1].cells == (
        "1.80",
        "1.83",
        "0.3",
        "12",
        "1e-07",
        "2026-02-01",
        "2026-02-01T08:30:00",
        "TRUE",
        None,
        "#N/A",
        " x ",
    )


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9))
@settings(max_examples=50, deadline=None)
def test_numbers_of_a_workbook_have_the_digits_that_excel_keeps(number: float) -> None:
    cell = read_file("r.xlsx", workbook(("a", number))).lines[0].cells[1]
    assert float(cell or "") == pytest.approx(number, rel=1e-14)
    assert len((cell or "").split("e")[0].replace("-", "").replace(".", "").strip("0")) <= 15


@pytest.mark.parametrize("is_calculated", [False, True])
def test_percentages_of_a_workbook_are_read_as_they_are_seen(is_calculated: bool) -> None:
    file = io.BytesIO()
    book = NewWorkbook(file)
    sheet = book.add_worksheet()
    cells = ((0.45, "0%"), (0.07, "0.00%"), (45, '0"%"'), (45, "0\\%"), (1234.5, "#,##0.0"), (1, "General"))
    for at, (number, number_format) in enumerate(cells):
        shape = book.add_format({"num_format": number_format})
        if is_calculated:
            sheet.write_formula(0, at, f"={number}", shape, number)
        else:
            sheet.write_number(0, at, number, shape)
    book.close()
    assert read_file("r.xlsx", file.getvalue()).lines[0].cells == ("45%", "7%", "45", "45", "1234.5", "1")


def test_formulas_give_what_was_calculated_and_themselves_where_nothing_was() -> None:
    file = io.BytesIO()
    book = NewWorkbook(file)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, HEADER)
    sheet.write_formula(1, 2, "=A1*2", None, 1.83)
    sheet.write_formula(2, 2, '=IF(A1="","",1)', None, "nothing")
    sheet.write_string(3, 2, "=1+1")
    book.close()
    part = zipfile.ZipFile(file).read("xl/worksheets/sheet1.xml").replace(b"<v>nothing</v>", b"<v></v>")
    table = read_file("r.xlsx", repacked(file.getvalue(), xl__worksheets__sheet1_dot_xml=part))
    assert table.remarks == ("formulas",)
    assert [line.cells[2] for line in table.lines[1:]] == ["1.83", "=1+1"]
    assert read_file("r.xlsx", workbook(("a",), ("=B1*2",))).lines[1].cells == ("=B1*2",)


def test_hidden_and_merged_cells_and_other_sheets_are_said() -> None:
    book = Workbook()
    book.active.append(HEADER)
    book.active.append(("S-1", "IL6", 1, "pg/mL"))
    book.active.merge_cells("A2:A3")
    book.active.row_dimensions[2].hidden = True
    book.create_sheet("Plate 8").append(("x",))
    table = read_file("r.xlsx", saved(book))
    assert set(table.remarks) == {"hidden", "merged", "other_sheets"}
    assert read_file("r.xlsx", saved(book), sheet="plate 8").lines[0].cells == ("x",)
    assert "Plate 8" in refusal("r.xlsx", saved(book), "plate 9").sentence


GOOD = workbook(HEADER, ("S-1", "IL6", 1.83, "pg/mL"))
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'
FAR_ROW = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="99999999999"><c r="A99999999999"><v>1</v></c></row></sheetData></worksheet>'
)

SHEET = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    b'<sheetData><row r="1"><c t="inlineStr"><is><t>a</t></is></c></row>%s</sheetData>%s</worksheet>'
)
# The archive has a text once, and thousands of cells hold it.
SHARED = repacked(
    in_shared_texts("q"),
    xl__sharedStrings_dot_xml=b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    b"<si><t>%s</t></si></sst>" % (b"q" * 100_000),
    xl__worksheets__sheet1_dot_xml=SHEET % (b"<row>%s</row>" % (b'<c t="s"><v>0</v></c>' * 150) * 2, b""),
)


@pytest.mark.parametrize(
    ("name", "content", "status", "words"),
    [
        ("r.xlsx", SHARED, 413, "20,000,000 letters"),
        ("r.xlsx", repacked(GOOD, xl__sheet_dot_XML=ENTITIES), 422, "entities"),
        ("r.xlsx", b"PK\x03\x04", 422, "damaged"),
        ("r.xlsx", GOOD[: len(GOOD) // 2], 422, "damaged"),
        ("r.xlsx", repacked(GOOD, xl__vbaProject_dot_bin=b"x"), 422, ".xlsm"),
        ("r.ods", repacked(GOOD, mimetype=b"application/vnd.oasis.opendocument.spreadsheet"), 422, ".ods"),
        ("r.xlsb", repacked(GOOD, xl__workbook_dot_bin=b"x"), 422, ".xlsb"),
        ("r.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 100, 422, ".xls"),
        ("r.xlsx", repacked(GOOD, xl__big_dot_xml=b"0" * 21_000_000), 413, "20 MB"),
        ("r.xlsx", repacked(GOOD, **{f"xl__p{n}_dot_xml": b"" for n in range(600)}), 422, "500 parts"),
        ("r.xlsx", repacked(GOOD, xl__styles_dot_xml=ENTITIES), 422, "entities"),
        ("r.xlsx", repacked(GOOD, xl__styles_dot_xml=ENTITIES.decode().encode("utf-16")), 422, "entities"),
        ("r.xlsx", repacked(GOOD, xl__workbook_dot_xml=b"<workbook"), 422, "cannot be read"),
        ("r.xlsx", repacked(GOOD, xl__worksheets__sheet1_dot_xml=b"\0\0"), 422, "cannot be read"),
        ("r.xlsx", repacked(GOOD, xl__worksheets__sheet1_dot_xml=FAR_ROW), 422, "1,048,576"),
        ("r.xlsx", workbook(tuple(range(300))), 413, "200 columns"),
        ("r.xlsx", workbook(), 422, "empty"),
        ("r.csv", GOOD, 422, ".xlsx"),
        ("r.xlsx", TEXT.encode(), 422, ".csv"),
        ("r", TEXT.encode(), 422, ".csv"),
        ("r.csv", b"", 422, "empty"),
        ("r.csv", b"\n\n,,\n", 422, "empty"),
        ("r.csv", b"x," * 300, 413, "200 columns"),
        ("r.csv", b'specimen,biomarker,value\nS-1,IL6,"1', 422, "Line 2"),
        ("r.csv", b"x\n" * 20_100, 413, "20000"),
        ("r.csv", b" " * 10_000_001, 413, "10 MB"),
    ],
)
def test_files_that_are_refused_say_why(name: str, content: bytes, status: int, words: str) -> None:
    refused = refusal(name, content)
    assert refused.status == status
    assert words in refused.sentence


@pytest.mark.parametrize(
    ("above", "below"),
    [(b'<row r="1048575"><c r="A1048575"><v>1</v></c></row>', b""), (b"", b"<!--" + b"<row " * 400_000 + b"-->")],
)
def test_a_small_workbook_does_not_take_long(above: bytes, below: bytes) -> None:
    """A million empty lines, and markup that is none: an hour and more where every place is looked at again."""
    table = read_file("r.xlsx", repacked(GOOD, xl__worksheets__sheet1_dot_xml=SHEET % (above, below)))
    assert table.lines[0].cells == ("a",)
    assert [line.number for line in table.lines[1:]] == ([1_048_575] if above else [])


@pytest.mark.parametrize("header", ["a(" + " " * 100_000 + "b", "a" + " " * 100_000 + "b", "a(" * 50_000])
def test_a_long_header_does_not_take_long(header: str) -> None:
    assert unit_in(header) is None
    assert unit_in(" IL-6  ( pg/mL ) ") == "pg/mL"
    assert proposed_plan((header, "IL-6  [ pg/mL ]"), NAMES).columns == ("?", "=IL6")


def status_of(name: str, content: bytes) -> int | None:
    """The status of the refusal; None where rows were made."""
    try:
        table = read_file(name, content)
        rows_of(table, header_at(table.lines), proposed_plan(table.lines[0].cells, {}))
    except PayloadRefused as refused:
        return refused.status
    return None


@given(st.binary(max_size=300), st.sampled_from(["", "PK\x03\x04", "\xff\xfe", "specimen,biomarker,value\n"]))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_refused(content: bytes, start: str) -> None:
    for name in ("r.csv", "r.xlsx"):
        assert status_of(name, start.encode("latin-1") + content) in {None, 413, 422}


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_a_damaged_workbook_is_a_table_or_refused(at: int, damage: bytes) -> None:
    assert status_of("r.xlsx", GOOD[:at] + damage + GOOD[at + len(damage) :]) in {None, 413, 422}


NAMES = names_of([("IL6", ["Interleukin-6", "IL-6"]), ("CRP", ["C-reactive protein", "IL-6 soluble"])])


def test_columns_mean_what_they_are_called() -> None:
    plan = proposed_plan(("Sample ID", "IL-6 (pg/mL)", "C-reactive protein [mg/L]", "note", None), NAMES)
    assert plan.columns == ("specimen", "=IL6", "=CRP", "?", "")
    # Beside a column of values a biomarker's name is a column that nobody knows.
    assert proposed_plan(("specimen", "test", "result", "IL-6"), NAMES).columns == (
        "specimen",
        "biomarker",
        "value",
        "?",
    )


def test_our_own_columns_are_not_the_senders() -> None:
    header = (*HEADER, "status", "code", "message", "fix", "note")
    assert proposed_plan(header, {}).columns == (*HEADER, "", "", "", "", "?")
    assert proposed_plan((*HEADER, "status"), {}).columns == (*HEADER, "status")
    assert signature(header) == signature((*HEADER, "Note"))
    plan = Plan(("specimen", "=IL6", "", "", "", "", "unit"))
    mixed = ("a", "b", "status", "code", "message", "fix", "c")
    assert kept_columns(mixed, plan) == ["specimen", "=IL6", "unit"]
    assert recalled_plan(("a", "b", "c"), ["specimen", "=IL6", "unit"], {}).columns == ("specimen", "=IL6", "unit")


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("C-reactive protein (hs)", "mg/dL"),
        ("hs-CRP", "mg/dL"),
        ("hs-CRP [mg/L]", "mg/L"),
        ("CRP (%)", "%"),
        ("CRP (mg/LL)", "mg/LL"),
    ],
)
def test_brackets_in_a_name_are_no_unit(header: str, unit: str) -> None:
    names = names_of([("CRP", ["C-reactive protein (hs)", "hs-CRP"])])
    table = read_file("r.csv", f"specimen;{header};unit\nS-1;0;mg/dL\nS-2; ;mg/dL\n".encode(), biomarkers=names)
    rows = rows_of(table, 0, proposed_plan(table.lines[0].cells, names)).payload.rows
    assert [(row.biomarker, row.value, row.unit) for row in rows] == [("CRP", "0", unit)]


def test_rows_side_by_side_take_unit_and_place_from_the_sheet() -> None:
    content = b"specimen,IL-6 (pg/mL),CRP\nS-1,1.8,2.5\nS-2,,3\n"
    table = read_file("r.csv", content, biomarkers=NAMES)
    plan = Plan(proposed_plan(table.lines[0].cells, NAMES).columns, {"unit": "mg/L", "visit": "baseline"})
    rows = rows_of(table, 0, plan)
    assert [(row.specimen, row.biomarker, row.value, row.unit) for row in rows.payload.rows] == [
        ("S-1", "IL6", "1.8", "pg/mL"),
        ("S-1", "CRP", "2.5", "mg/L"),
        ("S-2", "CRP", "3", "mg/L"),
    ]
    assert [(cell.line, cell.column) for cell in rows.cells] == [(2, "IL-6 (pg/mL)"), (2, "CRP"), (3, "CRP")]
    assert rows.payload.rows[0].visit == "baseline"


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        (("specimen", "?", "value"), "field_missing"),
        (("specimen", "biomarker", "?"), "field_missing"),
        (("?", "biomarker", "value"), "field_missing"),
        (("specimen", "=IL6", "=IL6"), "column_twice"),
    ],
)
def test_columns_that_make_no_rows_are_refused(columns: tuple[str, ...], code: str) -> None:
    table = read_file("r.csv", b"a,b,c\n1,2,3\n")
    with pytest.raises(PayloadRefused) as refused:
        rows_of(table, 0, Plan(columns))
    assert refused.value.code == code


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=("Cs",)), max_size=8)


@given(st.lists(st.lists(cells, min_size=4, max_size=4), min_size=1, max_size=6), st.sampled_from(",;\t"))
@settings(deadline=None)
def test_a_returned_text_file_is_read_as_the_one_that_was_sent(rows: list[list[str]], separator: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([HEADER, *rows])
    sent = read_file("r.csv", text.getvalue().encode())
    said = {line.number: Remark("not saved", "value_empty", "=1+1", "x") for line in sent.lines}
    back = read_file("r.csv", returned_text(sent, 1, said))
    plan = proposed_plan(back.lines[0].cells, {})
    before = [line.cells for line in sent.lines[1:]]
    assert [(line.cells + (None,) * 8)[:4] for line in back.lines[1:]] == [(each + (None,) * 4)[:4] for each in before]
    assert plan.columns == (*HEADER, "", "", "", "")
    assert not any(cell.startswith("=") for line in csv.reader(io.StringIO(text.getvalue())) for cell in line[4:])


def test_a_returned_workbook_keeps_types_formats_and_places() -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(("Plate", date(2026, 2, 1)))
    sheet.append(())
    sheet.append(HEADER)
    sheet.append(("=A1", "IL6", 1.8, "pg/mL"))
    sheet["C4"].number_format = "0.00"
    sheet["D4"].data_type = "s"
    content = saved(book)
    table = read_file("r.xlsx", content)
    back = returned_workbook(content, table, 3, {4: Remark("not saved", "value_empty", "=HYPERLINK()", "Mend it.")})
    cells = load_workbook(io.BytesIO(back)).worksheets[0]
    assert cells["B1"].value == datetime(2026, 2, 1)  # noqa: DTZ001 - spreadsheets know no zone
    assert [cell.value for cell in cells[3]][4:] == ["status", "code", "message", "fix"]
    assert (cells["C4"].value, cells["C4"].number_format) == (1.8, "0.00")
    assert (cells["G4"].value, cells["G4"].data_type) == ("=HYPERLINK()", "s")


def test_a_line_of_several_rows_tells_the_worst_and_everything() -> None:
    from measurements.validation.columns import Cell

    said = {"severity": "error", "code": "value_empty", "message": "M.", "fix": "F."}
    answer = {"errors": [said | {"row": 2}], "warnings": [], "received": 3, "rejected": 1}
    remarks = remarks_by_line(answer, [Cell(2, "IL6"), Cell(2, "CRP"), Cell(3, "IL6")])
    assert remarks[2] == Remark("not saved", "value_empty", "M.", "F.")
    assert remarks[3] == Remark("saved")


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("C:\\plates\\plate 7.xlsx", "plate 7.xlsx"),
        ("../../etc/passwd", "passwd"),
        ('a"b\r\nc<d>.csv', "a_b__c_d_.csv"),
        (".csv", "csv"),
        ("x" * 300 + ".csv", "x" * 96 + ".csv"),
        ("\u202efdp.csv", "_fdp.csv"),
    ],
)
def test_names_of_files_are_made_harmless(name: str, harmless: str) -> None:
    assert harmless_name(name) == harmless
