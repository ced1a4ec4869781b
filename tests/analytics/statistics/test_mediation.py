"""Mediation against R's lm and lavaan (s21), the bootstrap's promises, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.estimate import ARM_EMPTY, MEDIATOR_ALIASED
from analytics.statistics.mediation import MEASURES, bootstrap_indirect, estimate_mediation, fit_paths
from analytics.statistics.moderation import estimate_moderation
from analytics.statistics.outcome import OutcomeData, compared_with

CASE = "s21_mediation"


@pytest.fixture
def trial(input_rows):
    rows = input_rows(CASE, "input.csv")
    column = {
        name: np.array([float(row[name]) for row in rows]) for name in ("arm", "base", "stress_change", "log_crp")
    }
    arm, none = column["arm"].astype(np.int64), np.zeros(len(rows), dtype=bool)
    data = OutcomeData(
        column["base"], column["log_crp"], none, none, arm, {}, ("control", "treatment"), "identity", "neutral"
    )
    return data, column["stress_change"]


def by_measure(data, mediator, **options):
    return {result.measure: result for result in estimate_mediation(data, mediator, "treatment", **options)}


def test_least_squares(trial, expected, close):
    wanted = expected(CASE)["ols"]
    result = by_measure(*trial)
    a, b, indirect = (result[name] for name in MEASURES[:3])
    close([a.estimate, a.standard_error], [wanted["a"], wanted["se_a"]], 1e-9)
    close([b.estimate, b.standard_error], [wanted["b"], wanted["se_b"]], 1e-9)
    close(
        [indirect.estimate, indirect.standard_error, indirect.p_value],
        [wanted["indirect"], wanted["sobel_se"], wanted["sobel_p"]],
        1e-9,
    )
    close(
        [result["direct_effect"].estimate, result["total_effect"].estimate], [wanted["direct"], wanted["total"]], 1e-9
    )


def test_maximum_likelihood(trial, expected, close):
    wanted = expected(CASE)["lavaan"]
    result = by_measure(*trial, errors="maximum_likelihood", resamples=0)
    for measure, name in zip(MEASURES, ("a", "b", "ind", "c", "tot"), strict=True):
        shown = result[measure]
        close([shown.estimate, shown.standard_error], [wanted[name]["est"], wanted[name]["se"]], 1e-6)
        # lavaan subtracts from 1, which leaves a p of 1e-12 with four digits.
        assert shown.p_value == pytest.approx(wanted[name]["p"], rel=1e-6, abs=1e-15)


def test_arm_by_mediator(trial, expected, close):
    wanted = expected(CASE)["arm_by_mediator"]
    result = estimate_moderation(*trial, "treatment", "model")
    close(
        [result.estimate, result.standard_error, result.df, result.p_value, result.ci_low, result.ci_high],
        [wanted[name] for name in ("estimate", "se", "df", "p", "lo", "hi")],
        1e-9,
    )


def test_the_bootstrap_is_the_same_each_time_and_agrees_with_plain_resampling(trial):
    compared = compared_with(*trial, "treatment")
    drawn = bootstrap_indirect(compared)
    assert drawn.tobytes() == bootstrap_indirect(compared).tobytes()
    assert len(drawn) == 2000
    chance, arm = np.random.default_rng(5), compared.pairs.arm
    plain = []
    for _ in range(2000):
        rows = np.concatenate([chance.choice(np.flatnonzero(arm == k), np.sum(arm == k)) for k in (0, 1)])
        x = np.column_stack([np.ones(len(rows)), arm[rows], compared.pairs.baseline[rows]])
        a = np.linalg.lstsq(x, compared.values[rows], rcond=None)[0][1]
        y = compared.pairs.follow_up[rows]
        plain.append(a * np.linalg.lstsq(np.column_stack([x, compared.values[rows]]), y, rcond=None)[0][3])
    # Two samples of 2000: their quantiles differ by chance by some hundredths of the spread of 0.066.
    assert np.quantile(drawn, (0.025, 0.5, 0.975)) == pytest.approx(np.quantile(plain, (0.025, 0.5, 0.975)), abs=0.015)


def test_interval_of_the_indirect_effect(trial):
    shown = by_measure(*trial)["indirect_effect"]
    drawn = bootstrap_indirect(compared_with(*trial, "treatment"))
    assert (shown.ci_low, shown.ci_high) == tuple(np.quantile(drawn, (0.025, 0.975)))
    assert shown.ci_low < shown.estimate < shown.ci_high < 0


def test_unit_of_the_mediator(trial):
    data, mediator = trial
    first, second = by_measure(data, mediator), by_measure(data, mediator * 1000 + 7)
    for name in ("indirect_effect", "direct_effect", "total_effect"):
        assert second[name].estimate == pytest.approx(first[name].estimate, rel=1e-9)
        assert second[name].ci_low == pytest.approx(first[name].ci_low, rel=1e-8)


def test_effects_add_up(trial):
    paths = fit_paths(compared_with(*trial, "treatment"))
    result = by_measure(*trial)
    assert result["total_effect"].estimate == pytest.approx(paths.c + paths.a * paths.b, rel=1e-12)


def test_refusals(trial):
    data, mediator = trial
    assert {r.not_estimable for r in by_measure(data, data.baseline).values()} == {MEDIATOR_ALIASED}
    only = np.where(data.arm == 0, np.nan, mediator)
    assert {r.not_estimable for r in by_measure(data, only).values()} == {ARM_EMPTY}


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_no_crash_and_no_nan(seed, n):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 2, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    base = chance.integers(0, 3, n).astype(float)
    data = OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b"), "identity", "neutral")
    for result in estimate_mediation(data, chance.integers(0, 3, n).astype(float), "b", resamples=50):
        shown = (result.estimate, result.standard_error, result.ci_low, result.ci_high, result.p_value)
        assert shown == (None,) * 5 if result.not_estimable else np.all(np.isfinite(shown))
