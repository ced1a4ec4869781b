"""Exact conversion between units: a quotient of two integers, applied to a decimal number.

A factor whose decimal expansion ends is used as it is, so that no digit is lost. The others (per minute, enzyme units,
molar masses) are applied as one multiplication and one division, rounded once, half to even, to the 34 digits of
IEEE 754 decimal128.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from measurements.units.errors import UnitNotConvertible
from measurements.units.parsing import Unit
from measurements.units.tables import COUNTED, Dimension

_ROUNDED = Context(prec=34, rounding=ROUND_HALF_EVEN)
_EXACT = Context(prec=2000, rounding=ROUND_HALF_EVEN)


def convert(value: Decimal, source: Unit, target: Unit, molar_mass: Decimal | None = None) -> Decimal:
    """`value`, given in `source`, in `target`; `molar_mass` in g/mol allows mass to molar and back.

    Raises `UnitNotConvertible` where the quantities differ.
    """
    multiplier, divisor = conversion_ratio(source, target, molar_mass)
    return scaled(value, multiplier, divisor)


def scaled(value: Decimal, multiplier: Decimal, divisor: Decimal) -> Decimal:
    """`value * multiplier / divisor`, exact when the divisor is 1, else rounded once to 34 digits."""
    if divisor == 1:
        return value if multiplier == 1 else _EXACT.multiply(value, multiplier)
    return _ROUNDED.divide(_EXACT.multiply(value, multiplier), divisor)


@lru_cache(maxsize=4096)
def conversion_factor(source: Unit, target: Unit, molar_mass: Decimal | None = None) -> Decimal:
    """What one `source` is in `target`, to 34 digits. Raises `UnitNotConvertible`."""
    multiplier, divisor = conversion_ratio(source, target, molar_mass)
    return multiplier if divisor == 1 else _ROUNDED.divide(multiplier, divisor)


@lru_cache(maxsize=4096)
def conversion_ratio(source: Unit, target: Unit, molar_mass: Decimal | None = None) -> tuple[Decimal, Decimal]:
    """The factor as multiplier and divisor, each exact; the divisor is 1 wherever the factor's expansion ends."""
    factor = _factor(source, target, molar_mass)
    remainder = factor.denominator
    for prime in (2, 5):
        while remainder % prime == 0:
            remainder //= prime
    return _EXACT.divide(Decimal(factor.numerator), Decimal(factor.denominator // remainder)), Decimal(remainder)


def _factor(source: Unit, target: Unit, molar_mass: Decimal | None) -> Fraction:
    plain = source.scale / target.scale
    if comparable(source.dimension, target.dimension):
        return plain
    if molar_mass is not None and molar_mass.is_finite() and molar_mass > 0:
        if comparable(_as_mass(source.dimension), target.dimension):
            return plain * Fraction(molar_mass)
        if comparable(source.dimension, _as_mass(target.dimension)):
            return plain / Fraction(molar_mass)
    raise UnitNotConvertible(source.code, target.code)


def comparable(one: Dimension, other: Dimension) -> bool:
    """Whether both are the same quantity; a bare count may stand for a counted thing, never one thing for another."""
    return one == other or one == _bare(other) or _bare(one) == other


def _bare(dimension: Dimension) -> Dimension:
    return tuple(power for power in dimension if power[0] not in COUNTED)


def _as_mass(dimension: Dimension) -> Dimension:
    """The dimension with one mole replaced by grams; itself where that is not what it holds."""
    powers = dict(dimension)
    if powers.get("mol") != 1 or "g" in powers:
        return dimension
    del powers["mol"]
    return tuple(sorted((powers | {"g": 1}).items()))
