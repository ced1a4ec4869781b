"""The effect of treatment received against R's ivreg (s20), by hand, and where it is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.complier_average_effect import (
    METHODS,
    WEAK_NOTE,
    estimate_complier_average_effect,
    first_stage,
    per_protocol,
)
from analytics.statistics.estimate import ARM_EMPTY, NO_RESIDUAL_VARIANCE, TREATMENT_ALIASED
from analytics.statistics.outcome import OutcomeData, compared_with, paired_values

CASE = "s20_cace"


@pytest.fixture
def trial(input_rows):
    rows = input_rows(CASE, "input.csv")
    column = {n: np.array([float(r[n]) for r in rows]) for n in ("assigned", "attended", "sessions", "base", "y")}
    none = np.zeros(len(rows), dtype=bool)
    clinic = np.array(["ABC".index(row["clinic"]) for row in rows], dtype=np.int64)
    arm = column["assigned"].astype(np.int64)
    data = OutcomeData(
        column["base"],
        column["y"],
        none,
        none,
        arm,
        {"clinic": clinic},
        ("control", "treatment"),
        "identity",
        "neutral",
    )
    return data, column


def numbers(result):
    return {
        "estimate": result.estimate,
        "se": result.standard_error,
        "df": result.df,
        "t": result.estimate / result.standard_error,
        "p": result.p_value,
        "lo": result.ci_low,
        "hi": result.ci_high,
    }


@pytest.mark.parametrize("errors", METHODS)
@pytest.mark.parametrize(("part", "column"), [("cace_binary", "attended"), ("dose_per_session", "sessions")])
def test_treatment_received(trial, expected, close, part, column, errors):
    data, columns = trial
    result = estimate_complier_average_effect(data, columns[column], "treatment", errors)[0]
    close(numbers(result), expected(CASE)[part][errors], 1e-9)
    assert result.n == {"control": 90, "treatment": 90}


def test_first_stage_and_compliance(trial, expected, close):
    data, columns = trial
    wanted = expected(CASE)["first_stage"]
    stage = first_stage(compared_with(data, columns["attended"], "treatment"))
    close([stage.f_statistic, stage.difference, stage.standard_error], [wanted[k] for k in ("F", "coef", "se")], 1e-9)
    assert np.mean(columns["attended"][data.arm == 1]) == pytest.approx(expected(CASE)["compliance"], rel=1e-12)


def test_as_randomized_and_per_protocol(trial, expected, close):
    data, columns = trial
    result = estimate_ancova(fit_ancova(paired_values(data)), "treatment", "model")[0]
    close(numbers(result), expected(CASE)["itt"], 1e-9)
    kept = per_protocol(compared_with(data, columns["attended"], "treatment"))
    result = estimate_ancova(fit_ancova(kept), "treatment", "model")[0]
    close(numbers(result), expected(CASE)["per_protocol"], 1e-9)


def test_without_covariates_it_is_the_ratio_of_differences(five_participants):
    # Means 3 and 6; two of three treated, no control: 3 / (2/3).
    data = five_participants(baseline=np.full(5, 2.0))
    treatment = np.array([0.0, 0.0, 1.0, 1.0, 0.0])
    result = estimate_complier_average_effect(data, treatment, "treatment")[0]
    assert result.estimate == pytest.approx(4.5, rel=1e-12)
    assert WEAK_NOTE in result.notes


def test_everybody_treated_as_randomized_is_the_ordinary_analysis(trial):
    data, _ = trial
    result = estimate_complier_average_effect(data, data.arm.astype(float), "treatment", "HC1")[0]
    ordinary = estimate_ancova(fit_ancova(paired_values(data)), "treatment", "HC1")[0]
    assert numbers(result) == pytest.approx(numbers(ordinary), rel=1e-9)


def test_unit_of_the_dose(trial):
    data, columns = trial
    first = estimate_complier_average_effect(data, columns["sessions"], "treatment")[0]
    second = estimate_complier_average_effect(data, columns["sessions"] * 60, "treatment")[0]
    assert second.estimate * 60 == pytest.approx(first.estimate, rel=1e-10)
    assert second.p_value == pytest.approx(first.p_value, rel=1e-10)


def test_unknown_treatment_is_left_out(trial):
    data, columns = trial
    treatment = columns["attended"].copy()
    treatment[:4] = np.nan
    assert sum(estimate_complier_average_effect(data, treatment, "treatment")[0].n.values()) == 176
    with pytest.raises(ValueError, match="one entry"):
        compared_with(data, treatment[1:], "treatment")


def test_refusals(trial, five_participants):
    data, columns = trial
    nobody = np.zeros(len(data.arm))
    assert estimate_complier_average_effect(data, nobody, "treatment")[0].not_estimable is TREATMENT_ALIASED
    assert estimate_complier_average_effect(data, nobody + 1, "treatment")[0].not_estimable is TREATMENT_ALIASED
    empty = replace(data, follow_up=np.where(data.arm == 1, np.nan, data.follow_up))
    assert estimate_complier_average_effect(empty, columns["attended"], "treatment")[0].not_estimable is ARM_EMPTY
    flat = five_participants(follow_up=np.array([2.0, 2.0, 4.0, 4.0, 4.0]))
    treatment = np.array([0.0, 0.0, 1.0, 1.0, 1.0])
    assert estimate_complier_average_effect(flat, treatment, "treatment")[0].not_estimable is NO_RESIDUAL_VARIANCE


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25))
def test_no_crash_and_no_nan(seed, n):
    chance = np.random.default_rng(seed)
    arm, none = chance.integers(0, 3, n), np.zeros(n, dtype=bool)
    follow_up = np.where(chance.random(n) < 0.2, np.nan, chance.integers(0, 5, n))
    base = chance.integers(0, 3, n).astype(float)
    data = OutcomeData(base, follow_up, none, none, arm, {}, ("a", "b", "c"), "identity", "neutral")
    result = estimate_complier_average_effect(data, chance.integers(0, 3, n).astype(float), "c")[0]
    shown = (result.estimate, result.standard_error, result.df, result.p_value)
    assert shown == (None,) * 4 if result.not_estimable else np.all(np.isfinite(shown))
