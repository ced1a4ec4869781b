"""Small-study effects against R's metafor (s10, s11, s12, s12b) and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.estimate import (
    MODERATOR_ALIASED,
    NO_RESIDUAL_VARIANCE,
    NO_SAMPLING_VARIANCE,
    TOO_FEW_STUDIES,
    NotEstimable,
)
from analytics.statistics.publication_bias import (
    FEW_TRIALS,
    begg,
    egger,
    funnel,
    rosenthal,
    trim_and_fill,
    weighted_regression,
)


def test_egger_in_the_random_effects_model(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, result = wanted["egger"]["rma_reml_z"], egger(effects, variances)
    near(
        [result.slope.estimate / result.slope.standard_error, result.slope.p_value],
        [r["z"], r["p"]],
        1e-7,
        0,
    )
    near(
        [result.limit.estimate, result.limit.ci_low, result.limit.ci_high],
        [r["limit_estimate"], r["limit_lo"], r["limit_hi"]],
    )


def test_classical_egger_and_pet(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, result = wanted["egger"]["classical_lm"], weighted_regression(effects, variances)
    near([result.slope.estimate / result.slope.standard_error, result.slope.p_value], [r["t"], r["p"]], 1e-9, 0)
    limit = result.limit
    near(
        [limit.estimate, limit.ci_low, limit.ci_high, limit.p_value],
        [r["limit_estimate"], r["limit_lo"], r["limit_hi"], wanted["pet"]["intercept_p"]],
    )
    assert result.slope.df == r["df"]


@pytest.mark.parametrize(("name", "predictor"), [("pet", "standard_error"), ("peese", "variance")])
def test_pet_and_peese(pooled_case, near, name, predictor):
    effects, variances, wanted = pooled_case
    r, result = wanted[name], weighted_regression(effects, variances, predictor)
    for estimate, row in ((result.limit, "intercept"), (result.slope, "slope")):
        near(
            [estimate.estimate, estimate.standard_error, estimate.p_value, estimate.df],
            [r[row], r[f"{row}_se"], r[f"{row}_p"], r["df"]],
            1e-9,
            0,
        )


def test_rank_correlation_and_rosenthal(pooled_case, near):
    effects, variances, wanted = pooled_case
    result = begg(effects, variances)
    near([result.tau, result.p_value], [wanted["begg_rank"]["tau"], wanted["begg_rank"]["p"]], 1e-9, 0)
    assert rosenthal(effects, variances) == wanted["failsafe_rosenthal"]


def test_trim_and_fill(pooled_case, near):
    """R refits the filled funnel with its default convergence, which leaves tau^2 at 4 digits."""
    effects, variances, wanted = pooled_case
    r, result = wanted["trimfill_L0"], trim_and_fill(effects, variances, test="wald")
    assert (result.missing, result.side) == (r["k0"], r["side"])
    assert len(result.effects) == len(result.variances) == result.missing
    overall = result.pooled.overall
    rel = 1e-7 if result.missing == 0 else 2e-4
    near(
        [overall.estimate, overall.standard_error, result.pooled.heterogeneity.tau2],
        [r["estimate"], r["se"], r["tau2"]],
        rel,
        0,
    )


def test_funnel_points(pooled_case):
    effects, variances, wanted = pooled_case
    result = funnel(effects, variances)
    assert result.centre == pytest.approx(wanted["REML_z"]["coef"]["intrcpt"]["estimate"])
    assert result.standard_errors == pytest.approx(np.sqrt(variances))
    assert result.high - result.low == pytest.approx(2 * 1.959963984540054 * np.sqrt(variances))
    assert (result.effects == effects).all()


def test_a_gap_is_filled_with_mirror_images():
    # Mean 14.4667/512.33 = 0.028: the ranks above it are 6, 7 and 8, so L0 = (84 - 72)/15 = 0.8, one trial. Without it
    # the mean is 9.8/509, and 0.022 joins with rank 1: (88 - 72)/15 = 1.07, again one.
    effects = np.array([0.0, 0.01, -0.012, 0.022, -0.02, 1.0, 1.2, 1.4])
    variances = np.array([0.01, 0.01, 0.01, 0.01, 0.01, 0.2, 0.25, 0.3])
    result, turned = (trim_and_fill(sign * effects, variances, "FE", "wald") for sign in (1, -1))
    assert (result.side, turned.side) == ("left", "right")
    assert result.missing == turned.missing == 1
    assert result.effects == pytest.approx((2 * 9.8 / 509 - 1.4,))
    assert turned.effects == pytest.approx((1.4 - 2 * 9.8 / 509,))
    assert result.variances == (0.3,)
    # With its mirror image in, a trial pulls neither way.
    assert result.pooled.overall.estimate == pytest.approx(9.8 / 509)


def test_few_trials_are_said_aloud():
    effects, variances = np.array([0.1, 0.4, 0.3, 0.9]), np.array([0.01, 0.02, 0.05, 0.09])
    assert FEW_TRIALS in egger(effects, variances).slope.notes
    assert FEW_TRIALS in weighted_regression(effects, variances).slope.notes


@pytest.mark.parametrize(
    ("effects", "variances", "reason"),
    [
        ([1.0, 2.0], [0.1, 0.2], TOO_FEW_STUDIES),
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], MODERATOR_ALIASED),
    ],
)
def test_no_regression_without_a_reason(effects, variances, reason):
    arrays = np.array(effects), np.array(variances)
    for result in (egger(*arrays), weighted_regression(*arrays)):
        assert result.slope.not_estimable is result.limit.not_estimable is reason
    assert trim_and_fill(*arrays) is reason


def test_degenerate_funnels():
    nothing = np.array([])
    assert begg(np.array([1.0]), np.array([1.0])) is TOO_FEW_STUDIES
    assert rosenthal(np.array([1.0]), np.array([0.0])) is NO_SAMPLING_VARIANCE
    assert rosenthal(nothing, nothing) is TOO_FEW_STUDIES
    assert begg(np.array([1.0, 2.0, 3.0]), np.ones(3)) is NO_RESIDUAL_VARIANCE
    assert funnel(nothing, nothing).centre is None
    exact = weighted_regression(np.sqrt(np.array([0.1, 0.2, 0.3])), np.array([0.1, 0.2, 0.3]))
    assert exact.slope.not_estimable is NO_RESIDUAL_VARIANCE


def test_random_funnels_never_crash():
    rng = np.random.default_rng(4)
    for _ in range(150):
        k = int(rng.integers(0, 9))
        effects, variances = rng.normal(size=k), rng.chisquare(1, size=k) * rng.choice([1, 0], p=[0.97, 0.03], size=k)
        estimates = [egger(effects, variances).slope, weighted_regression(effects, variances, "variance").limit]
        filled, ranked = trim_and_fill(effects, variances), begg(effects, variances)
        if not isinstance(filled, NotEstimable):
            estimates.append(filled.pooled.overall)
        for estimate in estimates:
            assert (estimate.estimate is None) == (estimate.not_estimable is not None)
            assert estimate.estimate is None or np.isfinite([estimate.estimate, estimate.p_value]).all()
        assert isinstance(ranked, NotEstimable) or np.isfinite([ranked.tau, ranked.p_value]).all()
        funnel(effects, variances)
