"""The elements of a resource, taken out with a look at their shape: whatever has another one is refused in words."""

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from measurements.fhir.systems import is_same_system
from measurements.validation.texts import shown

Element = Mapping[str, Any]


class EntryRefusedError(ValueError):
    """An entry cannot be read as what it says it is.

    `issue` is of FHIR's value set issue-type; `at` is the element, from the resource down.
    """

    def __init__(self, code: str, issue: str, sentence: str, at: str = "") -> None:
        super().__init__(sentence)
        self.code = code
        self.issue = issue
        self.sentence = sentence
        self.at = at


def refuse(code: str, issue: str, sentence: str, at: str = "") -> NoReturn:
    """Refuse the entry."""
    raise EntryRefusedError(code, issue, sentence, at)


def object_in(element: Element, name: str, at: str = "") -> Element | None:
    """The object that `element` has under `name`, None where it has none."""
    value = element.get(name)
    if value is not None and not isinstance(value, dict):
        _refuse_shape(name, "an object", at)
    return value


def objects_in(element: Element, name: str, at: str = "") -> list[Element]:
    """The list of objects under `name`."""
    value = element.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        _refuse_shape(name, "a list of objects", at)
    return value


def text_in(element: Element, name: str, at: str = "") -> str | None:
    """The text, number or date under `name`; numbers have the digits that they were sent with."""
    value = element.get(name)
    if value is not None and not isinstance(value, str):
        _refuse_shape(name, "one text or number", at)
    return value


def _refuse_shape(name: str, shape: str, at: str) -> NoReturn:
    sentence = f'"{name}" is not {shape}, as FHIR R4 has it. Send it so.'
    refuse("element_unreadable", "structure", sentence, f"{at}.{name}" if at else name)


def codings_in(concept: Element | None, at: str) -> Iterator[tuple[str | None, str]]:
    """System and code of each coding of a CodeableConcept that has a code."""
    for coding in objects_in(concept or {}, "coding", at):
        code = text_in(coding, "code", f"{at}.coding")
        if code:
            yield text_in(coding, "system", f"{at}.coding"), code


def extension_in(resource: Element, address: str, value: str) -> str | None:
    """What our extension at `address` holds under `value`, such as `valueString`; other extensions are not read."""
    held = [each for each in objects_in(resource, "extension") if is_same_system(_address(each), address)]
    if len(held) > 1:
        refuse("element_twice", "structure", f"The extension {shown(address)} stands twice. Send it once.", "extension")
    return text_in(held[0], value, "extension") if held else None


def _address(extension: Element) -> str | None:
    return text_in(extension, "url", "extension")


def identifier_in(identifiers: list[Element], system: str, at: str) -> str | None:
    """The one id that is meant: that of our own system, or the only one there is."""
    own = [each for each in identifiers if is_same_system(text_in(each, "system", at), system)]
    meant = own or identifiers
    if len(meant) > 1:
        sentence = f"There are {len(meant)} identifiers. Send one, or mark the trial's own with the system {system}."
        refuse("identifier_ambiguous", "multiple-matches", sentence, at)
    return text_in(meant[0], "value", at) if meant else None


def own_identifier_in(reference: Element | None, system: str, at: str) -> str | None:
    """The id of a logical reference, if it is of our own system. Any other is a hospital's, and is not looked at."""
    identifier = object_in(reference or {}, "identifier", at)
    if identifier is None or not is_same_system(text_in(identifier, "system", at), system):
        return None
    return text_in(identifier, "value", at)
