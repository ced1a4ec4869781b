"""Rubin's rules against R's mice (s16), by hand, and where they are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.statistics.estimate import (
    NO_RESIDUAL_VARIANCE,
    OUT_OF_RANGE,
    TOO_FEW_IMPUTATIONS,
    Analysis,
    NotEstimable,
)
from analytics.statistics.least_squares import covariance, fit_least_squares
from analytics.statistics.multiple_imputation import pool_imputations, state_pooled

CASE = "s16_rubin"
ANALYSIS = Analysis("multiple_imputation", "chl ~ age + bmi")


@pytest.mark.parametrize(("part", "complete_df"), [("n60_k4", 56), ("n_inf", None)])
def test_scalars(expected, close, part, complete_df):
    case = expected(CASE)
    pooled = pool_imputations(np.array(case["q"]), np.array(case["u"]), complete_df)
    shown = state_pooled(ANALYSIS, "difference", pooled)
    actual = {
        "qbar": pooled.estimate,
        "ubar": pooled.within,
        "b": pooled.between,
        "t": pooled.total,
        "df": pooled.df,
        "r": pooled.relative_increase,
        "fmi": pooled.missing_information,
        "lo": shown.ci_low,
        "hi": shown.ci_high,
        "p": shown.p_value,
    }
    close(actual, case[part], 1e-9)


def test_regression_on_imputed_sets(input_rows, expected, close):
    estimates, variances = [], []
    for number in range(1, 6):
        rows = input_rows(CASE, f"nhanes_imp{number}.csv")
        age, bmi, chl = (np.array([float(row[name]) for row in rows]) for name in ("age", "bmi", "chl"))
        fit = fit_least_squares(np.column_stack([np.ones(len(rows)), age, bmi]), chl)
        estimates.append(fit.coefficients)
        variances.append(np.diagonal(covariance(fit, "model")))
    for position, term in enumerate(("(Intercept)", "age", "bmi")):
        q, u = (np.array(values)[:, position] for values in (estimates, variances))
        shown, wanted = state_pooled(ANALYSIS, term, pool_imputations(q, u, 22)), expected(CASE)["nhanes"][term]
        close(
            [shown.estimate, shown.standard_error, shown.df, shown.p_value, shown.ci_low, shown.ci_high],
            [wanted[name] for name in ("estimate", "se", "df", "p", "lo", "hi")],
            1e-9,
        )


def test_two_sets_by_hand():
    # Estimates 1 and 3: between 2, within 1, total 1 + 1.5 * 2 = 4, share 3/4, df 1 / (9/16).
    pooled = pool_imputations(np.array([1.0, 3.0]), np.array([0.5, 1.5]))
    assert (pooled.estimate, pooled.between, pooled.total) == (2, 2, 4)
    assert pooled.df == pytest.approx(16 / 9, rel=1e-12)


def test_imputations_that_agree_leave_the_complete_data():
    pooled = pool_imputations(np.full(3, 2.0), np.ones(3), 20)
    assert (pooled.total, pooled.df, pooled.relative_increase) == (1, pytest.approx(21 / 23 * 20), 0)
    assert pool_imputations(np.full(3, 2.0), np.ones(3)).df is None


def test_refusals():
    one, two = np.array([1.0]), np.array([1.0, 2.0])
    assert pool_imputations(one, one) is TOO_FEW_IMPUTATIONS
    assert pool_imputations(two, two * 0) is NO_RESIDUAL_VARIANCE
    assert pool_imputations(two, np.array([1.0, np.nan])) is OUT_OF_RANGE
    assert state_pooled(ANALYSIS, "difference", TOO_FEW_IMPUTATIONS).not_estimable is TOO_FEW_IMPUTATIONS
    with pytest.raises(ValueError, match="its variance"):
        pool_imputations(two, one)


@given(st.lists(st.tuples(st.floats(-1e150, 1e150), st.floats(0, 1e150)), max_size=8), st.none() | st.floats(1, 1e6))
def test_no_crash_and_no_nan(sets, complete_df):
    pooled = pool_imputations(np.array([q for q, _ in sets]), np.array([u for _, u in sets]), complete_df)
    shown = state_pooled(ANALYSIS, "difference", pooled)
    numbers = (shown.estimate, shown.standard_error, shown.p_value)
    assert numbers == (None,) * 3 if shown.not_estimable else np.all(np.isfinite(numbers))
    assert isinstance(pooled, NotEstimable) or pooled.total >= pooled.within
