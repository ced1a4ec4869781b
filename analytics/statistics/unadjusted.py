"""Comparisons without the baseline as covariate, beside the analysis of covariance: change, Welch, Mann-Whitney.

Change: follow-up minus baseline on arm and strata, model-based on t(n - p). Welch: difference of follow-up means with
variances of their own. Mann-Whitney: ranks of the follow-up, normal approximation with ties and continuity.
Sources: Welch (1947), Biometrika 34:28-35; Mann & Whitney (1947), Ann. Math. Stat. 18:50-60; Vickers & Altman (2001),
BMJ 323:1123-1124 (why the analysis of covariance is preferred).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy.special import ndtr

from analytics.statistics.ancova import estimate_ancova, fit_ancova
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_EMPTY,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import RELATIVE_ROUNDING
from analytics.statistics.outcome import Pairs

CHANGE: Final = "change_model"
WELCH: Final = "welch"


@dataclass(frozen=True, slots=True)
class RankTest:
    """`statistic` is Mann & Whitney's W of the reference arm: how often one of it lies above one of the other."""

    statistic: float
    p_value: float


def estimate_change(pairs: Pairs, arm: str) -> tuple[Estimate, ...]:
    """Difference in change between `arm` and the reference, adjusted for strata only."""
    change = replace(pairs, baseline=np.zeros_like(pairs.baseline), follow_up=pairs.follow_up - pairs.baseline)
    return tuple(
        replace(
            result,
            method=CHANGE,
            formula=result.formula.replace("follow_up", "follow_up / baseline" if pairs.scale == "log" else "change"),
            notes=tuple(note for note in result.notes if not note.startswith("The baseline is constant")),
        )
        for result in estimate_ancova(fit_ancova(change), arm, "model")
    )


def estimate_welch(pairs: Pairs, arm: str) -> tuple[Estimate, ...]:
    """Difference of follow-up means between `arm` and the reference with Welch's degrees of freedom."""
    counts = pairs.n()
    analysis = Analysis(
        WELCH, "follow_up ~ arm, unequal variances", {k: counts[k] for k in (pairs.arms[0], arm)}, pairs.notes()
    )
    treated, reference = (pairs.follow_up[pairs.arm == k] for k in (pairs.arms.index(arm), 0))
    if not len(treated) or not len(reference):
        return refused_differences(analysis, pairs.scale, ARM_EMPTY)
    if len(treated) < 2 or len(reference) < 2:
        return refused_differences(analysis, pairs.scale, NO_RESIDUAL_DF)
    parts = [float(np.var(values, ddof=1)) / len(values) for values in (treated, reference)]
    error = math.sqrt(sum(parts))
    if not error > RELATIVE_ROUNDING * float(np.max(np.abs(pairs.follow_up))):
        return refused_differences(analysis, pairs.scale, NO_RESIDUAL_VARIANCE)
    shares = [part / sum(parts) for part in parts]
    df = 1 / (shares[0] ** 2 / (len(treated) - 1) + shares[1] ** 2 / (len(reference) - 1))
    return arm_differences(analysis, pairs.scale, float(treated.mean() - reference.mean()), error, df)


def compare_ranks(pairs: Pairs, arm: str) -> RankTest | NotEstimable:
    """Mann & Whitney's test of the follow-up values of `arm` and the reference."""
    reference, treated = (pairs.follow_up[pairs.arm == k] for k in (0, pairs.arms.index(arm)))
    if not len(treated) or not len(reference):
        return ARM_EMPTY
    n, m = len(reference), len(treated)
    _, level, ties = np.unique(np.concatenate([reference, treated]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[level]
    statistic = float(np.sum(ranks[:n])) - n * (n + 1) / 2
    total = n + m
    variance = n * m / 12 * (total + 1 - float(np.sum(ties.astype(np.float64) ** 3 - ties)) / (total * (total - 1)))
    if not variance > 0:
        return NO_RESIDUAL_VARIANCE
    distance = max(abs(statistic - n * m / 2) - 0.5, 0.0)
    return RankTest(statistic, min(1.0, float(2 * ndtr(-distance / math.sqrt(variance)))))
