import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analytics.figures.scale import Scale, step, ticks

numbers = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


def test_ticks_are_round_and_enclose():
    assert list(ticks(-0.51, 0.98)) == [-0.8, -0.4, 0.0, 0.4, 0.8, 1.2]
    assert list(ticks(0, 120, 4)) == [0, 40, 80, 120]


@given(numbers, numbers)
def test_any_two_numbers_get_few_ascending_ticks_around_them(one, other):
    low, high = sorted((one, other))
    # Numbers that differ only in their last digits have no axis worth drawing.
    assume(low == high or high - low > 1e-6 * max(1.0, abs(low), abs(high)))
    marks = list(ticks(low, high))
    assert marks == sorted(set(marks))
    assert marks[0] <= low + 1e-6 * (high - low)
    assert marks[-1] >= high - 1e-6 * (high - low)
    assert 2 <= len(marks) <= 12


def test_an_axis_without_length_is_refused():
    with pytest.raises(ValueError, match="positive length"):
        step(0, 5)


def test_what_lies_beyond_the_axis_is_held_at_its_end():
    assert Scale(0, 10, 100, 200)(5) == 150
    assert Scale(0, 10, 100, 200).inside(11) == 200
    assert not Scale(0, 10, 100, 200).holds(11)
    assert Scale(0, 0.8, 100, 200).holds(0.1 + 0.7)
