"""CR2, Satterthwaite and HTZ by their definitions, with dense matrices; against R in test_robust_variance."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.statistics.cluster_robust import (
    cluster_rows,
    fit_working,
    refusal,
    robust_estimate,
    robust_joint_test,
    satterthwaite_df,
)
from analytics.statistics.estimate import MODERATOR_ALIASED, ONE_CLUSTER, OUT_OF_RANGE, TOO_FEW_STUDIES, Analysis

ANALYSIS = Analysis("rve", "effect ~ 1", {"trials": 3})


@pytest.fixture(scope="module")
def uneven():
    """Seven clusters of one to four rows, two moderators, a full working variance; and the dense matrices."""
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(7), [1, 2, 3, 4, 2, 1, 3])[rng.permutation(16)]
    x = np.column_stack([np.ones(16), rng.normal(size=16), rng.uniform(size=16)])
    y = rng.normal(size=16)
    shape = np.where(labels[:, None] == labels[None, :], 0.6, 0.0)
    phi = shape + np.diag(rng.uniform(0.5, 2, size=16))
    clusters = cluster_rows(labels)
    fit = fit_working(y, x, clusters, tuple(phi[rows[:, :, None], rows[:, None, :]] for rows in clusters.rows))
    return fit, x, y, phi, labels


def dense(x, phi, labels):
    """p_j of each cluster and coefficient (J, p, N): the CR2 estimate is the sum of (p_j'y)^2."""
    w = np.linalg.inv(phi)
    m = np.linalg.inv(x.T @ w @ x)
    left = np.eye(len(x)) - x @ m @ x.T @ w
    rows = []
    for label in np.unique(labels):
        i = np.flatnonzero(labels == label)
        d = np.linalg.cholesky(phi[np.ix_(i, i)]).T
        b = phi[np.ix_(i, i)] - x[i] @ m @ x[i].T
        values, vectors = np.linalg.eigh(d @ b @ d.T)
        a = d.T @ (vectors / np.sqrt(values)) @ vectors.T @ d
        rows.append((a @ w[np.ix_(i, i)] @ x[i] @ m).T @ left[i])
    return m, np.array(rows)


def test_covariance_by_definition(uneven, near):
    fit, x, y, phi, labels = uneven
    m, p = dense(x, phi, labels)
    near(fit.inverse, m, 1e-10)
    scores = p @ y
    near(fit.covariance, scores.T @ scores, 1e-10)
    near(fit.coefficients, m @ x.T @ np.linalg.solve(phi, y), 1e-10)


def test_the_working_variance_is_met_on_average(uneven, near):
    fit, *_ = uneven
    near(fit.expected_covariance, fit.inverse, 1e-10)


def test_satterthwaite_by_definition(uneven, near):
    fit, x, _, phi, labels = uneven
    _, p = dense(x, phi, labels)
    for j in range(3):
        g = p[:, j] @ phi @ p[:, j].T
        near(satterthwaite_df(fit, np.eye(3)[j]), np.trace(g) ** 2 / np.sum(g * g), 1e-10)


def test_hotelling_by_definition(uneven, near):
    fit, x, _, phi, labels = uneven
    m, p = dense(x, phi, labels)
    values, vectors = np.linalg.eigh(m[1:, 1:])
    standardized = np.einsum("st,jtn->sjn", (vectors / np.sqrt(values)) @ vectors.T, p[:, 1:])
    g = np.einsum("sin,nm,tjm->stij", standardized, phi, standardized)
    total = np.einsum("ssij,ttij->", g, g) + np.einsum("stij,tsij->", g, g)
    eta = 2 * 3 / total
    c = fit.covariance[1:, 1:]
    q = fit.coefficients[1:] @ np.linalg.solve(c, fit.coefficients[1:])
    joint = robust_joint_test(fit, np.eye(3)[1:])
    near([joint.df, joint.df_denominator, joint.statistic], [2, eta - 1, (eta - 1) / (2 * eta) * q], 1e-9)


def test_one_contrast_is_the_square_of_t(uneven, near):
    fit, *_ = uneven
    estimate, joint = robust_estimate(ANALYSIS, "slope", fit, np.eye(3)[1]), robust_joint_test(fit, np.eye(3)[1:2])
    near(joint.statistic, (estimate.estimate / estimate.standard_error) ** 2, 1e-10)
    near([joint.df_denominator, joint.p_value], [estimate.df, estimate.p_value], 1e-9)


def test_rescaled_contrasts_change_nothing(uneven, near):
    fit, *_ = uneven
    mixed = np.array([[1e6, 0.0], [3.0, 1e-3]]) @ np.eye(3)[1:]
    joint, other = robust_joint_test(fit, np.eye(3)[1:]), robust_joint_test(fit, mixed)
    near([other.statistic, other.df_denominator], [joint.statistic, joint.df_denominator], 1e-6)


def test_rows_by_cluster():
    clusters = cluster_rows(["b", "a", "b", "c", "a", "d"])
    assert clusters.count == 4
    assert [rows.tolist() for rows in clusters.rows] == [[[3], [5]], [[0, 2], [1, 4]]]


@pytest.mark.parametrize(
    ("columns", "labels", "reason"),
    [
        (np.ones((4, 1)), "aaaa", ONE_CLUSTER),
        (np.ones((3, 2)), "abc", MODERATOR_ALIASED),
        (np.array([[1.0, 0], [1, 1]]), "ab", TOO_FEW_STUDIES),
        (np.array([[1.0], [np.nan], [1.0]]), "abc", OUT_OF_RANGE),
        (np.ones((3, 1)), "abc", None),
    ],
)
def test_refusals(columns, labels, reason):
    assert refusal(columns, cluster_rows(list(labels))) is reason
