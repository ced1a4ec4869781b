"""Algebra of the linear model: aliased columns, leverage, covariance matrices."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.least_squares import covariance, fit_least_squares, is_determined_by_others


@pytest.fixture
def line():
    """Intercept and x = 0, 1, 2, 3 with y = 1, 3, 2, 6: slope 1.4, intercept 0.9."""
    columns = np.column_stack([np.ones(4), np.arange(4.0)])
    return fit_least_squares(columns, np.array([1.0, 3.0, 2.0, 6.0]))


def test_line_by_hand(line):
    assert line.coefficients == pytest.approx([0.9, 1.4], rel=1e-12)
    assert line.leverage == pytest.approx([0.7, 0.3, 0.3, 0.7], rel=1e-12)
    assert line.residuals == pytest.approx([0.1, 0.7, -1.7, 0.9], rel=1e-12)
    assert line.df == 2


def test_model_covariance_by_hand(line):
    # residual sum of squares 0.01 + 0.49 + 2.89 + 0.81 = 4.2, sigma squared 2.1, sum of squares of x 5
    assert covariance(line, "model")[1, 1] == pytest.approx(2.1 / 5, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "squared"),
    [
        ("HC0", [0.01, 0.49, 2.89, 0.81]),
        ("HC1", [0.02, 0.98, 5.78, 1.62]),
        ("HC2", [0.01 / 0.3, 0.49 / 0.7, 2.89 / 0.7, 0.81 / 0.3]),
        ("HC3", [0.01 / 0.09, 0.49 / 0.49, 2.89 / 0.49, 0.81 / 0.09]),
    ],
)
def test_robust_variance_of_the_slope_by_hand(line, kind, squared):
    influence = np.array([-1.5, -0.5, 0.5, 1.5]) / 5
    assert covariance(line, kind)[1, 1] == pytest.approx(influence**2 @ squared, rel=1e-12)


def test_the_later_of_two_equal_columns_is_left_out():
    x = np.array([0.0, 1.0, 2.0, 4.0])
    fit = fit_least_squares(np.column_stack([np.ones(4), x, 3 * x - 1, x**2]), np.array([1.0, 2.0, 0.0, 5.0]))
    assert fit.kept == (0, 1, 3)
    assert fit.df == 1


def test_more_columns_than_rows():
    fit = fit_least_squares(np.array([[1.0, 2.0, 3.0], [1.0, 5.0, 7.0]]), np.array([1.0, 2.0]))
    assert fit.kept == (0, 1)
    assert fit.df == 0


def test_column_determined_by_the_others():
    arm = np.array([0.0, 0.0, 1.0, 1.0])
    columns = np.column_stack([np.ones(4), arm, [3.0, 1.0, 4.0, 1.0], 1 - arm])
    assert is_determined_by_others(columns, 1)
    assert not is_determined_by_others(columns, 2)


def test_leverage_of_one_has_no_hc3():
    columns = np.column_stack([np.ones(4), [1.0, 0.0, 0.0, 0.0]])
    fit = fit_least_squares(columns, np.array([9.0, 1.0, 2.0, 4.0]))
    assert covariance(fit, "HC2") is None
    assert covariance(fit, "HC3") is None
    assert covariance(fit, "HC1") is not None
