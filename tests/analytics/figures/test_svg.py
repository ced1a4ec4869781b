import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.figures import svg
from tests.analytics.figures.reading import parsed


@given(st.text())
def test_any_text_makes_well_formed_markup(content):
    node = parsed(svg.element("text", svg.escape(content), kind=content or "empty"))
    assert "<" not in svg.escape(content)
    assert node.tag == "text"


def test_numbers_have_the_true_minus_sign_and_zero_has_none():
    assert svg.number(-0.514) == "−0.51"
    assert svg.number(-0.001) == "0.00"
    assert svg.number(3, 0) == "3"


def test_coordinates_are_short_and_finite():
    assert [svg.coordinate(value) for value in (1, 1.25, 1.96, -0.01, -3)] == ["1", "1.2", "2", "0", "-3"]
    with pytest.raises(ValueError, match="finite"):
        svg.coordinate(float("nan"))


def test_long_labels_are_shortened_and_wrapped():
    assert svg.shorten("Interleukin-6", 300, 14) == "Interleukin-6"
    assert svg.shorten("C-reactive protein, high sensitivity", 100, 14).endswith("…")
    assert svg.wrap("Did not receive the intervention: 2", 120, 13) == ["Did not receive", "the intervention:", "2"]
