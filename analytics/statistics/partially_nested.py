"""Partially nested model: therapy groups in an arm, participants of the other arm on their own.

y = X b + [in a group] u_group + e, u ~ N(0, v), e ~ N(0, s) with one residual variance or one per arm; REML. Within a
group of m an orthogonal rotation leaves one row of variance s + m v and m - 1 of variance s, so everything below is
weighted least squares on diagonal variances. Kenward & Roger's standard error and df (1997, Biometrics 53:983-997;
this covariance is linear in its parameters, so no second derivatives enter; expected information as in pbkrtest), or
Satterthwaite's df from the observed information as in lmerTest.
Source of the design: Roberts & Roberts (2005), Clin. Trials 2:152-162; Baldwin et al. (2011), Psychol. Methods 16:149.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from analytics.statistics.ancova import AncovaFit, fit_ancova, refusal
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_EMPTY,
    NO_CONVERGENCE,
    NO_RESIDUAL_DF,
    ONE_CLUSTER,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares_by_cluster import UNGROUPED, paired_with_groups
from analytics.statistics.outcome import Floats, Integers, OutcomeData

Residual = Literal["common", "by_arm"]
Inference = Literal["kenward_roger", "satterthwaite"]

METHODS: Final[dict[Inference, str]] = {
    "kenward_roger": "partially_nested_kr",
    "satterthwaite": "partially_nested_satterthwaite",
}
MOST_STEPS: Final = 200
CONVERGED: Final = 1e-22
STARTS: Final = (0.01, 0.1, 0.3, 1.0)
FLAT: Final = 1e-14
"""A direction this much flatter than the steepest is rounding: no step can be computed from it."""
SMALLEST_STEP: Final = 2.0**-40
LEAST_RESIDUAL: Final = 1e-10
"""A residual variance below this share of the ordinary one: the likelihood runs to a model without residuals."""


@dataclass(frozen=True, eq=False)
class NestedFit:
    """`variances`: between groups, then residual (common, or one per arm in order); `covariance` as plain REML.

    `coefficients` (p,) and `covariance` (p, p); `parts` (len(variances), n) with variance of rotated rows = sum of
    parts weighted by `variances`; `columns`, `outcome` rotated.
    """

    coefficients: Floats
    covariance: Floats
    variances: Floats
    log_likelihood: float
    columns: Floats
    outcome: Floats
    parts: Floats

    @property
    def intraclass_correlation(self) -> float:
        """Share of the variance within the grouped arm that lies between groups (last residual variance)."""
        return float(self.variances[0] / (self.variances[0] + self.variances[-1]))


def fit_partially_nested(columns: Floats, outcome: Floats, group: Integers, residual: Integers) -> NestedFit | None:
    """Fit by REML: independent `columns` (n, p), `group` -1 for none, `residual` the index of each residual variance.

    None without a maximum.
    """
    rotated, parts = _rotate(np.column_stack([columns, outcome]), group, residual)
    x, y = rotated[:, :-1], rotated[:, -1]
    scale = _ordinary_variance(x, y)
    if not scale > 0:
        return None
    y = y / math.sqrt(scale)
    best: Floats | None = None
    height = -math.inf
    for share in STARTS:
        start = np.array([share, *np.ones(len(parts) - 1)])
        reached = _log_likelihood(start, x, y, parts)
        if reached > height:
            best, height = start, reached
    variances = None if best is None else _maximize(best, x, y, parts)
    if variances is None or np.min(variances[1:]) < LEAST_RESIDUAL:
        return None
    coefficients, covariance, _ = _generalized(variances, x, y, parts)
    return NestedFit(
        coefficients * math.sqrt(scale),
        covariance * scale,
        variances * scale,
        _log_likelihood(variances, x, y, parts) - 0.5 * (len(y) - x.shape[1]) * math.log(scale),
        x,
        y * math.sqrt(scale),
        parts,
    )


def contrast_error(fit: NestedFit, contrast: Floats, inference: Inference) -> tuple[float, float] | None:
    """Standard error and degrees of freedom of `contrast` (p,)."""
    weight = 1 / (fit.variances @ fit.parts)
    phi, x = fit.covariance, fit.columns
    first = [-(x.T * (weight**2 * part)) @ x for part in fit.parts]
    information = _information(fit.variances, x, fit.outcome, fit.parts, expected=inference == "kenward_roger")
    try:
        dispersion = np.linalg.inv(information)
    except np.linalg.LinAlgError:
        return None
    variance = float(contrast @ phi @ contrast)
    gradient = np.array([contrast @ phi @ p @ phi @ contrast for p in first])
    spread = float(gradient @ dispersion @ gradient)
    if not (spread > 0 and variance > 0):
        return None
    df = 2 * variance**2 / spread
    if inference == "kenward_roger":
        inner = np.zeros_like(phi)
        for i, part in enumerate(fit.parts):
            for j, other in enumerate(fit.parts):
                second = (x.T * (weight**3 * part * other)) @ x
                inner += dispersion[i, j] * (second - first[i] @ phi @ first[j])
        variance += 2 * float(contrast @ phi @ inner @ phi @ contrast)
    return (math.sqrt(variance), df) if variance > 0 and df > 0 else None


def estimate_partially_nested(
    data: OutcomeData,
    group: Integers,
    arm: str,
    *,
    residual: Residual = "common",
    inference: Inference = "kenward_roger",
) -> tuple[Estimate, ...]:
    """Difference between `arm` and the reference; `group` (one entry per participant randomized), -1 for none."""
    pairs, groups = paired_with_groups(data, group)
    fit, counts = fit_ancova(pairs), pairs.n()
    analysis = Analysis(
        METHODS[inference],
        f"{fit.design.formula} + (1 | group), residual variance {residual.replace('_', ' ')}",
        {code: counts[code] for code in (data.arms[0], arm)},
        pairs.notes() + fit.design.notes,
    )
    reason = _refusal(fit, groups, arm)
    if reason is not None or fit.least_squares is None:
        return refused_differences(analysis, pairs.scale, reason or ARM_EMPTY)
    kept = fit.least_squares.kept
    levels = pairs.arm if residual == "by_arm" else np.zeros(len(pairs.arm), dtype=np.int64)
    nested = fit_partially_nested(fit.design.columns[:, kept], pairs.follow_up, groups, levels)
    contrast = np.zeros(len(kept))
    contrast[kept.index(fit.design.arm_column(arm))] = 1.0
    error = None if nested is None else contrast_error(nested, contrast, inference)
    if nested is None or error is None:
        return refused_differences(analysis, pairs.scale, NO_CONVERGENCE)
    words = f"Between groups lies {nested.intraclass_correlation:.3f} of the variance within the grouped arm."
    if nested.variances[0] == 0:
        words = "No variance between groups was found; the model still counts it as estimated."
    return arm_differences(
        replace(analysis, notes=(*analysis.notes, words)),
        pairs.scale,
        float(contrast @ nested.coefficients),
        *error,
    )


def _refusal(fit: AncovaFit, groups: Integers, arm: str) -> NotEstimable | None:
    reason = refusal(fit, arm)
    if reason is not None:
        return reason
    for code in (fit.pairs.arms[0], arm):
        inside = groups[fit.pairs.arm == fit.pairs.arms.index(code)]
        if np.all(inside != UNGROUPED) and len(np.unique(inside)) < 2:
            return ONE_CLUSTER
    _, sizes = np.unique(groups[groups != UNGROUPED], return_counts=True)
    if len(sizes) < 2:
        return ONE_CLUSTER
    return None if np.max(sizes) > 1 else NO_RESIDUAL_DF


def _rotate(rows: Floats, group: Integers, residual: Integers) -> tuple[Floats, Floats]:
    """Rows rotated within groups to a scaled mean and contrasts, and the parts of their variances."""
    rotated = rows.copy()
    levels, position = np.unique(residual, return_inverse=True)
    parts = np.zeros((1 + len(levels), len(rows)))
    parts[1 + position, np.arange(len(rows))] = 1.0
    for name in np.unique(group[group != UNGROUPED]):
        members = np.flatnonzero(group == name)
        if len(np.unique(residual[members])) > 1:
            raise ValueError("a group lies in two arms with residual variances of their own")
        # Householder's reflection of the first axis onto the constant direction.
        mirror = np.full(len(members), 1 / math.sqrt(len(members)))
        mirror[0] -= 1
        length = mirror @ mirror
        if length > 0:
            rotated[members] -= np.outer(2 / length * mirror, mirror @ rows[members])
        parts[0, members[0]] = len(members)
    return rotated, parts


def _ordinary_variance(x: Floats, y: Floats) -> float:
    coefficients, *_ = np.linalg.lstsq(x, y, rcond=None)
    residuals = y - x @ coefficients
    return float(residuals @ residuals / max(len(y) - x.shape[1], 1))


def _generalized(variances: Floats, x: Floats, y: Floats, parts: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, their covariance, and residuals divided by their variance."""
    weight = 1 / (variances @ parts)
    _, r = np.linalg.qr(x * np.sqrt(weight)[:, None])
    r_inverse = np.linalg.inv(r)
    covariance = r_inverse @ r_inverse.T
    coefficients = covariance @ (x.T @ (weight * y))
    return coefficients, covariance, weight * (y - x @ coefficients)


def _log_likelihood(variances: Floats, x: Floats, y: Floats, parts: Floats) -> float:
    total = variances @ parts
    if not np.min(total) > 0:
        return -math.inf
    _, covariance, weighted = _generalized(variances, x, y, parts)
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(
        -0.5
        * (
            (len(y) - x.shape[1]) * math.log(2 * math.pi)
            + np.sum(np.log(total))
            - log_determinant
            + weighted @ (total * weighted)
        )
    )


def _score(variances: Floats, x: Floats, y: Floats, parts: Floats) -> Floats:
    weight = 1 / (variances @ parts)
    _, covariance, weighted = _generalized(variances, x, y, parts)
    leverage = np.einsum("ij,jk,ik->i", x, covariance, x)
    return np.asarray(0.5 * parts @ (weighted**2 - weight + weight**2 * leverage))


def _information(variances: Floats, x: Floats, y: Floats, parts: Floats, *, expected: bool) -> Floats:
    """Information on the variances: expected, or observed (minus the second derivatives)."""
    weight = 1 / (variances @ parts)
    _, phi, weighted = _generalized(variances, x, y, parts)
    leverage = np.einsum("ij,jk,ik->i", x, phi, x)
    folded = [phi @ ((x.T * (weight**2 * part)) @ x) for part in parts]
    traces = (parts * (weight**2 - 2 * weight**3 * leverage)) @ parts.T
    traces += np.array([[np.sum(a * b.T) for b in folded] for a in folded])
    if expected:
        return np.asarray(traces / 2)
    pushed = parts * weighted
    cross = x.T @ (weight * pushed).T
    return np.asarray((weight * pushed) @ pushed.T - cross.T @ phi @ cross - traces / 2)


def _maximize(variances: Floats, x: Floats, y: Floats, parts: Floats) -> Floats | None:
    """Newton's method with the variance between groups held at zero where the likelihood falls from there."""
    for _ in range(MOST_STEPS):
        score = _score(variances, x, y, parts)
        free = np.ones(len(parts), dtype=bool)
        free[0] = variances[0] > 0 or score[0] > 0
        step = _step(variances, score, free, x, y, parts)
        if step is None:
            return None
        if float(score[free] @ step[free]) < CONVERGED:
            return np.asarray(np.maximum(variances + step, 0.0)) if variances[0] > 0 else variances
        moved = _ascend(variances, step, x, y, parts)
        if moved is None:
            return variances if float(score[free] @ step[free]) < math.sqrt(CONVERGED) else None
        variances = moved
    return None


def _step(variances: Floats, score: Floats, free: np.ndarray, x: Floats, y: Floats, parts: Floats) -> Floats | None:
    step = np.zeros(len(parts))
    for expected in (False, True):
        information = _information(variances, x, y, parts, expected=expected)[np.ix_(free, free)]
        if not np.all(np.isfinite(information)):
            continue
        curvature = np.linalg.eigvalsh(information)  # ascending
        if curvature[0] > FLAT * curvature[-1]:
            step[free] = np.linalg.solve(information, score[free])
            return step
    return None


def _ascend(variances: Floats, step: Floats, x: Floats, y: Floats, parts: Floats) -> Floats | None:
    here, share = _log_likelihood(variances, x, y, parts), 1.0
    while share > SMALLEST_STEP:
        there = variances + share * step
        there[0] = max(there[0], 0.0)
        if np.min(there[1:]) > 0 and _log_likelihood(there, x, y, parts) > here:
            return np.asarray(there)
        share /= 2
    return None
