"""Complier average causal effect: two-stage least squares with the arm as instrument for the treatment received.

y = X b with the treatment received d in place of the arm; d is projected on the arm and the covariates (Z):
b = (X'P X)^-1 X'P y, P = Z (Z'Z)^-1 Z'; residuals y - X b with d as received. Model-based, HC0 or HC1 errors on
t(n - p). With d = 1 for those treated this is the effect among compliers, with the number of sessions the effect per
session. Source: Angrist, Imbens & Rubin (1996), J. Am. Stat. Assoc. 91:444-455; Angrist & Imbens (1995), 90:431-442.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from analytics.statistics.ancova import AncovaFit, Design, fit_ancova, refusal
from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_EMPTY,
    NO_RESIDUAL_VARIANCE,
    TREATMENT_ALIASED,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import ALIAS_TOLERANCE, RELATIVE_ROUNDING, LeastSquares, fit_least_squares
from analytics.statistics.outcome import ComparedValues, Floats, OutcomeData, Pairs, compared_with

Errors = Literal["model", "HC0", "HC1"]

METHODS: Final[dict[Errors, str]] = {"model": "cace_model", "HC0": "cace_hc0", "HC1": "cace_hc1"}
WEAK: Final = 10.0
WEAK_NOTE: Final = "Assignment says little about the treatment received (F below 10): the interval can be far off."


@dataclass(frozen=True, slots=True)
class FirstStage:
    """How much more treatment an arm received: difference of means given the covariates, its error, and F."""

    difference: float
    standard_error: float
    f_statistic: float


def first_stage(received: ComparedValues) -> FirstStage | None:
    """The difference in treatment received; None where assignment made none, or all are equal within arms."""
    fit = fit_ancova(received.pairs)
    if fit.least_squares is None or refusal(fit, received.pairs.arms[1]) is not None:
        return None
    stage = fit_least_squares(fit.design.columns, received.values)
    return _first_stage(fit.design, stage, received.pairs.arms[1])


def estimate_complier_average_effect(
    data: OutcomeData, treatment: Floats, arm: str, errors: Errors = "HC1", notes: tuple[str, ...] = ()
) -> tuple[Estimate, ...]:
    """Effect of one unit of `treatment` (n,): received or not (1, 0), or the number of sessions; NaN where unknown."""
    received = compared_with(data, treatment, arm)
    pairs, counts = received.pairs, received.pairs.n()
    fit = fit_ancova(pairs)
    analysis = Analysis(
        METHODS[errors],
        fit.design.formula.replace("~ arm", "~ treatment received") + ", instrument: arm",
        counts,
        pairs.notes() + fit.design.notes + notes,
    )
    reason = _refusal(fit, arm, received.values)
    if reason is not None or fit.least_squares is None:
        return refused_differences(analysis, pairs.scale, reason or ARM_EMPTY)
    kept = fit.least_squares.kept
    instruments, column = fit.design.columns[:, kept], kept.index(fit.design.arm_column(arm))
    stage = fit_least_squares(instruments, received.values)
    coefficients, residuals, projected = _second_stage(instruments, column, received.values, pairs.follow_up, stage)
    variance = _variance(projected, residuals, column, fit.least_squares.df, errors)
    if not math.sqrt(variance) > RELATIVE_ROUNDING * fit.least_squares.outcome_size:
        return refused_differences(analysis, pairs.scale, NO_RESIDUAL_VARIANCE)
    strength = _first_stage(fit.design, stage, arm)
    if strength is not None and strength.f_statistic < WEAK:
        analysis = replace(analysis, notes=(*analysis.notes, WEAK_NOTE))
    return arm_differences(
        analysis, pairs.scale, float(coefficients[column]), math.sqrt(variance), fit.least_squares.df
    )


def per_protocol(received: ComparedValues) -> Pairs:
    """Those who kept to their arm: untreated in the reference, treated (more than zero) in the other arm."""
    return received.pairs.keep((received.values > 0) == (received.pairs.arm == 1))


def _refusal(fit: AncovaFit, arm: str, treatment: Floats) -> NotEstimable | None:
    reason = refusal(fit, arm)
    if reason is not None or fit.least_squares is None:
        return reason
    kept = fit.least_squares.kept
    instruments = fit.design.columns[:, kept]
    column = kept.index(fit.design.arm_column(arm))
    others = fit_least_squares(np.delete(instruments, column, axis=1), instruments[:, column])
    explained = float(others.residuals @ treatment)
    scale = float(np.linalg.norm(others.residuals) * np.linalg.norm(treatment))
    return TREATMENT_ALIASED if abs(explained) <= ALIAS_TOLERANCE * scale else None


def _first_stage(design: Design, stage: LeastSquares, arm: str) -> FirstStage | None:
    column = design.arm_column(arm)
    if column not in stage.kept or stage.df < 1:
        return None
    position = stage.kept.index(column)
    error = stage.sigma * float(np.linalg.norm(stage.r_inverse[position]))
    difference = float(stage.coefficients[position])
    if not stage.has_residual_variance:
        return None
    return FirstStage(difference, error, (difference / error) ** 2)


def _second_stage(
    instruments: Floats, column: int, treatment: Floats, outcome: Floats, stage: LeastSquares
) -> tuple[Floats, Floats, Floats]:
    """Coefficients, residuals with the treatment as received, and the projected columns."""
    received, projected = instruments.copy(), instruments.copy()
    received[:, column] = treatment
    projected[:, column] = treatment - stage.residuals
    solution, *_ = np.linalg.lstsq(projected, outcome, rcond=None)
    coefficients: Floats = np.asarray(solution, dtype=np.float64)
    return coefficients, outcome - received @ coefficients, projected


def _variance(projected: Floats, residuals: Floats, column: int, df: int, errors: Errors) -> float:
    _, r = np.linalg.qr(projected)
    inverse = np.linalg.inv(r)
    inverse = inverse @ inverse.T
    if errors == "model":
        return float(inverse[column, column] * (residuals @ residuals) / df)
    influence = (projected @ inverse[:, column]) * residuals
    return float((influence @ influence) * (len(residuals) / df if errors == "HC1" else 1.0))
