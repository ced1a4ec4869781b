"""Analysis of covariance: follow-up on arm, baseline and strata, with model-based and robust intervals.

E(y) = b0 + sum_k b_k [arm k] + c baseline + sum_j d_j [stratum level j]; y and baseline on the analysis scale.
The arm coefficient b_k is the difference between arm k and the reference; intervals use t(n - p).
Sources: Senn (2006), Stat. Med. 25:4334-4344; MacKinnon & White (1985) for HC3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.statistics.arm_difference import arm_differences, refused_differences
from analytics.statistics.estimate import (
    ARM_ALIASED,
    ARM_EMPTY,
    LEVERAGE_ONE,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import (
    Covariance,
    LeastSquares,
    covariance,
    fit_least_squares,
    is_determined_by_others,
)
from analytics.statistics.outcome import Floats, Pairs, Scale

METHODS: Final[dict[Covariance, str]] = {
    "model": "ancova_model",
    "HC0": "ancova_hc0",
    "HC1": "ancova_hc1",
    "HC2": "ancova_hc2",
    "HC3": "ancova_hc3",
}


@dataclass(frozen=True, eq=False)
class Design:
    """Columns (n, p) in the order intercept, arms, baseline, strata; `terms` name the columns, one entry each."""

    columns: Floats
    terms: tuple[str, ...]
    formula: str
    notes: tuple[str, ...]

    def arm_column(self, arm: str) -> int:
        """Index of the column of an arm that is not the reference."""
        return self.terms.index(f"arm:{arm}")


@dataclass(frozen=True, eq=False)
class AncovaFit:
    """A fitted model with what it was fitted to; `least_squares` is None where there is nobody to fit."""

    pairs: Pairs
    design: Design
    least_squares: LeastSquares | None


def ancova_design(pairs: Pairs, *, mark_censored_baseline: bool = False) -> Design:
    """Build the columns; a constant baseline and a factor with one level are left out, as nothing depends on them.

    With `mark_censored_baseline`, a baseline below its limit is the limit plus an indicator of its own.
    """
    columns = [np.ones(len(pairs.arm))]
    terms = ["intercept"]
    words = ["arm"]
    notes = []
    for index, arm in enumerate(pairs.arms[1:], start=1):
        columns.append((pairs.arm == index).astype(np.float64))
        terms.append(f"arm:{arm}")
    if _varies(pairs.baseline):
        columns.append(pairs.baseline)
        terms.append("baseline")
        words.append(_on_scale("baseline", pairs.scale))
    else:
        notes.append("The baseline is constant and is left out of the model.")
    if mark_censored_baseline and _varies(pairs.baseline_censored):
        columns.append(pairs.baseline_censored.astype(np.float64))
        terms.append("baseline_below_limit")
        words.append("baseline_below_limit")
    for name, factor in pairs.strata.items():
        levels = np.unique(factor)
        if len(levels) > 1:
            columns.extend((factor == level).astype(np.float64) for level in levels[1:])
            terms.extend(f"{name}:{level}" for level in levels[1:])
            words.append(name)
    formula = f"{_on_scale('follow_up', pairs.scale)} ~ {' + '.join(words)}"
    return Design(np.column_stack(columns), tuple(terms), formula, tuple(notes))


def fit_ancova(pairs: Pairs) -> AncovaFit:
    """Fit the model once for all arms."""
    design = ancova_design(pairs)
    fit = fit_least_squares(design.columns, pairs.follow_up) if len(pairs.arm) else None
    return AncovaFit(pairs, design, fit)


def estimate_ancova(
    fit: AncovaFit, arm: str, kind: Covariance = "HC3", notes: tuple[str, ...] = ()
) -> tuple[Estimate, ...]:
    """The difference between `arm` and the reference in every measure of the scale, or the reason for none."""
    analysis = _analysis(fit, METHODS[kind], (fit.pairs.arms[0], arm), notes)
    reason = refusal(fit, arm)
    if reason is not None or fit.least_squares is None:
        return refused_differences(analysis, fit.pairs.scale, reason or ARM_EMPTY)
    matrix = covariance(fit.least_squares, kind)
    if matrix is None:
        return refused_differences(analysis, fit.pairs.scale, LEVERAGE_ONE)
    position = fit.least_squares.kept.index(fit.design.arm_column(arm))
    return arm_differences(
        analysis,
        fit.pairs.scale,
        float(fit.least_squares.coefficients[position]),
        float(np.sqrt(matrix[position, position])),
        fit.least_squares.df,
    )


def refusal(fit: AncovaFit, arm: str) -> NotEstimable | None:
    """Why the difference between `arm` and the reference cannot be estimated; None where it can."""
    n = fit.pairs.n()
    if fit.least_squares is None or not n[arm] or not n[fit.pairs.arms[0]]:
        return ARM_EMPTY
    if fit.least_squares.df < 1:
        return NO_RESIDUAL_DF
    if _is_aliased(fit, fit.design.arm_column(arm), fit.least_squares):
        return ARM_ALIASED
    if not fit.least_squares.has_residual_variance:
        return NO_RESIDUAL_VARIANCE
    return None


def _is_aliased(fit: AncovaFit, column: int, least_squares: LeastSquares) -> bool:
    # Full rank answers for all arms at once; the second factorization is needed only where a column was left out.
    if len(least_squares.kept) == fit.design.columns.shape[1]:
        return False
    return is_determined_by_others(fit.design.columns, column)


def _analysis(fit: AncovaFit, method: str, arms: tuple[str, ...], notes: tuple[str, ...]) -> Analysis:
    counts = fit.pairs.n()
    aliased: tuple[str, ...] = ()
    if fit.least_squares is not None:
        left_out = sorted(set(range(len(fit.design.terms))) - set(fit.least_squares.kept))
        aliased = tuple(f"{fit.design.terms[i]} is determined by other terms and left out." for i in left_out)
    return Analysis(
        method,
        fit.design.formula,
        {arm: counts[arm] for arm in arms},
        fit.pairs.notes() + fit.design.notes + aliased + notes,
    )


def _varies(values: np.ndarray) -> bool:
    return len(values) > 0 and bool(np.any(values != values[0]))


def _on_scale(name: str, scale: Scale) -> str:
    return f"log({name})" if scale == "log" else name
