"""The unit table as a page of the documentation."""

from collections.abc import Iterator, Mapping

from measurements.units import tables
from measurements.units.parsing import parse_unit

_HEAD = """# Units

Made from `measurements/units/tables.py`; a test compares, and another one checks every line against ucumvert.

Units are UCUM codes, read and converted exactly (integers and decimals, never floats). A result keeps its value and its
unit as they were sent, and beside them the value as used, in the biomarker's own unit. Between mass and amount a value
is converted only for biomarkers with a molar mass; a bare count (`10*9/L`) may stand for a counted thing
(`{cells}/uL`), one counted thing never for another. International units, enzyme units, arbitrary units and the units of
one maker convert to nothing else. What is not in the table is refused with the nearest unit that is.

`l` and `L`, `µ`, `μ` and `mc`, `^`, `**` and superscripts, `x10^9`, `10E9`, `1e9` and `10(9)`, `per` and `/`, `/100 ml`
and `/dL`, `/24h` and `/d` mean the same. Capitals only (`PG/ML`) are read for the common units below.

Not read, because it means different things in different places: `G/L` (grams or 10⁹), `EU/mL` (ELISA or endotoxin
units), `E/L`, `k/L`, `mg%`, and titres written as `1:160` (send `160` with `{titer}`).
"""


def render_markdown() -> str:
    """Return the whole page, with a line's end at its end."""
    common = ", ".join(f"`{unit}`" for unit in tables.COMMON_UNITS)
    atoms = ", ".join(f"`{symbol}` ({atom.prefixes or 'no prefix'})" for symbol, atom in tables.ATOMS.items())
    return "\n".join(
        [
            _HEAD,
            f"## Common units\n\n{common}\n",
            f"## Symbols, with the prefixes they are used with\n\n{atoms}\n",
            *_section("Other spellings of a symbol, with the same prefixes", tables.SYMBOL_SPELLINGS),
            *_section("Words used as a part of a unit", tables.WORD_SPELLINGS),
            *_section("Whole texts", {sent: parse_unit(sent).code for sent in tables.UNIT_SPELLINGS}),
        ]
    )


def _section(title: str, spellings: Mapping[str, str]) -> Iterator[str]:
    yield f"## {title}\n\n| Sent | Read as |\n|---|---|"
    for sent, code in spellings.items():
        yield f"| `{sent}` | `{code}` |"
    yield ""
