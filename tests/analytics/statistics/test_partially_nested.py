"""Therapy groups in one arm against R's lmerTest, pbkrtest and nlme (s19), by hand, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import ancova_design
from analytics.statistics.estimate import ARM_EMPTY, NO_RESIDUAL_DF, ONE_CLUSTER
from analytics.statistics.least_squares_by_cluster import paired_with_groups
from analytics.statistics.outcome import OutcomeData
from analytics.statistics.partially_nested import contrast_error, estimate_partially_nested, fit_partially_nested

CASE = "s19_partially_nested"
TERMS = ("(Intercept)", "arm", "base")
INFERENCES = {"KR": "kenward_roger", "Satterthwaite": "satterthwaite"}


@pytest.fixture
def nested_trial(input_rows):
    rows = input_rows(CASE, "input.csv")
    column = {name: np.array([float(row[name]) for row in rows]) for name in ("arm", "group", "base", "y")}
    arm, none = column["arm"].astype(np.int64), np.zeros(len(rows), dtype=bool)
    data = OutcomeData(
        column["base"], column["y"], none, none, arm, {}, ("control", "treatment"), "identity", "beneficial"
    )
    return data, np.where(arm == 1, column["group"].astype(np.int64), -1)


def fitted(nested_trial, residual):
    pairs, groups = paired_with_groups(*nested_trial)
    levels = pairs.arm if residual == "by_arm" else np.zeros_like(pairs.arm)
    return fit_partially_nested(ancova_design(pairs).columns, pairs.follow_up, groups, levels)


def test_one_residual_variance(nested_trial, expected, close):
    wanted = expected(CASE)["homoscedastic"]
    fit = fitted(nested_trial, "common")
    close(list(fit.variances), [wanted["var_group"], wanted["var_resid"]], 1e-5)
    close([fit.log_likelihood, fit.intraclass_correlation], [wanted["reml_loglik"], wanted["icc_treated"]], 1e-5)


@pytest.mark.parametrize("inference", INFERENCES)
def test_every_coefficient(nested_trial, expected, close, inference):
    fit = fitted(nested_trial, "common")
    for position, term in enumerate(TERMS):
        wanted = expected(CASE)["homoscedastic"][inference][term]
        contrast = np.eye(3)[position]
        error = contrast_error(fit, contrast, INFERENCES[inference])
        close([contrast @ fit.coefficients, *error], [wanted[k] for k in ("estimate", "se", "df")], 1e-5)


@pytest.mark.parametrize("inference", INFERENCES)
def test_the_arm(nested_trial, expected, close, inference):
    wanted = expected(CASE)["homoscedastic"][inference]["arm"]
    result = estimate_partially_nested(*nested_trial, "treatment", inference=INFERENCES[inference])[0]
    close(
        [result.estimate, result.standard_error, result.df, result.p_value, result.ci_low],
        [wanted[name] for name in ("estimate", "se", "df", "p", "lo")],
        1e-5,
    )
    # The upper bound lies so near zero that R's own convergence (1e-6 of an SE) shows in it.
    assert result.ci_high == pytest.approx(wanted["hi"], abs=1e-5 * wanted["se"])
    assert result.n == {"control": 70, "treatment": 69}


def test_a_residual_variance_per_arm(nested_trial, expected, close):
    wanted = expected(CASE)["heteroscedastic"]
    fit = fitted(nested_trial, "by_arm")
    sigma = np.sqrt(fit.variances[1:])
    close(
        [fit.coefficients[1], np.sqrt(fit.covariance[1, 1]), fit.log_likelihood],
        [wanted[name] for name in ("estimate", "se", "logLik")],
        1e-5,
    )
    close(
        [fit.variances[0], sigma[0] / sigma[1], sigma[1]], [wanted[k] for k in ("var_group", "sd_ratio", "sigma")], 1e-5
    )


def test_it_is_the_maximum(nested_trial):
    """No neighbouring variances are likelier, with the likelihood written out by matrices of all participants."""
    pairs, groups = paired_with_groups(*nested_trial)
    x, y = ancova_design(pairs).columns, pairs.follow_up
    together = (groups[:, None] == groups) & (groups >= 0)[:, None]

    def log_likelihood(variances):
        v = variances[0] * together + variances[1] * np.eye(len(y))
        inverse = np.linalg.inv(v)
        b = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
        logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(x.T @ inverse @ x)[1]
        return -0.5 * ((len(y) - 3) * np.log(2 * np.pi) + logs + (y - x @ b) @ inverse @ (y - x @ b))

    fit = fitted(nested_trial, "common")
    best = log_likelihood(fit.variances)
    assert fit.log_likelihood == pytest.approx(best, rel=1e-12)
    for step in (np.array([1e-3, 0]), np.array([0, 1e-3])):
        assert max(log_likelihood(fit.variances + step), log_likelihood(fit.variances - step)) < best


def test_balanced_groups_by_hand():
    # Three groups of two with means 1, 3, 5 and differences within of 2; one coefficient. Analysis of variance:
    # mean square within 2, between 2 * 4 = 8; variance between (8 - 2) / 2 = 3; squared error of the mean 8 / 6, df 2.
    values = np.array([0.0, 2.0, 2.0, 4.0, 4.0, 6.0])
    groups = np.repeat(np.arange(3), 2)
    fit = fit_partially_nested(np.ones((6, 1)), values, groups, np.zeros(6, dtype=np.int64))
    assert fit.variances == pytest.approx([3, 2], rel=1e-9)
    for inference in ("kenward_roger", "satterthwaite"):
        error, df = contrast_error(fit, np.ones(1), inference)
        assert (error**2, df) == pytest.approx((8 / 6, 2), rel=1e-9)


def test_no_variance_between_groups():
    # Equal group means: the likelihood falls from zero, and zero is the answer.
    values = np.array([0.0, 2.0, 0.0, 2.0, 0.0, 2.0])
    fit = fit_partially_nested(np.ones((6, 1)), values, np.repeat(np.arange(3), 2), np.zeros(6, dtype=np.int64))
    assert fit.variances[0] == 0
    assert fit.variances[1] == pytest.approx(6 / 5, rel=1e-9)
    error, df = contrast_error(fit, np.ones(1), "kenward_roger")
    assert np.all(np.isfinite([error, df]))


def test_unit_changes_nothing_else(nested_trial):
    data, group = nested_trial
    first = estimate_partially_nested(data, group, "treatment")[0]
    scaled = OutcomeData(
        data.baseline * 1000,
        data.follow_up * 1000,
        *(data.baseline_censored,) * 2,
        data.arm,
        {},
        data.arms,
        "identity",
        "beneficial",
    )
    second = estimate_partially_nested(scaled, np.where(group < 0, -1, 90 - group), "treatment")[0]
    assert (second.estimate / 1000, second.standard_error / 1000, second.df) == pytest.approx(
        (first.estimate, first.standard_error, first.df), rel=1e-6
    )  # as far as the optimum is found: the digits after that differ between processors


def test_refusals(nested_trial, five_participants):
    data, group = nested_trial
    assert estimate_partially_nested(data, np.minimum(group, 1), "treatment")[0].not_estimable is ONE_CLUSTER
    alone = np.where(group < 0, -1, np.arange(len(group)))
    assert estimate_partially_nested(data, alone, "treatment")[0].not_estimable is NO_RESIDUAL_DF
    empty = five_participants(follow_up=np.array([np.nan, np.nan, 4.0, 6.0, 8.0]))
    assert estimate_partially_nested(empty, np.array([-1, -1, 1, 2, 2]), "treatment")[0].not_estimable is ARM_EMPTY


def test_a_group_in_two_arms_needs_one_residual_variance(nested_trial):
    data, group = nested_trial
    with pytest.raises(ValueError, match="two arms"):
        estimate_partially_nested(data, np.arange(len(group)) % 5, "treatment", residual="by_arm")


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30), st.integers(1, 6), st.booleans())
def test_no_crash_and_no_nan(seed, n, groups, by_arm):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    base = chance.integers(0, 3, n).astype(float)
    data = OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "neutral")
    group = np.where(arm == 1, chance.integers(0, groups, n), -1)
    result = estimate_partially_nested(data, group, "b", residual="by_arm" if by_arm else "common")[0]
    numbers = (result.estimate, result.standard_error, result.df, result.p_value)
    assert numbers == (None,) * 4 if result.not_estimable else np.all(np.isfinite(numbers))
