"""Descriptive statistics against R (s01, s13, s13b), and five values by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.statistics.descriptives import Quantiles, describe_change, describe_visit, geometric, moments, quantiles

QUANTILES = {"min": "minimum", "q1": "q1", "median": "median", "q3": "q3", "max": "maximum"}
MOMENTS = {"n": "n", "mean": "mean", "sd": "sd", "se": "se", "mean_lo": "ci_low", "mean_hi": "ci_high"}
GEOMETRIC = {
    "geo_mean": "mean",
    "geo_sd": "sd",
    "geo_cv_pct": "cv_percent",
    "geo_mean_lo": "ci_low",
    "geo_mean_hi": "ci_high",
}


def named(value, names):
    return {name: getattr(value, attribute) for name, attribute in names.items()}


@pytest.mark.parametrize("visit", ["baseline", "followup"])
def test_real_trial_visits(opt_crp, expected, close, visit):
    wanted = expected("s01_ancova_opt_crp")["descriptives"]
    values = opt_crp.baseline if visit == "baseline" else opt_crp.follow_up
    for described in describe_visit(values, opt_crp.baseline_censored, opt_crp.arm, opt_crp.arms):
        numbers = wanted[described.arm]
        assert described.randomized == numbers["randomised"]
        assert described.missing == numbers["randomised"] - numbers[visit]["n"]
        for part, names in (("moments", MOMENTS), ("quantiles", QUANTILES), ("geometric", GEOMETRIC)):
            close(named(getattr(described, part), names), {name: numbers[visit][name] for name in names})


def test_real_trial_change(opt_crp, expected, close):
    wanted = expected("s01_ancova_opt_crp")["descriptives"]
    for described in describe_change(opt_crp):
        numbers = wanted[described.arm]
        close(
            named(described.change, MOMENTS) | {"median": described.median},
            {name: numbers["change_raw"][name] for name in (*MOMENTS, "median")},
        )
        assert described.change.n == numbers["completers"]
        close(
            [described.correlation, described.correlation_log, described.geometric_ratio],
            [numbers[name] for name in ("pre_post_cor_raw", "pre_post_cor_log", "ratio_fu_base_geo")],
        )
        close(described.geometric_percent, 100 * (numbers["ratio_fu_base_geo"] - 1))


def test_percent_of_means_agrees_with_the_effect_sizes(opt_crp, expected, close):
    wanted = expected("s04_ppc_g_opt")["crp"]["raw"]["es"]["PCT_points"]
    close([described.percent_of_means for described in describe_change(opt_crp)], [wanted["c"], wanted["t"]])


@pytest.mark.parametrize("kind", ["single", "by_clinic"])
def test_geometric_mean_with_an_imposed_limit(crp_with_limit, expected, close, kind):
    data = crp_with_limit(kind)
    described = describe_visit(data.follow_up, data.follow_up_censored, data.arm, data.arms)
    for arm in described:
        wanted = expected("s13b_lod_crp_artificial")[kind]["by_arm"][arm.arm]
        assert (arm.available, arm.below_limit) == (wanted["n"], wanted["n_cens"])
        close(100 * arm.share_beyond_limit, wanted["pct_cens"])
        close(
            [arm.geometric.mean, arm.geometric.ci_low, arm.geometric.ci_high, arm.geometric.sd],
            [wanted["mle"][name] for name in ("geo_mean", "geo_lo", "geo_hi", "geo_sd")],
            1e-6,
        )
        assert arm.rule == "tobit"
        assert arm.moments.mean is None
        assert arm.quantiles.minimum is None
        assert arm.quantiles.maximum is not None


def test_mostly_below_the_limit_has_no_mean(opt_rows, make_outcome):
    data = make_outcome(opt_rows, "il6_base", "il6_fu", floors=(4.9, 6.9))
    for described in describe_visit(data.baseline, data.baseline_censored, data.arm, data.arms):
        assert described.rule == "mostly_below_limit"
        assert described.share_beyond_limit > 0.9
        assert described.moments.mean is described.geometric.mean is described.quantiles.median is None
        assert described.quantiles.maximum > 6.9


def test_five_values_by_hand():
    # 1, 2, 4, 8, 16: mean 6.2, sum of squares 341 - 5 * 6.2^2 = 148.8; type 7 quartiles 2, 4, 8
    values = np.array([8.0, 1.0, 16.0, 2.0, 4.0])
    described = moments(values)
    assert (described.n, described.mean) == (5, pytest.approx(6.2, rel=1e-14))
    assert described.sd == pytest.approx(math.sqrt(148.8 / 4), rel=1e-14)
    assert described.se == pytest.approx(math.sqrt(148.8 / 20), rel=1e-14)
    assert quantiles(values[:4]).q1 == pytest.approx(1.75)
    assert quantiles(values).median == 4
    assert geometric(values).mean == pytest.approx(4, rel=1e-14)
    assert geometric(values).sd == pytest.approx(2 ** math.sqrt(2.5), rel=1e-14)


@pytest.mark.parametrize(
    ("values", "defined"),
    [([], set()), ([3.0], {"mean"}), ([3.0, 5.0], {"mean", "sd", "se", "ci_low", "ci_high"})],
)
def test_what_small_n_leaves_undefined(values, defined):
    described = moments(np.array(values))
    assert {name for name in MOMENTS.values() if name != "n" and getattr(described, name) is not None} == defined


def test_geometric_statistics_need_positive_values():
    assert geometric(np.array([1.0, 0.0])).mean is None
    assert geometric(np.array([1.0, 2.0])).mean is not None


def test_a_quantile_that_limits_cannot_move_is_stated():
    # <3, <3, 4, 5, 6: the minimum lies anywhere below 3, the median is 4 whatever the first two are
    below = np.array([True, True, False, False, False])
    described = describe_visit(np.array([3.0, 3.0, 4.0, 5.0, 6.0]), below, np.zeros(5, dtype=int), ("a",))[0]
    assert described.quantiles == Quantiles(None, None, 4, 5, 6)


def test_a_quantile_between_a_limit_and_a_value_is_open():
    # <3, <3, 4, 5: the median is the mean of an unknown value and 4
    below = np.array([True, True, False, False])
    described = describe_visit(np.array([3.0, 3.0, 4.0, 5.0]), below, np.zeros(4, dtype=int), ("a",))[0]
    assert described.quantiles == Quantiles(None, None, None, 4.25, 5)
