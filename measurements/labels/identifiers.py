"""Ids of specimens: short, random, told apart by eye, and with a check character. They carry nothing of anybody.

`K7F4-3MXP`: seven characters drawn at random and one that checks them (ISO/IEC 7064, MOD 37,36, as in study codes).
Of the pairs that people take for one another (0 O, 1 I L, 2 Z, 5 S, 6 G, 8 B, U V) no character is used.
"""

import secrets

from trials.allocation.study_codes import check_character

ALPHABET = "3479ACDEFHJKMNPRTWXY"
LENGTH = 7
"""20^7 = 1.28 thousand million ids: two of 10,000 are the same once in 26 trials, and the second is drawn again."""


def new_identifier() -> str:
    """Return a new id at random; whether it is free, the database says."""
    while True:
        drawn = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
        check = check_character(drawn)
        if check in ALPHABET:
            return f"{drawn[:4]}-{drawn[4:]}{check}"


def is_generated(identifier: str) -> bool:
    """Return whether this is an id as `new_identifier` makes them, with its check character right."""
    plain = identifier.replace("-", "", 1)
    return (
        len(plain) == LENGTH + 1
        and identifier[4:5] == "-"
        and set(plain) <= set(ALPHABET)
        and check_character(plain[:-1]) == plain[-1]
    )


def typed_identifier(text: str) -> str:
    """Return what somebody typed or scanned as an id: without spaces around, and a generated id in its own spelling.

    `k7f43mxp` is K7F4-3MXP; anything that is no generated id stays as it was typed.
    """
    text = text.strip()
    plain = "".join(character for character in text.upper() if character.isalnum())
    spelt = f"{plain[:4]}-{plain[4:]}"
    return spelt if is_generated(spelt) else text
