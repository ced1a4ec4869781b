"""ANCOVA against R (s01, s02, s22), and five participants by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.ancova import METHODS, estimate_ancova, fit_ancova
from analytics.statistics.estimate import ARM_ALIASED, ARM_EMPTY, LEVERAGE_ONE, NO_RESIDUAL_DF, NO_RESIDUAL_VARIANCE
from analytics.statistics.outcome import OutcomeData, paired_values

VERDICTS = {
    "an arm has no data": ARM_EMPTY,
    "no residual variance": NO_RESIDUAL_VARIANCE,
    "arm cannot be told apart from a covariate (aliased)": ARM_ALIASED,
}


def as_coefficient(result):
    return {
        "estimate": result.estimate,
        "se": result.standard_error,
        "df": result.df,
        "p": result.p_value,
        "lo": result.ci_low,
        "hi": result.ci_high,
    }


def by_measure(fit, kind="HC3"):
    return {result.measure: result for result in estimate_ancova(fit, "treatment", kind)}


def without_t(numbers):
    return {name: value for name, value in numbers.items() if name != "t"}


def test_five_participants_by_hand(five_participants):
    # Centred within arms: baseline (-1, 1 | -1, 1, 0), follow-up (-1, 1 | -2, 0, 2); slope = (2 + 2) / 4 = 1, the
    # baseline means are both 2, so the difference is 6 - 3 = 3. Residuals 0, 0, -1, -1, 2: variance 6 / (5 - 3) = 3,
    # squared standard error 3 (1/2 + 1/3) = 2.5.
    result = by_measure(fit_ancova(paired_values(five_participants())), "model")["difference"]
    assert result.estimate == pytest.approx(3, rel=1e-12)
    assert result.standard_error == pytest.approx(np.sqrt(2.5), rel=1e-12)
    assert result.df == 2
    assert result.n == {"control": 2, "treatment": 3}
    assert result.formula == "follow_up ~ arm + baseline"


def test_five_participants_robust_by_hand(five_participants):
    # Without a baseline slope the leverage is 1/n per arm, so HC3 squares residual / (1 - 1/n):
    # controls -1, 1 -> 2, 2; treated -2, 0, 2 -> 3, 0, 3. Variance (4 + 4) / 4 + (9 + 9) / 9 = 4.
    data = five_participants(baseline=np.full(5, 2.0))
    result = by_measure(fit_ancova(paired_values(data)))["difference"]
    assert result.estimate == pytest.approx(3, rel=1e-12)
    assert result.standard_error == pytest.approx(2, rel=1e-12)
    assert "The baseline is constant and is left out of the model." in result.notes


def test_real_trial_every_covariance(opt_crp, expected, close):
    fit = fit_ancova(paired_values(opt_crp))
    for kind, wanted in expected("s01_ancova_opt_crp")["effect"].items():
        results = by_measure(fit, kind)
        difference, ratio, percent = (
            results[name] for name in ("log_difference", "ratio_of_geometric_means", "percent_difference")
        )
        assert difference.method == METHODS[kind]
        close(as_coefficient(difference), {name: wanted[name] for name in ("se", "df", "p", "lo", "hi")})
        close(difference.estimate, wanted["log_diff"])
        close(
            [ratio.estimate, ratio.ci_low, ratio.ci_high, ratio.p_value],
            [wanted["ratio_geo_means"], wanted["ratio_lo"], wanted["ratio_hi"], wanted["p"]],
        )
        close(
            [percent.estimate, percent.ci_low, percent.ci_high],
            [wanted["percent"], wanted["percent_lo"], wanted["percent_hi"]],
        )
        assert difference.n == {"control": 318, "treatment": 302}


def test_real_trial_all_coefficients(opt_crp, expected, close):
    fit = fit_ancova(paired_values(opt_crp))
    wanted = expected("s01_ancova_opt_crp")["ancova_log"]
    close(list(fit.least_squares.coefficients), list(wanted["coef"].values()))
    close(fit.least_squares.sigma, wanted["sigma"])


def test_real_trial_raw_scale(opt_rows, make_outcome, expected, close):
    fit = fit_ancova(paired_values(make_outcome(opt_rows, "crp_base", "crp_fu", scale="identity")))
    wanted = expected("s01_ancova_opt_crp")["ancova_raw"]
    for kind in ("model", "HC3"):
        result = by_measure(fit, kind)["difference"]
        close(as_coefficient(result), without_t(wanted[kind]["armtreatment"]))


def test_panel_of_eleven_biomarkers(opt_rows, make_outcome, expected, close):
    wanted = expected("s02_ancova_opt_panel")
    assert len(wanted["biomarkers"]) == 11
    for biomarker in wanted["biomarkers"]:
        pairs = paired_values(make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu"))
        fit, effect = fit_ancova(pairs), wanted["effects"][biomarker]
        assert sum(pairs.n().values()) == effect["n"]
        assert pairs.nonpositive == effect["n_dropped_nonpositive"]
        for kind in ("model", "HC3"):
            close(as_coefficient(by_measure(fit, kind)["log_difference"]), without_t(effect[kind]))
        close(by_measure(fit)["percent_difference"].estimate, effect["percent"])


SCENARIOS = (
    "ok",
    "one_arm_empty",
    "two_per_arm",
    "constant_outcome",
    "constant_baseline",
    "clinic_confounded",
    "baseline_all_missing",
    "nonpositive",
    "single_clinic_level",
    "empty",
    "one_row_clinic",
    "huge_scale",
    "outlier",
)


def test_every_degenerate_scenario_is_listed(expected):
    assert set(SCENARIOS) == set(expected("s22_degenerate")["scenarios"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_degenerate_trial(scenario, expected, input_rows, make_outcome, close):
    wanted = expected("s22_degenerate")["scenarios"][scenario]
    rows = input_rows("s22_degenerate", f"in_{scenario}.csv")
    pairs = paired_values(make_outcome(rows, "b", "y"))
    fit = fit_ancova(pairs)
    model, robust = by_measure(fit, "model")["log_difference"], by_measure(fit)["log_difference"]
    assert pairs.n() == wanted["arms_used"]
    assert pairs.missing + pairs.nonpositive == wanted["n_dropped"]
    if wanted["status"] == "not_estimable":
        assert model.not_estimable is robust.not_estimable is VERDICTS[wanted["reason"]]
        assert model.estimate is robust.estimate is None
        return
    close([model.estimate, model.standard_error, model.df], [wanted["estimate"], wanted["se_model"], wanted["df"]])
    if wanted["se_HC3"] is None:
        assert robust.not_estimable is LEVERAGE_ONE
    else:
        close([robust.estimate, robust.standard_error], [wanted["estimate"], wanted["se_HC3"]])


def test_third_arm_is_estimated_against_the_same_reference(five_participants):
    data = five_participants(
        baseline=np.tile([1.0, 3.0, 2.0, 5.0], 3),
        follow_up=np.array([2.0, 4.0, 4.0, 5.0, 6.0, 8.0, 9.0, 9.0, 1.0, 2.0, 2.0, 4.0]),
        baseline_censored=np.zeros(12, dtype=bool),
        follow_up_censored=np.zeros(12, dtype=bool),
        arm=np.repeat([0, 1, 2], 4),
        arms=("waitlist", "group", "bot"),
    )
    fit = fit_ancova(paired_values(data))
    # The baselines are the same in every arm, so the differences are those of the means 3.75, 8 and 2.25.
    assert estimate_ancova(fit, "group")[0].estimate == pytest.approx(4.25, rel=1e-12)
    assert estimate_ancova(fit, "bot")[0].estimate == pytest.approx(-1.5, rel=1e-12)
    assert estimate_ancova(fit, "bot")[0].n == {"waitlist": 4, "bot": 4}


def test_an_empty_third_arm_leaves_the_others_estimable(five_participants):
    data = five_participants(arms=("control", "treatment", "bot"))
    fit = fit_ancova(paired_values(data))
    assert estimate_ancova(fit, "treatment", "model")[0].estimate == pytest.approx(3, rel=1e-12)
    assert estimate_ancova(fit, "bot", "model")[0].not_estimable is ARM_EMPTY


def test_too_few_participants_for_the_model(five_participants):
    data = five_participants(follow_up=np.array([2.0, np.nan, 4.0, 6.0, np.nan]))
    assert by_measure(fit_ancova(paired_values(data)))["difference"].not_estimable is NO_RESIDUAL_DF


def test_strata_that_repeat_each_other_are_counted_once(five_participants):
    site = np.array([0, 1, 0, 1, 0])
    same = np.full(5, 2.0)
    once = fit_ancova(paired_values(five_participants(baseline=same, strata={"site": site})))
    twice = fit_ancova(paired_values(five_participants(baseline=same, strata={"site": site, "region": 1 - site})))
    assert by_measure(twice, "model")["difference"].estimate == pytest.approx(
        by_measure(once, "model")["difference"].estimate, rel=1e-12
    )
    assert "region:1 is determined by other terms and left out." in by_measure(twice, "model")["difference"].notes


def test_columns_of_different_length_are_refused(five_participants):
    with pytest.raises(ValueError, match="one entry per participant"):
        five_participants(follow_up=np.array([1.0]))


def test_arm_index_outside_the_arms_is_refused(five_participants):
    with pytest.raises(ValueError, match="outside the arms"):
        five_participants(arm=np.array([0, 0, 1, 1, 2]))


def test_missing_and_nonpositive_values_are_counted(five_participants):
    data: OutcomeData = five_participants(follow_up=np.array([0.0, 4.0, np.nan, 6.0, 8.0]), scale="log")
    pairs = paired_values(data)
    assert (pairs.missing, pairs.nonpositive, len(pairs.arm)) == (1, 1, 3)
    assert pairs.notes() == (
        "1 left out: no value at baseline or follow-up.",
        "1 left out: a value of zero or less has no logarithm.",
    )
