"""Standardized mean differences at baseline against R (s23) and numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.statistics.baseline import largest, level_difference, mean_difference
from tests.analytics.statistics.conftest import numbers

counts = st.lists(st.integers(0, 60), min_size=2, max_size=7)


def described(values):
    known = values[np.isfinite(values)]
    return float(np.mean(known)), float(np.std(known, ddof=1))


@pytest.mark.parametrize("scale", ["log", "identity"])
def test_real_trial_biomarkers(opt_rows, expected, close, scale):
    treated = np.array([row["arm"] == "treatment" for row in opt_rows])
    for code, wanted in expected("s23_baseline_opt")[scale].items():
        values = numbers(opt_rows, f"{code}_base")
        if wanted is None:
            assert np.nanmin(values) <= 0
            continue
        values = np.log(values) if scale == "log" else values
        close(mean_difference(described(values[treated]), described(values[~treated])), wanted, rel=1e-11)


@pytest.mark.parametrize("factor", ["clinic", "thirds"])
def test_real_trial_factors(expected, close, factor):
    case = expected("s23_baseline_opt")
    control, treatment = zip(*case[f"{factor}_counts"].values(), strict=True)
    close(level_difference(treatment, control), case[factor])


def test_which_level_is_left_out_makes_no_difference(expected, close):
    case = expected("s23_baseline_opt")
    close(case["clinic"], case["clinic_without_the_last"])


def test_by_hand():
    # Means 5 and 3, SDs 3 and 1: 2 / sqrt((9 + 1) / 2).
    assert mean_difference((5, 3), (3, 1)) == pytest.approx(2 / math.sqrt(5))
    # 6 of 10 against 2 of 10: 0.4 / sqrt((0.24 + 0.16) / 2).
    assert level_difference([6, 4], [2, 8]) == pytest.approx(0.4 / math.sqrt(0.2))


def test_where_nothing_varies_or_nobody_is_there_is_no_difference():
    assert mean_difference((5, 0), (3, 0)) is None
    assert mean_difference((1e308, 1e-300), (-1e308, 1e-300)) is None
    assert level_difference([3, 0], [0, 3]) is None
    assert level_difference([0, 0], [1, 2]) is None
    assert level_difference([], []) is None
    assert level_difference([4, 0], [9, 0]) == 0


def test_the_largest_of_all_pairs_needs_all_of_them():
    assert largest([0.1, -0.4, 0.2]) == 0.4
    assert largest([0.1, None]) is None
    assert largest([]) is None


@given(counts, counts)
def test_levels_are_as_far_apart_in_any_order_and_from_either_side(first, second):
    size = min(len(first), len(second))
    first, second = first[:size], second[:size]
    found = level_difference(first, second)
    for other in (level_difference(second, first), level_difference(first[::-1], second[::-1])):
        assert (found is None) == (other is None)
        if found is not None:
            assert other == pytest.approx(found, rel=1e-6, abs=1e-9)
            assert found >= 0


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 50), st.integers(1, 50))
def test_two_levels_are_a_difference_of_shares(a, b, c, d):
    p, q = a / (a + b), c / (c + d)
    wanted = abs(p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert level_difference([a, b], [c, d]) == pytest.approx(wanted, abs=1e-12)
