"""Regression on order statistics against R's NADA (s14, s13b), by hand, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.statistics.estimate import (
    MOSTLY_BELOW_LIMIT,
    NO_VARIATION_DETECTED,
    TOO_FEW_DETECTED,
    NotEstimable,
)
from analytics.statistics.regression_on_order_statistics import plotting_positions, summarize_by_order_statistics

CASE = "s14_lod_nada"
SETS = (("oahu", "oahu.csv", "As"), ("shepyrene", "shepyrene.csv", "Pyrene"), ("cuzn_zn", "cuzn.csv", "Zn"))


def column(rows, name):
    values = np.array([float(row[name]) if row[name] != "NA" else np.nan for row in rows])
    return values, np.array([row[f"{name}Cen"] == "TRUE" for row in rows])


def assert_summary(result, wanted, close):
    ros = wanted["ros"]
    assert (result.n, result.censored) == (wanted["n"], wanted["n_cens"])
    close(
        [result.intercept, result.slope, result.mean, result.standard_deviation, result.median],
        [ros[name] for name in ("intercept", "slope", "mean", "sd", "median")],
        1e-9,
    )
    close(list(result.values), ros["modeled"], 1e-9)
    # Where two values are equal, either may come first.
    close(sorted(result.positions), sorted(ros["pp"]), 1e-9)


@pytest.mark.parametrize(("name", "file", "metal"), SETS)
def test_substitutes_for_comparison(outside_rows, expected, close, name, file, metal):
    """What zero, half the limit or the limit itself would give: never a result, but the inputs are the same."""
    values, below = column(outside_rows(CASE, file), metal)
    values, below = values[np.isfinite(values)], below[np.isfinite(values)]
    means = {
        f"{word}_mean": np.mean(np.where(below, values * share, values))
        for word, share in (("zero", 0), ("half", 0.5), ("sqrt2", np.sqrt(0.5)), ("lod", 1))
    }
    half_geo = np.exp(np.mean(np.log(np.where(below, values / 2, values))))
    close({**means, "half_geo": half_geo}, expected(CASE)[name]["subst"], 1e-12)


@pytest.mark.parametrize(("name", "file", "metal"), SETS)
def test_one_and_several_limits(outside_rows, expected, close, name, file, metal):
    result = summarize_by_order_statistics(*column(outside_rows(CASE, file), metal))
    assert_summary(result, expected(CASE)[name], close)


@pytest.mark.parametrize("zone", ["AlluvialFan", "BasinTrough"])
def test_by_zone(outside_rows, expected, close, zone):
    rows = [row for row in outside_rows(CASE, "cuzn.csv") if row["Zone"] == zone]
    assert_summary(summarize_by_order_statistics(*column(rows, "Zn")), expected(CASE)["cuzn_by_zone"][zone], close)


@pytest.mark.parametrize("kind", ["single", "by_clinic"])
@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_imposed_limit(crp_with_limit, expected, close, kind, arm):
    data = crp_with_limit(kind)
    rows = data.arm == data.arms.index(arm)
    result = summarize_by_order_statistics(data.follow_up[rows], data.follow_up_censored[rows])
    assert_summary(result, expected("s13b_lod_crp_artificial")[kind]["by_arm"][arm], close)


def test_positions_by_hand():
    # Limit 2 with two values below it, then 3, 4, 5: exceedance 3/5; detected at 0.4 + 0.6 (1, 2, 3)/4,
    # censored at 0.4 (1, 2)/3.
    positions = plotting_positions(np.array([2.0, 2.0, 3.0, 4.0, 5.0]), np.array([True, True, False, False, False]))
    assert positions == pytest.approx([0.4 / 3, 0.8 / 3, 0.55, 0.7, 0.85], rel=1e-12)


def test_without_limits_it_is_the_ordinary_summary():
    values = np.array([1.0, 2.0, 4.0, np.nan, 9.0])
    result = summarize_by_order_statistics(values, np.zeros(5, dtype=bool))
    assert (result.n, result.mean, result.median) == (4, 4.0, 3.0)
    assert result.positions == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_a_limit_above_everything_detected_is_dropped_and_counted():
    values = np.array([1.0, 2.0, 4.0, 9.0, 20.0])
    result = summarize_by_order_statistics(values, np.array([False, False, False, False, True]))
    assert (result.n, result.censored, result.dropped, result.mean) == (5, 1, 1, 4.0)


@pytest.mark.parametrize(
    ("values", "censored", "reason"),
    [
        ([], [], TOO_FEW_DETECTED),
        ([1, 1, 1], [True, True, True], TOO_FEW_DETECTED),
        ([1, 2, 3], [True, False, False], TOO_FEW_DETECTED),
        ([1, 1, 1, 1, 5], [True, True, True, True, False], MOSTLY_BELOW_LIMIT),
        ([1, 3, 3, 3], [True, False, False, False], NO_VARIATION_DETECTED),
    ],
)
def test_refusals(values, censored, reason):
    assert summarize_by_order_statistics(np.array(values, float), np.array(censored, bool)) is reason


def test_zero_has_no_logarithm():
    with pytest.raises(ValueError, match="positive"):
        summarize_by_order_statistics(np.array([0.0, 1.0, 2.0]), np.zeros(3, dtype=bool))


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans()), max_size=40), st.floats(0.1, 50))
def test_unit_and_order_change_nothing(pairs, factor):
    values, censored = np.array([v for v, _ in pairs], float), np.array([c for _, c in pairs], bool)
    result, scaled = (
        summarize_by_order_statistics(values, censored),
        summarize_by_order_statistics(values[::-1] * factor, censored[::-1]),
    )
    if isinstance(result, NotEstimable):
        assert scaled is result
        return
    numbers = (result.mean, result.standard_deviation, result.median)
    assert np.all(np.isfinite(numbers))
    assert (scaled.mean, scaled.standard_deviation, scaled.median) == pytest.approx(
        [number * factor for number in numbers], rel=1e-8
    )
