"""Correlated and hierarchical effects (CHE): a multilevel model of effects within trials by REML, tested by CR2.

y_ij = x_ij'b + u_j + w_ij + e_ij; Var(u_j) = tau^2 between trials, Var(w_ij) = omega^2 within, and sampling errors with
known variances and an assumed correlation rho within a trial. With rho = 0 it is the three-level model.
Sources: Pustejovsky & Tipton (2022), Prev. Sci. 23:425-438; Gilmour, Thompson & Cullis (1995), Biometrics 51:1440-1450
(derivatives of the restricted likelihood). Numbers as R's metafor (rma.mv) and clubSandwich give them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.statistics.cluster_robust import Blocks, fit_working
from analytics.statistics.estimate import NO_CONVERGENCE, Analysis, NotEstimable
from analytics.statistics.meta_regression import Moderators
from analytics.statistics.outcome import Floats, Integers
from analytics.statistics.robust_variance import (
    RHO,
    RobustFit,
    RobustProblem,
    refused_fit,
    robust_fit,
    robust_problem,
)

MOST_STEPS: Final = 200
MOST_HALVINGS: Final = 40
DECREMENT: Final = 1e-20
ROUNDING: Final = 1e-9
STARTS: Final = ((0.5, 0.5), (0.02, 1.0), (1.0, 0.02))
"""Shares of the unexplained variance given to the two variances; several, so that no local maximum is taken."""


@dataclass(frozen=True, eq=False)
class MultilevelFit:
    """CR2 results in `robust`; `model_standard_errors` by term trust the model and are for comparison only.

    `log_likelihood` is the restricted one, None where there is no fit.
    """

    robust: RobustFit
    model_standard_errors: dict[str, float]
    log_likelihood: float | None


@dataclass(frozen=True, eq=False)
class _Point:
    """The restricted likelihood at one pair of variances, with its first and second derivatives."""

    variances: Floats
    log_likelihood: float
    score: Floats
    expected: Floats
    observed: Floats


@dataclass(frozen=True, eq=False)
class _Model:
    """Arrays by size of cluster: `x` (m, n, p), `y` (m, n), `sampling` (m, n, n), `kinds` one of these per variance."""

    x: tuple[Floats, ...]
    y: tuple[Floats, ...]
    sampling: Blocks
    kinds: tuple[Blocks, ...]
    log_determinant: float
    """log |X'X|, which makes the likelihood independent of the scale of the columns."""

    def working(self, variances: Floats) -> Blocks:
        return tuple(
            block + sum(value * kind[i] for value, kind in zip(variances, self.kinds, strict=True))
            for i, block in enumerate(self.sampling)
        )


def multilevel_effects(
    effects: Floats,
    variances: Floats,
    trials: Sequence[object] | Integers,
    moderators: Moderators,
    rho: float = RHO,
    samples: Sequence[object] | Integers | None = None,
) -> MultilevelFit:
    """Fit `effects` (N,) with sampling `variances` (N,) of `trials` (N,) whose errors correlate with `rho`.

    `samples` (N,) names what shares one w within a trial; by default every effect has its own. Raises ValueError for a
    rho outside 0 <= rho < 1 or arrays of different length.
    """
    if not 0 <= rho < 1:
        raise ValueError("rho is at least 0 and below 1.")
    if samples is not None and len(samples) != len(effects):
        raise ValueError("Samples need one entry per effect.")
    counts = {"trials": len({str(trial) for trial in trials}), "effects": len(effects)}
    analysis = Analysis("che", moderators.formula, counts, (f"Assumed correlation within trials: {rho:g}.",))
    problem = robust_problem(effects, variances, trials, moderators)
    if isinstance(problem, NotEstimable):
        return MultilevelFit(refused_fit(analysis, problem, moderators), {}, None)
    with np.errstate(all="ignore"):
        try:
            return _fit(analysis, problem, rho, samples)
        except np.linalg.LinAlgError:
            return MultilevelFit(refused_fit(analysis, NO_CONVERGENCE, moderators), {}, None)


def _fit(
    analysis: Analysis, problem: RobustProblem, rho: float, samples: Sequence[object] | Integers | None
) -> MultilevelFit:
    model = _model(problem, rho, samples)
    found = [_maximize(model, np.array(share[: len(model.kinds)]) * _spread(problem)) for share in STARTS]
    points = [point for point in found if point is not None]
    if not points:
        return MultilevelFit(refused_fit(analysis, NO_CONVERGENCE, problem.moderators), {}, None)
    best = max(points, key=lambda point: point.log_likelihood)
    working = fit_working(problem.effects, problem.columns, problem.clusters, model.working(best.variances))
    tau2, omega2 = (*best.variances.tolist(), 0.0)[:2]
    robust = robust_fit(analysis, problem, working, tau2, omega2, None)
    errors = np.sqrt(np.diagonal(working.inverse)) * problem.unit
    df = len(problem.effects) - problem.columns.shape[1]
    return MultilevelFit(
        robust,
        dict(zip(problem.moderators.terms, errors.tolist(), strict=True)),
        best.log_likelihood - df * float(np.log(problem.unit)),
    )


def _model(problem: RobustProblem, rho: float, samples: Sequence[object] | Integers | None) -> _Model:
    """Columns of length one, and the matrices that the variances multiply."""
    split = problem.clusters.split
    columns = problem.columns / np.linalg.norm(problem.columns, axis=0)
    errors = split(np.sqrt(problem.variances))
    sampling, between, within = [], [], []
    labels = np.arange(len(problem.effects)) if samples is None else np.array([str(s) for s in samples])
    names = np.unique(labels, return_inverse=True)[1].astype(np.float64)
    for error, name in zip(errors, split(names), strict=True):
        diagonal = np.eye(error.shape[1])
        sampling.append(error[:, :, None] * error[:, None, :] * (rho + (1 - rho) * diagonal))
        between.append(np.ones((*error.shape, error.shape[1])))
        within.append((name[:, :, None] == name[:, None, :]).astype(np.float64))
    kinds: tuple[Blocks, ...] = (tuple(between), tuple(within))
    if all(np.array_equal(b, w) for b, w in zip(between, within, strict=True)):
        # Nothing lies within a trial, so the second variance would be a second name of the first.
        kinds = kinds[:1]
    return _Model(
        split(columns), split(problem.effects), tuple(sampling), kinds, float(np.linalg.slogdet(columns.T @ columns)[1])
    )


def _spread(problem: RobustProblem) -> float:
    """Unweighted residual variance beyond the sampling errors: where the search starts."""
    q, _ = np.linalg.qr(problem.columns)
    residuals = problem.effects - q @ (q.T @ problem.effects)
    mean = float(np.mean(problem.variances))
    return max(float(residuals @ residuals) / len(residuals) - mean, 0.1 * mean)


def _maximize(model: _Model, start: Floats) -> _Point | None:
    """Newton steps on the restricted likelihood with variances kept at or above zero."""
    point = _evaluate(model, start)
    for _ in range(MOST_STEPS):
        free = (point.variances > 0) | (point.score > 0)
        if not np.any(free):
            return point
        step = np.zeros(len(free))
        step[free] = _direction(point, free)
        if float(step @ point.score) < DECREMENT:
            return point
        following = _along(model, point, step)
        if following is None:
            # No higher point along the way: the rest is rounding, or the search has failed.
            return point if float(step @ point.score) < ROUNDING else None
        point = following
    return None


def _direction(point: _Point, free: np.ndarray) -> Floats:
    """Newton where the likelihood is concave, Fisher scoring elsewhere."""
    inside = np.ix_(free, free)
    for information in (point.observed[inside], point.expected[inside]):
        values = np.linalg.eigvalsh(information)
        if values[0] > 1e-10 * abs(values[-1]) > 0:
            return np.asarray(np.linalg.solve(information, point.score[free]))
    raise np.linalg.LinAlgError("The likelihood is flat.")


def _along(model: _Model, point: _Point, step: Floats) -> _Point | None:
    """The first higher point on the step, halved as often as needed."""
    for halving in range(MOST_HALVINGS):
        variances = np.maximum(0.0, point.variances + step * 0.5**halving)
        if np.array_equal(variances, point.variances):
            return None
        following = _evaluate(model, variances)
        if following.log_likelihood > point.log_likelihood:
            return following
        # Close to the maximum the likelihood cannot tell points apart any more, but its slope still can.
        level = following.log_likelihood >= point.log_likelihood - 1e-13 * abs(point.log_likelihood)
        if level and np.linalg.norm(_uphill(following)) < 0.5 * np.linalg.norm(_uphill(point)):
            return following
    return None


def _uphill(point: _Point) -> Floats:
    return np.where((point.variances > 0) | (point.score > 0), point.score, 0.0)


def _evaluate(model: _Model, variances: Floats) -> _Point:
    """Likelihood and derivatives: P = W - WX(X'WX)^-1X'W, score_r = (y'P K_r P y - tr P K_r) / 2."""
    working = model.working(variances)
    weights = [np.linalg.inv(np.linalg.cholesky(block)) for block in working]
    log_determinant = -2 * sum(float(np.sum(np.log(np.diagonal(w, axis1=1, axis2=2)))) for w in weights)
    weights = [np.swapaxes(w, 1, 2) @ w for w in weights]
    wx = [w @ x for w, x in zip(weights, model.x, strict=True)]
    xwx = sum(np.tensordot(a, b, axes=([0, 1], [0, 1])) for a, b in zip(model.x, wx, strict=True))
    inverse = np.asarray(np.linalg.inv(xwx), dtype=np.float64)
    b = inverse @ sum(np.einsum("jnp,jn->p", a, y) for a, y in zip(wx, model.y, strict=True))
    we = [(w @ (y - x @ b)[..., None])[..., 0] for w, x, y in zip(weights, model.x, model.y, strict=True)]
    q = sum(float(np.sum(a * (y - x @ b))) for a, x, y in zip(we, model.x, model.y, strict=True))
    n = sum(y.size for y in model.y)
    likelihood = -0.5 * (
        (n - len(b)) * np.log(2 * np.pi)
        - model.log_determinant
        + log_determinant
        + float(np.linalg.slogdet(xwx)[1])
        + q
    )
    return _Point(variances, likelihood, *_derivatives(model, weights, wx, we, inverse))


def _derivatives(
    model: _Model, weights: list[Floats], wx: list[Floats], we: list[Floats], inverse: Floats
) -> tuple[Floats, Floats, Floats]:
    """Score, expected and observed information of the variances."""
    m, p = len(model.kinds), len(inverse)
    score, expected, average = np.zeros(m), np.zeros((m, m)), np.zeros((m, m))
    crossed, slopes = np.zeros((m, p, p)), np.zeros((m, p))
    for i, (w, wx_i, we_i) in enumerate(zip(weights, wx, we, strict=True)):
        wk = [w @ kind[i] for kind in model.kinds]
        kwx = [kind[i] @ wx_i for kind in model.kinds]
        u = [(kind[i] @ we_i[..., None])[..., 0] for kind in model.kinds]
        for r in range(m):
            crossed[r] += np.tensordot(wx_i, kwx[r], axes=([0, 1], [0, 1]))
            slopes[r] += np.einsum("jnp,jn->p", wx_i, u[r])
            score[r] += np.sum(we_i * u[r]) - np.sum(np.trace(wk[r], axis1=1, axis2=2))
            for s in range(m):
                expected[r, s] += np.sum(wk[r] * np.swapaxes(wk[s], 1, 2))
                expected[r, s] -= 2 * np.sum(inverse * np.tensordot(kwx[r], w @ kwx[s], axes=([0, 1], [0, 1])))
                average[r, s] += np.sum(u[r] * (w @ u[s][..., None])[..., 0])
    for r in range(m):
        score[r] += np.sum(inverse * crossed[r])
        for s in range(m):
            expected[r, s] += np.sum((inverse @ crossed[r]) * (inverse @ crossed[s]).T)
            average[r, s] -= slopes[r] @ inverse @ slopes[s]
    return score / 2, expected / 2, average - expected / 2
