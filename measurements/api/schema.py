"""How the addresses of this app describe themselves in OpenAPI: shapes, parameters, and examples that can be tried."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from measurements.api.deliveries import PARAMETERS

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
MAYBE = {"type": "string", "nullable": True}


def object_of(**properties: Any) -> dict[str, Any]:
    """Return the shape of an object with these properties."""
    return {"type": "object", "properties": properties}


def page_of(shape: dict[str, Any]) -> dict[str, Any]:
    """Return the shape of one page of a list."""
    return object_of(next=MAYBE, previous=MAYBE, results={"type": "array", "items": shape})


FINDING = object_of(
    row=NUMBER,
    pointer=TEXT,
    field=TEXT,
    code=TEXT,
    severity={"type": "string", "enum": ["error", "warning", "info"]},
    value=MAYBE,
    message=TEXT,
    fix=TEXT,
    did_you_mean=MAYBE,
    line={"type": "integer", "description": "Of deliveries that came as a file: the line of the sheet."},
    column={"type": "string", "description": "Likewise, where a line makes several rows: the column."},
)
COUNTS = dict.fromkeys(("received", "created", "unchanged", "corrected", "held", "rejected"), NUMBER)
FINDINGS = {"errors": {"type": "array", "items": FINDING}, "warnings": {"type": "array", "items": FINDING}}
ANSWER = object_of(submission=MAYBE, **COUNTS, dry_run={"type": "boolean"}, data_version=NUMBER, **FINDINGS)
PROBLEM = object_of(type=TEXT, title=TEXT, status=NUMBER, detail=TEXT, code=TEXT, **FINDINGS)
ROW = object_of(
    specimen=TEXT,
    participant=TEXT,
    visit=TEXT,
    biomarker=TEXT,
    value=TEXT,
    unit=TEXT,
    assay=TEXT,
    replicate=NUMBER,
    collected_at={"type": "string", "format": "date-time"},
    status={"type": "string", "enum": ["final", "preliminary", "corrected", "not_done"]},
    reason=TEXT,
    corrects=TEXT,
) | {"required": ["biomarker"]}
DELIVERY = object_of(
    run=object_of(id=TEXT, performed_on=TEXT), results={"type": "array", "items": ROW, "maxItems": 20_000}
)

RESULT = object_of(
    id=TEXT,
    specimen=TEXT,
    participant=TEXT,
    visit=TEXT,
    biomarker=TEXT,
    laboratory=TEXT,
    assay=MAYBE,
    submission=TEXT,
    run=MAYBE,
    performed_on=MAYBE,
    replicate=NUMBER,
    status=TEXT,
    value_as_sent=TEXT,
    unit_as_sent=TEXT,
    comparator=MAYBE,
    flag=MAYBE,
    value=MAYBE,
    unit=TEXT,
    limit_of_quantification=MAYBE,
    collected_at=MAYBE,
    reason=MAYBE,
    recorded_at=TEXT,
    corrects=MAYBE,
    corrected_by=MAYBE,
)
ASSAY = object_of(
    code=TEXT,
    version=TEXT,
    laboratory=TEXT,
    method=TEXT,
    unit=TEXT,
    lower_limit_of_detection=MAYBE,
    lower_limit_of_quantification=MAYBE,
    upper_limit_of_quantification=MAYBE,
)
BIOMARKER = object_of(
    code=TEXT,
    name=TEXT,
    outcome_class=TEXT,
    direction=TEXT,
    analysis_scale=TEXT,
    unit=TEXT,
    specimen_type=TEXT,
    aliases={"type": "array", "items": TEXT},
    plausible_low=MAYBE,
    plausible_high=MAYBE,
    molar_mass=MAYBE,
    loinc=MAYBE,
    loinc_verified={"type": "boolean"},
    assays={"type": "array", "items": ASSAY},
)
SPECIMEN = object_of(
    specimen=TEXT,
    specimen_type=TEXT,
    participant=TEXT,
    visit=TEXT,
    drawn_at=MAYBE,
    shipped_at=MAYBE,
    shipment={"type": "integer", "nullable": True},
    received_at=MAYBE,
    state={"type": "string", "enum": ["expected", "drawn", "in_transit", "received", "lost", "destroyed"]},
    condition=MAYBE,
    aliquot_of=MAYBE,
    awaiting={"type": "array", "items": TEXT},
)
SUBMISSION = object_of(
    submission=TEXT,
    laboratory=TEXT,
    channel=TEXT,
    received_at=TEXT,
    run=MAYBE,
    performed_on=MAYBE,
    **COUNTS,
    **FINDINGS,
)

PROBLEMS = {401: PROBLEM, 403: PROBLEM, 404: PROBLEM}
POST_PROBLEMS = {**PROBLEMS, 400: PROBLEM, 409: PROBLEM, 413: PROBLEM, 415: PROBLEM, 422: PROBLEM}
POST_PARAMETERS = [
    *(OpenApiParameter(name, str, enum=list(values), default=values[0]) for name, values in PARAMETERS.items()),
    OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Printable ASCII, at most 200."),
]
CURSOR = OpenApiParameter("cursor", str, description="From `next` or `previous` of the page before.")
RESULT_PARAMETERS = [
    OpenApiParameter("biomarker", str, description="A biomarker's code."),
    OpenApiParameter("visit", str, description="A visit's code."),
    OpenApiParameter("updated_since", str, description="Date, time and offset: results recorded from then on."),
    CURSOR,
]
SPECIMEN_PARAMETERS = [
    OpenApiParameter("awaiting", str, enum=["results"], description="Only the worklist: specimens that lack results."),
    CURSOR,
]

EXAMPLES = [
    OpenApiExample(
        "A plate",
        request_only=True,
        media_type="application/json",
        value={
            "run": {"id": "plate-7", "performed_on": "2026-11-22"},
            "results": [
                {"specimen": "S-081-6M-P1", "biomarker": "IL6", "value": "1.83", "unit": "pg/mL"},
                {
                    "participant": "PNI-082-L",
                    "visit": "six_months",
                    "biomarker": "IL10",
                    "value": "<0.4",
                    "unit": "pg/mL",
                    "collected_at": "2026-11-20T08:30:00+01:00",
                },
            ],
        },
    ),
    OpenApiExample(
        "The same as CSV",
        request_only=True,
        media_type="text/csv",
        value="specimen,biomarker,value,unit\nS-081-6M-P1,IL6,1.83,pg/mL\n",
    ),
    OpenApiExample(
        "Saved",
        response_only=True,
        status_codes=["201"],
        value={
            "submission": "6f1c6f0e-2a7e-4a8e-9f0c-3a0f2a1b4c5d",
            "received": 2,
            "created": 2,
            "unchanged": 0,
            "corrected": 0,
            "held": 0,
            "rejected": 0,
            "dry_run": False,
            "data_version": 42,
            "errors": [],
            "warnings": [],
        },
    ),
]
