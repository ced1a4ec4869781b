"""The unit table: UCUM atoms with exact scales, and the spellings that laboratories use for them.

Source: The Unified Code for Units of Measure, version 2.1, tables 1 to 6 (https://ucum.org/ucum).
Each atom lists the prefixes it is used with. UCUM allows more, but then "PG/ML" would be petagrams per megalitre and a
result would be wrong by 10^21 without anybody noticing.
"""

from fractions import Fraction
from typing import NamedTuple

Dimension = tuple[tuple[str, int], ...]
"""Powers of the base quantities, sorted, without zeros: pg/mL is (("g", 1), ("m", -3))."""


class Atom(NamedTuple):
    """A unit symbol: its size in base quantities (gram, mole, metre, second, and each arbitrary unit itself)."""

    scale: Fraction
    dimension: Dimension
    prefixes: str = ""


PREFIXES = {
    "k": Fraction(10**3),
    "d": Fraction(1, 10),
    "c": Fraction(1, 10**2),
    "m": Fraction(1, 10**3),
    "u": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
    "p": Fraction(1, 10**12),
    "f": Fraction(1, 10**15),
}

ATOMS = {
    "g": Atom(Fraction(1), (("g", 1),), "kmunpf"),
    "mol": Atom(Fraction(1), (("mol", 1),), "munpf"),
    "L": Atom(Fraction(1, 1000), (("m", 3),), "dcmunpf"),
    "m": Atom(Fraction(1), (("m", 1),), "kcmun"),
    "s": Atom(Fraction(1), (("s", 1),), "mu"),
    "min": Atom(Fraction(60), (("s", 1),)),
    "h": Atom(Fraction(3600), (("s", 1),)),
    "d": Atom(Fraction(86400), (("s", 1),)),
    "wk": Atom(Fraction(604800), (("s", 1),)),
    # The enzyme unit is a defined amount per time; [IU] and [arb'U] are defined by a reference preparation only.
    "U": Atom(Fraction(1, 60 * 10**6), (("mol", 1), ("s", -1)), "kmun"),
    "kat": Atom(Fraction(1), (("mol", 1), ("s", -1)), "munp"),
    "[IU]": Atom(Fraction(1), (("[IU]", 1),), "kmun"),
    "[arb'U]": Atom(Fraction(1), (("[arb'U]", 1),)),  # UCUM gives it no prefix
    "%": Atom(Fraction(1, 100), (("{proportion}", 1),)),
}

SYMBOL_SPELLINGS = {
    "l": "L",
    "IU": "[IU]",
    "iu": "[IU]",
    "[iU]": "[IU]",
    "AU": "[arb'U]",
    "gm": "g",
    "sec": "s",
    "hr": "h",
    "day": "d",
    "IE": "[IU]",
}
"""Other spellings of an atom, used with the same prefixes."""

WORD_SPELLINGS = {
    "mcg": "ug",
    "cc": "mL",
    "cell": "{cells}",
    "cells": "{cells}",
    "copy": "{copies}",
    "copies": "{copies}",
    "cp": "{copies}",
    "cps": "{copies}",
    "event": "{events}",
    "events": "{events}",
    "beats": "{beats}",
    "score": "{score}",
    "point": "{score}",
    "points": "{score}",
    "pts": "{score}",
    "titer": "{titer}",
    "titre": "{titer}",
    "index": "{index}",
    "ratio": "{ratio}",
    "percent": "%",
    "BAU": "{BAU}",
    "LU": "{LU}",
    "NPX": "{NPX}",
    "MFI": "{MFI}",
    "OD": "{OD}",
    "mcL": "uL",
    "cumm": "mm3",
    "mcmol": "umol",
    "mcIU": "u[IU]",
    "Zellen": "{cells}",
    "Kopien": "{copies}",
}
"""Words used as one component of a unit, before or after a slash."""

ANNOTATION_SPELLINGS = {
    "cell": "cells",
    "copy": "copies",
    "point": "score",
    "points": "score",
    "titre": "titer",
    "event": "events",
}

COUNTED = frozenset(
    ["{cells}", "{copies}", "{events}", "{beats}", "{score}", "{titer}", "{index}", "{ratio}", "{proportion}"]
)
"""What may go unsaid: `1/uL` or `10*9/L` can stand for cells. Cells never stand for copies, a log count for neither."""

UNIT_SPELLINGS = {
    "% lysis": "%",
    "%lysis": "%",
    "%{lysis}": "%",
    "% specific lysis": "%",
    "pct": "%",
    "nM": "nmol/L",
    "pM": "pmol/L",
    "uM": "umol/L",
    "mM": "mmol/L",
    "fM": "fmol/L",
    "K/uL": "10*3/uL",
    "k/uL": "10*3/uL",
    "K/ul": "10*3/uL",
    "k/ul": "10*3/uL",
    "K/mcL": "10*3/uL",
    "thou/uL": "10*3/uL",
    "Thousand/uL": "10*3/uL",
    "K/mm3": "10*3/mm3",
    "K/cumm": "10*3/mm3",
    "M/uL": "10*6/uL",
    "M/mcL": "10*6/uL",
    "Giga/L": "10*9/L",
    "Gpt/L": "10*9/L",
    "Tpt/L": "10*12/L",
    "cells x10*6/L": "10*6.{cells}/L",
    "cells x10*9/L": "10*9.{cells}/L",
    "arb.U/mL": "[arb'U]/mL",
    "arb U/mL": "[arb'U]/mL",
    "S/CO": "{ratio}",
    "cpm": "{counts}/min",
    "log10 IU/mL": "{log_IU}/mL",
    "log IU/mL": "{log_IU}/mL",
    "Log10 IU/mL": "{log_IU}/mL",
    "Log10 copies/mL": "{log_copies}/mL",
    "log10 copies/mL": "{log_copies}/mL",
    "log copies/mL": "{log_copies}/mL",
    "{Log_copies}/mL": "{log_copies}/mL",
    "unitless": "1",
    "none": "1",
}
"""Whole texts that the grammar would not read, or would read otherwise."""

COMMON_UNITS = (
    *["pg/mL", "ng/mL", "ug/mL", "mg/mL", "pg/dL", "ng/dL"],
    *["ug/dL", "mg/dL", "g/dL", "pg/L", "ng/L", "ug/L", "mg/L", "g/L"],
    *["fmol/L", "pmol/L", "nmol/L", "umol/L", "mmol/L", "nmol/mL", "pmol/mL"],
    *["IU/mL", "IU/L", "mIU/mL", "mIU/L", "uIU/mL", "kIU/L", "U/mL", "U/L", "mU/L", "mU/mL", "AU/mL"],
    *["cells/uL", "copies/mL", "10*9/L", "10*6/L", "10*3/uL", "1/uL", "%", "{score}", "{titer}", "{index}", "1"],
)
"""What a misspelt unit is compared with, in the spelling that people read."""

# UCUM has a case-insensitive variant, written in capitals by older laboratory systems. Only these are read so, and not
# "G/L", which is grams in one country and 10^9 in another.
CAPITAL_SPELLINGS = {unit.upper(): unit for unit in COMMON_UNITS if unit != "g/L"}
