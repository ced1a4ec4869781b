"""The CapabilityStatement: what a trial's FHIR base takes and gives, as far as it really does."""

from collections.abc import Mapping

from measurements.fhir.systems import Systems
from measurements.fhir.writing import Resource

DATE = "2026-11-22"
"""When this statement was last changed."""

_TAKEN = {
    "Observation": "Taken in a Bundle: one result, of the specimen that it refers to.",
    "Specimen": "Taken in a Bundle: the arrival of a specimen that the trial registered.",
    "DiagnosticReport": "Taken in a Bundle alone: a run, with the Observations that it names.",
    "ResearchSubject": "A participant under the study code; the arm only for readers who may see it.",
    "ResearchStudy": "The trial; its arms only for readers who may know them.",
}


def capability_statement(systems: Systems, version: str, searches: Mapping[str, Mapping[str, str]]) -> Resource:
    """The statement of a base at this version of the platform; `searches` has FHIR's type of each parameter."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Study platform", "version": version},
        "implementation": {"description": "Laboratory results of one trial", "url": systems.base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Unknown search parameters are refused. Deliveries may carry an Idempotency-Key.",
                "security": {"description": "Authorization: Bearer, a laboratory's credential or a personal token."},
                "resource": [_resource(kind, searches.get(kind, {})) for kind in _TAKEN],
                "interaction": [{"code": "batch"}, {"code": "transaction"}],
            }
        ],
    }


def _resource(kind: str, parameters: Mapping[str, str]) -> Resource:
    told: Resource = {"type": kind, "documentation": _TAKEN[kind]}
    if not parameters:
        return told
    # A modifier such as `subject:identifier` belongs to the parameter and has no entry of its own.
    plain = {name: of for name, of in parameters.items() if ":" not in name}
    return told | {
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned" if kind == "Observation" else "no-version",
        "searchParam": [{"name": name, "type": of} for name, of in plain.items()],
    }
