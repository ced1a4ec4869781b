"""What laboratories send as a unit, and which unit it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.units import UnitUnknown, parse_unit
from measurements.units.tables import COMMON_UNITS

SPELLINGS = [
    ("pg/mL", "pg/mL"),
    ("pg/ml", "pg/mL"),
    ("PG/ML", "pg/mL"),
    (" ng / mL ", "ng/mL"),
    ("ng per mL", "ng/mL"),
    ("mg/dl", "mg/dL"),
    ("mcg/L", "ug/L"),
    ("µg/mL", "ug/mL"),  # U+00B5 micro sign
    ("μg/mL", "ug/mL"),  # U+03BC Greek mu
    ("IU/mL", "[IU]/mL"),
    ("[iU]/mL", "[IU]/mL"),
    ("uIU/mL", "u[IU]/mL"),
    ("U/mL", "U/mL"),
    ("AU/mL", "[arb'U]/mL"),
    ("cells/uL", "{cells}/uL"),
    ("cells/µl", "{cells}/uL"),
    ("cells/mm^3", "{cells}/mm3"),
    ("copies/mL", "{copies}/mL"),
    ("cp/mL", "{copies}/mL"),
    ("log10 copies/mL", "{log_copies}/mL"),
    ("x10^9/L", "10*9/L"),
    ("×10⁹/L", "10*9/L"),
    ("10E9/L", "10*9/L"),
    ("10*6 cells/L", "10*6.{cells}/L"),
    ("/uL", "1/uL"),
    ("K/uL", "10*3/uL"),
    ("nM", "nmol/L"),
    ("%", "%"),
    ("% lysis", "%"),
    ("{score}", "{score}"),
    ("points", "{score}"),
    ("titre", "{titer}"),
    ("1", "1"),
    ("kg/m2", "kg/m2"),
    ("ng/mL/h", "ng/mL/h"),
]


@pytest.mark.parametrize(("text", "code"), SPELLINGS)
def test_spelling_is_read(text: str, code: str) -> None:
    assert parse_unit(text).code == code


@pytest.mark.parametrize(
    "text", ["", " ", "xyz", "/", "mg//L", "1.5", "10*", "{}", "G/L", "pg/mL;", "Mg/L", "m" * 500, "pg/м"]
)
def test_what_is_no_unit_is_refused(text: str) -> None:
    with pytest.raises(UnitUnknown):
        parse_unit(text)


@pytest.mark.parametrize(("text", "nearest"), [("pgml", "pg/mL"), ("mg//L", "mg/L"), ("NG/M", "ng/mL"), ("qqqq", None)])
def test_refusal_names_the_nearest_unit(text: str, nearest: str | None) -> None:
    with pytest.raises(UnitUnknown) as refused:
        parse_unit(text)
    assert refused.value.did_you_mean == nearest
    assert refused.value.text == text


@pytest.mark.parametrize("unit", COMMON_UNITS)
def test_every_suggested_unit_and_its_code_are_read_alike(unit: str) -> None:
    assert parse_unit(parse_unit(unit).code) == parse_unit(unit)


def test_capitals_never_mean_another_size() -> None:
    assert parse_unit("PG/ML").scale == parse_unit("pg/mL").scale
    assert parse_unit("MG/L").scale == parse_unit("mg/L").scale


@given(st.text(max_size=60))
def test_any_text_is_a_unit_or_refused(text: str) -> None:
    try:
        unit = parse_unit(text)
    except UnitUnknown:
        return
    assert unit.scale > 0
    assert parse_unit(unit.code) == unit


@given(st.text(alphabet="gmolLUIpnuk[]{}%/.*0123456789 -", max_size=14))
def test_a_canonical_code_is_read_as_itself(text: str) -> None:
    try:
        unit = parse_unit(text)
    except UnitUnknown:
        return
    assert parse_unit(unit.code) == unit
