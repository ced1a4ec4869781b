"""Moderators against R (s01; arm x mediator of s21 in test_mediation), by hand, and where they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.estimate import ARM_EMPTY, INTERACTION_ALIASED, NotEstimable
from analytics.statistics.moderation import compare_levels, estimate_moderation
from analytics.statistics.outcome import OutcomeData, paired_values


def test_arm_by_baseline(opt_crp, expected, close):
    wanted = expected("s01_ancova_opt_crp")["arm_by_baseline"]["armtreatment:b"]
    result = estimate_moderation(opt_crp, np.log(opt_crp.baseline), "treatment", "model", already_in_model=True)
    close(
        [result.estimate, result.standard_error, result.df, result.p_value, result.ci_low, result.ci_high],
        [wanted[name] for name in ("estimate", "se", "df", "p", "lo", "hi")],
    )


def test_arm_by_clinic(opt_crp, expected, close):
    wanted = expected("s01_ancova_opt_crp")["arm_by_clinic"]
    result = compare_levels(paired_values(opt_crp), "clinic")
    close(
        [result.f_statistic, result.df, result.residual_df, result.p_value],
        [wanted[name] for name in ("F", "df1", "df2", "p")],
    )


def test_two_levels_by_hand():
    # Cell means 0, 1 in control and 0, 3 in treatment, two values at distance 1 from each: the interaction is 2, its
    # squared error 4 * (2 / 2) with residual variance 8 / 4 = 2, so F = 4 / 4 = 1 with 1 and 4 df.
    arm, level = np.repeat([0, 0, 1, 1], 2), np.repeat([0, 1, 0, 1], 2)
    follow_up = np.repeat([0.0, 1.0, 0.0, 3.0], 2) + np.tile([-1.0, 1.0], 4)
    none = np.zeros(8, dtype=bool)
    data = OutcomeData(np.zeros(8), follow_up, none, none, arm, {"sex": level}, ("a", "b"), "identity", "neutral")
    result = compare_levels(paired_values(data), "sex")
    assert (result.f_statistic, result.df, result.residual_df) == (pytest.approx(1, rel=1e-12), 1, 4)
    alone = estimate_moderation(replace(data, strata={}), level.astype(float), "b", "model")
    assert (alone.estimate, alone.standard_error) == pytest.approx((2, 2), rel=1e-12)


def test_refusals(five_participants):
    data = five_participants()
    # The moderator does not vary among the treated.
    flat = np.array([1.0, 2.0, 3.0, 3.0, 3.0])
    assert estimate_moderation(data, flat * 0, "treatment").not_estimable is INTERACTION_ALIASED
    assert estimate_moderation(data, flat * np.nan, "treatment").not_estimable is ARM_EMPTY
    pairs = paired_values(replace(data, strata={"site": np.zeros(5, dtype=np.int64)}))
    assert compare_levels(pairs, "site") is INTERACTION_ALIASED


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_no_crash_and_no_nan(seed, n):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    site = {"site": chance.integers(0, 3, n)}
    data = OutcomeData(follow_up * 0 + 1, follow_up, none, none, arm, site, ("a", "b"), "identity", "neutral")
    result = estimate_moderation(data, chance.integers(0, 3, n).astype(float), "b")
    shown = (result.estimate, result.standard_error, result.df, result.p_value)
    assert shown == (None,) * 4 if result.not_estimable else np.all(np.isfinite(shown))
    test = compare_levels(paired_values(data), "site")
    assert isinstance(test, NotEstimable) or 0 <= test.p_value <= 1
