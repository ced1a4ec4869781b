"""A Bundle of FHIR R4 read into rows, receipts of specimens and, for what cannot be read, sentences at their entries.

Entries refer to one another by `fullUrl`, by type and id, or by identifier; DiagnosticReports give their Observations a
run. Nothing is decided here about whether a row is right: that is for the one checker.
"""

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from msgspec import Struct

from measurements.fhir.elements import (
    Element,
    EntryRefusedError,
    codings_in,
    extension_in,
    identifier_in,
    object_in,
    objects_in,
    refuse,
    text_in,
)
from measurements.fhir.observing import Loinc, Place, require_readable, row_of
from measurements.fhir.systems import Systems, is_same_system
from measurements.validation.decode import MOST_ROWS, read_json, refuse_payload, require_shallow
from measurements.validation.sent import RowAsSent
from measurements.validation.texts import shown

SpecimenIds = Callable[[Collection[int]], Mapping[int, str]]
"""Finds, by the number in `Specimen/12`, the ids of those specimens that the sender may send results of."""

TYPES = ("Specimen", "Observation", "DiagnosticReport")
MOST_SPECIMENS = 1000
"""Each is received by itself, unlike results, which are written together."""
_NOT_SPECIMEN = {"contained": "Send it as an entry of its own.", "modifierExtension": "Leave it out."}
_NOT_SPECIMEN |= {"implicitRules": "Leave it out."}
_HL7_CONDITIONS = {"HEM": "haemolysed", "CLOT": "clotted"}
_CONDITIONS = ("ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince")
_BY_IDENTIFIER = re.compile(r"Specimen\?identifier=(?:[^|]*\|)?([^|&]+)")
_BY_NUMBER = re.compile(r"(?P<base>.*?)/?Specimen/(?P<number>[0-9]{1,18})(?:/_history/[0-9]+)?", re.ASCII)


class EntryProblem(Struct, frozen=True):
    """Why an entry could not be read; `at` is the element, from the resource down, empty for the entry itself."""

    code: str
    issue: str
    sentence: str
    at: str


class SpecimenAsSent(Struct, frozen=True):
    """A specimen that a laboratory speaks of, with what it says of its arrival."""

    identifier: str
    received_at: str | None = None
    condition: str | None = None
    collected_at: str | None = None


class Run(Struct, frozen=True):
    """What a DiagnosticReport says of its Observations, which are named by the numbers of their entries."""

    id: str
    performed_on: str | None
    members: tuple[int, ...]


class Entry(Struct, frozen=True):
    """One entry; `number` counts from 1. Exactly one of the last four is there."""

    number: int
    kind: str
    problem: EntryProblem | None = None
    row: RowAsSent | None = None
    specimen: SpecimenAsSent | None = None
    run: Run | None = None


class BundleAsSent(Struct, frozen=True):
    """A Bundle, read."""

    is_transaction: bool
    entries: tuple[Entry, ...]


def read_bundle(body: bytes, *, systems: Systems, loinc: Loinc, specimen_ids: SpecimenIds) -> BundleAsSent:
    """The entries of a body that holds a Bundle of type batch or transaction.

    Raises `PayloadRefused` (400, 413 or 422) for a body that holds none.
    """
    document = read_json(body)
    if not isinstance(document, dict) or document.get("resourceType") != "Bundle":
        sentence = "The body is no FHIR Bundle. Send a resource of that type. Nothing was saved."
        refuse_payload(422, "not_a_bundle", sentence)
    if document.get("type") not in ("batch", "transaction"):
        named = document.get("type")
        sentence = f'The type of the Bundle is "{shown(named)}"' if isinstance(named, str) else "The Bundle has no type"
        refuse_payload(422, "bundle_type_unknown", f"{sentence}. Send batch or transaction. Nothing was saved.")
    if document.get("implicitRules") is not None:
        refuse_payload(422, "element_not_read", '"implicitRules" is not read here. Leave it out. Nothing was saved.')
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        refuse_payload(422, "element_unreadable", '"entry" of the Bundle is no list. Send one. Nothing was saved.')
    if len(entries) > MOST_ROWS:
        sentence = f"There are more than {MOST_ROWS} entries. Send them in parts. Nothing was saved."
        refuse_payload(413, "too_many_rows", sentence)
    if sum(_is_specimen(entry) for entry in entries) > MOST_SPECIMENS:
        sentence = f"There are more than {MOST_SPECIMENS} Specimens. Send them in parts. Nothing was saved."
        refuse_payload(413, "too_many_specimens", sentence)
    require_shallow(document)
    return _Bundle(entries, systems, loinc, specimen_ids).read(document["type"] == "transaction")


def _is_specimen(entry: Any) -> bool:
    resource = entry.get("resource") if isinstance(entry, dict) else None
    return isinstance(resource, dict) and resource.get("resourceType") == "Specimen"


class _Bundle:
    """The state of one reading: first specimens and runs, then the Observations that refer to them."""

    def __init__(self, entries: list[Any], systems: Systems, loinc: Loinc, specimen_ids: SpecimenIds) -> None:
        self._systems = systems
        self._loinc = loinc
        self._specimen_ids = specimen_ids
        self._resources: dict[int, Element] = {}
        self._read: dict[int, Entry] = {}
        self._places: dict[str, int] = {}
        self._runs: dict[int, Run | None] = {}
        for number, entry in enumerate(entries, 1):
            self._attempt(number, "", partial(self._open, number, entry))

    def read(self, is_transaction: bool) -> BundleAsSent:
        self._each("Specimen", self._specimen)
        self._each("DiagnosticReport", self._report)
        self._numbered = self._specimen_ids(self._asked_numbers())
        self._each("Observation", self._observation)
        return BundleAsSent(is_transaction, tuple(self._read[number] for number in sorted(self._read)))

    def _each(self, kind: str, step: Callable[[int, Element], Entry]) -> None:
        for number, resource in self._resources.items():
            if resource["resourceType"] == kind:
                self._attempt(number, kind, partial(step, number, resource))

    def _attempt(self, number: int, kind: str, step: Callable[[], Entry | None]) -> None:
        try:
            read = step()
        except EntryRefusedError as refused:
            read = Entry(number, kind, EntryProblem(refused.code, refused.issue, refused.sentence, refused.at))
        if read is not None:
            self._read[number] = read

    def _open(self, number: int, entry: Any) -> None:
        """Keep the resource of an entry, with the addresses under which others may refer to it."""
        if not isinstance(entry, dict):
            refuse("entry_unreadable", "structure", "The entry is no object. Send one with a request and a resource.")
        resource = object_in(entry, "resource")
        if resource is None:
            refuse("resource_missing", "required", "The entry holds no resource. Send one.")
        kind = text_in(resource, "resourceType") or ""
        if kind not in TYPES:
            sentence = f'A resource of type "{shown(kind)}" is not taken. Send one of: {", ".join(TYPES)}.'
            if kind in {"Patient", "RelatedPerson", "Person", "Practitioner"}:
                sentence = f"A {kind} is not taken: no names are kept here. Leave the entry out."
            refuse("resource_not_taken", "not-supported", sentence)
        _require_post(object_in(entry, "request"), kind)
        for address in (text_in(entry, "fullUrl"), _relative(resource)):
            if address and self._places.setdefault(address, number) != number:
                refuse("entry_twice", "duplicate", f'"{shown(address)}" stands for two entries. Give each its own.')
        self._resources[number] = resource

    def _specimen(self, number: int, specimen: Element) -> Entry:
        require_readable(specimen, _NOT_SPECIMEN)
        if text_in(specimen, "status") == "entered-in-error":
            sentence = "A specimen is not deleted here. Tell the trial's site."
            refuse("status_not_taken", "not-supported", sentence, "status")
        own = self._systems.identifier("specimen")
        identifier = identifier_in(objects_in(specimen, "identifier"), own, "identifier")
        if not identifier and (accession := object_in(specimen, "accessionIdentifier")):
            identifier = text_in(accession, "value", "accessionIdentifier")
        if not identifier:
            sentence = "The Specimen has no identifier. Send the id on the tube as identifier.value."
            refuse("identifier_missing", "required", sentence, "identifier")
        collection = object_in(specimen, "collection") or {}
        return Entry(
            number,
            "Specimen",
            specimen=SpecimenAsSent(
                identifier,
                text_in(specimen, "receivedTime"),
                _condition(specimen),
                text_in(collection, "collectedDateTime", "collection"),
            ),
        )

    def _report(self, number: int, report: Element) -> Entry:
        references = [text_in(each, "reference", "result") or "" for each in objects_in(report, "result")]
        members = tuple(dict.fromkeys(self._places[each] for each in references if each in self._places))
        claimed = [member for member in members if member in self._runs]
        # Till the report is found good its Observations have no run, so that none of them is saved without one.
        self._runs |= dict.fromkeys(members)
        require_readable(report, _NOT_SPECIMEN)
        if (status := text_in(report, "status")) in {"cancelled", "entered-in-error"}:
            sentence = f"A DiagnosticReport with status {status} is not taken. Send its Observations as cancelled."
            refuse("status_not_taken", "not-supported", sentence, "status")
        run_id = identifier_in(objects_in(report, "identifier"), self._systems.identifier("run"), "identifier")
        if not run_id:
            sentence = "The DiagnosticReport has no identifier, which is the id of the run. Send one."
            refuse("identifier_missing", "required", sentence, "identifier")
        self._require_observations(references)
        if claimed:
            sentence = f"Entry {claimed[0]} is in two reports. Name it in one."
            refuse("reference_twice", "business-rule", sentence, "result")
        run = Run(run_id, self._performed_on(report), members)
        self._runs |= dict.fromkeys(members, run)
        return Entry(number, "DiagnosticReport", run=run)

    def _require_observations(self, references: list[str]) -> None:
        if not references:
            sentence = "The DiagnosticReport names no result. Refer to its Observations."
            refuse("reference_missing", "required", sentence, "result")
        for index, reference in enumerate(references):
            resource = self._resources.get(self._places.get(reference, 0), {})
            if resource.get("resourceType") != "Observation":
                sentence = f'"{shown(reference)}" is no Observation of this Bundle. Send it along, or leave it out.'
                refuse("reference_unknown", "not-found", sentence, f"result[{index}]")

    def _performed_on(self, resource: Element) -> str | None:
        """The day of the run: our own extension, else the day a report was issued, else its effective day."""
        day = extension_in(resource, self._systems.extension("performed-on"), "valueDate")
        moment = day or text_in(resource, "issued") or text_in(resource, "effectiveDateTime")
        return moment.partition("T")[0] if moment else None

    def _observation(self, number: int, observation: Element) -> Entry:
        specimen, collected_at = self._specimen_of(observation)
        run, performed_on = self._run_of(number, observation)
        place = Place(specimen, collected_at, run, performed_on)
        return Entry(number, "Observation", row=row_of(observation, place, self._systems, self._loinc))

    def _run_of(self, number: int, observation: Element) -> tuple[str | None, str | None]:
        own = extension_in(observation, self._systems.extension("run"), "valueString")
        day = extension_in(observation, self._systems.extension("performed-on"), "valueDate")
        if number not in self._runs:
            return own, day
        run = self._runs[number]
        if run is None:
            sentence = "The DiagnosticReport that names this Observation could not be read. Mend that entry first."
            refuse("report_not_taken", "business-rule", sentence)
        if own not in {None, run.id}:
            named = f'"{shown(run.id)}" and the Observation "{shown(own or "")}"'
            sentence = f"The report says run {named}. Send one of them."
            refuse("run_contradicts", "business-rule", sentence, "extension")
        return run.id, day or run.performed_on

    def _specimen_of(self, observation: Element) -> tuple[str | None, str | None]:
        """Id and moment of collection of the specimen that an Observation refers to; two Nones where there is none."""
        sent = object_in(observation, "specimen")
        if sent is None:
            return None, None
        reference = text_in(sent, "reference", "specimen")
        if reference is None:
            identifier = object_in(sent, "identifier", "specimen")
            return (text_in(identifier, "value", "specimen.identifier") if identifier else None), None
        if reference in self._places:
            return self._in_bundle(self._places[reference])
        if by_identifier := _BY_IDENTIFIER.fullmatch(reference):
            return by_identifier[1], None
        number = self._number(reference)
        if number is None:
            sentence = f'"{shown(reference)}" is no Specimen of this Bundle or of this trial. Send specimen.identifier.'
            refuse("reference_unknown", "not-found", sentence, "specimen")
        return self._numbered.get(number, reference), None

    def _in_bundle(self, number: int) -> tuple[str, str | None]:
        entry = self._read.get(number)
        if entry is None or entry.specimen is None:
            sentence = f"The Specimen in entry {number} could not be taken. Mend that entry first."
            refuse("reference_unknown", "not-found", sentence, "specimen")
        return entry.specimen.identifier, entry.specimen.collected_at

    def _number(self, reference: str) -> int | None:
        """The number in a reference to a specimen of this server, None for any other."""
        match = _BY_NUMBER.fullmatch(reference)
        if match is None or (match["base"] and not is_same_system(match["base"], self._systems.base)):
            return None
        return int(match["number"])

    def _asked_numbers(self) -> set[int]:
        references = (resource.get("specimen") for resource in self._resources.values())
        texts = (held.get("reference") for held in references if isinstance(held, dict))
        numbers = (self._number(text) for text in texts if isinstance(text, str) and text not in self._places)
        return {number for number in numbers if number is not None}


def _require_post(request: Element | None, kind: str) -> None:
    method = text_in(request, "method", "request") if request else None
    if request is None or method is None:
        refuse("request_missing", "required", f'The entry has no request. Send {{"method": "POST", "url": "{kind}"}}.')
    for name in _CONDITIONS:
        if request.get(name) is not None:
            sentence = f'"{name}" is not needed: what is recorded already changes nothing. Leave it out.'
            refuse("condition_not_supported", "not-supported", sentence)
    url = text_in(request, "url", "request") or ""
    if method != "POST" or url.strip("/") != kind:
        sentence = f'"{shown(method)} {shown(url)}" is not offered in a Bundle. Send POST {kind}.'
        refuse("request_not_supported", "not-supported", sentence)


def _relative(resource: Element) -> str | None:
    own = text_in(resource, "id")
    return f"{resource['resourceType']}/{own}" if own else None


def _condition(specimen: Element) -> str | None:
    """The condition of a specimen at its arrival: what stands as text, or the first code."""
    for concept in objects_in(specimen, "condition"):
        codes = (code for _, code in codings_in(concept, "condition"))
        if text := text_in(concept, "text", "condition") or next(codes, None):
            return _HL7_CONDITIONS.get(text, text.strip().casefold().replace(" ", "_"))
    return None
