"""Moderators declared beforehand: does the arm's effect change with a covariate, or differ between the levels of one?

Arm x covariate: one more column, arm times covariate, its coefficient on t(n - p). Arm x factor: columns arm times
level, tested together by F of the two residual sums of squares.
Source: Cohen, Cohen, West & Aiken (2003), Applied Multiple Regression, chapters 7 and 9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import fdtrc

from analytics.statistics.ancova import Design, fit_ancova, refusal
from analytics.statistics.estimate import (
    ARM_EMPTY,
    INTERACTION_ALIASED,
    LEVERAGE_ONE,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import Covariance, covariance, fit_least_squares
from analytics.statistics.outcome import ComparedValues, Floats, OutcomeData, Pairs, compared_with

METHODS: Final[dict[Covariance, str]] = {
    "model": "moderation_model",
    "HC0": "moderation_hc0",
    "HC1": "moderation_hc1",
    "HC2": "moderation_hc2",
    "HC3": "moderation_hc3",
}
MEASURE: Final = "change_of_effect_per_unit"


@dataclass(frozen=True, slots=True)
class FactorTest:
    """F test that the arm's effect is the same at all levels of a factor."""

    f_statistic: float
    df: int
    residual_df: int
    p_value: float


def estimate_moderation(
    data: OutcomeData, moderator: Floats, arm: str, kind: Covariance = "HC3", *, already_in_model: bool = False
) -> Estimate:
    """By how much the effect of `arm` changes per unit of `moderator` (one entry per participant randomized).

    The moderator enters with a column of its own unless it is `already_in_model` (the baseline, on its scale).
    """
    compared = compared_with(data, moderator, arm)
    fit = fit_ancova(compared.pairs)
    analysis = Analysis(
        METHODS[kind],
        fit.design.formula + ("" if already_in_model else " + moderator") + " + arm:moderator",
        compared.pairs.n(),
        compared.pairs.notes() + fit.design.notes,
    )
    reason = refusal(fit, arm)
    if reason is not None:
        return analysis.refuse(MEASURE, reason)
    columns = _with_interaction(fit.design, compared, arm, already_in_model)
    interacted = fit_least_squares(columns, compared.pairs.follow_up)
    if columns.shape[1] - 1 not in interacted.kept:
        return analysis.refuse(MEASURE, INTERACTION_ALIASED)
    if interacted.df < 1:
        return analysis.refuse(MEASURE, NO_RESIDUAL_DF)
    if not interacted.has_residual_variance:
        return analysis.refuse(MEASURE, NO_RESIDUAL_VARIANCE)
    matrix = covariance(interacted, kind)
    if matrix is None:
        return analysis.refuse(MEASURE, LEVERAGE_ONE)
    return analysis.wald(MEASURE, float(interacted.coefficients[-1]), math.sqrt(float(matrix[-1, -1])), interacted.df)


def compare_levels(pairs: Pairs, factor: str) -> FactorTest | NotEstimable:
    """Whether the effects of all arms are the same at the levels of the stratum `factor`."""
    fit = fit_ancova(pairs)
    counts = pairs.n()
    if fit.least_squares is None or not all(counts.values()):
        return ARM_EMPTY
    extra = [
        ((pairs.arm == arm) & (pairs.strata[factor] == level)).astype(np.float64)
        for arm in range(1, len(pairs.arms))
        for level in np.unique(pairs.strata[factor])[1:]
    ]
    if not extra:
        return INTERACTION_ALIASED
    whole = fit_least_squares(np.column_stack([fit.design.columns, *extra]), pairs.follow_up)
    added = len(whole.kept) - len(fit.least_squares.kept)
    if added < 1:
        return INTERACTION_ALIASED
    if whole.df < 1:
        return NO_RESIDUAL_DF
    if not whole.has_residual_variance:
        return NO_RESIDUAL_VARIANCE
    left, before = (float(f.residuals @ f.residuals) for f in (whole, fit.least_squares))
    statistic = max(before - left, 0.0) / added / (left / whole.df)
    return FactorTest(statistic, added, whole.df, float(fdtrc(added, whole.df, statistic)))


def _with_interaction(design: Design, compared: ComparedValues, arm: str, already_in_model: bool) -> Floats:
    in_arm = design.columns[:, design.arm_column(arm)]
    own = [] if already_in_model else [compared.values]
    return np.column_stack([design.columns, *own, in_arm * compared.values])
