"""Study codes: what a participant is called in every table, file and laboratory.

A code ends with a check character after ISO/IEC 7064, MOD 37,36, over prefix and number: `PNI-081-N`. It finds every
mistyped character and all but 36 in 22,680 swaps of neighbours (the standard's own limit).
"""

import re
from collections.abc import Iterable, Iterator

PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")
CODE = re.compile(r"(?P<prefix>[A-Z][A-Z0-9]{0,11})-(?P<number>[0-9]{3,})-(?P<check>[0-9A-Z])")
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def format_code(prefix: str, number: int) -> str:
    """Return the study code of a trial's `number`-th participant: ("PNI", 81) gives PNI-081-N.

    `ValueError` for a number below 1, or a prefix that is not 1 to 12 ASCII capitals and digits, a capital first.
    """
    if not PREFIX.fullmatch(prefix):
        raise ValueError("a study code's prefix is 1 to 12 capitals A to Z or digits, beginning with a letter")
    if number < 1:
        raise ValueError("participants are numbered from 1")
    digits = f"{number:03d}"
    return f"{prefix}-{digits}-{check_character(prefix + digits)}"


def check_character(text: str) -> str:
    """Return the ISO/IEC 7064 MOD 37,36 check character of capitals and digits; `ValueError` for anything else."""
    product = 36
    for character in text:
        product = ((product + ALPHABET.index(character)) % 36 or 36) * 2 % 37
    return ALPHABET[(1 - product) % 36]


def is_study_code(text: str, prefix: str) -> bool:
    """Return whether `text` is a code that a trial of this prefix could have given: shape and check character agree."""
    found = CODE.fullmatch(text)
    return (
        found is not None
        and found["prefix"] == prefix
        and found["check"] == check_character(found["prefix"] + found["number"])
    )


def meant_code(text: str, known: Iterable[str]) -> str | None:
    """Return the one known code that `text` is a slip of; None where there is none, or more than one.

    A slip is one wrong character, two neighbours swapped, a check character left out, or other case and separators.
    """
    typed = _plain(text)
    near = {code for code in known if _is_slip(typed, _plain(code))}
    return near.pop() if len(near) == 1 else None


def _plain(text: str) -> str:
    return "".join(character for character in text.upper() if character.isalnum())


def _is_slip(typed: str, code: str) -> bool:
    if typed == code or typed == code[:-1]:
        return True
    if len(typed) != len(code):
        return False
    places = [place for place, (one, other) in enumerate(zip(typed, code, strict=True)) if one != other]
    return len(places) == 1 or (len(places) == 2 and typed in _swapped(code, places))


def _swapped(code: str, places: list[int]) -> Iterator[str]:
    """Yield the code with these two places exchanged, if they are neighbours."""
    first, second = places
    if second == first + 1:
        yield code[:first] + code[second] + code[first] + code[second + 1 :]
