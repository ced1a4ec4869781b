"""Study codes: what a participant is called in every table, file and laboratory."""

import re

PREFIX = re.compile(r"[A-Z][A-Z0-9]{0,11}")


def format_code(prefix: str, number: int) -> str:
    """Return the study code of a trial's `number`-th participant: ("PNI", 81) gives PNI-081, ("PNI", 1234) PNI-1234.

    `ValueError` for a number below 1, or a prefix that is not 1 to 12 ASCII capitals and digits, a capital first.
    """
    if not PREFIX.fullmatch(prefix):
        raise ValueError("a study code's prefix is 1 to 12 capitals A to Z or digits, beginning with a letter")
    if number < 1:
        raise ValueError("participants are numbered from 1")
    return f"{prefix}-{number:03d}"
