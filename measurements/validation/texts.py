"""Texts from outside: how long they may be, which characters they may hold, and how they are shown in a message."""

import unicodedata

LONGEST = {
    "specimen": 64,
    "participant": 64,
    "visit": 64,
    "biomarker": 64,
    "assay": 64,
    "value": 64,
    "unit": 40,
    "replicate": 8,
    "collected_at": 40,
    "performed_on": 40,
    "status": 16,
    "reason": 500,
    "corrects": 64,
    "run": 64,
    # Of sessions
    "occurred_at": 40,
    "minutes": 40,
    "attended": 8,
    "external_id": 100,
    "number": 8,
    "kind": 16,
    "therapist": 64,
    "completion": 40,
    "software": 100,
    "software_version": 40,
}
"""Characters that each field may have."""

SHOWN = 60
_BEYOND_ASCII = frozenset({"biomarker", "unit", "reason", "software"})  # TNF-α, µg/L, and what people write


def has_only_kept_characters(text: str, field: str) -> bool:
    """Whether `text` is printable (no control, bidirectional, zero-width, surrogate character) and, for ids, ASCII."""
    return text.isprintable() and (text.isascii() or field in _BEYOND_ASCII)


def tidied(text: str, field: str) -> str:
    """NFC and without spaces around it; in a reason, every run of white space becomes one space."""
    text = unicodedata.normalize("NFC", text)
    return " ".join(text.split()) if field == "reason" else text.strip()


def first_refused_character(text: str, field: str) -> str:
    """The first character that `field` may not hold, by name and code point; `text` has one."""
    refused = next(character for character in text if not has_only_kept_characters(character, field))
    name = unicodedata.name(refused, "a control character")
    return f"{name} (U+{ord(refused):04X})"


def shown(text: str) -> str:
    """`text` as a message may hold it: at most 60 characters, and those that do not print as their code points."""
    short = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    if short.isprintable():
        return short
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in short)
