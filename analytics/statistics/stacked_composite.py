"""One common effect over several outcomes of one trial: outcomes stacked, errors by participant (`stacked_cr2`).

Each outcome on its analysis scale is centred, divided by the pooled SD of its baseline and oriented so that more is
better; z = outcome + arm + own baseline (a slope per outcome) + strata, by least squares over all rows; the arm's
coefficient with CR2 by participant and Satterthwaite df.
Sources: O'Brien (1984), Biometrics 40:1079-1087 (one effect over outcomes); Pustejovsky & Tipton (2018), J. Bus. Econ.
Stat. 36:672-683 (CR2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analytics.statistics.estimate import (
    ARM_ALIASED,
    ARM_EMPTY,
    LEVERAGE_ONE,
    NO_RESIDUAL_DF,
    NO_RESIDUAL_VARIANCE,
    ONE_CLUSTER,
    Analysis,
    Estimate,
    NotEstimable,
)
from analytics.statistics.least_squares import RELATIVE_ROUNDING, fit_least_squares, is_determined_by_others
from analytics.statistics.least_squares_by_cluster import FEW_DF, LEAST_DF, cluster_error
from analytics.statistics.outcome import Floats, Integers, OutcomeData, Pairs, count_by_arm, paired_values

METHOD: Final = "stacked_cr2"
MEASURE: Final = "standardized_difference"
CLUSTERED: Final = "Standard errors are participant-clustered; n counts participants."


@dataclass(frozen=True, eq=False)
class Stacked:
    """Rows (N,) of all outcomes: standardized and oriented `value` and `baseline`, and whose row it is.

    `outcome`, `participant`, `arm` (N,) are indices; `levels` (N, s) the strata.
    """

    value: Floats
    baseline: Floats
    outcome: Integers
    participant: Integers
    arm: Integers
    levels: Integers


def stack(outcomes: Sequence[OutcomeData]) -> Stacked:
    """Stack the outcomes of one trial: the same participants in the same order in each.

    Left out: neutral outcomes (no direction is better) and those whose baseline does not vary within the arms.
    """
    if len({len(data.arm) for data in outcomes}) > 1 or any(
        not np.array_equal(data.arm, outcomes[0].arm) for data in outcomes
    ):
        raise ValueError("stacked outcomes need the same participants in the same order")
    parts = [part for index, data in enumerate(outcomes) if (part := _standardized(index, data)) is not None]
    columns = len(outcomes[0].strata) if outcomes else 0
    if not parts:
        none, nobody = np.empty(0), np.empty(0, dtype=np.int64)
        return Stacked(none, none, nobody, nobody, nobody, np.empty((0, columns), dtype=np.int64))
    return Stacked(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.baseline for part in parts]),
        np.concatenate([part.outcome for part in parts]),
        np.concatenate([part.participant for part in parts]),
        np.concatenate([part.arm for part in parts]),
        np.concatenate([part.levels for part in parts]),
    )


def estimate_stacked(outcomes: Sequence[OutcomeData], arm: str) -> Estimate:
    """The common effect of `arm` in pooled baseline SDs, positive where the arm does better."""
    if not outcomes:
        return Analysis(METHOD, "").refuse(MEASURE, ARM_EMPTY)
    arms, rows = outcomes[0].arms, stack(outcomes)
    _, first = np.unique(rows.participant, return_index=True)
    counts = count_by_arm(rows.arm[first], arms)
    used = len(np.unique(rows.outcome))
    analysis = Analysis(
        METHOD,
        "standardized follow_up ~ outcome + arm + outcome:baseline" + "".join(f" + {k}" for k in outcomes[0].strata),
        {code: counts[code] for code in (arms[0], arm)},
        (f"{used} of {len(outcomes)} outcomes, {len(rows.value)} values.", CLUSTERED),
    )
    columns = _columns(rows, len(arms))
    reason = _refusal(analysis, rows, columns, arms.index(arm))
    if reason is not None:
        return analysis.refuse(MEASURE, reason)
    fit = fit_least_squares(columns, rows.value)
    contrast = np.zeros(len(fit.kept))
    contrast[fit.kept.index(arms.index(arm) - 1)] = 1.0
    error = cluster_error(fit, contrast, rows.participant)
    if error is None:
        return analysis.refuse(MEASURE, LEVERAGE_ONE)
    if error.df < LEAST_DF:
        analysis = replace(analysis, notes=(*analysis.notes, FEW_DF))
    return analysis.wald(MEASURE, float(contrast @ fit.coefficients), error.standard_error, error.df)


def _standardized(index: int, data: OutcomeData) -> Stacked | None:
    names = list(data.strata)
    row = np.arange(len(data.arm), dtype=np.int64)
    pairs = paired_values(replace(data, strata={**data.strata, "": row}))
    spread = _pooled_baseline_sd(pairs)
    if data.direction == "neutral" or spread is None:
        return None
    sign = 1 if data.direction == "beneficial" else -1
    centre, unit = float(np.mean(pairs.baseline)), sign / spread
    return Stacked(
        (pairs.follow_up - centre) * unit,
        (pairs.baseline - centre) * unit,
        np.full(len(pairs.arm), index, dtype=np.int64),
        pairs.strata[""],
        pairs.arm,
        np.column_stack([pairs.strata[name] for name in names]) if names else np.empty((len(pairs.arm), 0), np.int64),
    )


def _pooled_baseline_sd(pairs: Pairs) -> float | None:
    squares, df = 0.0, 0
    for index in range(len(pairs.arms)):
        values = pairs.baseline[pairs.arm == index]
        if len(values):
            squares += float(np.sum((values - values.mean()) ** 2))
            df += len(values) - 1
    spread = math.sqrt(squares / df) if df > 0 else 0.0
    return spread if spread > RELATIVE_ROUNDING * float(np.max(np.abs(pairs.baseline), initial=0.0)) else None


def _columns(rows: Stacked, arms: int) -> Floats:
    """Arms first, then an intercept and a slope per outcome, then the strata, one level of each left out."""
    columns = [(rows.arm == index).astype(np.float64) for index in range(1, arms)]
    for outcome in np.unique(rows.outcome):
        inside = (rows.outcome == outcome).astype(np.float64)
        columns.extend((inside, inside * rows.baseline))
    for levels in rows.levels.T:
        columns.extend((levels == level).astype(np.float64) for level in np.unique(levels)[1:])
    return np.column_stack(columns)


def _refusal(analysis: Analysis, rows: Stacked, columns: Floats, column: int) -> NotEstimable | None:
    if not all(analysis.n.values()):
        return ARM_EMPTY
    if min(analysis.n.values()) < 2:
        return ONE_CLUSTER
    if is_determined_by_others(columns, column - 1):
        return ARM_ALIASED
    fit = fit_least_squares(columns, rows.value)
    if column - 1 not in fit.kept:
        return ARM_ALIASED
    if fit.df < 1:
        return NO_RESIDUAL_DF
    return None if fit.has_residual_variance else NO_RESIDUAL_VARIANCE
