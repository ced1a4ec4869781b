"""Change, Welch and Mann-Whitney against R (s01), by hand, and where they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.estimate import ARM_EMPTY, NO_RESIDUAL_DF, NO_RESIDUAL_VARIANCE, NotEstimable
from analytics.statistics.outcome import OutcomeData, paired_values
from analytics.statistics.unadjusted import compare_ranks, estimate_change, estimate_welch

CASE = "s01_ancova_opt_crp"


def test_change(opt_crp, expected, close):
    wanted = expected(CASE)["change_log"]["armtreatment"]
    result = estimate_change(paired_values(opt_crp), "treatment")[0]
    close(
        [result.estimate, result.standard_error, result.df, result.p_value, result.ci_low, result.ci_high],
        [wanted[name] for name in ("estimate", "se", "df", "p", "lo", "hi")],
    )
    assert (result.method, result.formula) == ("change_model", "log(follow_up / baseline) ~ arm + clinic")


def test_welch(opt_crp, expected, close):
    wanted = expected(CASE)["welch_post_log"]
    result = estimate_welch(paired_values(opt_crp), "treatment")[0]
    close(
        [result.estimate, result.df, result.estimate / result.standard_error, result.p_value],
        [wanted[name] for name in ("diff", "df", "t", "p")],
    )
    close([result.ci_low, result.ci_high], [wanted["lo"], wanted["hi"]])


def test_ranks(opt_crp, expected, close):
    wanted = expected(CASE)["mann_whitney"]
    result = compare_ranks(paired_values(opt_crp), "treatment")
    close([result.statistic, result.p_value], [wanted["W"], wanted["p"]])


def test_five_participants_by_hand(five_participants):
    # Changes 1, 1 and 3, 3, 6; means of follow-up 3 and 6; values 2, 4 against 4, 6, 8: one tie in six pairs.
    pairs = paired_values(five_participants())
    assert estimate_change(pairs, "treatment")[0].estimate == pytest.approx(3, rel=1e-12)
    welch = estimate_welch(pairs, "treatment")[0]
    assert welch.standard_error == pytest.approx(np.sqrt(2 / 2 + 4 / 3), rel=1e-12)
    assert welch.df == pytest.approx((1 + 4 / 3) ** 2 / (1 / 1 + (4 / 3) ** 2 / 2), rel=1e-12)
    assert compare_ranks(pairs, "treatment").statistic == 0.5


def test_refusals(five_participants):
    empty = paired_values(five_participants(follow_up=np.array([np.nan, np.nan, 4.0, 6.0, 8.0])))
    assert estimate_change(empty, "treatment")[0].not_estimable is ARM_EMPTY
    assert estimate_welch(empty, "treatment")[0].not_estimable is ARM_EMPTY
    assert compare_ranks(empty, "treatment") is ARM_EMPTY
    single = paired_values(five_participants(follow_up=np.array([np.nan, 2.0, 4.0, 6.0, 8.0])))
    assert estimate_welch(single, "treatment")[0].not_estimable is NO_RESIDUAL_DF
    flat = paired_values(five_participants(follow_up=np.full(5, 2.0)))
    assert estimate_welch(flat, "treatment")[0].not_estimable is NO_RESIDUAL_VARIANCE
    assert compare_ranks(flat, "treatment") is NO_RESIDUAL_VARIANCE


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_no_crash_and_no_nan(seed, n):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 4, n))
    base = chance.integers(0, 3, n).astype(float)
    pairs = paired_values(OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "neutral"))
    for result in (*estimate_change(pairs, "b"), *estimate_welch(pairs, "b")):
        shown = (result.estimate, result.standard_error, result.df, result.p_value)
        assert shown == (None,) * 4 if result.not_estimable else np.all(np.isfinite(shown))
    test = compare_ranks(pairs, "b")
    assert isinstance(test, NotEstimable) or 0 <= test.p_value <= 1
