"""Hostile payloads at every door: each gets a 4xx with a reason, at the row where there are rows, and writes nothing.

Answers that say what is wrong with a row are 422 `rows_wrong`; all others name what is wrong with the request.
"""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from openpyxl import Workbook

from measurements.models import Upload
from tests.making import make_member
from tests.measurements.conftest import Bench, make_bench, make_token
from trials.permissions import Role

HEADER = ("specimen", "biomarker", "value", "unit")
GOOD: Mapping[str, Any] = {"specimen": "S-1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
# Reading an upload is bookkeeping and no study data; a refused one leaves not even that.
COUNTED = ("trials", "measurements", "analytics")


@pytest.fixture(scope="module")
def shared_bench(django_db_setup: None, django_db_blocker: Any) -> Iterator[Bench]:
    """One trial for all of them, because each leaves it as it was; rolled back in the end."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_bench()
        transaction.set_rollback(True)


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The trial, with a token that has sent nothing yet."""
    credential, token = make_token(shared_bench.trial, shared_bench.laboratory)
    return replace(shared_bench, credential=credential, token=token)


def stored() -> dict[str, int]:
    """How many rows every table holds, but for the trail of refusals and the allowance of tokens."""
    tables = [model._meta.db_table for model in apps.get_models() if model._meta.app_label in COUNTED]
    readable = sorted({*tables} - {"trials_auditevent", "trials_auditchange", "trials_sealedseed", "trials_allowance"})
    counts = {}
    with connection.cursor() as cursor:
        for table in readable:
            cursor.execute("SELECT has_table_privilege(%s, 'SELECT')", [table])
            if cursor.fetchone()[0]:
                cursor.execute(f'SELECT count(*) FROM "{table}"')
                counts[table] = cursor.fetchone()[0]
    return counts


def body(*rows: Any, **more: Any) -> bytes:
    return json.dumps({"results": list(rows), **more}).encode()


def nested(depth: int) -> bytes:
    return b'{"results": [{"value": ' + b"[" * depth + b"]" * depth + b"}]}"


# Field, what is sent in it, and the code that the row report says.
WRONG_FIELDS: list[tuple[str, Any, str]] = [
    *[
        ("value", sent, "value_not_number")
        for sent in ("abc", "1_000", "1.2.3", "0x1F", "١٢٣", "１２", "1e", "--1", "1 2")
    ],
    *[("value", sent, "value_not_number") for sent in ("=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "1;2", "½", "1’234")],
    *[
        ("value", sent, "value_not_number")
        for sent in ("TRUE", "#N/A", "#DIV/0!", "<>1", "OOR", "OOR =", "< <1", "**1")
    ],
    *[("value", sent, "value_not_number") for sent in ("'; DROP TABLE x;--", "<script>alert(1)</script>", "{{7*7}}")],
    *[("value", sent, "value_ambiguous") for sent in ("1,234", "1,8", "<0,4", "-1,5")],
    *[("value", sent, "value_empty") for sent in (None, "", " ", "NA", "n/a", "null", "-", ".")],
    *[("value", sent, "value_not_finite") for sent in ("NaN", "inf", "-Infinity", "1e999", "1e-999", "1E+99999999999")],
    *[("value", sent, "value_out_of_reach") for sent in ("1e300", "1e30", "1e-30")],
    *[("value", sent, "value_excel_date") for sent in ("01-Feb", "2026-02-01", "1/2", "3.4.2026", "Mar-26")],
    *[("value", sent, "value_negative") for sent in ("-1", "-0.001", "<-1")],
    *[("value", sent, "field_too_long") for sent in ("9" * 65, "1" * 5000, "0." + "0" * 100_000)],
    *[("value", sent, "field_not_text") for sent in ([], {}, [1], True, {"value": 1})],
    ("value", "1\ufffd", "encoding"),
    *[("unit", sent, "unit_missing") for sent in (None, "", "  ")],
    *[
        ("unit", sent, "unit_not_convertible")
        for sent in ("pg", "bananas", "kg/m2", "1/0", "mg//L", "((((", "{", "m" * 39)
    ],
    *[("unit", sent, "encoding") for sent in ("Âµg/L", "\ufffdg/L", "Î¼g/L")],
    *[("unit", sent, "character_refused") for sent in ("pg/mL\u202e", "pg\u200b/mL", "pg\x00/mL", "pg\n/mL")],
    *[("unit", sent, "field_not_text") for sent in ([], True)],
    ("unit", "g" * 41, "field_too_long"),
    *[
        ("specimen", sent, "specimen_unknown")
        for sent in ("S-9", "s-1", "' OR 1=1 --", "../S-1", "%00", "*", "S-1;S-2")
    ],
    *[
        ("specimen", sent, "character_refused")
        for sent in ("S-1\x00", "S-\u202e1", "S\u200b-1", "Ѕ-1", "S‑1", "S-1\x7f")
    ],
    *[("specimen", sent, "field_not_text") for sent in ([], {"id": "S-1"}, False)],
    ("specimen", "S" * 65, "field_too_long"),
    ("specimen", "\ud800", "character_refused"),
    *[("biomarker", sent, "biomarker_unknown") for sent in ("IL7", "IL6 OR 1=1", "ＩＬ９", "🧪")],
    *[("biomarker", sent, "field_missing") for sent in (None, "", " ")],
    ("biomarker", "IL6\x00", "character_refused"),
    ("biomarker", "B" * 65, "field_too_long"),
    *[("assay", sent, "assay_unknown") for sent in ("elisa", "luminex'")],
    *[("replicate", sent, "replicate_unreadable") for sent in ("0", "-1", "1.5", "1000", "x", "1e2")],
    ("replicate", "٣", "character_refused"),
    *[("status", sent, "status_unknown") for sent in ("done", "FINAL!", "superseded")],
    ("status", "not_done", "field_missing"),
    *[("collected_at", sent, "date_no_zone") for sent in ("2026-03-01T08:00:00", "2026-03-01", "2026-03-01 08:00")],
    *[
        ("collected_at", sent, "date_unreadable")
        for sent in ("yesterday", "2026-02-30T00:00:00Z", "1.3.2026", "20260301")
    ],
    *[("collected_at", sent, "date_unreadable") for sent in ("1899-12-31T00:00:00Z", "2026-03-01T25:00:00Z", "46000")],
    *[("collected_at", sent, "date_unreadable") for sent in ("2026-03-01T08:00:00+99:00", "２０26-03-01T08:00:00Z")],
    ("collected_at", "2999-01-01T00:00:00Z", "date_future"),
    *[("performed_on", sent, "date_unreadable") for sent in ("2026-02-30", "3/3/2026", "0001-01-01", "2026-3-3")],
    ("performed_on", "2999-01-01", "date_future"),
    ("reason", "x" * 501, "field_too_long"),
    ("reason", "so\u202e", "character_refused"),
    ("run", "p" * 65, "field_too_long"),
    ("run", "\u0000", "character_refused"),
    ("corrects", "999999999999999999999", "corrects_unknown"),
]

# Body and type, status and code.
BAD_BODIES: list[tuple[bytes, str, int, str]] = [
    (b"", "application/json", 415, "content_type_unknown"),
    (b"{", "application/json", 400, "malformed"),
    (b"\x00", "application/json", 400, "malformed"),
    (b"{'results': []}", "application/json", 400, "malformed"),
    (b'{"results": [],}', "application/json", 400, "malformed"),
    (body(GOOD) + b"}", "application/json", 400, "malformed"),
    (b'{"results": [{"value": 01}]}', "application/json", 400, "malformed"),
    (b"[]", "application/json", 422, "not_an_object"),
    (b"null", "application/json", 422, "not_an_object"),
    (b'"results"', "application/json", 422, "not_an_object"),
    (b"{}", "application/json", 422, "field_missing"),
    (b'{"results": null}', "application/json", 422, "field_missing"),
    (b'{"results": {"0": {}}}', "application/json", 422, "field_missing"),
    (b'{"results": [], "results": []}', "application/json", 400, "duplicate_key"),
    (b'{"results": [{"value": "1", "value": "2"}]}', "application/json", 400, "duplicate_key"),
    (b'{"results": [], "run": []}', "application/json", 422, "field_not_text"),
    (b'{"results": [], "run": {"id": ["p-7"]}}', "application/json", 422, "field_not_text"),
    (nested(30), "application/json", 400, "too_deep"),
    (nested(100_000), "application/json", 400, "too_deep"),
    (b'{"results": ["\xff"]}', "application/json", 422, "encoding"),
    (body(GOOD).decode().encode("utf-16"), "application/json", 422, "encoding"),
    (b'{"results": [' + b"1," * 20_000 + b"1]}", "application/json", 413, "too_many_rows"),
    (b" " * 10_000_001, "application/json", 413, "too_large"),
    (b"\n", "text/csv", 422, "field_missing"),
    (b"specimen,value\nS-1,1\n", "text/csv", 422, "field_missing"),
    (b"specimen,biomarker,value,result\nS-1,IL6,1,2\n", "text/csv", 422, "column_twice"),
    (b'specimen,biomarker,value\nS-1,IL6,"1\n', "text/csv", 422, "malformed"),
    (b'specimen,biomarker,value\nS-1,IL6,"1"2\n', "text/csv", 422, "malformed"),
    (b"specimen,biomarker,value\nS-1,IL6," + b"9" * 200_000, "text/csv", 422, "malformed"),
    ("specimen,biomarker,value,unit\nS-1,IL6,1,µg/L\n".encode("cp1252"), "text/csv", 422, "encoding"),
    ("specimen,biomarker,value\n".encode("utf-16"), "text/csv", 422, "encoding"),
    (b"\xef\xbb\xbf\xef\xbb\xbfspecimen,biomarker,value\nS-1,IL6,1\n", "text/csv", 422, "rows_wrong"),
    (b"specimen,biomarker,value\n" + b"S,I,1\n" * 20_001, "text/csv", 413, "too_many_rows"),
    (b"x" * 10_000_001, "text/csv", 413, "too_large"),
    (body(GOOD), "text/plain", 415, "content_type_unknown"),
    (body(GOOD), "", 415, "content_type_unknown"),
    (body(GOOD), "application/xml", 415, "content_type_unknown"),
    (body(GOOD), "multipart/form-data; boundary=x", 415, "content_type_unknown"),
    (body(GOOD), "application/json; charset=utf-16", 415, "charset_unknown"),
    (body(GOOD), "text/csv; charset=latin-1", 415, "charset_unknown"),
    (b"specimen;biomarker;value\nS-9;IL6;1\n", "text/csv; charset=utf-8", 422, "rows_wrong"),
]

# Parameters and headers, status and code.
BAD_REQUESTS: list[tuple[str, Mapping[str, str], int, str]] = [
    ("?dryrun=true", {}, 422, "parameter_unknown"),
    ("?dry_run=yes", {}, 422, "parameter_wrong"),
    ("?dry_run=true&dry_run=false", {}, 422, "parameter_wrong"),
    ("?dry_run=", {}, 422, "parameter_wrong"),
    ("?on_error=ignore", {}, 422, "parameter_wrong"),
    ("?unknown_specimen=make", {}, 422, "parameter_wrong"),
    ("?%00=1", {}, 400, "address_unreadable"),
    ("?on_error=%FF", {}, 422, "parameter_wrong"),
    ("?on_error=reject_all%00", {}, 400, "address_unreadable"),
    ("", {"Idempotency-Key": "k" * 201}, 422, "idempotency_key_unusable"),
    ("", {"Idempotency-Key": "k\u00e9y"}, 422, "idempotency_key_unusable"),
    ("", {"Idempotency-Key": "a\x7f"}, 422, "idempotency_key_unusable"),
    ("", {"Authorization": "Bearer "}, 401, "token_unknown"),
    ("", {"Authorization": "Bearer lab_live_nobody"}, 401, "token_unknown"),
    ("", {"Authorization": "Bearer a b"}, 401, "token_unknown"),
    ("", {"Authorization": "Basic YTpi"}, 401, "not_authenticated"),
]


def workbook(*rows: tuple[Any, ...]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def with_part(content: bytes, name: str, part: bytes) -> bytes:
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, part)
    return file.getvalue()


BOOK = workbook(HEADER, tuple(GOOD.values()))
# Name, content, and words of the reason. What is wrong with rows is told on the page that follows.
BAD_FILES: list[tuple[str, bytes, str]] = [
    ("r.csv", b"", "empty"),
    ("r.csv", b"\n\n", "empty"),
    ("r.csv", b'a,"b', "cut into cells"),
    ("r.csv", b"specimen,biomarker,value\nS-\x81,IL6,1", "neither UTF-8"),
    ("r.csv", b"\xff\xfea", "neither UTF-8"),
    ("r.csv", b"," * 500 + b"x", "200 columns"),
    ("r.csv", b"x\n" * 20_100, "20000 rows"),
    ("r.csv", b"x" * 10_000_001, "10 MB"),
    ("r.csv", BOOK, ".xlsx"),
    ("r.exe", b"a,b", ".csv"),
    ("r.xlsx", b"a,b", ".csv"),
    ("r.xlsx", BOOK[:-40], "damaged"),
    ("r.xlsx", b"PK\x03\x04" + b"\0" * 50, "damaged"),
    ("r.xlsx", with_part(BOOK, "xl/media/bomb.bin", b"0" * 25_000_000), "20 MB"),
    ("r.xlsx", with_part(BOOK, "xl/vbaProject.bin", b"x"), "macros"),
    ("r.xlsx", with_part(BOOK, "xl/x.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]>"), "entities"),
    ("r.xlsx", with_part(b"", "a.txt", b"x"), "no Excel workbook"),
    ("r.xls", b"\xd0\xcf\x11\xe0" + b"\0" * 600, "Excel 97"),
    ("r.ods", with_part(b"", "mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), "OpenDocument"),
    ("r.xlsx", workbook(), "empty"),
]

# A row of a file, and the code that its page says.
BAD_ROWS_OF_FILES: list[tuple[tuple[Any, ...], str]] = [
    (("S-1", "IL6", "=1+1", "pg/mL"), "value_not_number"),
    (("S-1", "IL6", True, "pg/mL"), "value_not_number"),
    (("S-1", "IL6", "#N/A", "pg/mL"), "value_not_number"),
    (("S-1", "IL6", "1,8", "pg/mL"), "value_ambiguous"),
    (("S-1", "IL6", "2026-02-01", "pg/mL"), "value_excel_date"),
    (("S-1", "IL6", -1, "pg/mL"), "value_negative"),
    (("S-1", "IL6", 1e300, "pg/mL"), "value_out_of_reach"),
    (("S-1", "IL6", 1, "Âµg/L"), "encoding"),
    (("S-9", "IL6", 1, "pg/mL"), "specimen_unknown"),
    (("S-1\u202e", "IL6", 1, "pg/mL"), "character_refused"),
    ((1, "IL6", 1, "pg/mL"), "specimen_unknown"),
    (("S-1", "IL6", "9" * 65, "pg/mL"), "field_too_long"),
]


def test_there_are_150_of_them() -> None:
    kinds = (WRONG_FIELDS, BAD_BODIES, BAD_REQUESTS, BAD_FILES, BAD_ROWS_OF_FILES)
    assert sum(map(len, kinds)) >= 150
    texts = [entry for entry in WRONG_FIELDS if isinstance(entry[1], str | None)]
    assert len(texts) > 120


def row_with(field: str, sent: Any) -> dict[str, Any]:
    """The good row with this in a field, and with what the field needs beside it."""
    beside = {"assay": {"biomarker": "IL10"}, "corrects": {"status": "corrected", "reason": "Dilution"}}
    return {**GOOD, **beside.get(field, {}), field: sent}


def named(entry: Any) -> str:
    return str(entry)[:40] if isinstance(entry, str | int | float | bool | None) else type(entry).__name__


@pytest.mark.parametrize(("field", "sent", "code"), WRONG_FIELDS, ids=lambda entry: ascii(named(entry)))
def test_a_wrong_field_is_told_at_its_row(bench, field, sent, code):
    before = stored()
    answer = bench.post(body(row_with(field, sent)))
    assert answer.status_code == 422
    told = answer.json()
    assert told["code"] == "rows_wrong"
    assert (1, code) in [(error["row"], error["code"]) for error in told["errors"]]
    assert all("Row 1 was not saved." in error["message"] for error in told["errors"])
    assert stored() == before


def in_a_table(row: Mapping[str, Any]) -> bytes:
    cells = ['"' + str(cell).replace('"', '""') + '"' for cell in row.values()]
    return (",".join(row) + "\n" + ",".join(cells) + "\n").encode()


def test_the_same_in_a_table(bench):
    before, differing = stored(), []
    for field, sent, code in WRONG_FIELDS:
        if not isinstance(sent, str) or "\ud800" in sent:
            continue
        answer = bench.post(in_a_table(row_with(field, sent)), content_type="text/csv")
        told = answer.json()
        codes = {error["code"] for error in told.get("errors", [])} | {told["code"]}
        # A cell beyond 128 kB is no cell: the file as a whole is refused.
        if answer.status_code != 422 or not codes & {code, "malformed"}:
            differing.append((field, sent[:40], code, codes))
    assert differing == []
    assert stored() == before


@pytest.mark.parametrize(("sent", "content_type", "status", "code"), BAD_BODIES, ids=lambda entry: ascii(named(entry)))
def test_a_bad_body_is_refused(bench, sent, content_type, status, code):
    before = stored()
    answer = bench.post(sent, content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]
    assert stored() == before


@pytest.mark.parametrize(("query", "headers", "status", "code"), BAD_REQUESTS, ids=lambda entry: ascii(named(entry)))
def test_a_bad_request_is_refused(bench, query, headers, status, code):
    before = stored()
    answer = bench.post([GOOD], query=query, **{name.replace("-", "_"): value for name, value in headers.items()})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stored() == before


@pytest.fixture
def choose(bench, signed_in):
    """Choose a file on the upload page."""
    browser = signed_in(make_member(bench.trial, Role.LAB_MANAGER))

    def send(name, content, **more):
        sent = {
            "file": SimpleUploadedFile(name, content),
            "laboratory": bench.laboratory.pk,
            "on_error": "reject_rows",
            "unknown_specimen": "reject",
        }
        return browser.post(f"/trials/{bench.trial.slug}/uploads/new/", sent | more, follow=True)

    return send


@pytest.mark.parametrize(("name", "content", "words"), BAD_FILES, ids=lambda entry: ascii(named(entry)))
def test_a_bad_file_is_refused_with_the_reason(choose, name, content, words):
    before = stored()
    answer = choose(name, content)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert stored() == before


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize(("row", "code"), BAD_ROWS_OF_FILES, ids=lambda entry: ascii(named(entry)))
def test_a_bad_row_of_a_file_is_told_and_never_saved(bench, choose, row, code, ending):
    text = "\n".join(
        ";".join(map(str, cells)) for cells in (HEADER, ("TRUE" if cell is True else cell for cell in row))
    )
    content = workbook(HEADER, row) if ending == "xlsx" else text.encode()
    before = stored()
    answer = choose(f"r.{ending}", content)
    page = answer.content.decode()
    assert code in page
    assert "Row 1 (line 2) would not be saved." in page
    assert "No row can be saved" in page
    address = f"/trials/{bench.trial.slug}/uploads/{Upload.objects.get().reference}/save/"
    refused = answer.client.post(address, {"on_error": "reject_rows"}, follow=True)
    assert "Nothing was saved" in refused.content.decode()
    Upload.objects.all().delete()
    assert stored() == before


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        ("laboratory", "999999"),
        ("laboratory", "x"),
        ("on_error", "ignore"),
        ("unknown_specimen", "make"),
        ("sheet", "x\0"),
    ],
)
def test_a_bad_choice_on_the_upload_page_is_refused(choose, field, sent):
    before = stored()
    answer = choose("r.xlsx", BOOK, **{field: sent})
    assert answer.status_code == 422
    assert stored() == before
