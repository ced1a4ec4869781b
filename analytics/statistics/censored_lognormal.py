"""Lognormal distribution fitted to values of which some are only known to lie below their limit.

The Tobit likelihood of the logarithms with a constant alone (Cohen 1959, Technometrics 1:217-237; Helsel 2012,
chapter 6): geometric mean exp(mu) with a normal interval on the log scale, mean exp(mu + s^2/2), SD mean *
sqrt(exp(s^2) - 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytics.statistics.estimate import (
    MOSTLY_BELOW_LIMIT,
    NO_CONVERGENCE,
    NO_VARIATION_DETECTED,
    OUT_OF_RANGE,
    TOO_FEW_DETECTED,
    Z_975,
    NotEstimable,
)
from analytics.statistics.outcome import Booleans, Floats
from analytics.statistics.tobit import TobitFit, fit_tobit


@dataclass(frozen=True, slots=True)
class LognormalSummary:
    """`mu`, `sigma` on the log scale with errors; the rest in the unit of the values (interval of 95%)."""

    n: int
    censored: int
    mu: float
    sigma: float
    standard_error_mu: float
    standard_error_log_sigma: float
    covariance_mu_log_sigma: float
    log_likelihood: float
    geometric_mean: float
    ci_low: float
    ci_high: float
    geometric_sd: float
    mean: float
    standard_deviation: float


def summarize_lognormal(values: Floats, censored: Booleans) -> LognormalSummary | NotEstimable:
    """Summarize `values` (n,), the limit where `censored`; NaN counts as missing; values must be positive.

    80% or more below the limit is refused: there the answer would be the assumed shape.
    """
    available = np.isfinite(values)
    known, below = np.asarray(values[available], dtype=np.float64), censored[available]
    found = len(known) - int(np.count_nonzero(below))
    if found and 5 * found <= len(known):
        return MOSTLY_BELOW_LIMIT
    return fit_lognormal(known, below)


def fit_lognormal(values: Floats, censored: Booleans) -> LognormalSummary | NotEstimable:
    """The same without the rule on the share below the limit, for `values` without missing ones."""
    if np.any(values <= 0):
        raise ValueError("a lognormal distribution needs positive values")
    detected = values[~censored]
    if len(detected) < 2:
        return TOO_FEW_DETECTED
    if np.all(detected == detected[0]):
        return NO_VARIATION_DETECTED
    fit = fit_tobit(np.ones((len(values), 1)), np.log(values), censored)
    if fit is None:
        return NO_CONVERGENCE
    with np.errstate(over="ignore", invalid="ignore"):
        summary = _summary(fit, len(values), int(np.count_nonzero(censored)))
    numbers = (summary.geometric_sd, summary.ci_high, summary.mean, summary.standard_deviation)
    return summary if all(map(math.isfinite, numbers)) else OUT_OF_RANGE


def _summary(fit: TobitFit, n: int, censored: int) -> LognormalSummary:
    mu, sigma = float(fit.coefficients[0]), fit.sigma
    error = math.sqrt(float(fit.covariance[0, 0]))
    mean = float(np.exp(mu + sigma**2 / 2))
    return LognormalSummary(
        n=n,
        censored=censored,
        mu=mu,
        sigma=sigma,
        standard_error_mu=error,
        standard_error_log_sigma=math.sqrt(float(fit.covariance[1, 1])),
        covariance_mu_log_sigma=float(fit.covariance[0, 1]),
        log_likelihood=fit.log_likelihood,
        geometric_mean=float(np.exp(mu)),
        ci_low=float(np.exp(mu - Z_975 * error)),
        ci_high=float(np.exp(mu + Z_975 * error)),
        geometric_sd=float(np.exp(sigma)),
        mean=mean,
        standard_deviation=mean * float(np.sqrt(np.expm1(sigma**2))),
    )
