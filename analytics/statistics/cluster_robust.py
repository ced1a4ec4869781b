"""Cluster-robust tests (CR2) for generalized least squares, with Satterthwaite and Hotelling degrees of freedom.

Rows of one cluster may depend on each other in any way; clusters are independent. The working variance only sets the
weights and the small-sample correction; the tests hold where it is wrong.
b = M X'W y, M = (X'WX)^-1, W = Phi^-1; Cov(b) = sum_j g_j' e_j e_j' g_j, g_j = A_j W_j X_j M,
A_j = D_j'(D_j B_j D_j')^(-1/2) D_j, B_j = Phi_j - X_j M X_j', Phi_j = D_j'D_j.
Sources: Bell & McCaffrey (2002), Survey Methodology 28:169-181; Tipton (2015), Psychol. Methods 20:375-393;
Tipton & Pustejovsky (2015), J. Educ. Behav. Stat. 40:604-634 (HTZ); Pustejovsky & Tipton (2018), J. Bus. Econ. Stat.
36:672-683.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy.special import chdtrc, fdtrc

from analytics.statistics.estimate import (
    CLUSTER_ALONE,
    MODERATOR_ALIASED,
    ONE_CLUSTER,
    OUT_OF_RANGE,
    TOO_FEW_STUDIES,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import independent_columns
from analytics.statistics.meta_regression import LEAST_DF, JointTest
from analytics.statistics.outcome import Floats, Integers

Blocks = tuple[Floats, ...]
"""Square matrices (m, n, n) of the m clusters with n rows, one entry per size of cluster."""

EIGENVALUE_TOLERANCE: Final = 1e-12
UNBIASED_TOLERANCE: Final = 1e-6
FEW_DF: Final = "Fewer than 4 degrees of freedom: neither the interval nor the p value can be relied on."


@dataclass(frozen=True, eq=False)
class Clusters:
    """Row numbers by cluster: one array (m, n) per size n, so that matrices of one size are treated in one call."""

    rows: tuple[Integers, ...]
    count: int

    def split(self, values: Floats) -> tuple[Floats, ...]:
        """`values` (N, ...) as (m, n, ...) per size of cluster."""
        return tuple(values[rows] for rows in self.rows)


@dataclass(frozen=True, eq=False)
class WorkingFit:
    """Generalized least squares under the working variance, and what CR2 needs of each cluster.

    `inverse` is M (p, p). `scores` (J, p): g_j'e_j with the small-sample adjustment; `unadjusted` without.
    `own` (J, p, p): g_j'Phi_j g_j. `crossed` (J, p, p): X_j'g_j.
    """

    coefficients: Floats
    residuals: Floats
    inverse: Floats
    scores: Floats
    unadjusted: Floats
    own: Floats
    crossed: Floats

    @property
    def covariance(self) -> Floats:
        """CR2 covariance matrix of the coefficients."""
        return np.asarray(self.scores.T @ self.scores)

    @cached_property
    def expected_covariance(self) -> Floats:
        """What CR2 gives on average if the working variance is true; equals M unless a cluster stands alone."""
        given = np.swapaxes(self.crossed, 1, 2) @ self.inverse @ self.crossed
        return np.asarray((self.own - given).sum(axis=0))


def cluster_rows(labels: Sequence[object] | Integers) -> Clusters:
    """Group row numbers by label; clusters in order of their first row within a size."""
    _, first, index = np.unique(np.asarray([str(label) for label in labels]), return_index=True, return_inverse=True)
    sizes = np.bincount(index, minlength=len(first))
    by_cluster = np.split(np.argsort(index, kind="stable"), np.cumsum(sizes)[:-1])
    rows = []
    for size in sorted(set(sizes.tolist())):
        members = sorted((c for c in range(len(first)) if sizes[c] == size), key=lambda c: first[c])
        rows.append(np.stack([by_cluster[c] for c in members]).astype(np.int64))
    return Clusters(tuple(rows), len(first))


def refusal(columns: Floats, clusters: Clusters) -> NotEstimable | None:
    """Why no robust test is possible on these columns (N, p); None where it is."""
    if clusters.count < 2:
        return ONE_CLUSTER
    if clusters.count <= columns.shape[1]:
        # As many trials as terms: the residuals of every cluster are forced.
        return TOO_FEW_STUDIES
    if not np.all(np.isfinite(columns)):
        return OUT_OF_RANGE
    if len(independent_columns(columns)[0]) < columns.shape[1]:
        return MODERATOR_ALIASED
    return None


def fit_working(effects: Floats, columns: Floats, clusters: Clusters, working: Blocks) -> WorkingFit:
    """Fit `effects` (N,) on `columns` (N, p) of full rank under the working variance of each cluster."""
    p = columns.shape[1]
    lower = [np.asarray(np.linalg.cholesky(block), dtype=np.float64) for block in working]
    x, y = clusters.split(columns), clusters.split(effects)
    whitened = [np.asarray(np.linalg.solve(root, part), dtype=np.float64) for root, part in zip(lower, x, strict=True)]
    whitened_y = [np.linalg.solve(root, part[..., None]) for root, part in zip(lower, y, strict=True)]
    q, r = np.linalg.qr(np.concatenate([part.reshape(-1, p) for part in whitened]))
    r_inverse = np.asarray(np.linalg.inv(r), dtype=np.float64)
    coefficients = r_inverse @ (q.T @ np.concatenate([part.reshape(-1) for part in whitened_y]))
    inverse = r_inverse @ r_inverse.T
    residuals = effects - columns @ coefficients
    parts = [
        _cluster_parts(part, errors, root, white, block, inverse)
        for part, errors, root, white, block in zip(x, clusters.split(residuals), lower, whitened, working, strict=True)
    ]
    scores, unadjusted, own, crossed = (np.concatenate(same) for same in zip(*parts, strict=True))
    return WorkingFit(coefficients, residuals, inverse, scores, unadjusted, own, crossed)


def _cluster_parts(
    x: Floats, errors: Floats, root: Floats, whitened: Floats, working: Floats, inverse: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Scores, unadjusted scores, own and crossed matrices of clusters of one size."""
    # With D = L' (upper), W X M = L'^-1 L^-1 X M.
    transposed = np.swapaxes(root, 1, 2)
    influence = np.linalg.solve(transposed, whitened @ inverse)
    remaining = working - x @ inverse @ np.swapaxes(x, 1, 2)
    inner = transposed @ remaining @ root
    values, vectors = np.linalg.eigh((inner + np.swapaxes(inner, 1, 2)) / 2)
    # The scale of D Phi D' decides what is zero: rounding, where a cluster leaves nothing to a direction.
    largest = np.linalg.norm(transposed @ root, axis=(1, 2))[:, None] ** 2
    kept = values > EIGENVALUE_TOLERANCE * largest
    powers = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
    half = root @ vectors
    adjustment = (half * powers[:, None, :]) @ np.swapaxes(half, 1, 2)
    g = adjustment @ influence
    g_transposed = np.swapaxes(g, 1, 2)
    return (
        np.einsum("jnp,jn->jp", g, errors),
        np.einsum("jnp,jn->jp", influence, errors),
        g_transposed @ working @ g,
        np.swapaxes(x, 1, 2) @ g,
    )


def robust_estimate(analysis: Analysis, measure: str, fit: WorkingFit, weights: Floats) -> Estimate:
    """The contrast `weights` (p,) of the coefficients with CR2 standard error and t(Satterthwaite df)."""
    unit = float(weights @ fit.inverse @ weights)
    expected = float(weights @ fit.expected_covariance @ weights)
    if not expected > (1 - UNBIASED_TOLERANCE) * unit:
        return analysis.refuse(measure, CLUSTER_ALONE)
    df = satterthwaite_df(fit, weights)
    if not (np.isfinite(df) and df > 0):
        return analysis.refuse(measure, CLUSTER_ALONE)
    flagged = analysis
    if df < LEAST_DF:
        flagged = Analysis(analysis.method, analysis.formula, analysis.n, (*analysis.notes, FEW_DF))
    error = float(np.sqrt(weights @ fit.covariance @ weights))
    return flagged.wald(measure, float(weights @ fit.coefficients), error, df)


def satterthwaite_df(fit: WorkingFit, weights: Floats) -> float:
    """2 E(v)^2 / Var(v) of the CR2 variance v of a contrast, under the working variance."""
    total = _product_variance(fit, weights, weights, weights, weights)
    expected = float(weights @ fit.expected_covariance @ weights)
    return expected**2 / total if total > 0 else float("nan")


def robust_joint_test(fit: WorkingFit, contrasts: Floats) -> JointTest | NotEstimable:
    """HTZ: Hotelling's T^2 approximation of the test that all `contrasts` (q, p) of the coefficients are zero."""
    q = len(contrasts)
    expected = contrasts @ fit.expected_covariance @ contrasts.T
    target = contrasts @ fit.inverse @ contrasts.T
    if np.any(np.diagonal(expected) < (1 - UNBIASED_TOLERANCE) * np.diagonal(target)):
        return CLUSTER_ALONE
    wald = robust_chi_squared(fit, contrasts)
    if isinstance(wald, NotEstimable):
        return wald
    # In units of standard errors, so that moderators in different units do not spoil the square root.
    size = np.sqrt(np.diagonal(expected))
    values, vectors = np.linalg.eigh(expected / np.outer(size, size))
    standardized = (vectors / np.sqrt(values)) @ vectors.T @ (contrasts / size[:, None])
    total = sum(
        _product_variance(fit, s, s, t, t) + _product_variance(fit, s, t, t, s)
        for s in standardized
        for t in standardized
    )
    eta = q * (q + 1) / total
    if not (np.isfinite(eta) and eta - q + 1 > 0):
        return TOO_FEW_STUDIES
    statistic = (eta - q + 1) / eta * wald.statistic
    return JointTest(statistic, q, eta - q + 1, float(fdtrc(q, eta - q + 1, statistic)))


def robust_chi_squared(fit: WorkingFit, contrasts: Floats) -> JointTest | NotEstimable:
    """The same by chi^2(q)/q, which rejects far too often with few clusters; for comparison only."""
    q = len(contrasts)
    covariance, values = contrasts @ fit.covariance @ contrasts.T, contrasts @ fit.coefficients
    size = np.sqrt(np.diagonal(covariance))
    if not (np.all(size > 0) and np.linalg.cond(covariance / np.outer(size, size)) < 1 / EIGENVALUE_TOLERANCE):
        return TOO_FEW_STUDIES
    statistic = float(values / size @ np.linalg.solve(covariance / np.outer(size, size), values / size)) / q
    return JointTest(statistic, q, None, float(chdtrc(q, q * statistic)))


def _product_variance(fit: WorkingFit, a: Floats, b: Floats, c: Floats, d: Floats) -> float:
    """Sum over clusters i, j of G^ab_ij G^cd_ij, G^ab_ij = [i = j] a'U_i b - (T_i a)'M(T_j b); no J x J matrix."""
    ta, tb, tc, td = (fit.crossed @ vector for vector in (a, b, c, d))
    m = fit.inverse
    own_ab, own_cd = (fit.own @ b) @ a, (fit.own @ d) @ c
    same_ab, same_cd = np.sum((ta @ m) * tb, axis=1), np.sum((tc @ m) * td, axis=1)
    across = float(np.sum((m @ (tb.T @ td)) * (m @ (tc.T @ ta)).T))
    return float(own_ab @ own_cd - own_ab @ same_cd - own_cd @ same_ab) + across
