"""Whatever is posted to the FHIR base is answered in FHIR, never with a fault of ours, and nothing is half-written."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from measurements.fhir import Systems, read_bundle
from measurements.models import HeldRow, Result, Submission
from tests.measurements.fhir.conftest import FHIR_JSON, bundle, entry, observation

GOOD = entry(observation())
REPORT = {"resourceType": "DiagnosticReport", "status": "final", "identifier": [{"value": "p"}]}
SPECIMEN = {"resourceType": "Specimen", "identifier": [{"value": "S-1"}], "receivedTime": "2026-03-02T08:00:00Z"}


def deep(levels):
    made = {}
    for _ in range(levels):
        made = {"extension": [made]}
    return made


def twice(key, body):
    return body.replace(f'"{key}":'.encode(), f'"{key}": 1, "{key}":'.encode(), 1)


BODIES = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"3",
    b'"Bundle"',
    b"{",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"resourceType":"Bundle"}',
    b'{"resourceType":"Bundle","type":"batch","entry":{}}',
    b'{"resourceType":"Bundle","type":"batch","entry":null}',
    b'{"resourceType":"Bundle","type":["batch"],"entry":[]}',
    b'{"resourceType":"Bundle","type":"history","entry":[]}',
    b'{"resourceType":["Bundle"],"type":"batch"}',
    b'{"resourceType":"Observation","status":"final"}',
    json.dumps({"resourceType": "Bundle", "type": "batch", "implicitRules": "urn:x", "entry": [GOOD]}).encode(),
    json.dumps({"resourceType": "Parameters", "parameter": [GOOD]}).encode(),
    twice("status", json.dumps(bundle(GOOD, kind="transaction")).encode()),
    json.dumps(bundle(entry(observation(extension=[deep(12)])))).encode(),
    json.dumps(bundle(*[0] * 20_001)).encode(),
    json.dumps(bundle(*[entry(SPECIMEN)] * 1_001)).encode(),
    b'{"resourceType":"Bundle","type":"batch","entry":[' + b" " * 10_000_001 + b"]}",
    *(
        json.dumps(bundle(GOOD, bad, kind="transaction")).encode()
        for bad in (
            None,
            0,
            "entry",
            [],
            {},
            {"resource": None},
            {"resource": []},
            {"resource": {"resourceType": "Observation"}},
            {"resource": observation(), "request": "POST"},
            {"resource": observation(), "request": {"method": ["POST"], "url": "Observation"}},
            {"resource": observation(), "request": {"method": "DELETE", "url": "Observation"}},
            {"resource": observation(), "request": {"method": "PUT", "url": "Observation/1"}},
            {"resource": observation(), "request": {"method": "POST", "url": "Specimen"}},
            {"resource": observation(), "request": {"method": "POST", "url": "Observation", "ifNoneExist": "x=1"}},
            entry({"resourceType": "Patient", "name": [{"family": "Roe"}]}),
            {"resource": {"resourceType": ["Observation"]}},
            {"resource": {"resourceType": {"a": 1}}, "request": {"method": "POST", "url": "x"}},
            entry({"resourceType": "Binary", "data": "AAAA"}),
            entry(observation(id=7)) | {"fullUrl": 7},
            entry(observation(id={"a": 1})),
            entry(observation(status=1)),
            entry(observation(status=["final"])),
            entry(observation(code="IL6")),
            entry(observation(code={"coding": "IL6"})),
            entry(observation(code={"coding": [None]})),
            entry(observation(code={"coding": [{"code": {"a": 1}}]})),
            entry(observation(code={"coding": [{"system": ["http://loinc.org"], "code": "26881-3"}]})),
            entry(observation(code={"text": "I" * 70_000})),
            entry(observation(code={"text": "IL6\u0000"})),
            entry(observation(code={"text": "\ud800"})),
            entry(observation(specimen="S-1")),
            entry(observation(specimen=[{"identifier": {"value": "S-1"}}])),
            entry(observation(specimen={"identifier": {"value": ["S-1"]}})),
            entry(observation(specimen={"identifier": {"value": "S-1\u0000"}})),
            entry(observation(specimen={"identifier": {"value": "S-1\u200b"}})),
            entry(observation(specimen={"reference": "Specimen/999999999999999999"})),
            entry(observation(specimen={"reference": "Specimen/9999999999999999999"})),
            entry(observation(specimen={"reference": "Specimen/\u0661"})),
            entry(observation(specimen={"reference": "http://[bad/Specimen/1"})),
            entry(observation(specimen={"reference": "Specimen?identifier=%00"})),
            entry(observation(valueQuantity=1.8)),
            entry(observation(valueQuantity={"value": {"a": 1}})),
            entry(observation(valueQuantity={"value": True, "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": "NaN", "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": float("inf"), "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": 10**400, "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": "1e999999999999", "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": "\u0663", "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": -1, "unit": "pg/mL"})),
            entry(observation(valueQuantity={"value": 1, "unit": "pg/mL", "comparator": {}})),
            entry(observation(valueQuantity={"value": 1, "unit": ["pg/mL"]})),
            entry(observation(valueQuantity={"_value": {"extension": [3]}})),
            entry(observation(interpretation={"text": "<"})),
            entry(observation(interpretation=[{"coding": [{"code": ["<"]}]}])),
            entry(observation(valueQuantity=None, dataAbsentReason="error")),
            entry(observation(effectiveDateTime="0001-01-01T00:00:00-23:59")),
            entry(observation(effectiveDateTime="2026-02-30T00:00:00Z")),
            entry(observation(note="x", status="amended")),
            entry(observation(extension={"url": "x"})),
            entry(observation(extension=[{"url": ["x"]}])),
            entry(observation(subject="T-001-F")),
            entry(observation(subject={"identifier": []})),
            entry(observation(method=[])),
            entry(observation(value=3)) | {"request": None},
            entry(REPORT | {"result": "Observation/1"}),
            entry(REPORT | {"result": [{"reference": ["Observation/1"]}]}),
            entry(REPORT | {"result": [{}]}),
            entry(REPORT),
            entry(SPECIMEN | {"identifier": "S-1"}),
            entry(SPECIMEN | {"receivedTime": 5}),
            entry(SPECIMEN | {"condition": "ok"}),
            entry(SPECIMEN | {"collection": []}),
        )
    ),
]


def stored():
    return Result.objects.count() + HeldRow.objects.count() + Submission.objects.count()


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_hostile(door, number):
    answer = door.post(BODIES[number])
    assert 400 <= answer.status_code < 500, answer.content
    assert answer["Content-Type"] == FHIR_JSON
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert all(issue["details"]["text"] and issue["diagnostics"] for issue in outcome["issue"])
    assert stored() == 0


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 415),
        ("application/fhir+xml", 415),
        ("", 415),
        ("application/fhir+json; charset=utf-16", 415),
        ("application/fhir+json; fhirVersion=5.0", 415),
        ("application/fhir+json; fhirVersion=4.0; charset=UTF-8", 200),
        ("application/json", 200),
    ],
)
def test_content_types(door, content_type, status):
    answer = door.post(bundle(GOOD), content_type=content_type)
    assert (answer.status_code, answer["Content-Type"]) == (status, FHIR_JSON)


@pytest.mark.parametrize(
    "query", ["?on_error=reject_rows", "?unknown_specimen=maybe", "?unknown_specimen=hold&unknown_specimen=hold"]
)
def test_parameters(door, query):
    answer = door.post(bundle(GOOD), query=query)
    assert answer.status_code == 422
    assert stored() == 0


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_other_verbs(door, method):
    from django.test import Client

    headers = {"Authorization": f"Bearer {door.token}"}
    for path in ("", "/Observation/1", "/Patient/1"):
        answer = getattr(Client(), method)(door.base + path, headers=headers)
        assert answer.status_code in {404, 405}
        assert answer.json()["resourceType"] == "OperationOutcome"


FUZZ = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ODD = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)
NAMES = ["status", "code", "specimen", "valueQuantity", "subject", "interpretation", "dataAbsentReason", "extension"]
MORE = ["effectiveDateTime", "note", "method", "identifier", "receivedTime", "result", "id", "valueString", "condition"]
RESOURCE = st.builds(
    lambda kind, usual, odd: (
        (usual if kind == "Observation" else SPECIMEN if kind == "Specimen" else REPORT) | odd | {"resourceType": kind}
    ),
    st.sampled_from(["Observation", "Observation", "Specimen", "DiagnosticReport"]),
    st.just(observation()),
    st.dictionaries(st.sampled_from(NAMES + MORE), ODD, max_size=3),
)


@FUZZ
@given(resources=st.lists(RESOURCE, max_size=4), kind=st.sampled_from(["batch", "transaction"]))
def test_any_resources(door, resources, kind):
    before = Result.objects.count()
    answer = door.post(bundle(*map(entry, resources), kind=kind))
    assert answer.status_code in {200, 422}
    if answer.status_code == 422:
        assert Result.objects.count() == before
        return
    statuses = [each["response"]["status"] for each in answer.json().get("entry", [])]
    assert len(statuses) == len(resources)
    assert Result.objects.count() - before == statuses.count("201 Created")


@settings(max_examples=300)
@given(
    number=st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?", fullmatch=True),
    comparator=st.sampled_from([None, "<", ">"]),
)
def test_the_text_of_any_number_survives(number, comparator):
    quantity = {"value": "@", "unit": "pg/mL"} | ({"comparator": comparator} if comparator else {})
    body = json.dumps(bundle(entry(observation(valueQuantity=quantity)))).replace('"@"', number)
    read = read_bundle(
        body.encode(), systems=Systems("http://x/api/v1/trials/t/fhir"), loinc={}, specimen_ids=lambda _: {}
    )
    assert read.entries[0].row.value == f"{comparator or ''}{number}"


@settings(max_examples=200)
@given(text=st.text(min_size=1, max_size=64))
def test_any_text_survives(text):
    sent = observation(valueQuantity=None, valueString=text)
    body = json.dumps(bundle(entry(sent))).encode()
    read = read_bundle(body, systems=Systems("x"), loinc={}, specimen_ids=lambda _: {})
    assert read.entries[0].row.value == text
