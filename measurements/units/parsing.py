"""From the text that a laboratory sent to a unit."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from measurements.units import tables
from measurements.units.errors import UnitUnknown
from measurements.units.tables import Dimension

LONGEST = 40

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789", strict=True))
_CLEAN = str.maketrans({"µ": "u", "μ": "u", "×": "x", "·": ".", "⋅": ".", "^": "*", "⁻": "-", "−": "-"} | _SUPERSCRIPTS)
_COMPONENT = re.compile(
    r"(?:10\*(?P<power>[+-]?[0-9]{1,2})|(?P<number>10{0,6})"
    r"|(?P<symbol>[A-Za-z%]+(?:\[[A-Za-z']+\])?|\[[A-Za-z']+\])(?P<exponent>-?[1-9])?)?"
    r"(?:\{(?P<annotation>[A-Za-z0-9_.+-]{1,30})\})?"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its canonical UCUM code, its exact size in base quantities, and which quantities those are."""

    code: str
    scale: Fraction
    dimension: Dimension

    def __str__(self) -> str:
        return self.code


@lru_cache(maxsize=4096)
def parse_unit(text: str) -> Unit:
    """The unit that `text` names: a UCUM code, or a spelling such as `IU/mL`, `mcg/L`, `cells/µL`, `x10^9/L`, `PG/ML`.

    Raises `UnitUnknown`, which knows the nearest common unit.
    """
    spelling = _clean(text) if len(text) <= LONGEST else ""
    spelling = tables.CAPITAL_SPELLINGS.get(spelling, spelling)
    spelling = tables.UNIT_SPELLINGS.get(spelling, spelling)
    parts = re.split(r"([./])", _multiplied(spelling))
    unit = _product(parts)
    if not spelling or unit is None:
        raise UnitUnknown(text, spelling)
    return unit


def _clean(text: str) -> str:
    """One spelling of micro, powers of ten, hundreds and spaces: ` ×10⁹ / L ` becomes `10*9/L`, `mg/100 ml` `mg/dL`."""
    text = re.sub(r"10(?=[⁰¹²³⁴⁵⁶⁷⁸⁹])", "10*", text.strip(" ")).translate(_CLEAN)
    text = re.sub(r"\bper\b", "/", text)
    text = re.sub(r" *([/.]) *", r"\1", text)
    text = re.sub(r"^x ?(?=10)", "", text)
    text = re.sub(r"^10(?:[eE]|\*\*)(?=[0-9])|^1?[eE](?=[0-9]{1,2}/)", "10*", text)
    text = re.sub(r"^10\(([0-9]{1,2})\)", r"10*\1", text)
    text = re.sub(r"/100 ?m[lL]$", "/dL", text)
    return re.sub(r"/24 ?hr?$", "/d", text)


def _multiplied(spelling: str) -> str:
    """`10*6 cells/L` is a product, and `*` is only written for it after ten."""
    spelling = re.sub(r"(?<!10)\*(?=-?[1-9])", "", spelling.replace(" ", "."))
    return re.sub(r"(?<=[A-Za-z])\*(?=[A-Za-z])", ".", spelling)


def _product(parts: list[str]) -> Unit | None:
    """Components and the signs between them, multiplied from left to right; None if one is not known."""
    code, scale, powers, sign = "", Fraction(1), dict[str, int](), 1
    for part in parts:
        if part in {".", "/"}:
            sign = 1 if part == "." else -1
            code += part
        elif part or code or len(parts) < 2 or parts[1] != "/":  # UCUM may begin with a slash: "/uL"
            component = _component(part)
            if component is None:
                return None
            code += component.code
            scale *= component.scale**sign
            for quantity, power in component.dimension:
                powers[quantity] = powers.get(quantity, 0) + sign * power
    code = "1" + code if code.startswith("/") else code
    return Unit(code, scale, tuple(sorted((quantity, power) for quantity, power in powers.items() if power)))


def _component(part: str) -> Unit | None:
    """One component, such as `mL`, `10*9`, `m2`, `{cells}` or `mg{creatinine}`."""
    part = tables.WORD_SPELLINGS.get(part, part)
    match = _COMPONENT.fullmatch(part)
    if match is None or not part:
        return None
    magnitude = _magnitude(match)
    if magnitude is None or match["annotation"] is None:
        return magnitude
    annotation = tables.ANNOTATION_SPELLINGS.get(match["annotation"], match["annotation"])
    kind = "{" + annotation + "}"
    code = kind if part.startswith("{") else magnitude.code + kind
    return Unit(code, magnitude.scale, tuple(sorted((*magnitude.dimension, (kind, 1)))))


def _magnitude(match: re.Match[str]) -> Unit | None:
    """A component without its annotation."""
    if match["power"]:
        return Unit(f"10*{int(match['power'])}", Fraction(10) ** int(match["power"]), ())
    if match["number"]:
        return Unit(match["number"], Fraction(int(match["number"])), ())
    if match["symbol"]:
        return _symbol(match["symbol"], int(match["exponent"] or 1))
    return Unit("1", Fraction(1), ())


def _symbol(symbol: str, exponent: int) -> Unit | None:
    unit = _SYMBOLS.get(symbol)
    if unit is None or exponent == 1:
        return unit
    return Unit(
        f"{unit.code}{exponent}",
        unit.scale**exponent,
        tuple((quantity, power * exponent) for quantity, power in unit.dimension),
    )


def _all_symbols() -> dict[str, Unit]:
    """Every spelling of every atom with each of its prefixes."""
    spellings = {atom: atom for atom in tables.ATOMS} | tables.SYMBOL_SPELLINGS
    symbols = {}
    for spelling, name in spellings.items():
        atom = tables.ATOMS[name]
        symbols[spelling] = Unit(name, atom.scale, atom.dimension)
        for prefix in atom.prefixes:
            scale = tables.PREFIXES[prefix] * atom.scale
            symbols[prefix + spelling] = Unit(prefix + name, scale, atom.dimension)
    return symbols


_SYMBOLS = _all_symbols()
