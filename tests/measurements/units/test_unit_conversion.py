"""Conversion is exact, reversible, transitive, and refused between different quantities."""

import contextlib
import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.units import UnitNotConvertible, conversion_factor, convert, parse_unit
from measurements.units.conversion import conversion_ratio
from measurements.units.tables import COMMON_UNITS

CORTISOL = Decimal("362.46")  # g/mol, C21H30O5

KNOWN = [
    ("1.80", "pg/mL", "pg/mL", "1.80"),
    ("1.80", "pg/mL", "ng/L", "1.80"),
    ("1.80", "mg/dL", "mg/L", "18.00"),
    ("0.123", "ng/mL", "pg/mL", "123.000"),
    ("5", "mcg/L", "pg/mL", "5000"),
    ("0.45", "10*9/L", "cells/uL", "450.00"),
    ("450", "cells/mm3", "10*9/L", "0.450"),
    ("450", "cells/uL", "1/uL", "450"),
    ("2", "kIU/L", "mIU/mL", "2000"),
    ("23", "%", "1", "0.23"),
    ("120", "beats/min", "1/s", "2.00"),
    ("60", "U/L", "umol/L/s", "1.00"),
]
REFUSED = [
    ("pg", "pg/mL"),
    ("IU/mL", "pg/mL"),
    ("IU/mL", "U/mL"),
    ("cells/uL", "copies/uL"),
    ("{score}", "%"),
    ("log10 copies/mL", "copies/mL"),
    ("log10 copies/mL", "1/mL"),
    ("nmol/L", "ng/mL"),
]

units = st.sampled_from(COMMON_UNITS).map(parse_unit)
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)


@pytest.mark.parametrize(("value", "source", "target", "expected"), KNOWN)
def test_known_conversion(value: str, source: str, target: str, expected: str) -> None:
    assert str(convert(Decimal(value), parse_unit(source), parse_unit(target))) == expected


@pytest.mark.parametrize(("source", "target"), REFUSED)
def test_other_quantity_is_refused(source: str, target: str) -> None:
    with pytest.raises(UnitNotConvertible):
        convert(Decimal(1), parse_unit(source), parse_unit(target))
    with pytest.raises(UnitNotConvertible):
        convert(Decimal(1), parse_unit(target), parse_unit(source))


def test_molar_mass_joins_mass_and_moles() -> None:
    nmol, ug = parse_unit("nmol/L"), parse_unit("ug/dL")
    assert convert(Decimal("500"), nmol, ug, CORTISOL) == Decimal("18.123")
    assert convert(Decimal("18.123"), ug, nmol, CORTISOL) == Decimal("500")
    assert conversion_factor(nmol, ug, CORTISOL) == Decimal("0.036246")


@pytest.mark.parametrize("molar_mass", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), None])
def test_molar_mass_must_be_a_positive_number(molar_mass: Decimal | None) -> None:
    with pytest.raises(UnitNotConvertible):
        convert(Decimal(1), parse_unit("nmol/L"), parse_unit("ug/dL"), molar_mass)


def test_molar_mass_opens_no_other_door() -> None:
    with pytest.raises(UnitNotConvertible):
        convert(Decimal(1), parse_unit("IU/mL"), parse_unit("pg/mL"), CORTISOL)


def test_long_numbers_lose_no_digit() -> None:
    digits = "2345678901234567890123456789012345678901234567890"
    converted = convert(Decimal(f"1.{digits}"), parse_unit("mg/dL"), parse_unit("mg/L"))
    assert str(converted) == f"12.{digits[1:]}0"


@given(numbers, units, units)
def test_round_trip_returns_the_value(value: Decimal, source, target) -> None:
    try:
        there = convert(value, source, target, CORTISOL)
    except UnitNotConvertible:
        with pytest.raises(UnitNotConvertible):
            convert(value, target, source, CORTISOL)
        return
    back = convert(there, target, source, CORTISOL)
    assert abs(back - value) <= abs(value) * Decimal("1e-32")


def test_factors_are_transitive() -> None:
    common = [parse_unit(unit) for unit in COMMON_UNITS]
    factors = {}
    for source, target in itertools.product(common, common):
        with contextlib.suppress(UnitNotConvertible):
            factors[source.code, target.code] = conversion_factor(source, target, CORTISOL)
    chains = [(a, b, c) for a, b in factors for start, c in factors if start == b and (a, c) in factors]
    assert len(chains) > 1000
    for first, second, third in chains:
        direct, by_way = factors[first, third], factors[first, second] * factors[second, third]
        assert abs(direct - by_way) <= direct * Decimal("1e-26")


@given(numbers, units, units, units)
def test_a_way_round_ends_where_the_direct_way_ends(value: Decimal, first, second, third) -> None:
    try:
        direct = convert(value, first, third, CORTISOL)
        by_way = convert(convert(value, first, second, CORTISOL), second, third, CORTISOL)
    except UnitNotConvertible:
        return
    assert abs(direct - by_way) <= abs(direct) * Decimal("1e-32")


@given(numbers, units, units)
def test_conversion_is_the_exact_fraction_and_never_a_float(value: Decimal, source, target) -> None:
    try:
        multiplier, divisor = conversion_ratio(source, target, CORTISOL)
    except UnitNotConvertible:
        return
    converted = convert(value, source, target, CORTISOL)
    assert [type(number) for number in (multiplier, divisor, converted)] == [Decimal] * 3
    exact = Fraction(value) * Fraction(multiplier) / Fraction(divisor)
    if divisor == 1:
        assert Fraction(converted) == exact
    assert abs(Fraction(converted) - exact) <= abs(exact) * Fraction(1, 10**33)
    if source.dimension == target.dimension:
        assert Fraction(multiplier) / Fraction(divisor) == source.scale / target.scale


@given(numbers, units, units)
def test_factor_and_conversion_agree(value: Decimal, source, target) -> None:
    try:
        factor = conversion_factor(source, target)
    except UnitNotConvertible:
        assert source.dimension != target.dimension
        return
    assert abs(convert(value, source, target) - value * factor) <= abs(value * factor) * Decimal("1e-26")
