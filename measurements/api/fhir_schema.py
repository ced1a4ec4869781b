"""How the FHIR base describes itself in OpenAPI: Bundles as far as they are read, and examples that can be tried."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view

from measurements.api.fhir_answers import FHIR_JSON
from measurements.api.fhir_searches import SEARCHES
from measurements.api.schema import TEXT, object_of


def resource(kind: str) -> dict[str, Any]:
    """Return the shape of a resource, as far as this document tells it: the rest is FHIR R4."""
    return object_of(resourceType={"type": "string", "enum": [kind]}) | {"required": ["resourceType"]}


def list_of(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of a list."""
    return {"type": "array", "items": shape}


_CODING = object_of(system=TEXT, code=TEXT)
_CONCEPT = object_of(coding=list_of(_CODING), text=TEXT)
_IDENTIFIER = object_of(system=TEXT, value=TEXT)
_REFERENCE = object_of(reference=TEXT, identifier=_IDENTIFIER)
_QUANTITY = object_of(
    value={"type": "number"},
    comparator={"type": "string", "enum": ["<", ">"]},
    unit=TEXT,
    system=TEXT,
    code=TEXT,
)
_RESOURCE = object_of(
    resourceType={"type": "string", "enum": ["Specimen", "Observation", "DiagnosticReport"]},
    status=TEXT,
    identifier=list_of(_IDENTIFIER),
    code=_CONCEPT,
    specimen=_REFERENCE,
    valueQuantity=_QUANTITY,
    dataAbsentReason=_CONCEPT,
    interpretation=list_of(_CONCEPT),
    effectiveDateTime=TEXT,
    receivedTime=TEXT,
    issued=TEXT,
    result=list_of(_REFERENCE),
) | {"required": ["resourceType"]}
_REQUEST = object_of(method={"type": "string", "enum": ["POST"]}, url=TEXT) | {"required": ["method", "url"]}
_ENTRY = object_of(fullUrl=TEXT, resource=_RESOURCE, request=_REQUEST) | {"required": ["resource", "request"]}
BUNDLE = object_of(
    resourceType={"type": "string", "enum": ["Bundle"]},
    type={"type": "string", "enum": ["batch", "transaction"]},
    entry=list_of(_ENTRY),
) | {"required": ["resourceType", "type"]}
RESPONSES = resource("Bundle")

OUTCOMES = {(status, FHIR_JSON): resource("OperationOutcome") for status in (401, 403, 404, 406, 422, 429)}
POST_OUTCOMES = OUTCOMES | {(status, FHIR_JSON): resource("OperationOutcome") for status in (400, 409, 413, 415)}
METADATA = {(200, FHIR_JSON): resource("CapabilityStatement"), **OUTCOMES}
POST_PARAMETERS = [
    OpenApiParameter("unknown_specimen", str, enum=["reject", "hold"], default="reject"),
    OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Printable ASCII, at most 200."),
]
_OF_ALL = [
    OpenApiParameter("_count", int, description="Resources to a page, 1 to 1000."),
    OpenApiParameter("cursor", str, description="From the `next` link of the page before."),
]
_MEANT = {
    "token": "A code, or system|code; several with commas between them.",
    "reference": "An id, Type/id, or a study code for `subject`.",
    "date": "ge and a date and time with an offset.",
}


def searched(kind: str) -> Callable[[type], type]:
    """Describe the search of a kind of resource."""
    parameters = [OpenApiParameter(name, str, description=_MEANT[of]) for name, of in SEARCHES[kind].items()]
    described = extend_schema(
        operation_id=f"fhir_search_{kind}",
        parameters=[*parameters, *_OF_ALL],
        responses={(200, FHIR_JSON): resource("Bundle"), **OUTCOMES},
    )
    return extend_schema_view(get=described)


def read(kind: str) -> Callable[[type], type]:
    """Describe the reading of one resource."""
    number = OpenApiParameter("number", int, OpenApiParameter.PATH, description="The resource's id.")
    described = extend_schema(
        operation_id=f"fhir_read_{kind}",
        parameters=[number],
        responses={(200, FHIR_JSON): resource(kind), **OUTCOMES},
    )
    return extend_schema_view(get=described)


EXAMPLES = [
    OpenApiExample(
        "A plate",
        request_only=True,
        media_type=FHIR_JSON,
        value={
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": "urn:uuid:5b1f6a0e-7c3d-4b58-9a51-0c8f5f1d2a01",
                    "resource": {
                        "resourceType": "Observation",
                        "status": "final",
                        "code": {"coding": [{"system": "http://loinc.org", "code": "26881-3"}]},
                        "specimen": {"identifier": {"value": "S-081-6M-P1"}},
                        "effectiveDateTime": "2026-11-20T08:30:00+01:00",
                        "valueQuantity": {
                            "value": 1.83,
                            "unit": "pg/mL",
                            "system": "http://unitsofmeasure.org",
                            "code": "pg/mL",
                        },
                    },
                    "request": {"method": "POST", "url": "Observation"},
                }
            ],
        },
    )
]
