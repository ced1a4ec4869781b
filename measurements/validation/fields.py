"""The check of a text that was found in no table: is it one that could be kept at all?"""

from measurements.validation.findings import Note, NotedError
from measurements.validation.texts import LONGEST, first_refused_character, has_only_kept_characters, tidied

_LOST = ("\ufffd", "Âµ", "Î¼")  # the replacement character, and micro signs of UTF-8 read as Latin-1


def cleaned(text: str, field: str) -> str:
    """`text` tidied (NFC, no spaces around it).

    Raises `NotedError`: `field_too_long`, `encoding` or `character_refused`.
    """
    longest = LONGEST[field]
    tidy = tidied(text, field) if len(text) <= 4 * longest else text
    if len(tidy) > longest:
        raise NotedError(Note("field_too_long", field, text, details={"length": len(tidy), "longest": longest}))
    if any(lost in tidy for lost in _LOST):
        raise NotedError(Note("encoding", field, text))
    if not has_only_kept_characters(tidy, field):
        details = {"character": first_refused_character(tidy, field)}
        raise NotedError(Note("character_refused", field, text, details=details))
    return tidy


def given(text: str | None, field: str) -> str | None:
    """`text` cleaned; None where it was not sent or is blank."""
    return (cleaned(text, field) or None) if text else None
