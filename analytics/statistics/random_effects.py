"""Random-effects model of study effects on any columns: the between-study variance by nine estimators, and the fit.

y_i = x_i'b + u_i + e_i, Var(u_i) = tau^2, Var(e_i) = v_i known; b by weights 1/(v_i + tau^2).
Sources: Viechtbauer (2005), J. Educ. Behav. Stat. 30:261-293 (the estimators); Viechtbauer (2007), Stat. Med. 26:37-52
(Q-profile); Higgins & Thompson (2002), Stat. Med. 21:1539-1558 (I^2, H^2); Knapp & Hartung (2003), Stat. Med.
22:2693-2710. Numbers as R's metafor gives them with tightened convergence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtrc, chdtri

from analytics.statistics.estimate import (
    MODERATOR_ALIASED,
    NO_CONVERGENCE,
    NO_SAMPLING_VARIANCE,
    OUT_OF_RANGE,
    TOO_FEW_STUDIES,
    NotEstimable,
)
from analytics.statistics.least_squares import independent_columns
from analytics.statistics.outcome import Floats

TauMethod = Literal["FE", "DL", "HE", "HS", "SJ", "ML", "REML", "EB", "PM"]
Test = Literal["wald", "knapp_hartung", "ad_hoc"]

ROOT_TOLERANCE: Final = 1e-15
GRID: Final = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, 65)])
"""Shares of the largest possible tau^2 at which the likelihood is looked at, so that no local maximum is taken."""


@dataclass(frozen=True, eq=False)
class Weighted:
    """Weighted least squares at one tau^2: `weights` and `residuals` (k,), `inverse` of X'WX (p, p)."""

    tau2: float
    weights: Floats
    coefficients: Floats
    residuals: Floats
    inverse: Floats
    log_determinant: float

    @property
    def q(self) -> float:
        """Weighted sum of squared residuals."""
        return float(self.weights @ self.residuals**2)


@dataclass(frozen=True, eq=False)
class RandomEffects:
    """A fit to k studies and p columns. `covariance` (p, p) is that of Wald tests; tests scale it by `mean_square`.

    `q` is Cochran's Q (residual heterogeneity) with `df` = k - p and `q_p`; `i_squared` is in percent.
    """

    method: TauMethod
    k: int
    df: int
    tau2: float
    tau2_standard_error: float | None
    coefficients: Floats
    covariance: Floats
    weights: Floats
    residuals: Floats
    mean_square: float
    q: float
    q_p: float
    typical_variance: float
    i_squared: float
    h_squared: float
    log_likelihood: float

    def covariance_for(self, test: Test) -> Floats:
        """Covariance of the coefficients: Wald, Knapp-Hartung, or the latter where it is not the narrower one."""
        factor = {"wald": 1.0, "knapp_hartung": self.mean_square, "ad_hoc": max(1.0, self.mean_square)}[test]
        return factor * self.covariance


def fit_random_effects(
    effects: Floats, variances: Floats, columns: Floats, method: TauMethod = "REML"
) -> RandomEffects | NotEstimable:
    """Fit `effects` (k,) with sampling `variances` (k,) on `columns` (k, p), or say why there is no fit.

    Raises ValueError where the shapes do not fit together.
    """
    if effects.ndim != 1 or variances.shape != effects.shape or columns.shape[:1] != effects.shape:
        raise ValueError("Effects, variances and columns need one entry per study.")
    reason = refusal(effects, variances, columns)
    if reason is not None:
        return reason
    # In units of a typical standard error neither squares nor products leave the range of a double.
    unit = float(np.sqrt(np.median(variances)))
    with np.errstate(all="ignore"):
        try:
            scaled = _Problem(effects / unit, variances / unit**2, columns)
            tau2 = _TAU2[method](scaled)
            fit = _describe(scaled, method, tau2, unit)
        except ArithmeticError:
            return OUT_OF_RANGE
        except (np.linalg.LinAlgError, ValueError):
            return NO_CONVERGENCE
    stated = (fit.tau2, fit.q, fit.i_squared, fit.h_squared, fit.log_likelihood, *fit.coefficients)
    return fit if np.all(np.isfinite(stated)) and np.all(np.isfinite(fit.covariance)) else OUT_OF_RANGE


def refusal(effects: Floats, variances: Floats, columns: Floats) -> NotEstimable | None:
    """Why these studies cannot be fitted; None where they can."""
    if not np.all(np.isfinite(effects)) or not np.all(np.isfinite(columns)):
        return OUT_OF_RANGE
    if not np.all(np.isfinite(variances) & (variances > 0)):
        return NO_SAMPLING_VARIANCE
    if len(effects) <= columns.shape[1]:
        return TOO_FEW_STUDIES
    if len(independent_columns(columns)[0]) < columns.shape[1]:
        return MODERATOR_ALIASED
    return None


def q_profile(effects: Floats, variances: Floats, columns: Floats) -> tuple[float, float] | None:
    """95% interval of tau^2: where the generalized Q equals the 97.5% and 2.5% points of chi^2(k - p).

    None where even tau^2 = 0 leaves less variation than the 2.5% point: the interval is empty.
    """
    if refusal(effects, variances, columns) is not None:
        return None
    unit = float(np.sqrt(np.median(variances)))
    with np.errstate(all="ignore"):
        scaled = _Problem(effects / unit, variances / unit**2, columns)
        try:
            # chdtri inverts the upper tail.
            low, high = (_generalized_q_root(scaled, float(chdtri(scaled.df, tail))) for tail in (0.025, 0.975))
        except (np.linalg.LinAlgError, ValueError, ArithmeticError):
            return None
    if high is None or not np.isfinite(high):
        return None
    return (low or 0.0) * unit**2, high * unit**2


def i_squared_at(tau2: float, typical_variance: float) -> float:
    """Share (percent) of the total variance that lies between studies."""
    return 100 * tau2 / (typical_variance + tau2)


class _Problem:
    """Effects, variances and columns in units of a typical standard error."""

    def __init__(self, effects: Floats, variances: Floats, columns: Floats) -> None:
        self.effects, self.variances, self.columns = effects, variances, columns
        self.k, self.p = columns.shape
        self.df = self.k - self.p

    def at(self, tau2: float) -> Weighted:
        return self.weighted(1 / (self.variances + tau2), tau2)

    def weighted(self, weights: Floats, tau2: float = 0.0) -> Weighted:
        root = np.sqrt(weights)
        q, r = np.linalg.qr(self.columns * root[:, None])
        r_inverse = np.linalg.inv(r)
        coefficients = r_inverse @ (q.T @ (root * self.effects))
        return Weighted(
            tau2=tau2,
            weights=weights,
            coefficients=coefficients,
            residuals=self.effects - self.columns @ coefficients,
            inverse=r_inverse @ r_inverse.T,
            log_determinant=2 * float(np.sum(np.log(np.abs(np.diagonal(r))))),
        )

    def traces(self, fit: Weighted) -> tuple[float, float]:
        """tr P and tr PP of P = W - WX(X'WX)^-1X'W."""
        w, x = fit.weights, self.columns
        second = fit.inverse @ ((x.T * w**2) @ x)
        third = fit.inverse @ ((x.T * w**3) @ x)
        return float(w.sum() - np.trace(second)), float(w @ w - 2 * np.trace(third) + np.sum(second * second.T))

    def projection(self, fit: Weighted) -> Floats:
        weighted = fit.weights[:, None] * self.columns
        return np.asarray(np.diag(fit.weights) - weighted @ fit.inverse @ weighted.T)

    def largest_tau2(self) -> float:
        """Beyond this the likelihood only falls: unweighted residuals need no more variance."""
        return float(4 * self.weighted(np.ones(self.k)).q / self.df)


def _fixed(problem: _Problem) -> float:
    return 0.0


def _hedges(problem: _Problem) -> float:
    fit = problem.weighted(np.ones(problem.k))
    trace = float(problem.variances @ np.diagonal(problem.projection(fit)))
    return float(max(0.0, (fit.q - trace) / problem.df))


def _der_simonian_laird(problem: _Problem) -> float:
    fit = problem.at(0.0)
    return float(max(0.0, (fit.q - problem.df) / problem.traces(fit)[0]))


def _hunter_schmidt(problem: _Problem) -> float:
    fit = problem.at(0.0)
    return float(max(0.0, (fit.q - problem.k) / float(fit.weights.sum())))


def _sidik_jonkman(problem: _Problem) -> float:
    start = float(np.var(problem.effects))
    return float(start * problem.at(start).q / problem.df)


def _paule_mandel(problem: _Problem) -> float:
    # The empirical Bayes estimator solves the same equation.
    return _generalized_q_root(problem, problem.df) or 0.0


def _likelihood(restricted: bool) -> Callable[[_Problem], float]:
    def maximum(problem: _Problem) -> float:
        def score(tau2: float) -> float:
            fit = problem.at(tau2)
            expected = problem.traces(fit)[0] if restricted else float(fit.weights.sum())
            return float(np.sum((fit.weights * fit.residuals) ** 2)) - expected

        grid = GRID * problem.largest_tau2()
        best = int(np.argmax([_log_likelihood(problem, problem.at(t), restricted) for t in grid]))
        # Where the likelihood is flat to the last digit its highest point is left to rounding; the slopes decide.
        low = best
        while low > 0 and score(float(grid[low])) <= 0:
            low -= 1
        if score(float(grid[low])) <= 0 or grid[-1] <= 0:
            return float(grid[low])
        high = min(low + 1, len(grid) - 1)
        while high < len(grid) - 1 and score(float(grid[high])) > 0:
            high += 1
        return float(brentq(score, grid[low], grid[high], xtol=ROOT_TOLERANCE, rtol=ROOT_TOLERANCE, maxiter=500))

    return maximum


def _generalized_q_root(problem: _Problem, target: float) -> float | None:
    """The tau^2 at which Q(tau^2) = target; None where already Q(0) is below it."""
    if problem.at(0.0).q <= target:
        return None
    high = max(problem.largest_tau2(), 1.0)
    while problem.at(high).q > target:
        high *= 4
        if not np.isfinite(high):
            return None
    root = brentq(lambda t: problem.at(t).q - target, 0.0, high, xtol=ROOT_TOLERANCE, rtol=ROOT_TOLERANCE, maxiter=500)
    return float(root)


_TAU2: Final[dict[TauMethod, Callable[[_Problem], float]]] = {
    "FE": _fixed,
    "DL": _der_simonian_laird,
    "HE": _hedges,
    "HS": _hunter_schmidt,
    "SJ": _sidik_jonkman,
    "ML": _likelihood(restricted=False),
    "REML": _likelihood(restricted=True),
    "EB": _paule_mandel,
    "PM": _paule_mandel,
}


def _tau2_standard_error(problem: _Problem, method: TauMethod, fit: Weighted) -> float | None:
    """Large-sample standard error of tau^2 (Viechtbauer 2005); None for the fixed effect."""
    t, df = fit.tau2, problem.df
    if method == "FE":
        return None
    if method in ("ML", "REML"):
        information = float(fit.weights @ fit.weights) if method == "ML" else problem.traces(fit)[1]
        return float(np.sqrt(2 / information))
    if method in ("EB", "PM"):
        return float(np.sqrt(2 * problem.k**2 / df) / fit.weights.sum())
    if method in ("DL", "HS"):
        fixed = problem.at(0.0)
        trace, square = problem.traces(fixed)
        divisor = trace if method == "DL" else float(fixed.weights.sum())
        return float(np.sqrt(2 * df + 4 * t * trace + 2 * t**2 * square) / divisor)
    start = float(np.var(problem.effects))
    p = problem.projection(problem.weighted(np.ones(problem.k)) if method == "HE" else problem.at(start))
    pv = p * problem.variances
    scale = 1.0 if method == "HE" else start
    total = 2 * np.sum(pv * pv.T) + 4 * t * np.sum(pv * p.T) + 2 * t**2 * np.sum(p * p)
    return float(scale * np.sqrt(total) / df)


def _log_likelihood(problem: _Problem, fit: Weighted, restricted: bool) -> float:
    """Restricted: with log |X'X|, so that it does not depend on how the columns are scaled."""
    sum_of_logs = float(np.sum(np.log(problem.variances + fit.tau2)))
    if not restricted:
        return float(-0.5 * (problem.k * np.log(2 * np.pi) + sum_of_logs + fit.q))
    unweighted = problem.weighted(np.ones(problem.k)).log_determinant
    total = problem.df * np.log(2 * np.pi) - unweighted + sum_of_logs + fit.log_determinant + fit.q
    return float(-0.5 * total)


def _describe(problem: _Problem, method: TauMethod, tau2: float, unit: float) -> RandomEffects:
    """The fit at tau^2, back in the unit of the effects."""
    fit, fixed = problem.at(tau2), problem.at(0.0)
    typical = problem.df / problem.traces(fixed)[0]
    error = _tau2_standard_error(problem, method, fit)
    restricted = method == "REML"
    if method == "FE":
        i_squared, h_squared = (
            max(0.0, 100 * (fixed.q - problem.df) / fixed.q) if fixed.q else 0.0,
            fixed.q / problem.df,
        )
    else:
        i_squared, h_squared = i_squared_at(tau2, typical), tau2 / typical + 1
    return RandomEffects(
        method=method,
        k=problem.k,
        df=problem.df,
        tau2=tau2 * unit**2,
        tau2_standard_error=None if error is None else error * unit**2,
        coefficients=fit.coefficients * unit,
        covariance=fit.inverse * unit**2,
        weights=fit.weights / unit**2,
        residuals=fit.residuals * unit,
        mean_square=fit.q / problem.df,
        q=fixed.q,
        q_p=float(chdtrc(problem.df, fixed.q)),
        typical_variance=typical * unit**2,
        i_squared=i_squared,
        h_squared=h_squared,
        log_likelihood=_log_likelihood(problem, fit, restricted)
        - (problem.df if restricted else problem.k) * float(np.log(unit)),
    )
