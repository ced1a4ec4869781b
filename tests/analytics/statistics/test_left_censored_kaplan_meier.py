"""Kaplan-Meier below limits against R's NADA (s14, s13b), by hand, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.statistics.estimate import (
    ARM_EMPTY,
    MOSTLY_BELOW_LIMIT,
    NO_VARIATION_DETECTED,
    TOO_FEW_DETECTED,
    NotEstimable,
)
from analytics.statistics.left_censored_kaplan_meier import compare_arms, summarize_by_kaplan_meier

CASE = "s14_lod_nada"
SETS = (("oahu", "oahu.csv", "As"), ("shepyrene", "shepyrene.csv", "Pyrene"), ("cuzn_zn", "cuzn.csv", "Zn"))


def column(rows, name):
    values = np.array([float(row[name]) if row[name] != "NA" else np.nan for row in rows])
    return values, np.array([row[f"{name}Cen"] == "TRUE" for row in rows])


def assert_summary(result, wanted, close):
    assert (result.n, result.censored) == (wanted["n"], wanted["n_cens"])
    close(
        [result.mean, result.standard_error, result.standard_deviation, result.median],
        [wanted["km"][name] for name in ("mean", "se", "sd", "median")],
        1e-9,
    )


@pytest.mark.parametrize(("name", "file", "metal"), SETS)
def test_one_and_several_limits(outside_rows, expected, close, name, file, metal):
    result = summarize_by_kaplan_meier(*column(outside_rows(CASE, file), metal))
    assert_summary(result, expected(CASE)[name], close)


@pytest.mark.parametrize("zone", ["AlluvialFan", "BasinTrough"])
def test_by_zone(outside_rows, expected, close, zone):
    rows = [row for row in outside_rows(CASE, "cuzn.csv") if row["Zone"] == zone]
    assert_summary(summarize_by_kaplan_meier(*column(rows, "Zn")), expected(CASE)["cuzn_by_zone"][zone], close)


@pytest.mark.parametrize("kind", ["single", "by_clinic"])
@pytest.mark.parametrize("arm", ["control", "treatment"])
def test_imposed_limit(crp_with_limit, expected, close, kind, arm):
    data = crp_with_limit(kind)
    rows = data.arm == data.arms.index(arm)
    result = summarize_by_kaplan_meier(data.follow_up[rows], data.follow_up_censored[rows])
    assert_summary(result, expected("s13b_lod_crp_artificial")[kind]["by_arm"][arm], close)


def test_zones_compared(outside_rows, expected, close):
    rows = outside_rows(CASE, "cuzn.csv")
    zone = np.array([row["Zone"] == "BasinTrough" for row in rows], dtype=np.int64)
    result, wanted = compare_arms(*column(rows, "Zn"), zone), expected(CASE)["cuzn_peto_peto"]
    close([result.statistic, result.p_value], [wanted["chisq"], wanted["p"]], 1e-9)
    assert result.df == 1


def test_by_hand():
    # Detected 4, 2, 1 and a limit 3. P(X < 4) = 3/4, P(X < 2) = 3/4 * 1/2, P(X < 1) = 0.
    # Mean 4 * 1/4 + 2 * 3/8 + 1 * 3/8; the median is 2. Variance: tail areas 2 * 3/4 + 3/8 and 3/8,
    # squared times 1/(4*3) and 1/(2*1), times 3/2.
    result = summarize_by_kaplan_meier(np.array([4.0, 3.0, 2.0, 1.0]), np.array([False, True, False, False]))
    assert result.mean == pytest.approx(17 / 8, rel=1e-12)
    assert (result.median, result.left_below) == (2.0, 0.0)
    assert result.standard_error**2 == pytest.approx(1.5 * ((15 / 8) ** 2 / 12 + (3 / 8) ** 2 / 2), rel=1e-12)


def test_nothing_censored_is_the_ordinary_mean_and_error():
    values = np.array([1.0, 2.0, 4.0, 4.0, 9.0])
    result = summarize_by_kaplan_meier(values, np.zeros(5, dtype=bool))
    assert result.mean == pytest.approx(4.0, rel=1e-12)
    assert result.standard_deviation == pytest.approx(np.std(values, ddof=1), rel=1e-12)


def test_no_median_where_half_lies_below_everything_detected():
    result = summarize_by_kaplan_meier(np.array([1.0, 1.0, 1.0, 4.0, 5.0]), np.array([True] * 3 + [False] * 2))
    assert result.median is None
    assert result.left_below == pytest.approx(0.6, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "censored", "reason"),
    [
        ([], [], TOO_FEW_DETECTED),
        ([1, 2], [True, False], TOO_FEW_DETECTED),
        ([1, 1, 1, 1, 5], [True, True, True, True, False], MOSTLY_BELOW_LIMIT),
        ([1, 3, 3], [True, False, False], NO_VARIATION_DETECTED),
    ],
)
def test_refusals(values, censored, reason):
    assert summarize_by_kaplan_meier(np.array(values, float), np.array(censored, bool)) is reason


def test_arms_that_cannot_be_compared():
    values, none = np.array([1.0, 2.0, 3.0, np.nan]), np.zeros(4, dtype=bool)
    assert compare_arms(values, none, np.array([0, 0, 0, 1])) is ARM_EMPTY
    assert compare_arms(values, ~none, np.array([0, 0, 1, 1])) is TOO_FEW_DETECTED
    assert compare_arms(np.full(4, 2.0), none, np.array([0, 0, 1, 1])) is NO_VARIATION_DETECTED


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.integers(0, 2)), max_size=30))
def test_no_crash_and_arms_in_any_order(rows):
    values = np.array([v for v, _, _ in rows], float)
    censored, arm = np.array([c for _, c, _ in rows], bool), np.array([a for _, _, a in rows], dtype=np.int64)
    result = summarize_by_kaplan_meier(values, censored)
    if not isinstance(result, NotEstimable):
        assert np.all(np.isfinite([result.mean, result.standard_error, result.standard_deviation]))
        assert values[~censored].min() <= result.mean <= values.max()
    test, renamed = compare_arms(values, censored, arm), compare_arms(values, censored, 2 - arm)
    if isinstance(test, NotEstimable):
        assert renamed is test
    else:
        assert 0 <= test.p_value <= 1
        assert (renamed.statistic, renamed.df) == pytest.approx((test.statistic, test.df), rel=1e-8, abs=1e-10)
