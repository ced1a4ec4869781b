"""Robust variance estimation against R's robumeta and clubSandwich (s07_rve_corrdat, s08_rve_hierdat, s09_rve_dropout).

The multilevel parts of s08 and s09 are compared in test_multilevel.
"""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.cluster_robust import FEW_DF
from analytics.statistics.estimate import (
    CLUSTER_ALONE,
    MODERATOR_ALIASED,
    NO_SAMPLING_VARIANCE,
    ONE_CLUSTER,
    OUT_OF_RANGE,
    TOO_FEW_STUDIES,
    NotEstimable,
)
from analytics.statistics.meta_regression import JointTest, moderator_columns
from analytics.statistics.robust_variance import RHO_GRID, correlated_effects, hierarchical_effects, rho_grid


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def read(rows, *moderators, within=False):
    """Effects, variances, trials and moderators of a case."""
    columns = {name: column(rows, name) for name in moderators}
    trials = [row["studyid"] for row in rows]
    if within:
        males = column(rows, "males")
        means = {t: np.mean([m for m, trial in zip(males, trials, strict=True) if trial == t]) for t in set(trials)}
        between = np.array([means[trial] for trial in trials])
        columns = {"between": between, "within": males - between}
    return column(rows, "effectsize"), column(rows, "var"), trials, moderator_columns(len(rows), columns)


def compare(near, fit, wanted):
    assert (fit.n_clusters, fit.n_effects) == (wanted["n_studies"], wanted["n_effects"])
    assert len(fit.coefficients) == len(wanted["coef"])
    for c, row in zip(fit.coefficients.values(), wanted["coef"].values(), strict=True):
        near(
            [c.estimate, c.standard_error, c.estimate / c.standard_error, c.df, c.p_value, c.ci_low, c.ci_high],
            [row[name] for name in ("estimate", "se", "t", "df", "p", "lo", "hi")],
            1e-9,
            0,
        )
        assert (FEW_DF in c.notes) == (row["df"] < 4)
        assert c.n == {"trials": fit.n_clusters, "effects": fit.n_effects}
    for value, name in ((fit.tau2, "tau2"), (fit.omega2, "omega2"), (fit.i_squared, "I2")):
        assert value == (None if wanted[name] is None else pytest.approx(wanted[name], rel=1e-9, abs=1e-12))


def test_correlated_effects_over_the_grid(expected, input_rows, near):
    wanted = expected("s07_rve_corrdat")["intercept_only"]
    data = read(input_rows("s07_rve_corrdat", "input.csv"))
    grid = rho_grid(*data)
    assert {f"rho_{rho:g}" for rho in grid} == set(wanted)
    for rho, fit in grid.items():
        compare(near, fit, wanted[f"rho_{rho:g}"])


def test_uncorrected_sandwich(expected, input_rows, near):
    data = read(input_rows("s07_rve_corrdat", "input.csv"))
    fit = correlated_effects(*data, small_sample=False)
    compare(near, fit, expected("s07_rve_corrdat")["intercept_only_uncorrected"])


@pytest.mark.parametrize(
    ("name", "moderators", "within"),
    [
        ("metareg", ("followup", "males", "binge", "college"), False),
        ("metareg2", ("binge",), False),
        ("metareg_within_between", (), True),
    ],
)
def test_correlated_effects_on_moderators(expected, input_rows, near, name, moderators, within):
    data = read(input_rows("s07_rve_corrdat", "input.csv"), *moderators, within=within)
    compare(near, correlated_effects(*data), expected("s07_rve_corrdat")[name])


def test_five_trials_are_flagged(expected, input_rows, near):
    rows = input_rows("s07_rve_corrdat", "input.csv")
    first = list(dict.fromkeys(row["studyid"] for row in rows))[:5]
    fit = correlated_effects(*read([row for row in rows if row["studyid"] in first], "binge"))
    compare(near, fit, expected("s07_rve_corrdat")["five_studies"])
    assert all(FEW_DF in estimate.notes for estimate in fit.coefficients.values())


@pytest.mark.parametrize(
    ("name", "moderators"), [("intercept", ()), ("metareg", ("binge", "followup", "sreport", "age"))]
)
def test_hierarchical_effects(expected, input_rows, near, name, moderators):
    data = read(input_rows("s08_rve_hierdat", "input.csv"), *moderators)
    compare(near, hierarchical_effects(*data), expected("s08_rve_hierdat")[name])


def test_dropout_prevention(dropout, expected, near):
    """385 effects of 152 trials, 22 columns; rows of R's table are found by their names."""
    wanted = expected("s09_rve_dropout")
    fit = hierarchical_effects(dropout.effects, dropout.variances, dropout.trials, dropout.moderators)
    ordered = {term: wanted["robu_hier"]["coef"][dropout.name_in_r(term, ".")] for term in fit.terms}
    compare(near, fit, {**wanted["robu_hier"], "coef": ordered})
    joint = fit.joint_test([term for term in fit.terms if term.startswith("eval:")])
    r = wanted["robu_wald_eval"]
    near(
        [joint.statistic, joint.df, joint.df_denominator, joint.p_value],
        [r["F"], r["df_num"], r["df_denom"], r["p"]],
        1e-9,
        0,
    )
    assert not joint.few_df


def balanced(effects=(1.0, 3.0, 2.0, 6.0), variances=(1.0, 1.0, 1.0, 1.0), trials=("a", "a", "b", "b"), **moderators):
    return np.array(effects), np.array(variances), list(trials), moderator_columns(len(effects), moderators)


def test_two_balanced_trials_by_hand():
    # Trial means 2 and 4: mean 3; the variance of two means is 2, that of their mean 1, on one degree of freedom.
    for fit in (correlated_effects(*balanced()), hierarchical_effects(*balanced())):
        estimate = fit.coefficients["intercept"]
        assert estimate.estimate == pytest.approx(3)
        assert estimate.standard_error == pytest.approx(1)
        assert estimate.df == pytest.approx(1)
        assert FEW_DF in estimate.notes


@pytest.mark.parametrize("fit", [correlated_effects, hierarchical_effects])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (balanced(trials="aaaa"), ONE_CLUSTER),
        (balanced((), (), ()), ONE_CLUSTER),
        (balanced(variances=(1, 1, 0, 1)), NO_SAMPLING_VARIANCE),
        (balanced(effects=(1, np.nan, 0, 1)), OUT_OF_RANGE),
        (balanced(dose=np.array([1.0, 2, 3, 4])), TOO_FEW_STUDIES),
        (balanced(trials="abcd", dose=np.ones(4)), MODERATOR_ALIASED),
    ],
)
def test_no_fit_without_a_reason(fit, data, reason):
    result = fit(*data)
    assert {estimate.not_estimable for estimate in result.coefficients.values()} == {reason}
    assert result.tau2 is result.omega2 is result.i_squared is None
    assert result.joint_test(["intercept"]) is reason


def test_a_term_that_one_trial_determines_is_refused():
    data = balanced(np.arange(6.0) ** 2, np.ones(6), "aabbcc", first=np.array([1.0, 1, 0, 0, 0, 0]))
    fit = correlated_effects(*data)
    assert fit.coefficients["first"].not_estimable is CLUSTER_ALONE
    assert fit.joint_test(["first"]) is CLUSTER_ALONE


def test_arguments_that_do_not_fit_are_refused():
    effects, variances, trials, moderators = balanced()
    with pytest.raises(ValueError, match="between 0 and 1"):
        correlated_effects(effects, variances, trials, moderators, 1.5)
    with pytest.raises(ValueError, match="one entry per effect"):
        hierarchical_effects(effects, variances[1:], trials, moderators)


@pytest.mark.parametrize("fit", [correlated_effects, hierarchical_effects])
def test_order_names_and_units_do_not_matter(input_rows, near, fit):
    effects, variances, trials, moderators = read(input_rows("s08_rve_hierdat", "input.csv"), "binge", "age")
    as_is = fit(effects, variances, trials, moderators)
    order = np.random.default_rng(1).permutation(len(effects))
    columns = {name: moderators.columns[order, i] for i, name in ((1, "binge"), (2, "age"))}
    names = [f"trial {trials[i]}" for i in order]
    shuffled = fit(1e50 * effects[order], 1e100 * variances[order], names, moderator_columns(len(order), columns))
    for term, estimate in as_is.coefficients.items():
        other = shuffled.coefficients[term]
        near([other.estimate / 1e50, other.standard_error / 1e50], [estimate.estimate, estimate.standard_error], 1e-8)
        near([other.df, other.p_value], [estimate.df, estimate.p_value], 1e-8, 0)


def test_rho_outside_the_grid_lies_between():
    rng = np.random.default_rng(7)
    trials = np.repeat(np.arange(12), 3)
    data = rng.normal(size=36), rng.uniform(0.05, 0.2, size=36), trials, moderator_columns(36, {})
    tau2 = [correlated_effects(*data, rho).tau2 for rho in RHO_GRID]
    assert min(tau2) <= correlated_effects(*data, 0.5).tau2 <= max(tau2)


def test_random_effects_of_trials_never_crash():
    rng = np.random.default_rng(6)
    for _ in range(200):
        n = int(rng.integers(0, 14))
        trials = rng.integers(0, int(rng.integers(1, 8)), size=n)
        columns = moderator_columns(
            n, {"a": rng.integers(0, 2, size=n).astype(float), "b": rng.normal(size=n).round(int(rng.integers(0, 3)))}
        )
        effects = rng.normal(size=n) * 10.0 ** rng.integers(-100, 100)
        variances = rng.chisquare(1, size=n)
        for fit in (correlated_effects, hierarchical_effects):
            result, again = (fit(effects, variances, trials, columns) for _ in range(2))
            for estimate, same in zip(result.coefficients.values(), again.coefficients.values(), strict=True):
                assert estimate == same
                if estimate.not_estimable is None:
                    assert np.isfinite(
                        [estimate.estimate, estimate.standard_error, estimate.df, estimate.p_value]
                    ).all()
            joint = result.joint_test(["a", "b"])
            assert isinstance(joint, NotEstimable) or (
                isinstance(joint, JointTest) and np.isfinite([joint.statistic, joint.p_value]).all()
            )
