"""How often the next arm is guessed, against what is known in closed form."""

import pytest

from trials.allocation import blocks, minimization, simple
from trials.allocation.arms import ArmRatio
from trials.allocation.guessing import expected_guess_rate

EQUAL = (ArmRatio("a", 1), ArmRatio("b", 1))
TWO_TO_ONE = (ArmRatio("a", 2), ArmRatio("b", 1))


def test_a_coin_is_guessed_in_half_of_all_allocations():
    assert expected_guess_rate(simple.Scheme(EQUAL), {}, 40) == 0.5
    assert expected_guess_rate(simple.Scheme(TWO_TO_ONE), {}, 40) == pytest.approx(2 / 3)


def test_fixed_blocks_of_four_are_guessed_as_blackwell_and_hodges_have_it():
    # In a block of 4 the expected number of right guesses is 2 + (16/6 - 1)/2 = 17/6 (Blackwell & Hodges 1957).
    assert expected_guess_rate(blocks.Scheme(EQUAL, (4,)), {}, 40) == pytest.approx(17 / 24, abs=0.005)


def test_an_observer_who_never_sees_a_tie_guesses_with_the_probability_of_the_preferred_arm():
    # With one factor of one level arms tie at every even place at most; elsewhere the preferred arm has 0.8.
    rate = expected_guess_rate(minimization.Scheme(EQUAL, ("one",), 80), {"one": 1}, 40)
    assert 0.65 < rate < 0.8
    nearly_fixed = expected_guess_rate(minimization.Scheme(EQUAL, ("one",), 99), {"one": 1}, 40)
    assert nearly_fixed == pytest.approx((0.5 + 0.99) / 2, abs=0.01)


def test_more_chance_makes_guessing_harder():
    rates = [
        expected_guess_rate(minimization.Scheme(EQUAL, ("site",), percent), {"site": 3}, 40) for percent in (60, 80, 95)
    ]
    assert rates == sorted(rates)
    assert expected_guess_rate(blocks.Scheme(EQUAL, (4, 6, 8)), {}, 40) < expected_guess_rate(
        blocks.Scheme(EQUAL, (2,)), {}, 40
    )
