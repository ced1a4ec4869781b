"""Lin's estimator: covariates centred and multiplied by the arm, so that adjustment cannot lose precision.

y on arm, centred covariates z and arm z; the arm's coefficient is the average effect, its error HC2 on t(n - p).
Source: Lin (2013), Ann. Appl. Stat. 7:295-318.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from analytics.statistics.ancova import fit_ancova, refusal
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_EMPTY,
    INTERACTION_ALIASED,
    LEVERAGE_ONE,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    Analysis,
    Estimate,
)
from analytics.statistics.least_squares import covariance, fit_least_squares, is_determined_by_others
from analytics.statistics.outcome import Pairs

METHOD: Final = "lin"


def estimate_lin(pairs: Pairs, arm: str) -> tuple[Estimate, ...]:
    """The average effect of `arm` against the reference in every measure of the scale; other arms are left out."""
    number = pairs.arms.index(arm)
    kept = pairs.keep((pairs.arm == 0) | (pairs.arm == number))
    kept = replace(kept, arms=(pairs.arms[0], arm), arm=(kept.arm != 0).astype(np.int64))
    fit = fit_ancova(kept)
    analysis = Analysis(
        METHOD, f"{fit.design.formula}, centred and with arm: each", kept.n(), kept.notes() + fit.design.notes
    )
    reason = refusal(fit, arm)
    if reason is not None or fit.least_squares is None:
        return refused_differences(analysis, kept.scale, reason or ARM_EMPTY)
    covariates = fit.design.columns[:, 2:]
    centred = covariates - covariates.mean(axis=0)
    treated = fit.design.columns[:, 1:2]
    columns = np.column_stack([fit.design.columns[:, :2], centred, treated * centred])
    interacted = fit_least_squares(columns, kept.follow_up)
    if interacted.df < 1:
        return refused_differences(analysis, kept.scale, NO_RESIDUAL_DF)
    if len(interacted.kept) < columns.shape[1] and is_determined_by_others(columns, 1):
        return refused_differences(analysis, kept.scale, INTERACTION_ALIASED)
    if not interacted.has_residual_variance:
        return refused_differences(analysis, kept.scale, NO_RESIDUAL_VARIANCE)
    matrix = covariance(interacted, "HC2")
    if matrix is None:
        return refused_differences(analysis, kept.scale, LEVERAGE_ONE)
    return arm_differences(
        analysis,
        kept.scale,
        float(interacted.coefficients[1]),
        math.sqrt(float(matrix[1, 1])),
        interacted.df,
    )
