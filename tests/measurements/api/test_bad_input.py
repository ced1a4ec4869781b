"""Whatever comes in: never a fault of ours, always counted, nothing half-written."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from measurements.models import HeldRow, Result, Submission

FIELDS = [
    "specimen",
    "participant",
    "visit",
    "biomarker",
    "value",
    "unit",
    "assay",
    "replicate",
    "collected_at",
    "status",
    "reason",
    "corrects",
    "run",
    "performed_on",
]
USUAL = {
    "specimen": ["S-1", "S-2", "S-9", "s-1 ", ""],
    "participant": ["T-001-F", "T-002-D", "T-009-0", "T-001-F\u200b"],
    "visit": ["baseline", "six_months", "never"],
    "biomarker": ["IL6", "IL-6", "CRP", "PSS10", "CORT", "IL7"],
    "value": [
        "1.83",
        "<0.4",
        ">500",
        "OOR <",
        "*1",
        "---",
        "1,234",
        "1e400",
        "-1",
        "NaN",
        "01-Feb",
        "٣",
        "1_000",
        0,
        1e308,
        -0.0,
    ],
    "unit": ["pg/mL", "mg/L", "nmol/L", "{score}", "pg", "µg/L", "Âµg/L"],
    "assay": ["luminex", "elisa"],
    "replicate": [1, 2, 0, 1000, "1.5", True],
    "collected_at": [
        "2026-03-01T08:00:00Z",
        "2026-03-01",
        "2099-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00-23:59",
    ],
    "status": ["final", "preliminary", "corrected", "not_done", "wrong"],
    "reason": ["Dilution", "", "x" * 501, "line\nbreak"],
    "corrects": ["1", "999999999999999999999999", "held-1"],
    "run": ["plate-7", "p" * 65, "\x00"],
    "performed_on": ["2026-03-03", "2099-01-01", "3.3.2026"],
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=70),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
ROW = st.fixed_dictionaries(
    {}, optional={name: st.one_of(st.sampled_from(USUAL[name]), st.sampled_from(USUAL[name]), ODD) for name in FIELDS}
)
ROWS = st.lists(st.one_of(ROW, ROW, ROW, ODD), max_size=6)
QUERY = st.sampled_from(["", "?on_error=reject_rows", "?unknown_specimen=hold&on_error=reject_rows", "?dry_run=true"])
FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored():
    return Result.objects.count() + HeldRow.objects.count()


@FUZZ
@given(rows=ROWS, query=QUERY)
def test_any_rows(bench, rows, query):
    before, submissions = stored(), Submission.objects.count()
    answer = bench.post(json.dumps({"results": rows}).encode(), query=query)
    assert answer.status_code in {200, 201, 422}
    body = answer.json()
    counted = {name: body[name] for name in ("created", "unchanged", "corrected", "held", "rejected")}
    assert body["received"] == len(rows) == sum(counted.values())
    saved = (
        0
        if body["dry_run"] or answer.status_code == 422
        else counted["created"] + counted["corrected"] + counted["held"]
    )
    assert stored() - before == saved
    assert Submission.objects.count() - submissions == (answer.status_code != 422 and not body["dry_run"])
    for error in body["errors"]:
        assert 1 <= error["row"] <= len(rows)
        assert error["field"]
        assert error["message"]


@pytest.mark.parametrize("query", ["", "?dry_run=true", "?on_error=reject_rows&unknown_specimen=hold"])
@pytest.mark.parametrize("field", ["participant", "visit", "specimen"])
def test_an_id_with_a_nul_is_told_by_the_row_checker(bench, field, query):
    place = {"specimen": "S-1"} if field == "specimen" else {"participant": "T-001-F", "visit": "baseline"}
    row = place | {"biomarker": "IL6", "value": "1.83", "unit": "pg/mL"}
    answer = bench.post([row | {field: f"{row[field]}\0"}], query=query)
    assert answer.status_code == 422
    assert {"character_refused"} == {error["code"] for error in answer.json()["errors"]}


@FUZZ
@given(
    body=st.one_of(
        st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
    )
)
def test_any_bytes(bench, body):
    for content_type in ("application/json", "text/csv"):
        answer = bench.post(body or b" ", content_type=content_type)
        assert 400 <= answer.status_code < 500
        assert answer.json()["code"]
    assert stored() == 0


@FUZZ
@given(
    lines=st.lists(
        st.lists(st.one_of(st.sampled_from(["S-1", "IL6", "1.83", "pg/mL", ""]), st.text(max_size=12)), max_size=5),
        max_size=5,
    )
)
def test_any_table(bench, lines):
    body = "specimen,biomarker,value,unit\n" + "\n".join(",".join(line) for line in lines)
    answer = bench.post(body.encode("utf-8", "surrogatepass"), content_type="text/csv", query="?dry_run=true")
    assert answer.status_code in {200, 413, 422}
