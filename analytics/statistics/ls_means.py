"""Least-squares means: the mean of each arm at the mean baseline, over strata with stated weights.

L b with L = (1, arm indicator, mean baseline, stratum weights); Searle, Speed & Milliken (1980), Am. Stat. 34:216-221.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np

from analytics.statistics.ancova import AncovaFit, refusal
from analytics.statistics.estimate import ARM_ALIASED, ARM_EMPTY, COVARIATES_ALIASED, Analysis, Estimate, NotEstimable
from analytics.statistics.least_squares import covariance
from analytics.statistics.outcome import Floats, Scale

Weights = Literal["equal", "observed"]

METHOD: Final = "ls_mean"
MEASURES: Final[dict[Scale, tuple[str, ...]]] = {"log": ("log_mean", "geometric_mean"), "identity": ("mean",)}
ESTIMABLE_TOLERANCE: Final = 1e-8


def estimate_ls_mean(fit: AncovaFit, arm: str, weights: Weights = "equal") -> tuple[Estimate, ...]:
    """Adjusted mean of one arm (any, the reference included), model-based t interval; p tests a mean of zero.

    `equal`: every level of a stratum counts the same; `observed`: as often as it occurs among those analysed.
    On the log scale also the geometric mean, with the p of the log mean and no standard error of its own.
    """
    analysis = Analysis(
        METHOD,
        f"{fit.design.formula}; {weights} weights",
        {arm: fit.pairs.n()[arm]},
        fit.pairs.notes() + fit.design.notes,
    )
    least_squares = fit.least_squares
    reason = _refusal(fit, arm)
    if reason is not None or least_squares is None:
        return tuple(analysis.refuse(measure, reason or ARM_EMPTY) for measure in MEASURES[fit.pairs.scale])
    row = _mean_row(fit, arm, weights)
    if not _is_estimable(row, fit.design.columns, least_squares.kept):
        return tuple(analysis.refuse(measure, COVARIATES_ALIASED) for measure in MEASURES[fit.pairs.scale])
    kept_row = row[list(least_squares.kept)]
    matrix = covariance(least_squares, "model")
    standard_error = 0.0 if matrix is None else math.sqrt(float(kept_row @ matrix @ kept_row))
    mean = analysis.wald(
        MEASURES[fit.pairs.scale][0], float(kept_row @ least_squares.coefficients), standard_error, least_squares.df
    )
    return (mean,) if fit.pairs.scale == "identity" else (mean, geometric_mean(analysis, mean))


def _refusal(fit: AncovaFit, arm: str) -> NotEstimable | None:
    others = [code for code in fit.pairs.arms if code != arm]
    if not fit.pairs.n()[arm]:
        return ARM_EMPTY
    # The mean of the reference needs only itself and the model; ask for it through any arm that has data.
    partner = arm if arm != fit.pairs.arms[0] else next((c for c in others if fit.pairs.n()[c]), others[0])
    reason = refusal(fit, partner)
    return None if reason is ARM_ALIASED else reason


def _mean_row(fit: AncovaFit, arm: str, weights: Weights) -> Floats:
    row = np.asarray(np.mean(fit.design.columns, axis=0), dtype=np.float64)
    for position, term in enumerate(fit.design.terms):
        name, _, level = term.partition(":")
        if name == "arm":
            row[position] = float(level == arm)
        elif level and weights == "equal":
            row[position] = 1 / len(np.unique(fit.pairs.strata[name]))
    return row


def _is_estimable(row: Floats, columns: Floats, kept: tuple[int, ...]) -> bool:
    left_out = [i for i in range(len(row)) if i not in kept]
    if not left_out:
        return True
    combination, *_ = np.linalg.lstsq(columns[:, list(kept)], columns[:, left_out], rcond=None)
    return bool(np.allclose(row[list(kept)] @ combination, row[left_out], atol=ESTIMABLE_TOLERANCE))


def geometric_mean(analysis: Analysis, mean: Estimate) -> Estimate:
    """The geometric mean that belongs to a mean of logarithms, with its p and no standard error of its own."""
    if mean.estimate is None or mean.ci_low is None or mean.ci_high is None or mean.p_value is None:
        return analysis.refuse("geometric_mean", mean.not_estimable or ARM_EMPTY)
    with np.errstate(over="ignore"):
        centre, low, high = (float(np.exp(value)) for value in (mean.estimate, mean.ci_low, mean.ci_high))
    return analysis.state("geometric_mean", centre, (low, high), mean.p_value, df=mean.df)
