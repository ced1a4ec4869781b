"""The WHO Trial Registration Data Set, version 1.3.1: its 24 items, made from the protocol document.

Source: WHO, International Standards for Clinical Trial Registries, version 3.0 (2018), annex 1. Names and order of the
items are the standard's own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from trials.registry.countries import COUNTRIES
from trials.registry.document import Document
from trials.registry.wording import age_range, intervention_text, intervention_title, plain

DATA_SET = "WHO Trial Registration Data Set"
VERSION = "1.3.1"


class State(StrEnum):
    """Whether an item is answered: `none` says that there is nothing to give, `not_due` that it comes later."""

    FILLED = "filled"
    NONE = "none"
    NOT_DUE = "not_due"
    MISSING = "missing"


@dataclass(frozen=True)
class Progress:
    """What of a registry's record is not design but the trial's present state. Recruitment is not blinded."""

    status: str
    enrolled: int
    first_enrolled_on: date | None
    today: date


@dataclass(frozen=True)
class Item:
    """One of the 24 items: its number and name, the value as JSON, and the field that it is entered in."""

    number: int
    name: str
    value: Any
    field: str
    state: State


NAMES = (
    "Primary Registry and Trial Identifying Number",
    "Date of Registration in Primary Registry",
    "Secondary Identifying Numbers",
    "Source(s) of Monetary or Material Support",
    "Primary Sponsor",
    "Secondary Sponsor(s)",
    "Contact for Public Queries",
    "Contact for Scientific Queries",
    "Public Title",
    "Scientific Title",
    "Countries of Recruitment",
    "Health Condition(s) or Problem(s) Studied",
    "Intervention(s)",
    "Key Inclusion and Exclusion Criteria",
    "Study Type",
    "Date of First Enrolment",
    "Sample Size",
    "Recruitment Status",
    "Primary Outcome(s)",
    "Key Secondary Outcomes",
    "Ethics Review",
    "Completion Date",
    "Summary Results",
    "IPD Sharing Statement",
)
FIELDS = (
    "primary_registry",
    "registered_on",
    "secondary_ids",
    "sources_of_support",
    "primary_sponsor",
    "secondary_sponsors",
    "public_contact",
    "scientific_contact",
    "public_title",
    "title",
    "countries",
    "conditions",
    "interventions",
    "criteria",
    "purpose",
    "recruitment_starts",
    "planned_participants",
    "status",
    "primary_outcomes",
    "secondary_outcomes",
    "ethics_reviews",
    "completion_on",
    "results_link",
    "sharing",
)
MAY_BE_NONE = ("secondary_ids", "secondary_sponsors", "secondary_outcomes")
RECRUITMENT_STATUS = {
    "draft": "Pending",
    "registered": "Pending",
    "recruiting": "Recruiting",
    "follow_up": "Complete: follow up continuing",
    "locked": "Complete: follow up complete",
    "unblinded": "Complete: follow up complete",
    "archived": "Complete: follow up complete",
}


def who_items(document: Mapping[str, Any], progress: Progress) -> tuple[Item, ...]:
    """Return the 24 items in order, each with its value and whether it is answered."""
    registration = document["registration"]
    values = (
        *_administration(document, registration),
        *_study(document, registration),
        *_course(document, progress),
        *_promises(document, registration),
    )
    none_of = set(registration["none_of"])
    return tuple(
        Item(number, name, value, field, _state(field, value, none_of, document, progress))
        for number, (name, field, value) in enumerate(zip(NAMES, FIELDS, values, strict=True), start=1)
    )


def who_document(items: Iterable[Item]) -> Document:
    """Return the data set as JSON."""
    return {
        "data_set": DATA_SET,
        "version": VERSION,
        "items": [
            {"number": item.number, "name": item.name, "state": item.state, "value": item.value} for item in items
        ],
    }


def lines_of(value: Any) -> list[str]:
    """Return an item's value as lines of text, for tables and pages."""
    if isinstance(value, Mapping):
        return [
            f"{_word(key)}: {'; '.join(lines_of(each))}" for key, each in value.items() if each not in ("", None, [])
        ]
    if isinstance(value, list | tuple):
        return [". ".join(lines_of(each)) if isinstance(each, Mapping) else str(each) for each in value]
    return [] if value in ("", None) else [str(value)]


def _word(key: str) -> str:
    return "ID" if key == "id" else plain(key).capitalize()


def _administration(document: Mapping[str, Any], registration: Mapping[str, Any]) -> tuple[Any, ...]:
    """Items 1 to 9."""
    identity = {"registry": registration["primary_registry"], "number": document["trial"]["registry_id"]}
    return (
        identity if all(identity.values()) else {},
        registration["registered_on"],
        [_in_order(each, ("id", "issuer")) for each in registration["secondary_ids"]],
        registration["sources_of_support"],
        registration["primary_sponsor"],
        registration["secondary_sponsors"],
        _contact(registration["public_contact"]),
        _contact(registration["scientific_contact"]),
        registration["public_title"],
    )


def _study(document: Mapping[str, Any], registration: Mapping[str, Any]) -> tuple[Any, ...]:
    """Items 10 to 15."""
    codes = {site["country"] for site in document["sites"]}
    return (
        document["trial"]["title"],
        sorted(COUNTRIES[code] for code in codes if code in COUNTRIES) if "" not in codes else [],
        registration["conditions"],
        [_intervention(arm) for arm in document["arms"]],
        _criteria(document["criteria"], registration),
        _study_type(registration),
    )


def _course(document: Mapping[str, Any], progress: Progress) -> tuple[Any, ...]:
    """Items 16 to 18."""
    planned, started = document["trial"]["recruitment_starts"], progress.first_enrolled_on
    return (
        {"date": str(started), "type": "actual"}
        if started
        else {"date": planned, "type": "anticipated"}
        if planned
        else {},
        {"planned": document["trial"]["planned_participants"], "enrolled": progress.enrolled},
        RECRUITMENT_STATUS[progress.status],
    )


def _promises(document: Mapping[str, Any], registration: Mapping[str, Any]) -> tuple[Any, ...]:
    """Items 19 to 24."""
    results = {"date": registration["results_on"], "link": registration["results_link"]}
    sharing = {"plan": registration["sharing"], "statement": registration["sharing_statement"]}
    return (
        [_outcome(each, document) for each in document["outcomes"] if each["rank"] == "primary"],
        [_outcome(each, document) for each in document["outcomes"] if each["rank"] == "secondary"],
        [_in_order(each, ("committee", "status", "date", "contact")) for each in registration["ethics_reviews"]],
        registration["completion_on"],
        results if any(results.values()) else {},
        sharing if registration["sharing"] else {},
    )


def _state(field: str, value: Any, none_of: set[str], document: Mapping[str, Any], progress: Progress) -> State:
    if field == "planned_participants":
        return State.FILLED if document["trial"]["planned_participants"] else State.MISSING
    if field == "interventions":
        return State.FILLED if any(arm.get("intervention") for arm in document["arms"]) else State.MISSING
    if field == "criteria":
        return State.FILLED if document["criteria"] else State.MISSING
    if value:
        return State.FILLED
    if field in none_of and field in MAY_BE_NONE:
        return State.NONE
    completion = document["registration"]["completion_on"]
    if field == "results_link" and not (completion and completion < str(progress.today)):
        return State.NOT_DUE
    return State.MISSING


def _contact(contact: Mapping[str, Any]) -> Mapping[str, Any]:
    """A contact counts once somebody can be reached."""
    is_there = contact.get("name") and (contact.get("email") or contact.get("phone"))
    return _in_order(contact, ("name", "role", "email", "phone", "affiliation")) if is_there else {}


def _in_order(fields: Mapping[str, Any], names: Iterable[str]) -> Document:
    """Return the fields as they are read; the database keeps no order of them."""
    return {name: fields[name] for name in names if fields.get(name)}


def _intervention(arm: Mapping[str, Any]) -> Document:
    given: Document = {"arm": arm["name"], "kind": plain(arm["kind"]), "name": intervention_title(arm)}
    return given | {"description": intervention_text(arm)}


def _criteria(criteria: Iterable[Mapping[str, Any]], registration: Mapping[str, Any]) -> Document:
    texts: dict[str, list[str]] = {"inclusion": [], "exclusion": []}
    for each in criteria:
        texts[each["kind"]].append(each["text"])
    return {**texts, "age": age_range(registration), "sex": registration["sex"]}


def _study_type(registration: Mapping[str, Any]) -> Document:
    if not registration["purpose"]:
        return {}
    masked = [plain(each) for each in registration["masked"]]
    return {
        "type": "interventional",
        "allocation": "randomized",
        "masking": masked or "none (open label)",
        "assignment": registration["assignment_model"],
        "purpose": plain(registration["purpose"]),
        "phase": "not applicable",
    }


def _outcome(outcome: Mapping[str, Any], document: Mapping[str, Any]) -> Document:
    names = {visit["code"]: visit["name"] for visit in document["visits"]}
    return {
        "name": outcome["title"],
        "metric": outcome["measure"],
        "method_of_aggregation": outcome["aggregation"],
        "time_point": outcome["time_frame"] or names.get(outcome["visit"], ""),
    }
