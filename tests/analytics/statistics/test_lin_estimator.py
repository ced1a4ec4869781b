"""Lin's estimator against R (s01), by hand, and where it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.estimate import ARM_EMPTY, INTERACTION_ALIASED, NO_RESIDUAL_DF
from analytics.statistics.lin_estimator import estimate_lin
from analytics.statistics.outcome import OutcomeData, paired_values


def test_real_trial(opt_crp, expected, close):
    wanted = expected("s01_ancova_opt_crp")["lin_interacted_HC2"]
    result = estimate_lin(paired_values(opt_crp), "treatment")[0]
    close([result.estimate, result.standard_error, result.df], [wanted["ate"], wanted["se"], wanted["df"]])
    assert result.n == {"control": 318, "treatment": 302}


def test_without_covariates_it_is_welch_like_by_hand(five_participants):
    # Arm means 3 and 6; HC2 with leverage 1/n is the variance of each arm over n: 2/2 + 4/3.
    pairs = paired_values(five_participants(baseline=np.full(5, 2.0)))
    result = estimate_lin(pairs, "treatment")[0]
    assert (result.estimate, result.standard_error) == pytest.approx((3, np.sqrt(1 + 4 / 3)), rel=1e-12)


def test_a_line_per_arm_by_hand():
    # Control y = x, treatment y = 2 x + 1, mean of x is 2: the effect there is 3.
    base = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    arm, none = np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, dtype=bool)
    follow_up = np.where(arm == 1, 2 * base + 1, base) + np.tile([1.0, -2.0, 1.0], 2)
    data = OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "neutral")
    assert estimate_lin(paired_values(data), "b")[0].estimate == pytest.approx(3, rel=1e-12)


def test_refusals(five_participants, opt_crp):
    empty = paired_values(five_participants(follow_up=np.array([np.nan, np.nan, 4.0, 6.0, 8.0])))
    assert estimate_lin(empty, "treatment")[0].not_estimable is ARM_EMPTY
    few = paired_values(five_participants(follow_up=np.array([2.0, 4.0, 4.0, 7.0, np.nan])))
    assert estimate_lin(few, "treatment")[0].not_estimable is NO_RESIDUAL_DF
    # One site has only treated women: their site's effect and the arm's cannot be told apart.
    pairs = paired_values(opt_crp)
    lone = replace(pairs, strata={"clinic": np.where(pairs.arm == 1, pairs.strata["clinic"], 0)})
    assert estimate_lin(lone, "treatment")[0].not_estimable is INTERACTION_ALIASED


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_no_crash_and_no_nan(seed, n):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 3, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    base, site = chance.integers(0, 3, n).astype(float), {"site": chance.integers(0, 3, n)}
    data = OutcomeData(base, follow_up, none, none, arm, site, ("a", "b", "c"), "identity", "neutral")
    result = estimate_lin(paired_values(data), "c")[0]
    shown = (result.estimate, result.standard_error, result.df, result.p_value)
    assert shown == (None,) * 4 if result.not_estimable else np.all(np.isfinite(shown))
