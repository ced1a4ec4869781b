"""Covariance structures: their matrices by hand, their derivatives by differences, and where they start."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.covariance_structures import LABELS, smallest_eigenvalue, structure

SIZES = {"un": 10, "toep": 4, "toeph": 7, "ar1h": 5, "ar1": 2, "csh": 5, "cs": 2}
MOMENTS = np.array([[4.0, 2.4, 1.2, 0.4], [2.4, 9.0, 4.5, 1.8], [1.2, 4.5, 9.0, 3.6], [0.4, 1.8, 3.6, 4.0]])


@pytest.mark.parametrize("name", list(LABELS))
def test_derivatives_are_those_of_the_matrix(name):
    shape = structure(name, 4)
    at = shape.start(MOMENTS)
    assert len(at) == SIZES[name]
    point, step = shape.at(at), 1e-6
    for a in range(len(at)):
        change = np.zeros(len(at))
        change[a] = step
        up, down = shape.at(at + change), shape.at(at - change)
        assert point.first[a] == pytest.approx((up.sigma - down.sigma) / (2 * step), abs=1e-7)
        second = np.zeros_like(point.first) if point.second is None else point.second[a]
        assert second == pytest.approx((up.first - down.first) / (2 * step), abs=1e-7)


def test_matrices_by_hand():
    log2, log3 = np.log(2.0), np.log(3.0)
    by_hand = {
        "un": ([4, 1, 9], [[4, 1], [1, 9]]),
        "cs": ([4, 1], [[4, 1], [1, 4]]),
        "toep": ([4, 1], [[4, 1], [1, 4]]),
        "csh": ([log2, log3, 0.5], [[4, 3], [3, 9]]),
        "ar1h": ([log2, log3, 0.5], [[4, 3], [3, 9]]),
        "toeph": ([log2, log3, 0.5], [[4, 3], [3, 9]]),
        "ar1": ([log2, 0.5], [[4, 2], [2, 4]]),
    }
    for name, (parameters, matrix) in by_hand.items():
        assert structure(name, 2).at(np.array(parameters, dtype=float)).sigma == pytest.approx(np.array(matrix))
    powers = structure("ar1", 3).at(np.array([0.0, 0.5])).sigma
    assert powers == pytest.approx(np.array([[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]]))


@pytest.mark.parametrize("name", list(LABELS))
def test_starts_inside_even_where_the_moments_are_not_a_covariance_matrix(name):
    impossible = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    shape = structure(name, 3)
    assert smallest_eigenvalue(shape.at(shape.start(impossible)).sigma) >= 0.05


@pytest.mark.parametrize("name", list(LABELS))
def test_one_visit_has_one_variance(name):
    shape = structure(name, 1)
    assert shape.at(shape.start(np.array([[2.5]]))).sigma == pytest.approx(np.array([[2.5]]))


def test_smallest_eigenvalue_by_hand():
    assert smallest_eigenvalue(np.array([[4.0, 3.0], [3.0, 9.0]])) == pytest.approx(0.5)
    assert smallest_eigenvalue(np.array([[1.0, 0.0], [0.0, 0.0]])) == -1
    assert smallest_eigenvalue(np.array([[np.inf, 0.0], [0.0, 1.0]])) == -1
