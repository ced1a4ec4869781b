"""Tobit regression: a normal linear model in which some outcomes are known only to lie below a limit.

Log-likelihood: sum over detected of log phi((y - x b)/s)/s, plus sum over censored of log Phi((L - x b)/s).
Maximized by Newton's method in Olsen's parameters g = b/s, t = 1/s, in which it is concave, so the maximum is one.
Standard errors from the observed Hessian. Sources: Tobin (1958), Econometrica 26:24-36; Olsen (1978), Econometrica
46:1211-1215; Amemiya (1984) for the asymptotics. A censored baseline enters as its limit plus an indicator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import log_ndtr

from analytics.statistics.ancova import Design, ancova_design
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_ALIASED,
    ARM_EMPTY,
    NO_CONVERGENCE,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    NOTHING_DETECTED,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import fit_least_squares, is_determined_by_others
from analytics.statistics.outcome import Booleans, Floats, Pairs, count_by_arm

METHOD: Final = "tobit"
LOG_SQRT_2_PI: Final = 0.5 * math.log(2 * math.pi)
MOST_STEPS: Final = 100
CONVERGED: Final = 1e-20
"""Newton decrement (squared distance to the maximum in standard errors) at which the search ends."""
SMALLEST_STEP: Final = 2.0**-30
RUN_AWAY: Final = 1000.0
"""A standard error of this many sigma: the likelihood rises for ever and the coefficient is only where it was left."""
SINGULAR: Final = 1e-13
"""Reciprocal condition of the scaled Hessian below which a parameter has run away."""


@dataclass(frozen=True, eq=False)
class TobitFit:
    """Maximum of the likelihood: `coefficients` (p,), `sigma`, and the covariance of (coefficients, log sigma)."""

    coefficients: Floats
    sigma: float
    covariance: Floats
    log_likelihood: float


def fit_tobit(columns: Floats, outcome: Floats, censored: Booleans) -> TobitFit | None:
    """Fit `outcome` (n,), the limit where `censored`, on independent `columns` (n, p); None without a maximum."""
    parameters = _start(columns, outcome)
    signed = np.column_stack([-columns, outcome])
    for _ in range(MOST_STEPS):
        gradient, hessian = _derivatives(parameters, signed, censored)
        step = _solve(hessian, gradient)
        if step is None:
            return None
        if float(gradient @ step) < CONVERGED:
            return _from_olsen(parameters + step, signed, censored)
        moved = _ascend(parameters, step, signed, censored)
        if moved is None:
            # No step improves any more: rounding is reached, which is the maximum unless the slope is still steep.
            return _from_olsen(parameters, signed, censored) if float(gradient @ step) < math.sqrt(CONVERGED) else None
        parameters = moved
    return None


def estimate_tobit(pairs: Pairs, arm: str, notes: tuple[str, ...] = ()) -> tuple[Estimate, ...]:
    """The difference between `arm` and the reference in every measure of the scale, with normal intervals."""
    informative, left_out = without_uninformative_levels(pairs)
    counts = informative.n()
    design = ancova_design(informative, mark_censored_baseline=True) if len(informative.arm) else None
    analysis = Analysis(
        METHOD,
        (design.formula if design else "follow_up ~ arm") + ", left-censored",
        {code: counts[code] for code in (pairs.arms[0], arm)},
        pairs.notes() + (design.notes if design else ()) + left_out + notes,
    )
    if design is None:
        return refused_differences(analysis, pairs.scale, NOTHING_DETECTED if len(pairs.arm) else ARM_EMPTY)
    return _estimate(analysis, informative, design, arm)


def _estimate(analysis: Analysis, pairs: Pairs, design: Design, arm: str) -> tuple[Estimate, ...]:
    least_squares = fit_least_squares(design.columns, pairs.follow_up)
    columns = design.columns[:, least_squares.kept]
    reason = _refusal(pairs, design, columns, arm)
    if reason is not None:
        return refused_differences(analysis, pairs.scale, reason)
    fit = fit_tobit(columns, pairs.follow_up, pairs.follow_up_censored)
    if fit is None:
        return refused_differences(analysis, pairs.scale, NO_CONVERGENCE)
    position = least_squares.kept.index(design.arm_column(arm))
    standard_error = math.sqrt(float(fit.covariance[position, position]))
    if standard_error > RUN_AWAY * fit.sigma:
        return refused_differences(analysis, pairs.scale, NO_CONVERGENCE)
    return arm_differences(analysis, pairs.scale, float(fit.coefficients[position]), standard_error, None)


def without_uninformative_levels(pairs: Pairs) -> tuple[Pairs, tuple[str, ...]]:
    """Leave out levels of strata (and of "baseline below limit") in which nothing was detected at follow-up.

    The likelihood pushes the term of such a level to minus infinity, where its participants say nothing about the
    arms; leaving them out gives that limit exactly.
    """
    notes: list[str] = []
    while True:
        empty = _level_without_detection(pairs)
        if empty is None:
            return pairs, tuple(notes)
        name, rows = empty
        notes.append(f"{int(np.count_nonzero(rows))} left out: nothing detected at their level of {name}.")
        pairs = pairs.keep(~rows)


def _level_without_detection(pairs: Pairs) -> tuple[str, Booleans] | None:
    factors = {**pairs.strata, "baseline_below_limit": pairs.baseline_censored.astype(np.int64)}
    for name, factor in factors.items():
        detected_levels = np.unique(factor[~pairs.follow_up_censored])
        rows = ~np.isin(factor, detected_levels)
        if np.any(rows):
            return name, rows
    return None


def _refusal(pairs: Pairs, design: Design, columns: Floats, arm: str) -> NotEstimable | None:
    compared = (pairs.arms[0], arm)
    detected = count_by_arm(pairs.arm[~pairs.follow_up_censored], pairs.arms)
    if not all(pairs.n()[code] for code in compared):
        return ARM_EMPTY
    if not all(detected[code] for code in compared):
        return NOTHING_DETECTED
    if len(pairs.arm) <= columns.shape[1]:
        return NO_RESIDUAL_DF
    if columns.shape[1] < design.columns.shape[1] and is_determined_by_others(design.columns, design.arm_column(arm)):
        return ARM_ALIASED
    seen = ~pairs.follow_up_censored
    exact = fit_least_squares(columns[seen], pairs.follow_up[seen])
    if exact.df < 1:
        return NO_RESIDUAL_DF
    return None if exact.has_residual_variance else NO_RESIDUAL_VARIANCE


def _start(columns: Floats, outcome: Floats) -> Floats:
    coefficients, *_ = np.linalg.lstsq(columns, outcome, rcond=None)
    spread = float(np.std(outcome - columns @ coefficients)) or 1.0
    return np.append(coefficients, 1.0) / spread


def _log_likelihood(parameters: Floats, signed: Floats, censored: Booleans) -> float:
    scale = parameters[-1]
    if not scale > 0:
        return -math.inf
    standardized = signed @ parameters
    seen = standardized[~censored]
    exact = len(seen) * (math.log(scale) - LOG_SQRT_2_PI) - 0.5 * float(seen @ seen)
    return exact + float(np.sum(log_ndtr(standardized[censored])))


def _derivatives(parameters: Floats, signed: Floats, censored: Booleans) -> tuple[Floats, Floats]:
    """Gradient and negative Hessian in Olsen's parameters."""
    standardized = signed @ parameters
    limit = standardized[censored]
    # phi/Phi through logarithms, so that it stays exact far in the tail
    mills = np.exp(-0.5 * limit**2 - LOG_SQRT_2_PI - log_ndtr(limit))
    slope, curvature = -standardized, np.ones_like(standardized)
    slope[censored], curvature[censored] = mills, mills * (mills + limit)
    n_seen = int(np.count_nonzero(~censored))
    gradient = signed.T @ slope
    gradient[-1] += n_seen / parameters[-1]
    hessian = (signed.T * curvature) @ signed
    hessian[-1, -1] += n_seen / parameters[-1] ** 2
    return gradient, hessian


def _solve(hessian: Floats, right: Floats) -> Floats | None:
    """Solve with the Hessian scaled to a unit diagonal; None where it is singular or not finite."""
    diagonal = np.diagonal(hessian)
    if not (np.all(np.isfinite(hessian)) and np.all(diagonal > 0)):
        return None
    scale = 1 / np.sqrt(diagonal)
    scaled = hessian * np.outer(scale, scale)
    eigenvalues, vectors = np.linalg.eigh(scaled)
    if eigenvalues[0] < SINGULAR * eigenvalues[-1]:
        return None
    inverse = (vectors / eigenvalues) @ vectors.T
    return np.asarray(((right.T * scale) @ inverse * scale).T)


def _ascend(parameters: Floats, step: Floats, signed: Floats, censored: Booleans) -> Floats | None:
    """The largest of step, step/2, step/4, ... that raises the likelihood; None if there is none."""
    here = _log_likelihood(parameters, signed, censored)
    share = 1.0
    while share > SMALLEST_STEP:
        there = parameters + share * step
        if _log_likelihood(there, signed, censored) > here:
            return np.asarray(there)
        share /= 2
    return None


def _from_olsen(parameters: Floats, signed: Floats, censored: Booleans) -> TobitFit | None:
    """Back to (b, log s) with the covariance by the delta method, exact at the maximum."""
    _, hessian = _derivatives(parameters, signed, censored)
    covariance = _solve(hessian, np.eye(len(parameters)))
    if covariance is None:
        return None
    scale = float(parameters[-1])
    jacobian = np.eye(len(parameters)) / scale
    jacobian[:-1, -1] = -parameters[:-1] / scale**2
    jacobian[-1, -1] = -1 / scale
    return TobitFit(
        coefficients=parameters[:-1] / scale,
        sigma=1 / scale,
        covariance=jacobian @ covariance @ jacobian.T,
        log_likelihood=_log_likelihood(parameters, signed, censored),
    )
