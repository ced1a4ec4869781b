"""The rule that follows from the share below the limit, and the comparison of shares detected."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analytics.statistics.ancova import ancova_design
from analytics.statistics.estimate import ARM_EMPTY
from analytics.statistics.least_squares import covariance, fit_least_squares
from analytics.statistics.limits import Share, decide, estimate_detection, fisher_p, newcombe_interval
from analytics.statistics.outcome import paired_values


def half_the_limit(pairs, *, mark_censored_baseline=False):
    """What the platform never does: half the limit in place of every follow-up value below it, least squares."""
    design = ancova_design(pairs, mark_censored_baseline=mark_censored_baseline)
    halved = np.where(pairs.follow_up_censored, pairs.follow_up - math.log(2), pairs.follow_up)
    fit = fit_least_squares(design.columns, halved)
    column = design.arm_column("treatment")
    return {"estimate": fit.coefficients[column], "se": math.sqrt(covariance(fit, "model")[column, column])}


@pytest.mark.parametrize(
    ("censored", "available", "rule"),
    [
        (0, 0, "none"),
        (0, 100, "none"),
        (1, 100, "substitution"),
        (5, 100, "substitution"),
        (6, 100, "tobit"),
        (79, 100, "tobit"),
        (80, 100, "mostly_below_limit"),
        (100, 100, "mostly_below_limit"),
    ],
)
def test_rule_by_share(censored, available, rule):
    assert Share(censored, available).rule == rule


def test_the_visit_with_the_larger_share_decides(five_participants):
    below = np.array([True, False, False, False, False])
    assert decide(five_participants(baseline_censored=below)).rule == "tobit"
    assert decide(five_participants(follow_up_censored=below)).rule == "tobit"


def test_a_missing_value_is_not_available(five_participants):
    decision = decide(
        five_participants(
            follow_up=np.array([2.0, np.nan, 4.0, 6.0, 8.0]),
            follow_up_censored=np.array([True, True, False, False, False]),
        )
    )
    assert decision.follow_up == Share(1, 4)


@pytest.mark.parametrize(("biomarker", "floors"), [("il6", (4.9, 6.9)), ("tnf", (1.2, 6.9))])
def test_shares_of_the_real_cytokines(opt_rows, make_outcome, expected, biomarker, floors):
    wanted = expected("s13_lod_opt_il6")[biomarker]
    decision = decide(make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu", floors=floors))
    for share, visit in ((decision.baseline, "base"), (decision.follow_up, "fu")):
        assert share.censored == sum(arm["n_cens"] for arm in wanted[visit].values())
        assert share.available == sum(arm["n"] for arm in wanted[visit].values())
    assert decision.rule == "mostly_below_limit"


def test_detection_of_a_real_cytokine(opt_rows, make_outcome, expected):
    wanted = expected("s13_lod_opt_il6")["il6"]["fu"]
    result = estimate_detection(make_outcome(opt_rows, "il6_base", "il6_fu", floors=(4.9, 6.9)), "treatment")
    assert result.n == {arm: wanted[arm]["n"] for arm in ("treatment", "control")}
    shares = {arm: 1 - wanted[arm]["n_cens"] / wanted[arm]["n"] for arm in wanted}
    assert result.estimate == pytest.approx(shares["treatment"] - shares["control"], rel=1e-12)
    assert result.ci_low < result.estimate < result.ci_high


def test_tea_tasting_by_hand():
    # Fisher's tea: 3 of 4 right against 1 of 4; tables at least as extreme (1 + 16 + 16 + 1) of 70.
    assert fisher_p(3, 4, 1, 4) == pytest.approx(34 / 70, rel=1e-12)


def test_newcombe_published_example():
    # Newcombe (1998), table II, example (a): 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    assert newcombe_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_five_participants_by_hand(five_participants):
    # Detected: 1 of 2 controls, 3 of 3 treated. With 4 of 5 detected there are two tables: the observed one has
    # probability C(2,1) C(3,3) / C(5,4) = 2/5, the other 3/5, so p = 2/5.
    data = five_participants(follow_up_censored=np.array([True, False, False, False, False]))
    result = estimate_detection(data, "treatment")
    assert result.estimate == pytest.approx(0.5)
    assert result.p_value == pytest.approx(0.4, rel=1e-12)
    assert result.standard_error == pytest.approx(np.sqrt(0.25 / 2), rel=1e-12)


def test_an_arm_without_values(five_participants):
    data = five_participants(follow_up=np.array([np.nan, np.nan, 4.0, 6.0, 8.0]))
    assert estimate_detection(data, "treatment").not_estimable is ARM_EMPTY


@pytest.mark.parametrize("kind", ["single", "by_clinic"])
def test_half_an_imposed_limit(crp_with_limit, expected, close, kind):
    wanted = expected("s13b_lod_crp_artificial")[kind]["half_lod"]
    close(half_the_limit(paired_values(crp_with_limit(kind))), wanted, 1e-9)


@pytest.mark.parametrize(("biomarker", "floors"), [("il6", (4.9, 6.9)), ("tnf", (1.2, 6.9))])
def test_half_the_limit_of_the_real_cytokines(opt_rows, make_outcome, expected, close, biomarker, floors):
    wanted = expected("s13_lod_opt_il6")[biomarker]["half_lod_ols_arm"]
    data = make_outcome(opt_rows, f"{biomarker}_base", f"{biomarker}_fu", floors=floors)
    close(half_the_limit(paired_values(data), mark_censored_baseline=True), wanted, 1e-9)
