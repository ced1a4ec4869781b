"""An Observation of FHIR R4 read into a row: what it measured, its value as it stands there, and how sure it is."""

from collections.abc import Mapping

from msgspec import Struct

from measurements.fhir.elements import (
    Element,
    codings_in,
    extension_in,
    object_in,
    objects_in,
    own_identifier_in,
    refuse,
    text_in,
)
from measurements.fhir.systems import (
    ABSENT_REASON,
    ABSENT_REASON_EXTENSION,
    INTERPRETATION,
    LOINC,
    OFF_SCALE,
    UCUM,
    Systems,
    is_same_system,
)
from measurements.validation.sent import RowAsSent
from measurements.validation.texts import shown

Loinc = Mapping[str, str]
"""Codes of LOINC that were confirmed for a biomarker of the trial, to the biomarker's code."""

STATUSES = {
    "final": "final",
    "preliminary": "preliminary",
    "amended": "corrected",
    "corrected": "corrected",
    "cancelled": "not_done",
}
_NO_RESULT_YET = {
    "registered": "No value is there yet. Send it when it is preliminary or final.",
    "unknown": "Send final if the value stands, or preliminary.",
    "entered-in-error": "Nothing is deleted here. Send cancelled with the reason in dataAbsentReason, or amended with"
    " the right value and a note.",
}
COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_NOT_DONE = frozenset({"not-performed", "not-permitted", "not-asked", "asked-declined", "not-applicable"})
_MARKS = {
    "unknown": "---",
    "asked-unknown": "---",
    "temp-unknown": "---",
    "error": "---",
    "not-a-number": "***",
    "negative-infinity": "OOR <",
    "positive-infinity": "OOR >",
}
"""Reasons for an absent value, to what a plate reader prints for the same."""

_READ = frozenset(
    {
        "resourceType",
        "status",
        "code",
        "subject",
        "encounter",
        "effectiveDateTime",
        "effectiveInstant",
        "valueQuantity",
        "valueString",
        "valueInteger",
        "dataAbsentReason",
        "interpretation",
        "note",
        "method",
        "specimen",
        "extension",
    }
)
_LEFT_OUT = frozenset(
    {
        "id",
        "meta",
        "language",
        "text",
        "identifier",
        "basedOn",
        "partOf",
        "category",
        "issued",
        "performer",
        "bodySite",
        "device",
        "referenceRange",
        "hasMember",
        "derivedFrom",
    }
)
"""Elements of R4 that say nothing about the value; they are not kept."""
_OTHER_VALUES = (
    "valueCodeableConcept",
    "valueBoolean",
    "valueRange",
    "valueRatio",
    "valueSampledData",
    "valueTime",
    "valueDateTime",
    "valuePeriod",
)
_NOT_TAKEN = {
    "component": "Send each component as an Observation of its own.",
    "contained": "Send it as an entry of its own.",
    "modifierExtension": "It could change what the value means. Leave it out.",
    "implicitRules": "It could change what the value means. Leave it out.",
    "focus": "Results are read of the participant alone. Leave it out if that is meant.",
    "effectivePeriod": "Send effectiveDateTime, the moment of collection.",
    "effectiveTiming": "Send effectiveDateTime, the moment of collection.",
    **dict.fromkeys(_OTHER_VALUES, "Send valueQuantity."),
}


class Value(Struct, frozen=True):
    """The value of an Observation as a plate reader would have written it; `absent` is why there is none."""

    text: str | None
    unit: str | None = None
    absent: str | None = None
    is_not_done: bool = False


def require_readable(resource: Element, not_taken: Mapping[str, str] = _NOT_TAKEN) -> None:
    """Refuse a resource with elements that would be lost although they matter."""
    for name, fix in not_taken.items():
        if resource.get(name) is not None:
            refuse("element_not_read", "not-supported", f'"{name}" is not read here. {fix}', name)


class Place(Struct, frozen=True):
    """What other entries of the Bundle say of an Observation: its specimen, and the run that it belongs to."""

    specimen: str | None
    collected_at: str | None
    run: str | None
    performed_on: str | None


def row_of(observation: Element, place: Place, systems: Systems, loinc: Loinc) -> RowAsSent:
    """The row of an Observation. Raises `EntryRefusedError`."""
    require_readable(observation)
    status = _status(observation)
    value = _value(observation, systems)
    if value.is_not_done:
        status = "not_done"
    if status == "not_done" and value.text is not None:
        sentence = "A cancelled Observation holds a value. Leave the value out, or send the status that it has."
        refuse("value_contradicts", "invariant", sentence, "value")
    return RowAsSent(
        specimen=place.specimen,
        participant=own_identifier_in(object_in(observation, "subject"), systems.identifier("participant"), "subject"),
        visit=own_identifier_in(object_in(observation, "encounter"), systems.identifier("visit"), "encounter"),
        biomarker=_biomarker(observation, systems, loinc),
        value=value.text,
        unit=value.unit,
        assay=_assay(observation, systems),
        replicate=extension_in(observation, systems.extension("replicate"), "valuePositiveInt"),
        corrects=extension_in(observation, systems.extension("corrects"), "valueString"),
        collected_at=_collected_at(observation) or place.collected_at,
        status=status,
        reason=_reason(observation, status, value),
        run=place.run,
        performed_on=place.performed_on,
        unknown=tuple(name for name in observation if name.lstrip("_") not in _READ | _LEFT_OUT),
    )


def _status(observation: Element) -> str:
    sent = text_in(observation, "status")
    if sent is None:
        sentence = "The Observation has no status. Send final, preliminary or amended."
        refuse("status_missing", "required", sentence, "status")
    if sent in _NO_RESULT_YET:
        sentence = f'An Observation with status "{sent}" is not taken. {_NO_RESULT_YET[sent]}'
        refuse("status_not_taken", "not-supported", sentence, "status")
    if sent not in STATUSES:
        sentence = f'"{shown(sent)}" is not a status of an Observation. Send final, preliminary, amended or cancelled.'
        refuse("status_unknown", "code-invalid", sentence, "status")
    return STATUSES[sent]


def _biomarker(observation: Element, systems: Systems, loinc: Loinc) -> str | None:
    """The trial's own code, or the one that LOINC stands for, or whatever else names it, for the checker to say so."""
    concept = object_in(observation, "code")
    codings = list(codings_in(concept, "code"))
    own = {code for system, code in codings if is_same_system(system, systems.codes("biomarker"))}
    known = {loinc[code] for system, code in codings if system == LOINC and code in loinc}
    if len(own | known) > 1:
        named = " and ".join(sorted(shown(code) for code in own | known))
        refuse("code_contradicts", "code-invalid", f'"code" names {named}. Send the codings of one biomarker.', "code")
    found = own | known
    if found:
        return found.pop()
    unlabelled = [code for system, code in codings if system is None]
    text = text_in(concept, "text", "code") if concept else None
    return next(iter(unlabelled), None) or text or next((code for _, code in codings), None)


def _assay(observation: Element, systems: Systems) -> str | None:
    method = object_in(observation, "method")
    codings = list(codings_in(method, "method"))
    own = [code for system, code in codings if is_same_system(system, systems.codes("assay"))]
    text = text_in(method, "text", "method") if method else None
    return next(iter(own), None) or text or next((code for _, code in codings), None)


def _collected_at(observation: Element) -> str | None:
    return text_in(observation, "effectiveDateTime") or text_in(observation, "effectiveInstant")


def _reason(observation: Element, status: str, value: Value) -> str | None:
    """Why a value was corrected or not measured. Any other note is not kept: it could hold anything."""
    if status not in {"corrected", "not_done"}:
        return None
    notes = [text_in(note, "text", "note") for note in objects_in(observation, "note")]
    return value.absent or next((note for note in notes if note), None)


def _value(observation: Element, systems: Systems) -> Value:
    sent = [name for name in ("valueQuantity", "valueString", "valueInteger") if observation.get(name) is not None]
    if len(sent) > 1:
        refuse("value_twice", "structure", f"There are {' and '.join(sent)}. Send one value.", "value")
    absent = object_in(observation, "dataAbsentReason")
    if absent is not None and sent:
        sentence = "There are a value and a dataAbsentReason. Send the one that is right."
        refuse("value_contradicts", "invariant", sentence, "dataAbsentReason")
    if absent is not None:
        return _absent(absent)
    scale = _off_scale(observation)
    if sent == ["valueQuantity"]:
        is_extrapolated = _is_extrapolated(observation, systems)
        return _quantity(object_in(observation, "valueQuantity") or {}, scale, is_extrapolated)
    if sent:
        return Value(text_in(observation, sent[0]))
    return Value(f"OOR {scale}" if scale else None)


def _quantity(quantity: Element, scale: str, is_extrapolated: bool) -> Value:
    unit = _unit(quantity)
    number = text_in(quantity, "value", "value")
    if number is None:
        mark = _MARKS.get(_why_no_number(quantity) or "")
        return Value(mark or (f"OOR {scale}" if scale else None), unit)
    comparator = text_in(quantity, "comparator", "value") or ""
    if comparator and comparator not in COMPARATORS:
        sentence = f'"{shown(comparator)}" is not a comparator of FHIR R4. Send < or >.'
        refuse("comparator_unknown", "code-invalid", sentence, "value.comparator")
    if (scale and comparator and comparator[0] != scale) or (is_extrapolated and (scale or comparator)):
        sentence = "Comparator and interpretation contradict each other. Send the one that is right."
        refuse("value_contradicts", "invariant", sentence, "interpretation")
    return Value(f"{'*' if is_extrapolated else comparator or scale}{number}", unit)


def _unit(quantity: Element) -> str | None:
    """The code, where it is one of UCUM; else the unit as it is shown to people."""
    code = text_in(quantity, "code", "value")
    return code if code and text_in(quantity, "system", "value") == UCUM else text_in(quantity, "unit", "value")


def _why_no_number(quantity: Element) -> str | None:
    extensions = objects_in(object_in(quantity, "_value", "value") or {}, "extension", "value.value")
    codes = (text_in(each, "valueCode", "value") for each in extensions if each.get("url") == ABSENT_REASON_EXTENSION)
    return next(codes, None)


def _off_scale(observation: Element) -> str:
    """`<` or `>`, where an interpretation says that the assay could not tell how far; empty otherwise."""
    concepts = objects_in(observation, "interpretation")
    codings = [coding for concept in concepts for coding in codings_in(concept, "interpretation")]
    scales = {code for system, code in codings if system == INTERPRETATION and code in OFF_SCALE}
    if len(scales) > 1:
        sentence = "The interpretation says off scale low and off scale high. Send the one that is right."
        refuse("value_contradicts", "invariant", sentence, "interpretation")
    return scales.pop() if scales else ""


def _is_extrapolated(observation: Element, systems: Systems) -> bool:
    flags = systems.codes("flag")
    return any(
        code == "extrapolated" and is_same_system(system, flags)
        for concept in objects_in(observation, "interpretation")
        for system, code in codings_in(concept, "interpretation")
    )


def _absent(reason: Element) -> Value:
    text = text_in(reason, "text", "dataAbsentReason")
    codes = [code for system, code in codings_in(reason, "dataAbsentReason") if system in {ABSENT_REASON, None}]
    code = codes[0] if codes else ""
    if code in _NOT_DONE:
        return Value(None, absent=text, is_not_done=True)
    if code not in _MARKS:
        named = f'"{shown(code)}"' if code else "A reason without a code of data-absent-reason"
        sentence = f"{named} is not read as a dataAbsentReason. Send not-performed with the reason as text, or error."
        refuse("absent_reason_not_read", "code-invalid", sentence, "dataAbsentReason")
    return Value(_MARKS[code], absent=text)
