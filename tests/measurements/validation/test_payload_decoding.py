"""From bytes to rows: digits kept, bad rows noted, unreadable bodies refused as a whole."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.validation import (
    Options,
    Payload,
    PayloadRefused,
    Reference,
    RunAsSent,
    check_rows,
    decode_csv,
    decode_json,
)
from measurements.validation.decode import MOST_BYTES

ROW = {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "1.80", "unit": "pg/mL"}


def body(*rows: object, **more: object) -> bytes:
    return json.dumps({"results": list(rows), **more}).encode()


def test_numbers_keep_the_digits_they_were_sent_with() -> None:
    payload = decode_json(
        b'{"results": [{"value": 1.80}, {"value": 1e3}, {"value": 12345678901234567890.10, "replicate": 2}]}'
    )
    assert [row.value for row in payload.rows] == ["1.80", "1e3", "12345678901234567890.10"]
    assert payload.rows[2].replicate == "2"


def test_run_of_the_body_is_that_of_every_row_without_one() -> None:
    payload = decode_json(body(ROW, ROW | {"run": "p-8"}, run={"id": "p-7", "performed_on": "2026-11-22"}))
    assert payload.run == RunAsSent("p-7", "2026-11-22")
    assert [(row.run, row.performed_on) for row in payload.rows] == [("p-7", "2026-11-22"), ("p-8", "2026-11-22")]


def test_misnamed_fields_of_the_body_are_said_at_the_first_row(trial: Reference) -> None:
    payload = decode_json(body(ROW, {"specimen": 5, "valeu": 1}, runs={"id": "p"}))
    assert payload.rows[0].unknown == ("runs",)
    assert payload.rows[1].unknown == ("valeu",)
    warnings = check_rows(payload.rows, trial, Options(on_error="reject_rows")).warnings
    assert {(warning.value, warning.did_you_mean) for warning in warnings} == {("runs", "run"), ("valeu", "value")}


def test_wrong_types_are_noted_in_their_row(trial: Reference) -> None:
    payload = decode_json(body(ROW, ROW | {"value": [1]}, ROW | {"unit": True}, 7, ROW | {"specimen": {"id": "S"}}))
    checked = check_rows(payload.rows, trial, Options(on_error="reject_rows"))
    noted = [(finding.row, finding.field) for finding in checked.errors if finding.code == "field_not_text"]
    assert noted == [(2, "value"), (3, "unit"), (4, "specimen"), (5, "specimen")]
    assert checked.counts.created == 1


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"", 400, "malformed"),
        (b'{"results": [', 400, "malformed"),
        (b'{"results": []} x', 400, "malformed"),
        (b"[]", 422, "not_an_object"),
        (b"{}", 422, "field_missing"),
        (b'{"results": {}}', 422, "field_missing"),
        (b'{"results": [], "run": "p-7"}', 422, "field_not_text"),
        (b'{"results": [], "run": {"id": ["p-7"]}}', 422, "field_not_text"),
        (b'{"results": [], "results": []}', 400, "duplicate_key"),
        (b'{"results": [{"value": "1", "value": "2"}]}', 400, "duplicate_key"),
        (b'{"results": [{"value": ' + b"[" * 30 + b"]" * 30 + b"}]}", 400, "too_deep"),
        (b'{"x": ' + b"[" * 30 + b"]" * 30 + b', "results": []}', 400, "too_deep"),
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"results": ["\xff"]}', 422, "encoding"),
        (b'{"results": [' + b"1," * 20_000 + b"1]}", 413, "too_many_rows"),
        (b" " * (MOST_BYTES + 1), 413, "too_large"),
    ],
)
def test_json_body_is_refused(sent: bytes, status: int, code: str) -> None:
    with pytest.raises(PayloadRefused) as refused:
        decode_json(sent)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert refused.value.sentence.endswith("Nothing was saved.")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_of_every_common_kind_is_read(separator: str, start: str, end: str) -> None:
    lines = (
        ["Specimen ID", "Analyte", "Result", "Units"],
        ["S-1", "IL6", "1.80", "pg/mL"],
        ["", "", "", ""],
        ["S-2", "IL6", "<0.4", ""],
    )
    payload = decode_csv((start + end.join(separator.join(line) for line in lines)).encode())
    assert [(row.specimen, row.biomarker, row.value, row.unit) for row in payload.rows] == [
        ("S-1", "IL6", "1.80", "pg/mL"),
        ("S-2", "IL6", "<0.4", None),
    ]


def test_csv_columns_that_results_do_not_have_are_said_once(trial: Reference) -> None:
    payload = decode_csv(
        b"specimen,biomarker,value,unit,operator\nS-081-6M-P1,IL6,1,pg/mL,AB\nS-081-6M-P1,IL6,1,pg/mL,AB,9\n"
    )
    warnings = check_rows(payload.rows, trial, Options(on_error="reject_rows")).warnings
    assert [(warning.row, warning.value) for warning in warnings] == [(1, "operator"), (2, "(beyond the header)")]


def test_csv_line_ends_only_where_a_line_ends() -> None:
    payload = decode_csv("specimen,biomarker,value\nS-1,IL6,1\u2028\nS-2,IL6,2\x0b\rS-3,IL6,3".encode())
    assert [row.value for row in payload.rows] == ["1\u2028", "2\x0b", "3"]


def test_csv_keeps_quoted_separators_and_lines() -> None:
    payload = decode_csv(b'specimen;biomarker;value;reason\nS-1;IL6;"1,8";"first; then\nsecond"\n')
    assert (payload.rows[0].value, payload.rows[0].reason) == ("1,8", "first; then\nsecond")


@pytest.mark.parametrize(
    ("sent", "status", "code", "words"),
    [
        (b"", 422, "field_missing", "empty"),
        (b"specimen,value\nS-1,1\n", 422, "field_missing", '"biomarker"'),
        (b"biomarker,value\nIL6,1\n", 422, "field_missing", '"specimen"'),
        (b"specimen,biomarker,valeu\nS-1,IL6,1\n", 422, "field_missing", 'Rename "valeu"'),
        (b"specimen,biomarker,value,result\nS-1,IL6,1,2\n", 422, "column_twice", '"value"'),
        ("specimen,biomarker,value,unit\nS-1,IL6,1,µg/L\n".encode("latin-1"), 422, "encoding", "Line 2"),
        ("specimen,biomarker,value\n".encode("utf-16"), 422, "encoding", "Line 1"),
        (b'specimen,biomarker,value\nS-1,IL6,"1', 422, "malformed", "Line 2"),
        (b"specimen,biomarker,value\n" + b"S,I,1\n" * 20_001, 413, "too_many_rows", "20000"),
    ],
)
def test_csv_body_is_refused(sent: bytes, status: int, code: str, words: str) -> None:
    with pytest.raises(PayloadRefused) as refused:
        decode_csv(sent)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert words in refused.value.sentence


def refusal(decode: Callable[[bytes], Payload], sent: bytes) -> int | None:
    try:
        decode(sent)
    except PayloadRefused as refused:
        return refused.status
    return None


@pytest.mark.parametrize("decode", [decode_json, decode_csv])
@given(sent=st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_bytes_are_rows_or_refused(decode: Callable[[bytes], Payload], sent: bytes) -> None:
    for start in (b"", b"specimen,biomarker,value\n", b'{"results": ['):
        assert refusal(decode, start + sent) in (None, 400, 413, 422)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=5), json_values)
def test_any_json_rows_are_decoded_or_refused(rows: list, run: object) -> None:
    try:
        payload = decode_json(json.dumps({"results": rows, "run": run}).encode())
    except PayloadRefused:
        return
    assert len(payload.rows) == len(rows)
