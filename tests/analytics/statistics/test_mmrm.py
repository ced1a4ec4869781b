"""MMRM against R (s05, s06) and SAS (s05), one visit against ANCOVA, and data that give no answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.estimate import (
    ARM_ALIASED,
    ARM_EMPTY_AT_VISIT,
    COVARIATES_ALIASED,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    NO_VISIT_COVARIANCE,
)
from analytics.statistics.ls_means import estimate_ls_mean
from analytics.statistics.mmrm import estimate_mmrm, estimate_mmrm_mean, fit_mmrm
from analytics.statistics.outcome import OutcomeData, paired_values
from analytics.statistics.reml import fit_reml
from tests.analytics.statistics.repeated import (
    FEV_VISITS,
    as_numbers,
    beat_the_blues,
    fev_trial,
    made_up_trial,
    without_t,
)

INFERENCES = {"satterthwaite": "satterthwaite", "kenward_roger": "kr_linear"}
BTHEB_FITS = {
    "mmrm": ("one_slope", "un"),
    "mmrm_baseline_by_visit": ("by_visit", "un"),
    "mmrm_cs": ("one_slope", "cs"),
    "mmrm_ar1": ("one_slope", "ar1"),
}


def assert_trial(fit, wanted, close):
    reference, treated = fit.profiles.arms
    assert fit.profiles.visits == tuple(wanted["visits"])
    assert sum(fit.profiles.n().values()) == wanted["n_subjects"]
    assert fit.panel.seen == wanted["n_obs"]
    assert fit.reml.largest_gradient < 1e-10
    parameters = len(fit.reml.parameter_covariance)
    close(fit.reml.sigma.tolist(), wanted["sigma"], 1e-9)
    close(fit.reml.log_likelihood, wanted["reml_loglik"], 1e-12)
    close(-2 * fit.reml.log_likelihood, wanted["deviance"], 1e-12)
    close(-2 * fit.reml.log_likelihood + 2 * parameters, wanted["AIC"], 1e-12)
    close(-2 * fit.reml.log_likelihood + parameters * np.log(wanted["n_subjects"]), wanted["BIC"], 1e-12)
    for inference, part in INFERENCES.items():
        for visit in fit.profiles.visits:
            contrast = wanted[part]["contrasts"][f"{treated} - {reference} @ {visit}"]
            result = estimate_mmrm(fit, treated, visit, inference)[0]
            assert result.method == f"mmrm_{inference}"
            close(as_numbers(result), without_t(contrast), 1e-9)
            for arm in fit.profiles.arms:
                mean = as_numbers(estimate_mmrm_mean(fit, arm, visit, "equal", inference)[0])
                close(mean, wanted[part]["ls_means"][f"{arm}@{visit}"], 1e-9)


def assert_default_of_mmrm(fit, wanted):
    # mmrm's default is Kenward-Roger with second derivatives in its own parameters: same estimate, same df, other SE.
    for visit in fit.profiles.visits:
        result = estimate_mmrm(fit, fit.profiles.arms[1], visit)[0]
        other = wanted["kr"]["contrasts"][f"{fit.profiles.arms[1]} - {fit.profiles.arms[0]} @ {visit}"]
        assert (result.estimate, result.df) == pytest.approx((other["estimate"], other["df"]), rel=1e-9)
        assert other["se"] < result.standard_error < 1.03 * other["se"]


@pytest.mark.parametrize(("part", "adjustment"), [("full", "none"), ("with_baseline", "one_slope")])
def test_trial_against_r(expected, close, part, adjustment):
    wanted = expected("s05_mmrm_fev")[part]
    fit = fit_mmrm(fev_trial(), adjustment)
    assert_trial(fit, wanted, close)
    assert_default_of_mmrm(fit, wanted)


def test_trial_against_printed_sas(expected):
    wanted = expected("s05_mmrm_fev")["sas_full"]
    fit = fit_mmrm(fev_trial(), "none")
    for visit in FEV_VISITS:
        rows = [(estimate_mmrm(fit, "TRT", visit, "satterthwaite")[0], wanted["diffs"][visit])]
        rows += [
            (estimate_mmrm_mean(fit, arm, visit, "equal", "satterthwaite")[0], wanted["ls_means"][f"{arm}@{visit}"])
            for arm in ("PBO", "TRT")
        ]
        for result, (estimate, error, df) in rows:
            # SAS stops a little before the maximum, and prints four decimals.
            assert result.estimate == pytest.approx(estimate, rel=1e-4)
            assert result.standard_error == pytest.approx(error, rel=2e-4)
            assert result.df == pytest.approx(df, abs=0.6)


@pytest.mark.parametrize("part", list(BTHEB_FITS))
def test_second_trial_against_r(expected, close, part):
    adjustment, name = BTHEB_FITS[part]
    fit = fit_mmrm(beat_the_blues(strata=part == "mmrm"), adjustment)
    fit = replace(fit, reml=fit_reml(fit.panel, name))
    assert_trial(fit, expected("s06_mmrm_btheb")[part], close)


def test_who_came_to_which_visit(expected):
    fit = fit_mmrm(beat_the_blues(strata=False))
    missing = expected("s06_mmrm_btheb")["missing_by_visit_arm"]
    randomized = {"TAU": 48, "BtheB": 52}
    for visit in fit.profiles.visits:
        assert fit.profiles.n_at(visit) == {arm: n - missing[arm][visit] for arm, n in randomized.items()}
    result = estimate_mmrm(fit, "BtheB", "bdi_8m")[0]
    assert result.n == {"TAU": 45, "BtheB": 52}
    assert result.notes == ("With a value at this visit: 25 of TAU, 27 of BtheB.", "3 left out: no value at follow-up.")
    assert result.formula == ("value ~ visit + arm:visit + baseline:visit; REML, unstructured covariance of the visits")


def test_one_visit_is_the_analysis_of_covariance(expected, close):
    data = beat_the_blues(strata=True, visits=("bdi_2m",))
    none = np.zeros(len(data.baseline), dtype=bool)
    same = OutcomeData(
        data.baseline, data.values[:, 0], none, none, data.arm, data.strata, data.arms, data.scale, "harmful"
    )
    ancova, mixed = fit_ancova(paired_values(same)), fit_mmrm(data)
    wanted = as_numbers(estimate_ancova(ancova, "BtheB", "model")[0])
    for inference in INFERENCES:
        close(as_numbers(estimate_mmrm(mixed, "BtheB", "bdi_2m", inference)[0]), wanted, 1e-9)
    for weights in ("equal", "observed"):
        close(
            as_numbers(estimate_mmrm_mean(mixed, "TAU", "bdi_2m", weights)[0]),
            as_numbers(estimate_ls_mean(ancova, "TAU", weights)[0]),
            1e-9,
        )
    published = without_t(expected("s06_mmrm_btheb")["ancova_2m"]["treatmentBtheB"])
    without = fit_mmrm(beat_the_blues(strata=False, visits=("bdi_2m",)))
    close(as_numbers(estimate_mmrm(without, "BtheB", "bdi_2m")[0]), published, 1e-9)


def test_log_scale_gives_ratios_and_percent():
    data = made_up_trial(1)
    logs = replace(data, baseline=np.exp(data.baseline), values=np.exp(data.values), scale="log")
    plain = estimate_mmrm(fit_mmrm(data), "treatment", "week2")[0]
    difference, ratio, percent = estimate_mmrm(fit_mmrm(logs), "treatment", "week2")
    assert as_numbers(difference) == pytest.approx(as_numbers(plain), rel=1e-8)
    assert ratio.estimate == pytest.approx(np.exp(plain.estimate))
    assert percent.ci_low == pytest.approx(100 * np.expm1(plain.ci_low))
    mean, geometric = estimate_mmrm_mean(fit_mmrm(logs), "control", "week2")
    assert geometric.estimate == pytest.approx(np.exp(mean.estimate))


def test_values_that_have_no_logarithm_are_counted():
    data = made_up_trial(1, scale="log")
    positive = np.exp(data.values)
    positive[0] = [0.0, 2.0, -1.0]
    fit = fit_mmrm(replace(data, baseline=np.exp(data.baseline), values=positive))
    assert "2 values left out: a value of zero or less has no logarithm." in fit.profiles.notes


def test_a_visit_without_values_in_an_arm_leaves_the_others():
    data = made_up_trial(2)
    values = data.values.copy()
    values[data.arm == 1, 2] = np.nan
    fit = fit_mmrm(replace(data, values=values))
    assert estimate_mmrm(fit, "treatment", "week3")[0].not_estimable is ARM_EMPTY_AT_VISIT
    assert estimate_mmrm(fit, "treatment", "week1")[0].not_estimable is None
    assert estimate_mmrm_mean(fit, "treatment", "week3")[0].not_estimable is ARM_EMPTY_AT_VISIT
    assert estimate_mmrm_mean(fit, "control", "week3")[0].not_estimable is None


def test_a_visit_nobody_came_to_changes_nothing():
    data = made_up_trial(2)
    wider = replace(data, values=np.column_stack((data.values, np.full(60, np.nan))), visits=(*data.visits, "week4"))
    fits = [fit_mmrm(one) for one in (data, wider)]
    numbers = [as_numbers(estimate_mmrm(fit, "treatment", "week2")[0]) for fit in fits]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-9)
    assert estimate_mmrm(fits[1], "treatment", "week4")[0].not_estimable is ARM_EMPTY_AT_VISIT


def test_no_values_at_all():
    data = made_up_trial(2)
    fit = fit_mmrm(replace(data, values=np.full((60, 3), np.nan)))
    assert estimate_mmrm(fit, "treatment", "week1")[0].not_estimable is ARM_EMPTY_AT_VISIT
    assert estimate_mmrm_mean(fit, "control", "week1")[0].not_estimable is ARM_EMPTY_AT_VISIT


def test_an_arm_that_is_a_stratum_is_aliased():
    data = made_up_trial(2)
    fit = fit_mmrm(replace(data, strata={"therapist": data.arm}))
    # The strata come last, so the difference would be attributed to the arm: it must be refused all the same.
    assert estimate_mmrm(fit, "treatment", "week1")[0].not_estimable is ARM_ALIASED
    assert estimate_mmrm_mean(fit, "control", "week1")[0].not_estimable is COVARIATES_ALIASED


def test_strata_that_repeat_each_other_are_named():
    data = made_up_trial(2)
    site = data.strata["site"]
    once, twice = fit_mmrm(data), fit_mmrm(replace(data, strata={"site": site, "region": site}))
    results = [estimate_mmrm(fit, "treatment", "week1")[0] for fit in (once, twice)]
    assert as_numbers(results[0]) == pytest.approx(as_numbers(results[1]), rel=1e-9)
    assert "region:1 is determined by other terms and left out." in results[1].notes


def test_too_few_values_or_no_variation():
    data = made_up_trial(2, n=4, visits=2, missing=0, arm=np.array([0, 0, 1, 1]), strata={})
    few = replace(data, values=np.array([[1.0, np.nan], [np.nan, 2.0], [3.0, np.nan], [np.nan, 4.0]]))
    assert estimate_mmrm(fit_mmrm(few, "none"), "treatment", "week1")[0].not_estimable is NO_RESIDUAL_DF
    same = replace(data, values=np.ones((4, 2)))
    assert estimate_mmrm(fit_mmrm(same, "none"), "treatment", "week1")[0].not_estimable is NO_RESIDUAL_VARIANCE


def test_visits_that_repeat_each_other_have_no_answer_and_say_what_was_tried():
    data = made_up_trial(2, missing=0)
    fit = fit_mmrm(replace(data, values=np.repeat(data.values[:, :1], 3, axis=1)))
    result = estimate_mmrm(fit, "treatment", "week1")[0]
    assert result.not_estimable is NO_VISIT_COVARIANCE
    assert sum("covariance could not be estimated" in note for note in result.notes) == 5


def test_a_fallback_is_said():
    data = made_up_trial(3, n=30, missing=0)
    values = data.values.copy()
    values[:15, 0] = values[15:, 2] = np.nan
    result = estimate_mmrm(fit_mmrm(replace(data, values=values)), "treatment", "week1")[0]
    assert result.estimate is not None
    assert "unstructured" not in result.formula
    assert any(note.startswith("The covariance of the visits used is ") for note in result.notes)


def test_a_constant_baseline_is_left_out():
    data = made_up_trial(2)
    results = [
        estimate_mmrm(fit_mmrm(replace(data, baseline=np.full(60, 3.0)), adjustment), "treatment", "week1")[0]
        for adjustment in ("by_visit", "none")
    ]
    assert as_numbers(results[0]) == as_numbers(results[1])
    assert "The baseline is constant and is left out of the model." in results[0].notes


def test_other_arms_have_their_own_difference():
    data = made_up_trial(2, n=90)
    arms = ("control", "group", "bot")
    fit = fit_mmrm(replace(data, arm=np.arange(90) % 3, arms=arms))
    results = [estimate_mmrm(fit, arm, "week2")[0] for arm in arms[1:]]
    means = {arm: estimate_mmrm_mean(fit, arm, "week2")[0].estimate for arm in arms}
    for arm, result in zip(arms[1:], results, strict=True):
        assert result.estimate == pytest.approx(means[arm] - means["control"], rel=1e-9)
        assert set(result.n) == {"control", arm}


def test_units_and_order_make_no_difference():
    data = made_up_trial(7)
    first = as_numbers(estimate_mmrm(fit_mmrm(data), "treatment", "week3")[0])
    order = np.random.default_rng(1).permutation(60)
    mixed = replace(
        data,
        baseline=data.baseline[order] * 40 + 1000,
        values=data.values[order] * 7 - 30,
        arm=data.arm[order],
        strata={"site": data.strata["site"][order]},
    )
    other = as_numbers(estimate_mmrm(fit_mmrm(mixed), "treatment", "week3")[0])
    for key in ("df", "p"):
        assert other[key] == pytest.approx(first[key], rel=1e-7)
    for key in ("estimate", "se", "lo", "hi"):
        assert other[key] == pytest.approx(7 * first[key], rel=1e-7)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"baseline": np.ones(3)}, "one entry per participant"),
        ({"visits": ("week1",)}, "one column per visit"),
        ({"visits": ("week1", "week1", "week2")}, "different codes"),
        ({"visits": ("baseline", "week1", "week2")}, "different codes"),
        ({"arms": ("control",)}, "two or more arms"),
        ({"arm": np.full(60, 2)}, "outside the arms"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(made_up_trial(0), **changes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(4, 80),
    visits=st.integers(1, 6),
    missing=st.floats(0, 0.6),
    kind=st.sampled_from(
        ["plain", "constant_visit", "whole_numbers", "same_visits", "constant_baseline", "far", "log"]
    ),
)
def test_every_trial_has_numbers_or_a_reason(seed, n, visits, missing, kind):
    data = made_up_trial(seed, n=n, visits=visits, missing=missing)
    values, baseline = data.values.copy(), data.baseline
    if kind == "constant_visit":
        values[np.isfinite(values[:, 0]), 0] = 1.0
    elif kind == "whole_numbers":
        values = np.round(values)
    elif kind == "same_visits":
        values[:, -1] = values[:, 0]
    elif kind == "constant_baseline":
        baseline = np.zeros(n)
    elif kind == "far":
        values = values * 1e-120 + 1e-110
    fit = fit_mmrm(replace(data, values=values, baseline=baseline, scale="log" if kind == "log" else "identity"))
    for visit in data.visits:
        for result in estimate_mmrm(fit, "treatment", visit) + estimate_mmrm_mean(fit, "treatment", visit):
            numbers = (result.estimate, result.ci_low, result.ci_high, result.p_value)
            if result.not_estimable is not None:
                assert numbers == (None,) * 4
            else:
                assert np.all(np.isfinite(numbers))
                assert result.ci_low <= result.estimate <= result.ci_high


def test_one_value_more_than_terms_does_not_determine_how_visits_vary():
    values = np.array([[1.0, 2.0], [3.0, np.nan], [5.0, 9.0]])
    data = made_up_trial(0, n=3, visits=2, values=values, arm=np.array([0, 0, 1]), strata={})
    assert estimate_mmrm(fit_mmrm(data, "none"), "treatment", "week1")[0].not_estimable is NO_VISIT_COVARIANCE
