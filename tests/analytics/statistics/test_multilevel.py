"""Multilevel models with CR2 against R's metafor and clubSandwich (s08_rve_hierdat, s09_rve_dropout), and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.cluster_robust import robust_chi_squared
from analytics.statistics.estimate import NO_SAMPLING_VARIANCE, ONE_CLUSTER
from analytics.statistics.meta_regression import moderator_columns
from analytics.statistics.multilevel import multilevel_effects
from analytics.statistics.random_effects import fit_random_effects

FROM_R = ("estimate", "se", "t", "df", "p", "lo", "hi")


def compare(near, estimate, row, rel=1e-6):
    e = estimate
    near(
        [e.estimate, e.standard_error, e.estimate / e.standard_error, e.df, e.p_value, e.ci_low, e.ci_high],
        [row[name] for name in FROM_R],
        rel,
        0,
    )


@pytest.fixture(scope="module")
def three_level(input_rows):
    rows = input_rows("s08_rve_hierdat", "input.csv")
    names = ("binge", "followup", "sreport", "age")
    values = {name: np.array([float(row[name]) for row in rows]) for name in ("effectsize", "var", *names)}
    columns = moderator_columns(len(rows), {name: values[name] for name in names})
    trials = [row["studyid"] for row in rows]
    return values["effectsize"], values["var"], trials, columns


def test_three_level_model(three_level, expected, near):
    wanted, result = expected("s08_rve_hierdat")["rma_mv"], multilevel_effects(*three_level, rho=0.0)
    fit = result.robust
    near([fit.tau2, fit.omega2], wanted["sigma2"])
    near(result.log_likelihood, wanted["logLik"], 1e-9, 0)
    near(list(result.model_standard_errors.values()), wanted["se_model"], 1e-7, 0)
    assert len(wanted["CR2"]) == len(wanted["b"]) == len(fit.coefficients)
    for estimate, name in zip(fit.coefficients.values(), wanted["CR2"], strict=True):
        compare(near, estimate, wanted["CR2"][name], 1e-7)
        near(estimate.estimate, wanted["b"][name], 1e-7, 0)


def test_joint_tests(three_level, expected, near):
    wanted, fit = expected("s08_rve_hierdat")["rma_mv"]["wald_all"], multilevel_effects(*three_level, rho=0.0).robust
    joint, plain = fit.joint_test(fit.terms[1:]), robust_chi_squared(fit.working, np.eye(5)[1:])
    r = wanted["HTZ"]
    # The denominator is what is left of two numbers that differ in the second digit, so it keeps two digits fewer.
    near([joint.statistic, joint.df, joint.df_denominator], [r["F"], r["df_num"], r["df_denom"]], 1e-6, 0)
    near(joint.p_value, r["p"], 1e-7, 0)
    assert joint.few_df
    near([plain.statistic, plain.df], [wanted["chi-sq"]["F"], wanted["chi-sq"]["df_num"]], 1e-7, 0)
    near(plain.p_value, wanted["chi-sq"]["p"], 1e-6, 0)
    assert plain.df_denominator is wanted["chi-sq"]["df_denom"] is None
    near([plain.statistic, fit.n_clusters - 1], [wanted["Naive-F"]["F"], wanted["Naive-F"]["df_denom"]], 1e-7, 0)


def test_samples_within_trials(dropout, expected, near):
    wanted = expected("s09_rve_dropout")["rma_mv"]
    data = dropout.effects, dropout.variances, dropout.trials, dropout.moderators
    fit = multilevel_effects(*data, 0.0, dropout.samples).robust
    near([fit.tau2, fit.omega2], wanted["sigma2"], 1e-7)
    assert set(wanted["CR2"]) == {dropout.name_in_r(term) for term in fit.terms}
    for term, estimate in fit.coefficients.items():
        compare(near, estimate, wanted["CR2"][dropout.name_in_r(term)])


def test_correlated_and_hierarchical_effects(dropout, expected, near):
    wanted = expected("s09_rve_dropout")["che_rho_0.6"]
    columns = moderator_columns(len(dropout.effects), {})
    result = multilevel_effects(dropout.effects, dropout.variances, dropout.trials, columns, 0.6)
    near([result.robust.tau2, result.robust.omega2], wanted["sigma2"])
    near(result.log_likelihood, wanted["logLik"], 1e-9, 0)
    near(result.model_standard_errors["intercept"], wanted["se_model"], 1e-8, 0)
    compare(near, result.robust.coefficients["intercept"], wanted["CR2"]["intrcpt"], 1e-7)


def test_one_effect_per_trial_is_pooling(near):
    rng = np.random.default_rng(2)
    effects, variances = rng.normal(size=9), rng.uniform(0.05, 0.5, size=9)
    result = multilevel_effects(effects, variances, np.arange(9), moderator_columns(9, {}))
    pooled = fit_random_effects(effects, variances, np.ones((9, 1)))
    near([result.robust.tau2, result.log_likelihood], [pooled.tau2, pooled.log_likelihood], 1e-8)
    near(result.model_standard_errors["intercept"], np.sqrt(pooled.covariance[0, 0]), 1e-8)
    assert result.robust.omega2 == 0


def test_balanced_trials_by_hand(near):
    # Four trials of two effects, sampling variance 1. Between: means 0, 4, 8, 12, mean square 2 * 80/3 = 160/3.
    # Within: differences of 4, mean square 8 = omega^2 + 1. So omega^2 = 7 and tau^2 = (160/3 - 8) / 2 = 68/3.
    effects = np.array([-2.0, 2, 2, 6, 6, 10, 10, 14])
    result = multilevel_effects(effects, np.ones(8), np.repeat(np.arange(4), 2), moderator_columns(8, {}), 0.0)
    near([result.robust.tau2, result.robust.omega2], [68 / 3, 7], 1e-9)
    estimate = result.robust.coefficients["intercept"]
    near([estimate.estimate, estimate.standard_error, estimate.df], [6, np.sqrt(80 / 3 / 4), 3], 1e-9)
    # A correlation of sampling errors moves variance from between trials to them, and changes nothing else.
    moved = multilevel_effects(effects, np.ones(8), np.repeat(np.arange(4), 2), moderator_columns(8, {}), 0.8)
    near([moved.robust.tau2 + 0.8, moved.robust.omega2 + 0.2], [68 / 3, 8], 1e-9)


def test_unit_does_not_matter(three_level, near):
    effects, variances, trials, columns = three_level
    as_is, other = (multilevel_effects(u * effects, u**2 * variances, trials, columns).robust for u in (1.0, 1e60))
    near([other.tau2 / 1e120, other.omega2 / 1e120], [as_is.tau2, as_is.omega2], 1e-8)
    for term, estimate in as_is.coefficients.items():
        near([other.coefficients[term].df, other.coefficients[term].p_value], [estimate.df, estimate.p_value], 1e-6, 0)


def test_no_fit_without_a_reason():
    columns = moderator_columns(4, {})
    alone = multilevel_effects(np.arange(4.0), np.ones(4), ["a"] * 4, columns)
    assert alone.robust.coefficients["intercept"].not_estimable is ONE_CLUSTER
    assert alone.log_likelihood is None
    exact = multilevel_effects(np.arange(4.0), np.zeros(4), list("aabb"), columns)
    assert exact.robust.coefficients["intercept"].not_estimable is NO_SAMPLING_VARIANCE
    with pytest.raises(ValueError, match="below 1"):
        multilevel_effects(np.arange(4.0), np.ones(4), list("aabb"), columns, 1.0)
    with pytest.raises(ValueError, match="one entry per effect"):
        multilevel_effects(np.arange(4.0), np.ones(4), list("aabb"), columns, 0.5, ["s"])


def test_random_trials_never_crash():
    rng = np.random.default_rng(9)
    for _ in range(60):
        n = int(rng.integers(0, 14))
        trials = rng.integers(0, int(rng.integers(1, 8)), size=n)
        columns = moderator_columns(n, {"a": rng.integers(0, 2, size=n).astype(float)})
        effects = rng.normal(size=n) * 10.0 ** rng.integers(-20, 20)
        variances = rng.chisquare(1, size=n)
        result, again = (multilevel_effects(effects, variances, trials, columns) for _ in range(2))
        for estimate, same in zip(result.robust.coefficients.values(), again.robust.coefficients.values(), strict=True):
            assert estimate == same
            if estimate.not_estimable is None:
                assert np.isfinite([estimate.estimate, estimate.standard_error, estimate.df, estimate.p_value]).all()
