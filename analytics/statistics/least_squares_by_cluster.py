"""Least squares with standard errors by cluster: CR0 to CR3, each with Satterthwaite degrees of freedom.

V = M [sum_j X_j' A_j e_j e_j' A_j X_j] M, M = (X'X)^-1, one term per cluster j; A_j = I (CR0), sqrt(J/(J-1)) I (CR1),
(I - H_jj)^-1/2 (CR2) or (I - H_jj)^-1 (CR3). Degrees of freedom for a contrast c under independent errors of one
variance: (tr P)^2 / tr P^2 with P_jk = u_j'(I - H)_jk u_k, u_j = A_j X_j M c.
Sources: Bell & McCaffrey (2002), Survey Methodology 28:169-181; Pustejovsky & Tipton (2018), J. Bus. Econ. Stat.
36:672-683.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from analytics.statistics.ancova import fit_ancova, refusal
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import ARM_EMPTY, LEVERAGE_ONE, ONE_CLUSTER, Analysis, Estimate
from analytics.statistics.least_squares import LeastSquares
from analytics.statistics.outcome import Floats, Integers, OutcomeData, Pairs, paired_values

Correction = Literal["CR0", "CR1", "CR2", "CR3"]

METHODS: Final[dict[Correction, str]] = {
    "CR0": "ancova_cr0",
    "CR1": "ancova_cr1",
    "CR2": "ancova_cr2",
    "CR3": "ancova_cr3",
}
POWERS: Final[dict[Correction, float]] = {"CR0": 0.0, "CR1": 0.0, "CR2": -0.5, "CR3": -1.0}
ALONE: Final = 1e-10
"""An eigenvalue of I - H_jj below this: the cluster alone determines a direction of the model."""
LEAST_DF: Final = 4.0
FEW_DF: Final = "Fewer than 4 degrees of freedom: neither the interval nor the p value can be relied on."
UNGROUPED: Final = -1


@dataclass(frozen=True, slots=True)
class ClusterError:
    """Standard error of a contrast and its Satterthwaite degrees of freedom."""

    standard_error: float
    df: float


def cluster_error(
    fit: LeastSquares, contrast: Floats, cluster: Integers, correction: Correction = "CR2"
) -> ClusterError | None:
    """Error of `contrast` (len(kept),) with clusters named by `cluster` (n,).

    None where one cluster alone determines the contrast, or where nothing varies between clusters.
    """
    direction = fit.q @ (fit.r_inverse.T @ contrast)
    _, position = np.unique(cluster, return_inverse=True)
    members = np.split(np.argsort(position, kind="stable"), np.cumsum(np.bincount(position))[:-1])
    weights, projected, scores = np.empty(len(members)), np.empty((len(members), fit.q.shape[1])), []
    for index, rows in enumerate(members):
        adjusted = _adjust(fit.q[rows], direction[rows], POWERS[correction])
        if adjusted is None:
            return None
        weights[index] = adjusted @ adjusted
        projected[index] = fit.q[rows].T @ adjusted
        scores.append(float(adjusted @ fit.residuals[rows]))
    variance = math.fsum(score**2 for score in scores)
    if correction == "CR1":
        variance *= len(members) / (len(members) - 1) if len(members) > 1 else math.inf
    df = _satterthwaite(weights, projected)
    if not (math.isfinite(variance) and variance > 0 and df is not None):
        return None
    return ClusterError(math.sqrt(variance), df)


def estimate_clustered(
    data: OutcomeData, group: Integers, arm: str, correction: Correction = "CR2", notes: tuple[str, ...] = ()
) -> tuple[Estimate, ...]:
    """Difference between `arm` and the reference; `group` (one entry per participant randomized) names therapy groups.

    Participants with group -1 belong to none and count as clusters of their own.
    """
    pairs, groups = paired_with_groups(data, group)
    cluster = clusters_of(groups)
    fit, counts = fit_ancova(pairs), pairs.n()
    compared = (data.arms[0], arm)
    shares = {code: len(np.unique(cluster[pairs.arm == data.arms.index(code)])) for code in compared}
    analysis = Analysis(
        METHODS[correction],
        f"{fit.design.formula}, clusters: group",
        {code: counts[code] for code in compared},
        (*pairs.notes(), *fit.design.notes, *(f"{code}: {n} clusters." for code, n in shares.items()), *notes),
    )
    reason = refusal(fit, arm)
    if reason is None and min(shares.values()) < 2:
        reason = ONE_CLUSTER
    if reason is not None or fit.least_squares is None:
        return refused_differences(analysis, pairs.scale, reason or ARM_EMPTY)
    contrast = np.zeros(len(fit.least_squares.kept))
    contrast[fit.least_squares.kept.index(fit.design.arm_column(arm))] = 1.0
    error = cluster_error(fit.least_squares, contrast, cluster, correction)
    if error is None:
        return refused_differences(analysis, pairs.scale, LEVERAGE_ONE)
    if error.df < LEAST_DF:
        analysis = replace(analysis, notes=(*analysis.notes, FEW_DF))
    estimate = float(contrast @ fit.least_squares.coefficients)
    return arm_differences(analysis, pairs.scale, estimate, error.standard_error, error.df)


def paired_with_groups(data: OutcomeData, group: Integers) -> tuple[Pairs, Integers]:
    """Participants with both values and the group of each."""
    if len(group) != len(data.arm):
        raise ValueError("the groups need one entry per participant")
    # Groups travel as one more stratum, so that the same participants are kept; names of strata are never empty.
    pairs = paired_values(replace(data, strata={**data.strata, "": np.asarray(group, dtype=np.int64)}))
    strata = dict(pairs.strata)
    return replace(pairs, strata={name: strata[name] for name in strata if name}), strata[""]


def clusters_of(groups: Integers) -> Integers:
    """A cluster for each entry: its group, or one of its own where it belongs to none."""
    alone = groups == UNGROUPED
    clusters = groups.copy()
    clusters[alone] = np.max(groups, initial=0) + 1 + np.arange(np.count_nonzero(alone))
    return clusters


def _adjust(q: Floats, direction: Floats, power: float) -> Floats | None:
    """(I - q q')^power times `direction`, through the singular values of q; None where it is not defined."""
    if power == 0:
        return direction
    vectors, lengths, _ = np.linalg.svd(q, full_matrices=False)
    remaining = 1 - lengths**2
    along = vectors.T @ direction
    alone = remaining < ALONE
    if np.any(np.abs(along[alone]) > math.sqrt(ALONE) * float(np.linalg.norm(direction))):
        return None
    # Directions of the cluster that no column touches are left as they are.
    factor = np.where(alone, 0.0, np.where(alone, 1.0, remaining) ** power)
    return np.asarray(direction + vectors @ ((factor - 1) * along))


def _satterthwaite(weights: Floats, projected: Floats) -> float | None:
    inner = projected.T @ projected
    mean = float(np.sum(weights) - np.trace(inner))
    own = np.einsum("ij,ij->i", projected, projected)
    squares = float(weights @ weights - 2 * (weights @ own) + np.sum(inner * inner))
    return mean**2 / squares if mean > 0 and squares > 0 else None
