"""The random-effects fit and its nine variance estimators against R's metafor (s10, s11, s12, s12b) and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.estimate import (
    MODERATOR_ALIASED,
    NO_SAMPLING_VARIANCE,
    OUT_OF_RANGE,
    TOO_FEW_STUDIES,
    NotEstimable,
)
from analytics.statistics.random_effects import RandomEffects, fit_random_effects, i_squared_at, q_profile

METHODS = ("FE", "DL", "HE", "HS", "SJ", "ML", "REML", "EB", "PM")
TESTS = {"z": "wald", "knha": "knapp_hartung"}


def intercept(k):
    return np.ones((k, 1))


@pytest.mark.parametrize("method", METHODS)
def test_every_estimator_of_the_variance(pooled_case, near, method):
    """R sought the root of Paule and Mandel's equation to 4 digits only; its EB solves the same one to 12."""
    effects, variances, wanted = pooled_case
    fit = fit_random_effects(effects, variances, intercept(len(effects)), method)
    rel = 5e-4 if method == "PM" else 1e-7
    for test in ("z",) if method == "FE" else ("z", "knha"):
        r = wanted[f"{method}_{test}"]
        row = r["coef"]["intrcpt"]
        error = np.sqrt(fit.covariance_for(TESTS[test])[0, 0])
        near([fit.coefficients[0], error, fit.coefficients[0] / error], [row["estimate"], row["se"], row["stat"]], rel)
        near([fit.k, fit.tau2, fit.i_squared, fit.h_squared], [r["k"], r["tau2"], r["I2"], r["H2"]], rel)
        near([fit.q, fit.q_p, fit.log_likelihood], [r["QE"], r["QEp"], r["logLik"]], rel, 0)
        near((fit.coefficients[0] / error) ** 2, r["QM"], rel)
        if method == "FE":
            assert fit.tau2_standard_error is r["se_tau2"] is None
        else:
            near(fit.tau2_standard_error, r["se_tau2"], rel)
        assert r["df"] == (None if test == "z" else fit.df)


def test_paule_mandel_is_empirical_bayes(pooled_case, near):
    effects, variances, _ = pooled_case
    one = intercept(len(effects))
    near(*(fit_random_effects(effects, variances, one, m).tau2 for m in ("PM", "EB")), 1e-14)


def test_q_profile(pooled_case, near):
    effects, variances, wanted = pooled_case
    one = intercept(len(effects))
    limits, r = q_profile(effects, variances, one), wanted["tau2_ci_qprofile"]
    near(limits, [r["tau2_lo"], r["tau2_hi"]], 1e-9)
    typical = fit_random_effects(effects, variances, one).typical_variance
    near([i_squared_at(tau2, typical) for tau2 in limits], [r["I2_lo"], r["I2_hi"]], 1e-9)


def test_three_trials_by_hand():
    # Variances 1: mean 4, sum of squares 14, so Q = 14, tau^2 = 14/2 - 1 = 6 by every estimator that is unbiased.
    effects, variances = np.array([1.0, 5.0, 6.0]), np.ones(3)
    for method in ("DL", "HE", "REML", "EB", "PM"):
        fit = fit_random_effects(effects, variances, intercept(3), method)
        assert fit.tau2 == pytest.approx(6, rel=1e-12)
        assert fit.coefficients[0] == pytest.approx(4, rel=1e-12)
        assert fit.covariance[0, 0] == pytest.approx(7 / 3, rel=1e-12)
        assert fit.mean_square == pytest.approx(1, rel=1e-12)
        assert (fit.q, fit.df, fit.h_squared) == (pytest.approx(14), 2, pytest.approx(7))
    assert fit_random_effects(effects, variances, intercept(3), "ML").tau2 == pytest.approx(14 / 3 - 1, rel=1e-12)


def test_equal_effects_leave_no_variance_between_trials():
    for method in METHODS:
        fit = fit_random_effects(np.full(4, 2.0), np.array([1.0, 2.0, 3.0, 4.0]), intercept(4), method)
        assert fit.tau2 == 0
        assert fit.coefficients[0] == pytest.approx(2)
        assert fit.covariance_for("ad_hoc")[0, 0] == fit.covariance[0, 0] > fit.covariance_for("knapp_hartung")[0, 0]
    assert q_profile(np.full(4, 2.0), np.ones(4), intercept(4)) is None


@pytest.mark.parametrize(
    ("effects", "variances", "columns", "reason"),
    [
        ([1.0], [1.0], [[1.0]], TOO_FEW_STUDIES),
        ([], [], np.ones((0, 1)), TOO_FEW_STUDIES),
        ([1.0, 2.0], [1.0, 0.0], np.ones((2, 1)), NO_SAMPLING_VARIANCE),
        ([1.0, 2.0], [1.0, -1.0], np.ones((2, 1)), NO_SAMPLING_VARIANCE),
        ([1.0, 2.0], [1.0, np.nan], np.ones((2, 1)), NO_SAMPLING_VARIANCE),
        ([1.0, np.nan], [1.0, 1.0], np.ones((2, 1)), OUT_OF_RANGE),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], np.ones((3, 2)), MODERATOR_ALIASED),
    ],
)
def test_no_fit_without_a_reason(effects, variances, columns, reason):
    arrays = np.array(effects), np.array(variances), np.array(columns)
    assert fit_random_effects(*arrays) is reason
    assert q_profile(*arrays) is None


def test_arrays_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one entry per study"):
        fit_random_effects(np.ones(3), np.ones(2), intercept(3))


@pytest.mark.parametrize("method", METHODS)
def test_unit_of_the_effects_does_not_matter(pooled_case, near, method):
    effects, variances, _ = pooled_case
    one = intercept(len(effects))
    as_is = fit_random_effects(effects, variances, one, method)
    for unit in (1e-100, 1e3, 1e100):
        other = fit_random_effects(effects * unit, variances * unit**2, one, method)
        near(
            [other.tau2 / unit**2, other.coefficients[0] / unit, other.q], [as_is.tau2, as_is.coefficients[0], as_is.q]
        )


def test_order_of_the_trials_does_not_matter(pooled_case, near):
    effects, variances, _ = pooled_case
    fits = [fit_random_effects(effects[::s], variances[::s], intercept(len(effects))) for s in (1, -1)]
    near(*([fit.tau2, fit.coefficients[0], fit.log_likelihood] for fit in fits), 1e-10)


def test_random_trials_never_crash_and_repeat_to_the_byte():
    rng = np.random.default_rng(8)
    for _ in range(400):
        k, p = int(rng.integers(0, 9)), int(rng.integers(1, 4))
        effects = rng.normal(size=k) * 10.0 ** rng.integers(-150, 150)
        variances = 10.0 ** rng.uniform(-6, 6, size=k) * rng.choice([1.0, 0.0], p=[0.97, 0.03], size=k)
        columns = np.column_stack([np.ones(k), *(rng.integers(0, 2, size=k).astype(float) for _ in range(p - 1))])
        method = str(rng.choice(METHODS))
        fit = fit_random_effects(effects, variances, columns, method)
        again = fit_random_effects(effects, variances, columns, method)
        if isinstance(fit, RandomEffects):
            assert np.isfinite([fit.tau2, fit.q, fit.i_squared, fit.h_squared, fit.q_p, *fit.coefficients]).all()
            assert (fit.tau2, fit.coefficients.tobytes()) == (again.tau2, again.coefficients.tobytes())
            assert fit.tau2 >= 0
        else:
            assert isinstance(fit, NotEstimable)
            assert again is fit


def test_the_restricted_likelihood_is_nowhere_higher():
    rng = np.random.default_rng(3)
    for _ in range(30):
        k = int(rng.integers(3, 12))
        effects, variances = rng.normal(size=k) * 2, 10.0 ** rng.uniform(-3, 1, size=k)
        for method in ("REML", "ML"):
            best = fit_random_effects(effects, variances, intercept(k), method)
            for tau2 in np.append(0.0, np.geomspace(1e-6, 100, 60)):
                w = 1 / (variances + tau2)
                mean = (w @ effects) / w.sum()
                value = -0.5 * (k * np.log(2 * np.pi) - np.log(w).sum() + w @ (effects - mean) ** 2)
                if method == "REML":
                    value -= 0.5 * (np.log(w.sum()) - np.log(2 * np.pi) - np.log(k))
                assert value <= best.log_likelihood + 1e-9
