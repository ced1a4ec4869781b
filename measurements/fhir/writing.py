"""What is shown, written as resources of FHIR R4. Plain mappings in and out; decimals stay decimals.

Every text that stands in a required value set of R4 is listed here. Patients are named by the study code alone, as a
logical reference: there is no Patient to read.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from measurements.fhir.systems import (
    ABSENT_REASON,
    ABSENT_REASON_EXTENSION,
    CATEGORY,
    CLINICAL_TRIALS_GOV,
    INTERPRETATION,
    LOINC,
    OFF_SCALE,
    UCUM,
    Systems,
)
from measurements.units import UnitUnknown, parse_unit
from measurements.validation.findings import NotedError
from measurements.validation.values import parse_value

Resource = dict[str, Any]
Shown = Mapping[str, Any]

_OBSERVATION_STATUS = {
    "final": "final",
    "preliminary": "preliminary",
    "corrected": "corrected",
    "not_done": "cancelled",
}
_SUBJECT_STATUS = {
    "screened": "screening",
    "consented": "candidate",
    "randomized": "on-study",
    "completed": "off-study",
    "withdrawn": "withdrawn",
    "lost_to_follow_up": "off-study",
    "died": "off-study",
    "excluded": "not-registered",
}
_STUDY_STATUS = {
    "draft": "in-review",
    "registered": "approved",
    "recruiting": "active",
    "follow_up": "closed-to-accrual",
    "locked": "closed-to-accrual-and-intervention",
    "unblinded": "closed-to-accrual-and-intervention",
    "archived": "completed",
}
_MARKS = {"---": "error", "***": "not-a-number"}


def without_empty(element: Mapping[str, Any]) -> Resource:
    """The element without members that hold nothing: FHIR has no null and no empty list or text."""
    return {name: value for name, value in element.items() if value is not None and value != [] and value != ""}


def observation(shown: Shown, systems: Systems) -> Resource:
    """A current result, value and unit as they were sent; it keeps its id when a correction replaces it."""
    return without_empty(
        {
            "resourceType": "Observation",
            "id": str(shown["first_id"]),
            "meta": {"versionId": str(shown["revision"] + 1), "lastUpdated": shown["recorded_at"]},
            "extension": _run_extensions(shown, systems),
            "status": _OBSERVATION_STATUS[shown["status"]],
            "category": [{"coding": [_category(shown["specimen_type"])]}],
            "code": _code(shown, systems),
            "subject": _logical("Patient", systems.identifier("participant"), shown["participant"]),
            "encounter": _logical("Encounter", systems.identifier("visit"), shown["visit"]),
            "effectiveDateTime": shown["collected_at"],
            "issued": shown["recorded_at"],
            "performer": [_logical("Organization", systems.identifier("laboratory"), shown["laboratory"])],
            **_value(shown, systems),
            "note": [{"text": shown["reason"]}] if shown["reason"] and shown["status"] == "corrected" else [],
            "method": {"coding": [{"system": systems.codes("assay"), "code": shown["assay"]}]}
            if shown["assay"]
            else None,
            "specimen": {
                "reference": f"Specimen/{shown['specimen_id']}",
                "identifier": {"system": systems.identifier("specimen"), "value": shown["specimen"]},
            },
        }
    )


def _run_extensions(shown: Shown, systems: Systems) -> list[Resource]:
    held = (
        ("run", "valueString", shown["run"]),
        ("performed-on", "valueDate", shown["performed_on"]),
        ("replicate", "valuePositiveInt", shown["replicate"] if shown["replicate"] > 1 else None),
    )
    return [{"url": systems.extension(name), kind: value} for name, kind, value in held if value]


def _category(specimen_type: str) -> Resource:
    code = "survey" if specimen_type == "questionnaire" else "laboratory"
    return {"system": CATEGORY, "code": code, "display": code.title()}


def _code(shown: Shown, systems: Systems) -> Resource:
    own = {"system": systems.codes("biomarker"), "code": shown["biomarker"], "display": shown["biomarker_name"]}
    loinc = [{"system": LOINC, "code": shown["loinc"]}] if shown["loinc"] else []
    return {"coding": [own, *loinc], "text": shown["biomarker_name"]}


def _logical(kind: str, system: str, value: str) -> Resource:
    return {"type": kind, "identifier": {"system": system, "value": value}}


def _value(shown: Shown, systems: Systems) -> Resource:
    """The value as sent: a quantity, a quantity without a number and why, or no value and why."""
    if shown["status"] == "not_done":
        return {"dataAbsentReason": _absent("not-performed", shown["reason"])}
    number, interpretation = _number(shown["value_as_sent"]), _interpretation(shown, systems)
    unit = _unit(shown["unit_as_sent"])
    if number is not None:
        quantity = without_empty({"value": number, "comparator": shown["comparator"]}) | unit
        return {"valueQuantity": quantity, "interpretation": interpretation}
    if interpretation:
        return {"valueQuantity": unit or None, "interpretation": interpretation}
    code = _MARKS.get(shown["value_as_sent"], "unknown")
    if not unit:
        return {"dataAbsentReason": _absent(code, "")}
    return {"valueQuantity": {"_value": {"extension": [{"url": ABSENT_REASON_EXTENSION, "valueCode": code}]}} | unit}


def _number(text: str) -> Decimal | None:
    try:
        return parse_value(text).number
    except NotedError:
        return None


def _interpretation(shown: Shown, systems: Systems) -> list[Resource]:
    if shown["flag"] == "extrapolated":
        return [{"coding": [{"system": systems.codes("flag"), "code": "extrapolated"}], "text": "Extrapolated"}]
    if shown["flag"] == "out_of_range":
        scale = shown["comparator"]
        return [{"coding": [{"system": INTERPRETATION, "code": scale, "display": OFF_SCALE[scale]}]}]
    return []


def _unit(text: str) -> Resource:
    """The unit as it was sent, and its code where UCUM has one."""
    if not text:
        return {}
    try:
        return {"unit": text, "system": UCUM, "code": parse_unit(text).code}
    except UnitUnknown:
        return {"unit": text}


def _absent(code: str, text: str) -> Resource:
    return without_empty({"coding": [{"system": ABSENT_REASON, "code": code}], "text": text})


def specimen(shown: Shown, systems: Systems) -> Resource:
    """A specimen under the id on its tube."""
    return without_empty(
        {
            "resourceType": "Specimen",
            "id": str(shown["id"]),
            "identifier": [{"system": systems.identifier("specimen"), "value": shown["identifier"]}],
            "status": "unavailable" if shown["is_gone"] else "available",
            "type": {"text": shown["specimen_type"]} if shown["specimen_type"] else None,
            "subject": _logical("Patient", systems.identifier("participant"), shown["participant"]),
            "receivedTime": shown["received_at"],
            "collection": {"collectedDateTime": shown["drawn_at"]} if shown["drawn_at"] else None,
            "condition": [{"text": shown["condition"]}] if shown["condition"] else [],
        }
    )


def research_subject(shown: Shown, systems: Systems) -> Resource:
    """A participant; `arm` is in `shown` only where the reader may see it."""
    return without_empty(
        {
            "resourceType": "ResearchSubject",
            "id": str(shown["id"]),
            "identifier": [{"system": systems.identifier("participant"), "value": shown["code"]}],
            "status": _SUBJECT_STATUS[shown["state"]],
            "period": {"start": shown["randomized_on"]} if shown["randomized_on"] else None,
            "study": {"reference": f"ResearchStudy/{shown['trial_id']}"},
            "individual": _logical("Patient", systems.identifier("participant"), shown["code"]),
            "assignedArm": shown.get("arm"),
        }
    )


def research_study(shown: Shown, systems: Systems) -> Resource:
    """The trial; `arms` is empty for readers who may not know them."""
    registry = {"value": shown["registry_id"]}
    if shown["registry_id"].startswith("NCT"):
        registry = {"system": CLINICAL_TRIALS_GOV} | registry
    return without_empty(
        {
            "resourceType": "ResearchStudy",
            "id": str(shown["id"]),
            "identifier": [
                {"system": systems.identifier("trial"), "value": shown["slug"]},
                *([registry] if shown["registry_id"] else []),
            ],
            "title": shown["title"],
            "status": _STUDY_STATUS[shown["status"]],
            "description": shown["summary"],
            "period": without_empty({"start": shown["starts"], "end": shown["ends"]}) or None,
            "site": [{"type": "Location", "display": name} for name in shown["sites"]],
            "arm": [{"name": arm["name"], "type": {"text": arm["kind"]}} for arm in shown["arms"]],
        }
    )


def operation_outcome(issues: Sequence[Resource]) -> Resource:
    """What was found, at least one issue."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def issue(severity: str, kind: str, code: str, sentence: str, expression: str = "") -> Resource:
    """One issue: its kind of FHIR's value set issue-type, our own code, a sentence for people, and where it is."""
    return without_empty(
        {
            "severity": severity,
            "code": kind,
            "details": {"coding": [{"code": code}], "text": sentence},
            "diagnostics": code,
            "expression": [expression] if expression else [],
        }
    )


def search_set(entries: Iterable[Resource], base: str, links: Mapping[str, str | None]) -> Resource:
    """One page of a search."""
    return without_empty(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "link": [{"relation": relation, "url": url} for relation, url in links.items() if url],
            "entry": [
                {
                    "fullUrl": f"{base}/{each['resourceType']}/{each['id']}",
                    "resource": each,
                    "search": {"mode": "match"},
                }
                for each in entries
            ],
        }
    )


def batch_response(entries: Iterable[Resource], *, is_transaction: bool) -> Resource:
    """The answer to a Bundle: one response for each of its entries, in their order."""
    kind = "transaction-response" if is_transaction else "batch-response"
    return without_empty(
        {"resourceType": "Bundle", "type": kind, "entry": [{"response": without_empty(each)} for each in entries]}
    )
