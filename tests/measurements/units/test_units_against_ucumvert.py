"""Our unit table beside ucumvert's: the same quantity and the same size, for every code, alias and catalogue unit."""

from fractions import Fraction
from pathlib import Path

import pytest
from ucumvert import PintUcumRegistry

from measurements.catalogue import CATALOGUE
from measurements.units import parse_unit, render_markdown
from measurements.units.tables import (
    ANNOTATION_SPELLINGS,
    ATOMS,
    CAPITAL_SPELLINGS,
    COMMON_UNITS,
    SYMBOL_SPELLINGS,
    UNIT_SPELLINGS,
    WORD_SPELLINGS,
)

ROOT = Path(__file__).parents[3]
BASES = {"g": ("[mass]", Fraction(1, 1000)), "mol": ("[substance]", 1), "m": ("[length]", 1), "s": ("[time]", 1)}
"""Our base quantities in the oracle's: it counts mass in kilograms and knows no counted things."""

# What laboratories mean by each whole text, part and symbol, in UCUM as a reader of the standard would write it.
MEANT = {
    "% lysis": "%", "%lysis": "%", "%{lysis}": "%", "% specific lysis": "%", "pct": "%", "percent": "%",
    "nM": "nmol/L", "pM": "pmol/L", "uM": "umol/L", "mM": "mmol/L", "fM": "fmol/L",
    "K/uL": "1000/uL", "k/uL": "1000/uL", "K/ul": "1000/uL", "k/ul": "1000/uL", "K/mcL": "1000/uL",
    "thou/uL": "1000/uL", "Thousand/uL": "1000/uL", "K/mm3": "1000/mm3", "K/cumm": "1000/mm3",
    "M/uL": "1000000/uL", "M/mcL": "1000000/uL", "Giga/L": "10*9/L", "Gpt/L": "10*9/L", "Tpt/L": "10*12/L",
    "cells x10*6/L": "10*6{cells}/L", "cells x10*9/L": "10*9{cells}/L",
    "arb.U/mL": "[arb'U]/mL", "arb U/mL": "[arb'U]/mL", "S/CO": "1", "cpm": "{counts}/min",
    "log10 IU/mL": "{log}/mL", "log IU/mL": "{log}/mL", "Log10 IU/mL": "{log}/mL",
    "log10 copies/mL": "{log}/mL", "log copies/mL": "{log}/mL", "Log10 copies/mL": "{log}/mL",
    "{Log_copies}/mL": "{log}/mL", "unitless": "1", "none": "1",
    "mcg": "ug", "cc": "cm3", "mcL": "uL", "cumm": "mm3", "mcmol": "umol", "mcIU": "u[IU]",
    "l": "L", "IU": "[IU]", "iu": "[IU]", "[iU]": "[IU]", "IE": "[IU]", "AU": "[arb'U]",
    "gm": "g", "sec": "s", "hr": "h", "day": "d",
    **dict.fromkeys(
        ["cell", "cells", "Zellen", "copy", "copies", "Kopien", "cp", "cps", "event", "events", "beats", "score",
         "point", "points", "pts", "titer", "titre", "index", "ratio", "BAU", "LU", "NPX", "MFI", "OD"], "1",
    ),
}  # fmt: skip

# As they stand in files of real laboratories.
SENT = {
    "IU/mL": "[IU]/mL", "IU/ml": "[IU]/mL", "mcg/L": "ug/L", "cells/uL": "{cells}/uL", "copies/mL": "{copies}/mL",
    "pg/ml": "pg/mL", "U/ml": "U/mL", "ug/dl": "ug/dL", "nmol/l": "nmol/L", "pmol/L": "pmol/L", "mIU/L": "m[IU]/L",
    "kIU/L": "k[IU]/L", "10^9/L": "10*9/L", "1e9/L": "10*9/L", "E9/L": "10*9/L", "10(9)/L": "10*9/L",
    "x10E9/L": "10*9/L", "×10⁹/L": "10*9/L", "10³/µL": "10*3/uL", "10^3/mcL": "10*3/uL", "ng/dL": "ng/dL",
    "fg/mL": "fg/mL", "ng/100mL": "ng/dL", "mg/100 ml": "mg/dL", "pg mL^-1": "pg/mL", "pg·mL⁻¹": "pg/mL",
    "pg*mL-1": "pg/mL", "ug/24h": "ug/d", "nmol*h/L": "nmol.h/L", "kIE/L": "k[IU]/L", "mIE/ml": "m[IU]/mL",
    "Zellen/µl": "{cells}/uL", "Kopien/ml": "{copies}/mL", "cells/cumm": "{cells}/mm3", "BAU/mL": "{BAU}/mL",
    "µIU/mL": "u[IU]/mL", "gm/dL": "g/dL", "PG/ML": "pg/mL", "mm/hr": "mm/h", "pg/cc": "pg/mL",
}  # fmt: skip


@pytest.fixture(scope="module")
def oracle() -> PintUcumRegistry:
    """The registry of ucumvert; it takes a second to make."""
    return PintUcumRegistry()


def codes() -> list[str]:
    """Return every code that our tables can name: atoms with each prefix, common units and those of the catalogue."""
    atoms = [prefix + symbol for symbol, atom in ATOMS.items() for prefix in ("", *atom.prefixes)]
    listed = [*COMMON_UNITS, *CAPITAL_SPELLINGS, *UNIT_SPELLINGS, *WORD_SPELLINGS]
    used = [definition.unit for definition in CATALOGUE.values()]
    return sorted({parse_unit(text).code for text in [*atoms, *listed, *used]})


def told(oracle: PintUcumRegistry, code: str) -> tuple[float, dict[str, int]]:
    """Return size and dimension of a code as the oracle has them; counted things alone are nothing but a number."""
    if code.startswith("{") and code.endswith("}"):
        return 1.0, {}
    found = oracle.from_ucum(code)
    powers = {name: int(power) for name, power in found.dimensionality.items() if power}
    return float(found.to_base_units().magnitude), powers


def ours(text: str) -> tuple[float, dict[str, int]]:
    """Return size and dimension as we have them, in the oracle's base quantities."""
    unit = parse_unit(text)
    size, powers = unit.scale, {}
    for quantity, power in unit.dimension:
        if quantity in BASES:
            name, scale = BASES[quantity]
            size *= Fraction(scale) ** power
            powers[name] = power
    return float(size), powers


@pytest.mark.parametrize("code", codes())
def test_code(oracle: PintUcumRegistry, code: str) -> None:
    size, powers = told(oracle, code)
    assert ours(code) == (pytest.approx(size, rel=1e-12), powers)


@pytest.mark.parametrize("alias", [*SYMBOL_SPELLINGS, *WORD_SPELLINGS, *UNIT_SPELLINGS])
def test_alias_means_what_it_says(oracle: PintUcumRegistry, alias: str) -> None:
    size, powers = told(oracle, MEANT[alias])
    assert ours(alias) == (pytest.approx(size, rel=1e-12), powers)


@pytest.mark.parametrize(("sent", "meant"), SENT.items())
def test_what_laboratories_send(oracle: PintUcumRegistry, sent: str, meant: str) -> None:
    size, powers = told(oracle, meant)
    assert ours(sent) == (pytest.approx(size, rel=1e-12), powers)
    assert parse_unit(sent).dimension == parse_unit(meant).dimension


def test_every_alias_has_its_meaning_here() -> None:
    assert set(MEANT) == {*SYMBOL_SPELLINGS, *WORD_SPELLINGS, *UNIT_SPELLINGS}
    for alias, name in ANNOTATION_SPELLINGS.items():
        assert parse_unit("{" + alias + "}/mL") == parse_unit("{" + name + "}/mL")


def test_counted_things_are_told_apart() -> None:
    kinds = {parse_unit(text).dimension for text in ("cells", "copies", "titer", "index", "BAU", "LU", "NPX", "MFI")}
    assert len(kinds) == 8


def test_the_page_of_the_documentation_is_made_from_the_table() -> None:
    assert (ROOT / "docs" / "units.md").read_text(encoding="utf-8") == render_markdown()
