"""Robust variance estimation: several effects per trial, by correlated or hierarchical effects.

Correlated effects (several biomarkers of the same people): Phi_j = k_j (mean v_j + tau^2) I, with an assumed
correlation rho of the sampling errors that enters tau^2 alone. Hierarchical effects (several independent samples per
laboratory): Phi_ij = v_ij + tau^2 + omega^2. Intervals and tests are CR2 by trial (see cluster_robust).
Source: Hedges, Tipton & Johnson (2010), Res. Synth. Methods 1:39-65, eqs. 15 (correlated) and 19 (hierarchical).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.statistics.cluster_robust import (
    Blocks,
    Clusters,
    WorkingFit,
    cluster_rows,
    fit_working,
    refusal,
    robust_estimate,
    robust_joint_test,
)
from analytics.statistics.estimate import (
    NO_CONVERGENCE,
    NO_SAMPLING_VARIANCE,
    ONE_CLUSTER,
    OUT_OF_RANGE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.meta_regression import JointTest, Moderators
from analytics.statistics.outcome import Floats, Integers

RHO: Final = 0.8
RHO_GRID: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, eq=False)
class RobustFit:
    """Coefficients by term with CR2 intervals, and the variances of the working model.

    `tau2`: between trials; `omega2`: within trials, None for correlated effects; `i_squared` in percent, None for
    hierarchical effects. All None, and every coefficient with its reason, where there is no fit. Variances are in
    squared units of the effects; `working` is in units of a typical standard error.
    """

    coefficients: dict[str, Estimate]
    tau2: float | None
    omega2: float | None
    i_squared: float | None
    n_effects: int
    n_clusters: int
    working: WorkingFit | None
    terms: tuple[str, ...]
    reason: NotEstimable | None = None

    def joint_test(self, terms: Sequence[str]) -> JointTest | NotEstimable:
        """HTZ test that the coefficients of these terms are all zero."""
        if self.working is None:
            return self.reason or NO_CONVERGENCE
        contrasts = np.eye(len(self.terms))[[self.terms.index(term) for term in terms]]
        return robust_joint_test(self.working, contrasts)


@dataclass(frozen=True, eq=False)
class RobustProblem:
    """Effects and variances in units of a typical standard error, with their columns and clusters."""

    effects: Floats
    variances: Floats
    moderators: Moderators
    clusters: Clusters
    unit: float

    @property
    def columns(self) -> Floats:
        """Columns (N, p) of the moderators."""
        return self.moderators.columns


def correlated_effects(
    effects: Floats,
    variances: Floats,
    trials: Sequence[object] | Integers,
    moderators: Moderators,
    rho: float = RHO,
    *,
    small_sample: bool = True,
) -> RobustFit:
    """Fit `effects` (N,) of `trials` (N,) whose sampling errors correlate with `rho` within a trial.

    Without `small_sample` the sandwich of 2010 on t(J - p); for comparison only. Raises ValueError for a rho outside
    0 to 1 or arrays of different length.
    """
    if not 0 <= rho <= 1:
        raise ValueError("rho lies between 0 and 1.")
    analysis = _analysis("rve_correlated", moderators, effects, trials, f"Assumed correlation within trials: {rho:g}.")
    problem = robust_problem(effects, variances, trials, moderators)
    if isinstance(problem, NotEstimable):
        return refused_fit(analysis, problem, moderators)
    with np.errstate(all="ignore"):
        try:
            tau2, i_squared = _correlated_variance(problem, rho)
            working = fit_working(
                problem.effects, problem.columns, problem.clusters, _diagonal(problem, _mean_variance(problem, tau2))
            )
        except np.linalg.LinAlgError:
            return refused_fit(analysis, NO_CONVERGENCE, moderators)
        return robust_fit(analysis, problem, working, tau2, None, i_squared, small_sample=small_sample)


def rho_grid(
    effects: Floats, variances: Floats, trials: Sequence[object] | Integers, moderators: Moderators
) -> dict[float, RobustFit]:
    """Correlated effects for rho from 0 to 1, to show that the assumption hardly matters."""
    return {rho: correlated_effects(effects, variances, trials, moderators, rho) for rho in RHO_GRID}


def hierarchical_effects(
    effects: Floats, variances: Floats, trials: Sequence[object] | Integers, moderators: Moderators
) -> RobustFit:
    """Fit `effects` (N,) with independent sampling errors, nested in `trials` (N,)."""
    analysis = _analysis("rve_hierarchical", moderators, effects, trials)
    problem = robust_problem(effects, variances, trials, moderators)
    if isinstance(problem, NotEstimable):
        return refused_fit(analysis, problem, moderators)
    with np.errstate(all="ignore"):
        try:
            tau2, omega2 = _hierarchical_variances(problem)
            working = fit_working(
                problem.effects,
                problem.columns,
                problem.clusters,
                _diagonal(problem, problem.variances + tau2 + omega2),
            )
        except np.linalg.LinAlgError:
            return refused_fit(analysis, NO_CONVERGENCE, moderators)
        return robust_fit(analysis, problem, working, tau2, omega2, None)


def robust_problem(
    effects: Floats, variances: Floats, trials: Sequence[object] | Integers, moderators: Moderators
) -> RobustProblem | NotEstimable:
    """Check and scale; raises ValueError where the lengths differ."""
    if not len(effects) == len(variances) == len(trials) == len(moderators.columns):
        raise ValueError("Effects, variances, trials and columns need one entry per effect.")
    if not len(effects):
        return ONE_CLUSTER
    if not np.all(np.isfinite(effects)):
        return OUT_OF_RANGE
    if not np.all(np.isfinite(variances) & (variances > 0)):
        return NO_SAMPLING_VARIANCE
    clusters = cluster_rows(trials)
    reason = refusal(moderators.columns, clusters)
    if reason is not None:
        return reason
    unit = float(np.sqrt(np.median(variances)))
    with np.errstate(all="ignore"):
        return RobustProblem(effects / unit, variances / unit**2, moderators, clusters, unit)


def refused_fit(analysis: Analysis, reason: NotEstimable, moderators: Moderators) -> RobustFit:
    """No numbers, and why."""
    refused = {term: analysis.refuse(term, reason) for term in moderators.terms}
    n, clusters = analysis.n["effects"], analysis.n["trials"]
    return RobustFit(refused, None, None, None, n, clusters, None, moderators.terms, reason)


def robust_fit(
    analysis: Analysis,
    problem: RobustProblem,
    working: WorkingFit,
    tau2: float,
    omega2: float | None,
    i_squared: float | None,
    *,
    small_sample: bool = True,
) -> RobustFit:
    """State the coefficients in the unit of the effects."""
    in_unit = _in_unit(working, problem.unit)
    terms = problem.moderators.terms
    directions = np.eye(len(terms))
    if small_sample:
        coefficients = {
            term: robust_estimate(analysis, term, in_unit, direction)
            for term, direction in zip(terms, directions, strict=True)
        }
    else:
        coefficients = _large_sample(analysis, in_unit, terms, problem.clusters.count)
    return RobustFit(
        coefficients,
        tau2 * problem.unit**2,
        None if omega2 is None else omega2 * problem.unit**2,
        i_squared,
        len(problem.effects),
        problem.clusters.count,
        working,
        terms,
    )


def _in_unit(working: WorkingFit, unit: float) -> WorkingFit:
    """The same fit to effects in their own unit; `own` and `crossed` go with the square of it and its inverse."""
    return WorkingFit(
        working.coefficients * unit,
        working.residuals * unit,
        working.inverse * unit**2,
        working.scores * unit,
        working.unadjusted * unit,
        working.own * unit**2,
        working.crossed,
    )


def _large_sample(
    analysis: Analysis, working: WorkingFit, terms: tuple[str, ...], clusters: int
) -> dict[str, Estimate]:
    df = clusters - len(terms)
    errors = np.sqrt(np.sum(working.unadjusted**2, axis=0) * clusters / df)
    return {
        term: analysis.wald(term, float(working.coefficients[j]), float(errors[j]), float(df))
        for j, term in enumerate(terms)
    }


def _analysis(
    method: str, moderators: Moderators, effects: Floats, trials: Sequence[object] | Integers, *notes: str
) -> Analysis:
    return Analysis(
        method, moderators.formula, {"trials": len({str(trial) for trial in trials}), "effects": len(effects)}, notes
    )


def _diagonal(problem: RobustProblem, variances: Floats) -> Blocks:
    return tuple(part[:, :, None] * np.eye(part.shape[1]) for part in problem.clusters.split(variances))


def _mean_variance(problem: RobustProblem, tau2: float) -> Floats:
    """k_j (mean v_j + tau^2) for every effect."""
    result = np.empty(len(problem.effects))
    for rows in problem.clusters.rows:
        result[rows] = rows.shape[1] * (problem.variances[rows].mean(axis=1, keepdims=True) + tau2)
    return result


def _sums(problem: RobustProblem, values: Floats) -> Floats:
    """Sums by trial (J, ...) of values (N, ...)."""
    return np.concatenate([part.sum(axis=1) for part in problem.clusters.split(values)])


def _weighted_fit(problem: RobustProblem, weights: Floats) -> tuple[Floats, Floats]:
    """Residuals (N,) and (X'WX)^-1 for diagonal weights."""
    root = np.sqrt(weights)
    q, r = np.linalg.qr(problem.columns * root[:, None])
    inverse = np.linalg.inv(r)
    return problem.effects - problem.columns @ (inverse @ (q.T @ (root * problem.effects))), inverse @ inverse.T


def _correlated_variance(problem: RobustProblem, rho: float) -> tuple[float, float]:
    """tau^2 and I^2 (percent) by moments: Hedges et al. (2010), eq. 15."""
    weights = 1 / _mean_variance(problem, 0.0)
    residuals, inverse = _weighted_fit(problem, weights)
    x = problem.columns
    k = np.concatenate([np.full(len(rows), rows.shape[1], dtype=np.float64) for rows in problem.clusters.rows])
    w = _sums(problem, weights) / k
    sums = _sums(problem, x)
    shares = np.concatenate([np.full(rows.shape, 1 / rows.shape[1]).ravel() for rows in problem.clusters.rows])
    order = np.concatenate([rows.ravel() for rows in problem.clusters.rows])
    own = (x[order].T * (weights[order] * shares)) @ x[order]
    together = (sums.T * (w / k)) @ sums
    q = float(weights @ residuals**2)
    freedom = problem.clusters.count - float(np.sum(inverse * own)) - rho * float(np.sum(inverse * (together - own)))
    divisor = float(k @ w) - float(np.sum(inverse * ((sums.T * w**2) @ sums)))
    tau2 = max(0.0, (q - freedom) / divisor) if divisor > 0 else 0.0
    return tau2, max(0.0, 100 * (q - freedom) / q) if q > 0 else 0.0


def _hierarchical_variances(problem: RobustProblem) -> tuple[float, float]:
    """tau^2 (between trials) and omega^2 (within) from the means of e'We and of the squared sums of e by trial."""
    x, w = problem.columns, 1 / problem.variances
    e, inverse = _weighted_fit(problem, w)
    k = _sums(problem, np.ones(len(w)))
    sums, weighted_sums = _sums(problem, x), _sums(problem, x * w[:, None])
    squares = (x.T * w**2) @ x
    outer = weighted_sums.T @ weighted_sums
    back = sums @ inverse
    q = float(w @ e**2) - (len(w) - x.shape[1])
    q_omega = float(w.sum() - np.sum(inverse * squares))
    q_tau = float(w.sum() - np.sum(inverse * outer))
    t = float(np.sum(_sums(problem, e) ** 2)) - float(problem.variances.sum() - np.sum(back * sums))
    own = np.sum(back * weighted_sums, axis=1)
    t_omega = float(k.sum() - 2 * own.sum() + np.sum((back @ squares) * back))
    t_tau = float(k @ k - 2 * k @ own + np.sum((back @ outer) * back))
    determinant = t_omega * q_tau - q_omega * t_tau
    if not q_tau > 0:
        return 0.0, 0.0
    # One effect per trial everywhere: the two variances cannot be told apart, and all is called between trials.
    separable = abs(determinant) > 1e-10 * abs(t_omega * q_tau)
    omega2 = max(0.0, (t * q_tau - q * t_tau) / determinant) if separable else 0.0
    return max(0.0, (q - omega2 * q_omega) / q_tau), omega2
