"""Pooling against R's metafor: BCG trials (s10_meta_bcg), psychosocial interventions for stress (s11_meta_thirdwave),
hospital stay (s12_meta_normand1999), teacher expectations (s12b_meta_raudenbush1985), Morris's trials (s03), by hand.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from analytics.statistics.estimate import (
    NO_SAMPLING_VARIANCE,
    OUT_OF_RANGE,
    TOO_FEW_STUDIES,
    Z_975,
    NotEstimable,
    quantile_975,
)
from analytics.statistics.pooling import cumulative, influence, leave_one_out, pool
from analytics.statistics.random_effects import fit_random_effects

METHODS = ("FE", "DL", "HE", "HS", "SJ", "ML", "REML", "EB", "PM")


@pytest.mark.parametrize("method", METHODS)
def test_pooled_effect_interval_and_p(pooled_case, near, method):
    effects, variances, wanted = pooled_case
    for test, name in (("wald", "z"), ("knapp_hartung", "knha")):
        if method == "FE" and test == "knapp_hartung":
            continue
        result = pool(effects, variances, method, test)
        row = wanted[f"{method}_{name}"]["coef"]["intrcpt"]
        overall = result.overall
        near(
            [overall.estimate, overall.standard_error, overall.ci_low, overall.ci_high, overall.p_value],
            [row["estimate"], row["se"], row["lo"], row["hi"], row["p"]],
            # R sought Paule and Mandel's root to 4 digits only.
            2e-3 if method == "PM" else 1e-7,
            0,
        )
        assert overall.df == (None if test == "wald" else len(effects) - 1)
        assert overall.n == {"trials": len(effects)}
        near(wanted[f"{method}_{name}"]["QMp"], row["p"], 1e-9, 0)


def test_prediction_intervals(pooled_case, near):
    effects, variances, wanted = pooled_case
    r = wanted["prediction"]
    near(pool(effects, variances).prediction, r["hts_t_kminus2"])
    # The other two definitions of R follow from the same numbers.
    fit = fit_random_effects(effects, variances, np.ones((len(effects), 1)))
    for name, test, quantile in (
        ("knha_t_kminus1", "knapp_hartung", quantile_975(len(effects) - 1)),
        ("wald_z", "wald", Z_975),
    ):
        half = quantile * np.sqrt(fit.tau2 + fit.covariance_for(test)[0, 0])
        near([fit.coefficients[0] - half, fit.coefficients[0] + half], r[name])


def test_intervals_of_the_heterogeneity(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, h = wanted["tau2_ci_qprofile"], pool(effects, variances).heterogeneity
    near([*h.tau2_interval, *h.i_squared_interval], [r["tau2_lo"], r["tau2_hi"], r["I2_lo"], r["I2_hi"]], 1e-9)
    reml = wanted["REML_knha"]
    near([h.q, h.q_p, h.tau2, h.log_likelihood], [reml["QE"], reml["QEp"], reml["tau2"], reml["logLik"]])
    near([h.tau2_standard_error, h.h_squared], [reml["se_tau2"], reml["H2"]])
    assert h.q_df == len(effects) - 1


def test_leave_one_out(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, results = wanted["leave1out_REML_knha"], leave_one_out(effects, variances, test="knapp_hartung")
    near([x.overall.estimate for x in results], r["estimate"])
    near([x.overall.standard_error for x in results], r["se"])
    near([x.overall.p_value for x in results], r["p"])
    near([x.heterogeneity.tau2 for x in results], r["tau2"])
    near([x.heterogeneity.i_squared for x in results], r["I2"], absolute=1e-7)
    near([x.heterogeneity.q for x in results], r["Q"])


def test_cumulative(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, results = wanted["cumulative_REML_knha"], cumulative(effects, variances, test="knapp_hartung")
    near([x.overall.estimate for x in results], r["estimate"])
    near([x.overall.standard_error for x in results], r["se"])
    near([0 if x.heterogeneity is None else x.heterogeneity.tau2 for x in results], r["tau2"])


def test_influence(pooled_case, near):
    effects, variances, wanted = pooled_case
    r, result = wanted["influence"], influence(effects, variances, test="knapp_hartung")
    near(result.studentized, r["rstudent"])
    near(result.dffits, r["dffits"])
    near(result.cook, r["cook.d"])
    near(result.hat, r["hat"])
    near(pool(effects, variances).weights, r["weight"])


def test_published_psychosocial_interventions(expected, outside_rows):
    """Harrer et al. (2021), ch. 4.2, as printed there."""
    rows = outside_rows("s11_meta_thirdwave", "input.csv")
    effects = np.array([float(row["TE"]) for row in rows])
    variances = np.array([float(row["seTE"]) for row in rows]) ** 2
    book, result = expected("s11_meta_thirdwave")["published"], pool(effects, variances, test="knapp_hartung")
    h = result.heterogeneity
    assert [result.overall.estimate, result.overall.ci_low, result.overall.ci_high, h.tau2] == pytest.approx(
        [book["g"], book["lo"], book["hi"], book["tau2"]], abs=6e-5
    )
    assert [*h.tau2_interval, h.q] == pytest.approx([book["tau2_lo"], book["tau2_hi"], book["Q"]], abs=6e-3)
    assert result.prediction == pytest.approx((book["pi_lo"], book["pi_hi"]), abs=2e-3)


@pytest.mark.parametrize(("case", "digits"), [("s10_meta_bcg", 6e-5), ("s12b_meta_raudenbush1985", 6e-5)])
def test_published_bcg_and_teacher_expectations(expected, input_rows, case, digits):
    wanted = expected(case)
    if case == "s10_meta_bcg":
        effects, variances = np.array(wanted["yi"]), np.array(wanted["vi"])
        result = pool(effects, variances, test="wald")
        values = [result.overall.estimate, result.overall.standard_error, result.heterogeneity.tau2]
        assert values == pytest.approx([wanted["published"][name] for name in ("b", "se", "tau2")], abs=digits)
    else:
        rows = input_rows(case, "input.csv")
        result = pool(*(np.array([float(row[name]) for row in rows]) for name in ("yi", "vi")))
        values = [result.overall.estimate, result.heterogeneity.tau2]
        assert values == pytest.approx([wanted["published"]["mu"], wanted["published"]["tau2"]], abs=digits)


def test_morris_trials_pooled(expected, near):
    wanted = expected("s03_ppc_g_morris")
    sizes, reml = wanted["es"]["dppc2_approx"], wanted["pooled_reml_wald"]
    result = pool(np.array(sizes["yi"]), np.array(sizes["vi_metafor"]), "REML", "wald")
    overall = result.overall
    near(
        [overall.estimate, overall.standard_error, overall.ci_low, overall.ci_high, result.heterogeneity.tau2],
        [reml[name] for name in ("b", "se", "lo", "hi", "tau2")],
        1e-9,
    )
    sizes, fixed = wanted["es"]["SMCR"]["diff"], wanted["pooled_fe_becker"]
    overall = pool(np.array(sizes["yi"]), np.array(sizes["vi"]), "FE", "wald").overall
    near([overall.estimate, overall.standard_error], [fixed["b"], fixed["se"]], 1e-9)


def test_three_trials_by_hand():
    # tau^2 = 6 and q = 1 (see test_random_effects), so SE = sqrt(7/3), and the new trial adds tau^2: sqrt(25/3).
    result = pool(np.array([1.0, 5.0, 6.0]), np.ones(3))
    assert result.overall.estimate == pytest.approx(4)
    assert result.overall.standard_error == pytest.approx(np.sqrt(7 / 3), rel=1e-9)
    assert result.overall.df == 2
    half = 12.706204736174694 * np.sqrt(25 / 3)
    assert result.prediction == pytest.approx((4 - half, 4 + half), rel=1e-9)
    assert result.weights == pytest.approx([100 / 3] * 3)


def test_correction_keeps_the_interval_from_being_too_narrow():
    effects, variances = np.array([0.30, 0.31, 0.32, 0.30]), np.full(4, 0.04)
    corrected, plain = (pool(effects, variances, test=test).overall for test in ("ad_hoc", "knapp_hartung"))
    wald = pool(effects, variances, test="wald").overall
    assert plain.standard_error < wald.standard_error == pytest.approx(corrected.standard_error)
    wide = np.array([-1.0, 2.0, 0.1, 4.0])
    assert (
        pool(wide, variances, test="ad_hoc").overall.standard_error
        >= pool(wide, variances, test="wald").overall.standard_error
    )


def test_one_trial_is_itself():
    result = pool(np.array([0.5]), np.array([0.04]))
    assert (result.overall.estimate, result.overall.standard_error) == (0.5, pytest.approx(0.2))
    assert result.overall.notes == ("One trial: its own estimate, nothing is pooled.",)
    assert result.heterogeneity is result.prediction is None


def test_two_trials_have_no_prediction():
    result = pool(np.array([0.5, 0.7]), np.array([0.04, 0.04]))
    assert result.overall.df == 1
    assert result.prediction is None
    assert influence(np.array([0.5, 0.7]), np.array([0.04, 0.04])) is TOO_FEW_STUDIES


@pytest.mark.parametrize(
    ("effects", "variances", "reason"),
    [
        ([], [], TOO_FEW_STUDIES),
        ([1.0, 2.0], [1.0, 0.0], NO_SAMPLING_VARIANCE),
        ([1.0, np.inf], [1.0, 1.0], OUT_OF_RANGE),
        ([1.0], [0.0], OUT_OF_RANGE),
        ([np.nan], [1.0], OUT_OF_RANGE),
    ],
)
def test_no_pool_without_a_reason(effects, variances, reason):
    result = pool(np.array(effects), np.array(variances))
    assert result.overall.not_estimable is reason
    assert result.heterogeneity is result.prediction is result.overall.estimate is None


def test_moving_and_turning_the_effects(pooled_case, near):
    effects, variances, _ = pooled_case
    result, moved, turned = (pool(e, variances) for e in (effects, effects + 3, -effects))
    near(
        [moved.overall.estimate - 3, moved.overall.standard_error, -turned.overall.estimate],
        [result.overall.estimate, result.overall.standard_error, result.overall.estimate],
        1e-9,
    )


def test_random_trials_never_crash():
    rng = np.random.default_rng(2)
    for _ in range(150):
        k = int(rng.integers(0, 7))
        effects, variances = rng.normal(size=k) * 10.0 ** rng.integers(-9, 9), rng.chisquare(1, size=k)
        for result in (pool(effects, variances), *leave_one_out(effects, variances), *cumulative(effects, variances)):
            numbers = (result.overall.estimate, result.overall.standard_error, result.overall.p_value)
            if result.overall.not_estimable is None:
                assert np.isfinite(numbers).all()
            else:
                assert numbers == (None, None, None)
            json.dumps(result.weights, allow_nan=False)
            if result.prediction is not None:
                assert np.isfinite(result.prediction).all()
        measured = influence(effects, variances)
        assert isinstance(measured, NotEstimable) or np.isfinite(measured.cook).all()
