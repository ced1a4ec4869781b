"""Delta adjustment and tipping point: known answers, invariances, the same bytes each time, and refusals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.delta_adjustment import estimate_with_delta, impute, tipping_point
from analytics.statistics.estimate import ARM_EMPTY, NotEstimable
from analytics.statistics.outcome import OutcomeData, paired_values


def trial(effect=1.0, n=120, seed=3):
    chance = np.random.default_rng(seed)
    arm, none = np.arange(n) % 2, np.zeros(n, dtype=bool)
    base = chance.normal(size=n)
    follow_up = 0.5 * base + effect * arm + chance.normal(size=n)
    follow_up[chance.random(n) < 0.25] = np.nan
    return OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "beneficial")


def test_nothing_missing_is_the_analysis_itself():
    data = trial()
    data = replace(data, follow_up=np.nan_to_num(data.follow_up))
    shown, plain = estimate_with_delta(data, "b"), estimate_ancova(fit_ancova(paired_values(data)), "b", "model")[0]
    assert (shown.estimate, shown.standard_error) == pytest.approx((plain.estimate, plain.standard_error), rel=1e-9)


def test_missing_at_random_agrees_with_complete_cases():
    """The imputation model is the analysis model, so that many sets return the complete cases' answer."""
    data = trial()
    shown = estimate_with_delta(data, "b", imputations=4000)
    plain = estimate_ancova(fit_ancova(paired_values(data)), "b", "model")[0]
    assert shown.estimate == pytest.approx(plain.estimate, abs=0.01)
    assert shown.standard_error == pytest.approx(plain.standard_error, rel=0.03)
    assert sum(shown.n.values()) == 120


def test_the_estimate_moves_along_a_line():
    data = trial()
    shown = [estimate_with_delta(data, "b", delta).estimate for delta in (0, 1, 2)]
    assert shown[2] - shown[1] == pytest.approx(shown[1] - shown[0], rel=1e-9)
    assert shown[1] - shown[0] == pytest.approx(impute(data, "b").estimate_per_delta, rel=1e-9)
    # About the share imputed in the arm: with a balanced baseline it would be exactly that.
    share = np.mean(np.isnan(data.follow_up[data.arm == 1]))
    assert shown[1] - shown[0] == pytest.approx(share, abs=0.02)


def test_the_tipping_point_is_where_p_is_five_percent():
    data = trial()
    point = tipping_point(data, "b")
    assert point.delta < 0
    assert point.imputed == np.count_nonzero(np.isnan(data.follow_up) & (data.arm == 1))
    assert estimate_with_delta(data, "b", point.delta).p_value == pytest.approx(0.05, abs=1e-9)


def test_a_negative_effect_tips_upwards():
    assert tipping_point(trial(effect=-1.0), "b").delta > 0


def test_without_an_effect_it_is_tipped_already():
    assert tipping_point(trial(effect=0.0), "b").delta == 0


def test_nothing_imputed_never_tips():
    data = trial()
    assert tipping_point(replace(data, follow_up=np.nan_to_num(data.follow_up)), "b").delta is None


def test_the_same_each_time_and_in_any_unit():
    data = trial()
    first, second = impute(data, "b"), impute(data, "b")
    assert first.residuals.tobytes() == second.residuals.tobytes()
    scaled = replace(data, follow_up=data.follow_up * 1000)
    assert tipping_point(scaled, "b").delta == pytest.approx(1000 * tipping_point(data, "b").delta, rel=1e-6)


def test_a_site_without_follow_up_is_left_out_and_counted():
    data = trial()
    site = np.where(np.arange(120) < 6, 1, 0)
    data = replace(data, strata={"site": site}, follow_up=np.where(site == 1, np.nan, data.follow_up))
    shown = estimate_with_delta(data, "b")
    assert "6 left out: nobody at their level has a follow-up value." in shown.notes
    assert math.isfinite(shown.estimate)


def test_an_empty_arm():
    data = trial()
    empty = replace(data, follow_up=np.where(data.arm == 1, np.nan, data.follow_up))
    assert estimate_with_delta(empty, "b").not_estimable is ARM_EMPTY
    assert tipping_point(empty, "b") is ARM_EMPTY


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 25), st.sampled_from(["log", "identity"]))
def test_no_crash_and_no_nan(seed, n, scale):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.3, np.nan, chance.integers(0, 5, n))
    base, site = chance.integers(0, 3, n).astype(float), {"site": chance.integers(0, 3, n)}
    data = OutcomeData(base, follow_up, none, none, arm, site, ("a", "b"), scale, "neutral")
    shown = estimate_with_delta(data, "b", 1.0, imputations=5)
    numbers = (shown.estimate, shown.standard_error, shown.p_value)
    assert numbers == (None,) * 3 if shown.not_estimable else np.all(np.isfinite(numbers))
    point = tipping_point(data, "b", imputations=5)
    assert isinstance(point, NotEstimable) or point.delta is None or math.isfinite(point.delta)
