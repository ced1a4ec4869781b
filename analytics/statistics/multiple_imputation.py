"""Rubin's rules: one estimate out of several imputed sets of data, with Barnard & Rubin's degrees of freedom.

Mean Q of the estimates, total variance T = U + (1 + 1/m) B with the mean U of the variances and B between estimates;
relative increase r = (1 + 1/m) B/U, share l = (1 + 1/m) B/T; df = (m - 1)/l^2, with complete-data df v combined with
(v + 1)/(v + 3) v (1 - l) as harmonic sum; fraction of missing information (r + 2/(df + 3))/(r + 1).
Sources: Rubin (1987), Multiple Imputation for Nonresponse in Surveys; Barnard & Rubin (1999), Biometrika 86:948-955.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytics.statistics.estimate import (
    NO_RESIDUAL_VARIANCE,
    OUT_OF_RANGE,
    TOO_FEW_IMPUTATIONS,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.outcome import Floats


@dataclass(frozen=True, slots=True)
class PooledImputations:
    """`estimate`; variances `within`, `between`, `total`; `df` None where it is infinite (normal intervals)."""

    imputations: int
    estimate: float
    within: float
    between: float
    total: float
    df: float | None
    relative_increase: float
    missing_information: float


def pool_imputations(
    estimates: Floats, variances: Floats, complete_df: float | None = None
) -> PooledImputations | NotEstimable:
    """Pool `estimates` (m,) with squared errors `variances` (m,); `complete_df` of one complete set, None: infinite."""
    m = len(estimates)
    if len(variances) != m:
        raise ValueError("every imputed set needs its estimate and its variance")
    if m < 2:
        return TOO_FEW_IMPUTATIONS
    if not (np.all(np.isfinite(estimates)) and np.all(np.isfinite(variances))):
        return OUT_OF_RANGE
    within, between = float(np.mean(variances)), float(np.var(estimates, ddof=1))
    if not within > 0:
        return NO_RESIDUAL_VARIANCE
    added = (1 + 1 / m) * between
    total, increase = within + added, added / within
    df = _degrees_of_freedom(m, added / total, complete_df)
    if not (math.isfinite(total) and math.isfinite(increase)):
        return OUT_OF_RANGE
    information = (increase + (0.0 if df is None else 2 / (df + 3))) / (increase + 1)
    return PooledImputations(m, float(np.mean(estimates)), within, between, total, df, increase, information)


def state_pooled(analysis: Analysis, measure: str, pooled: PooledImputations | NotEstimable) -> Estimate:
    """The pooled estimate with its t interval, or its reason."""
    if isinstance(pooled, NotEstimable):
        return analysis.refuse(measure, pooled)
    return analysis.wald(measure, pooled.estimate, math.sqrt(pooled.total), pooled.df)


def _degrees_of_freedom(m: int, share: float, complete_df: float | None) -> float | None:
    observed = None if complete_df is None else (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
    # A share whose square vanishes: the imputations agree, and what is left is the complete data.
    if not share**2 > 0 or not math.isfinite((m - 1) / share**2):
        return observed
    between = (m - 1) / share**2
    return between if observed is None else between * observed / (between + observed)
