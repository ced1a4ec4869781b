"""Missing follow-up values imputed from arm, baseline and strata, then made worse by delta; where the result tips.

Each of m sets draws the residual variance RSS/chi2(n - p), the coefficients from their normal distribution, and the
missing values with residuals; delta (analysis scale) is added to the imputed values of one arm. The model-based
analysis of covariance of each set is pooled by Rubin's rules. The tipping point is the smallest delta against the
result at which p reaches 0.05. Draws follow from a fixed seed, so the same data give the same bytes.
Sources: Rubin (1987), chapter 5; Carpenter, Roger & Kenward (2013), J. Biopharm. Stat. 23:1352-1371.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaincinv, ndtri

from analytics.statistics.ancova import ancova_design, fit_ancova, refusal
from analytics.statistics.estimate import ARM_ALIASED, Analysis, Estimate, NotEstimable, two_sided_p
from analytics.statistics.least_squares import fit_least_squares, independent_columns
from analytics.statistics.multiple_imputation import PooledImputations, pool_imputations, state_pooled
from analytics.statistics.outcome import Booleans, Floats, OutcomeData, Pairs, paired_values

METHOD: Final = "multiple_imputation"
IMPUTATIONS: Final = 100
SEED: Final = 20200519
FARTHEST: Final = 10.0
STEPS: Final = 200
ALPHA: Final = 0.05


@dataclass(frozen=True, slots=True)
class TippingPoint:
    """`delta` on the analysis scale, None where none within 10 residual SDs tips; `imputed` values it was added to."""

    delta: float | None
    imputed: int


@dataclass(frozen=True, eq=False)
class ImputedSets:
    """What all deltas share: residuals (m, n) and estimates (m,) at delta 0, and how both move per unit of delta."""

    analysis: Analysis
    estimates: Floats
    residuals: Floats
    estimate_per_delta: float
    residuals_per_delta: Floats
    unit_variance: float
    df: int
    sigma: float
    imputed: int
    imputed_in_arm: int

    def pooled(self, delta: float) -> PooledImputations | NotEstimable:
        """Rubin's rules after adding `delta` to the imputed values of the arm."""
        moved = self.residuals + delta * self.residuals_per_delta
        variances = np.einsum("ij,ij->i", moved, moved) / self.df * self.unit_variance
        return pool_imputations(self.estimates + delta * self.estimate_per_delta, variances, self.df)


def impute(data: OutcomeData, arm: str, imputations: int = IMPUTATIONS) -> ImputedSets | NotEstimable:
    """Impute the follow-up of all with a baseline; those without one are left out and counted."""
    observed = fit_ancova(paired_values(data))
    reason = refusal(observed, arm)
    if reason is not None:
        return reason
    positive = (data.follow_up > 0) | (data.scale == "identity")
    known = np.isfinite(data.follow_up) & positive
    placed = replace(data, follow_up=np.where(known, data.follow_up, 1.0))
    # Who has a follow-up travels as one more stratum, so that the same participants are kept.
    pairs = paired_values(replace(placed, strata={**data.strata, "": known.astype(np.int64)}))
    missing = pairs.strata[""] == 0
    pairs = replace(pairs, strata={name: levels for name, levels in pairs.strata.items() if name})
    pairs, missing, unknown = _with_levels_known(pairs, missing)
    design = ancova_design(pairs)
    kept, _, _ = independent_columns(design.columns[~missing])
    columns = design.columns[:, kept]
    if design.arm_column(arm) not in kept:
        return ARM_ALIASED
    notes = (f"{unknown} left out: nobody at their level has a follow-up value.",) if unknown else ()
    counts = pairs.n()
    compared = {code: counts[code] for code in (data.arms[0], arm)}
    analysis = Analysis(METHOD, f"{design.formula}, imputed", compared, pairs.notes() + design.notes + notes)
    in_arm = missing & (pairs.arm == pairs.arms.index(arm))
    drawn = _drawn_sets(columns, pairs.follow_up, missing, imputations)
    whole = fit_least_squares(columns, in_arm.astype(np.float64))
    position = kept.index(design.arm_column(arm))
    direction = whole.q @ whole.r_inverse[position]
    return ImputedSets(
        analysis=analysis,
        estimates=drawn @ direction,
        residuals=drawn - (drawn @ whole.q) @ whole.q.T,
        estimate_per_delta=float(in_arm @ direction),
        residuals_per_delta=whole.residuals,
        unit_variance=float(direction @ direction),
        df=whole.df,
        sigma=fit_least_squares(columns[~missing], pairs.follow_up[~missing]).sigma,
        imputed=int(np.count_nonzero(missing)),
        imputed_in_arm=int(np.count_nonzero(in_arm)),
    )


def estimate_with_delta(data: OutcomeData, arm: str, delta: float = 0.0, imputations: int = IMPUTATIONS) -> Estimate:
    """Difference on the analysis scale with `delta` added to imputed values of `arm`; 0 is missing at random."""
    measure = "log_difference" if data.scale == "log" else "difference"
    sets = impute(data, arm, imputations)
    if isinstance(sets, NotEstimable):
        return Analysis(METHOD, "follow_up ~ arm").refuse(measure, sets)
    words = f"{sets.imputed} follow-up values imputed {imputations} times, delta {delta:g} in {arm}."
    return state_pooled(replace(sets.analysis, notes=(*sets.analysis.notes, words)), measure, sets.pooled(delta))


def tipping_point(data: OutcomeData, arm: str, imputations: int = IMPUTATIONS) -> TippingPoint | NotEstimable:
    """The smallest delta against the result at which it is no longer significant.

    `delta` is 0 where it is not significant without one, and None where 10 residual SDs do not change it.
    """
    sets = impute(data, arm, imputations)
    if isinstance(sets, NotEstimable):
        return sets
    start = sets.pooled(0.0)
    if isinstance(start, NotEstimable):
        return start
    if _excess(sets, 0.0) >= 0:
        return TippingPoint(0.0, sets.imputed_in_arm)
    against = -math.copysign(FARTHEST * sets.sigma, start.estimate)
    previous = 0.0
    for step in range(1, STEPS + 1):
        reached = against * step / STEPS
        if _excess(sets, reached) >= 0:
            return TippingPoint(float(brentq(lambda d: _excess(sets, d), previous, reached)), sets.imputed_in_arm)
        previous = reached
    return TippingPoint(None, sets.imputed_in_arm)


def _excess(sets: ImputedSets, delta: float) -> float:
    pooled = sets.pooled(delta)
    if isinstance(pooled, NotEstimable):
        return math.nan
    return two_sided_p(pooled.estimate / math.sqrt(pooled.total), pooled.df) - ALPHA


def _with_levels_known(filled: Pairs, missing: Booleans) -> tuple[Pairs, Booleans, int]:
    """Without participants at a level of a stratum where nobody has a follow-up value to impute from."""
    kept = np.ones(len(missing), dtype=bool)
    for levels in filled.strata.values():
        kept &= np.isin(levels, np.unique(levels[~missing]))
    return filled.keep(kept), missing[kept], int(np.count_nonzero(~kept))


def _drawn_sets(columns: Floats, outcome: Floats, missing: Booleans, imputations: int) -> Floats:
    """Outcomes (m, n) with missing ones drawn: variance, coefficients, residuals."""
    start = fit_least_squares(columns[~missing], outcome[~missing])
    p, n_missing = columns.shape[1], int(np.count_nonzero(missing))
    uniform = _uniform(imputations * (1 + p + n_missing)).reshape(imputations, -1)
    spread = np.sqrt(float(start.residuals @ start.residuals) / (2 * gammaincinv(start.df / 2, uniform[:, 0])))
    normal = ndtri(uniform[:, 1:])
    coefficients = start.coefficients + spread[:, None] * (normal[:, :p] @ start.r_inverse.T)
    drawn = np.tile(outcome, (imputations, 1))
    drawn[:, missing] = coefficients @ columns[missing].T + spread[:, None] * normal[:, p:]
    return drawn


def _uniform(size: int) -> Floats:
    """Numbers strictly between 0 and 1 from raw bits, as only these are promised to be stable."""
    raw = np.asarray(np.random.PCG64(SEED).random_raw(size), dtype=np.uint64) >> np.uint64(11)
    return np.asarray((raw.astype(np.float64) + 0.5) / 2.0**53)
