"""Errors by therapy group against R's clubSandwich (s19), by hand, and where they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.estimate import ARM_EMPTY, LEVERAGE_ONE, ONE_CLUSTER
from analytics.statistics.least_squares import fit_least_squares
from analytics.statistics.least_squares_by_cluster import (
    METHODS,
    cluster_error,
    clusters_of,
    estimate_clustered,
    paired_with_groups,
)
from analytics.statistics.outcome import OutcomeData, paired_values


@pytest.fixture
def nested_trial(input_rows):
    rows = input_rows("s19_partially_nested", "input.csv")
    column = {name: np.array([float(row[name]) for row in rows]) for name in ("arm", "group", "base", "y")}
    arm, none = column["arm"].astype(np.int64), np.zeros(len(rows), dtype=bool)
    data = OutcomeData(
        column["base"], column["y"], none, none, arm, {}, ("control", "treatment"), "identity", "beneficial"
    )
    return data, np.where(arm == 1, column["group"].astype(np.int64), -1)


@pytest.mark.parametrize("correction", METHODS)
def test_groups_in_one_arm(nested_trial, expected, close, correction):
    wanted = expected("s19_partially_nested")["ols_cluster_robust"][correction]
    result = estimate_clustered(*nested_trial, "treatment", correction)[0]
    actual = {
        "estimate": result.estimate,
        "se": result.standard_error,
        "df": result.df,
        "p": result.p_value,
    }
    close(actual, wanted, 1e-9)
    assert "treatment: 9 clusters." in result.notes


def test_ignoring_groups_is_the_ordinary_analysis(nested_trial, expected, close):
    wanted = expected("s19_partially_nested")["ols_naive"]["arm"]
    result = estimate_ancova(fit_ancova(paired_values(nested_trial[0])), "treatment", "model")[0]
    close([result.estimate, result.standard_error, result.p_value], [wanted[k] for k in ("estimate", "se", "p")])


def test_clusters_of_one_are_hc2(nested_trial):
    """With everybody alone CR2 is HC2, and with equal leverage by arm its df is the Satterthwaite df of Welch."""
    data, group = nested_trial
    alone = estimate_clustered(data, np.full_like(group, -1), "treatment")[0]
    ordinary = estimate_ancova(fit_ancova(paired_values(data)), "treatment", "HC2")[0]
    assert alone.standard_error == pytest.approx(ordinary.standard_error, rel=1e-12)


def test_two_by_two_by_hand():
    # Two clusters per arm, each of two equal rows; arm means 2 and 7. CR2 with whole clusters in an arm of n rows has
    # I - H_jj = I - J/4, so a cluster's residual sum is divided by sqrt(1 - 2/4): variance
    # (2^2 + 2^2) / (4^2 / 2) per arm = 1, both arms 2; each cluster mean counts as one value: df = 2 (Welch).
    values = np.array([1.0, 1.0, 3.0, 3.0, 6.0, 6.0, 8.0, 8.0])
    arm = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    fit = fit_least_squares(np.column_stack([np.ones(8), arm]), values)
    error = cluster_error(fit, np.array([0.0, 1.0]), np.repeat(np.arange(4), 2))
    assert error.standard_error == pytest.approx(np.sqrt(2), rel=1e-12)
    assert error.df == pytest.approx(2, rel=1e-12)


def test_names_and_order_of_groups_change_nothing(nested_trial):
    data, group = nested_trial
    first = estimate_clustered(data, group, "treatment")[0]
    renamed = estimate_clustered(data, np.where(group < 0, -1, 1000 - group), "treatment")[0]
    assert (renamed.standard_error, renamed.df) == pytest.approx((first.standard_error, first.df), rel=1e-12)


def test_groups_travel_with_those_who_have_both_values(five_participants):
    data = five_participants(follow_up=np.array([2.0, np.nan, 4.0, 6.0, 8.0]))
    pairs, groups = paired_with_groups(data, np.array([-1, -1, 5, 6, 6]))
    assert groups.tolist() == [-1, 5, 6, 6]
    assert pairs.strata == {}
    assert clusters_of(groups).tolist() == [7, 5, 6, 6]
    with pytest.raises(ValueError, match="one entry"):
        paired_with_groups(data, np.array([1]))


def test_one_group_is_refused(nested_trial):
    data, group = nested_trial
    assert estimate_clustered(data, np.minimum(group, 1), "treatment")[0].not_estimable is ONE_CLUSTER


def test_a_group_that_alone_determines_the_arm_is_refused(nested_trial):
    # Each group of the arm has a site of its own except one: only that group tells the arm from the sites.
    data, group = nested_trial
    strata = {"site": np.where((group > 1), group, 0)}
    result = estimate_clustered(replace(data, strata=strata), group, "treatment")[0]
    assert result.not_estimable is LEVERAGE_ONE


def test_an_empty_arm(five_participants):
    data = five_participants(follow_up=np.array([np.nan, np.nan, 4.0, 6.0, 8.0]))
    assert estimate_clustered(data, np.array([-1, -1, 1, 2, 2]), "treatment")[0].not_estimable is ARM_EMPTY


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(1, 6))
def test_no_crash_and_no_nan(seed, n, groups):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    base = chance.integers(0, 3, n).astype(float)
    data = OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "neutral")
    result = estimate_clustered(data, chance.integers(-1, groups, n), "b")[0]
    numbers = (result.estimate, result.standard_error, result.df, result.p_value)
    assert numbers == (None,) * 4 if result.not_estimable else np.all(np.isfinite(numbers))
