"""Kaplan-Meier for values below limits of detection: the distribution without a model, and a test between arms.

Left-censored values are read from above: at each detected value x, in descending order, the share that lies below it
is multiplied by 1 - d/r (d values equal to x, r values or limits up to x). Mean and variance as in survival analysis
(Gillespie et al. 2010, Epidemiology 21:S64-S70; Helsel 2012, chapter 6), the variance times m/(m - 1) for m detected
values; whatever probability is left below the lowest detected value counts as that value. The comparison of arms is
Peto & Peto's test (1972), J. R. Stat. Soc. A 135:185-207, weighted by the share below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaincc

from analytics.statistics.estimate import (
    ARM_EMPTY,
    MOSTLY_BELOW_LIMIT,
    NO_VARIATION_DETECTED,
    TOO_FEW_DETECTED,
    NotEstimable,
)
from analytics.statistics.least_squares import independent_columns
from analytics.statistics.outcome import Booleans, Floats, Integers

HALF: Final = 0.5
ROUNDING: Final = 1e-12
FEWEST_DETECTED: Final = 2


@dataclass(frozen=True, slots=True)
class KaplanMeierSummary:
    """Mean with its standard error, SD and median in the unit of the values; no median where half is undetected.

    `left_below` is the probability that lies below the lowest detected value; if it is not zero the mean is too high.
    """

    n: int
    censored: int
    mean: float
    standard_error: float
    standard_deviation: float
    median: float | None
    left_below: float


@dataclass(frozen=True, slots=True)
class ArmsTest:
    """A chi-squared statistic, its degrees of freedom, and p."""

    statistic: float
    df: int
    p_value: float


def summarize_by_kaplan_meier(values: Floats, censored: Booleans) -> KaplanMeierSummary | NotEstimable:
    """Summarize `values` (n,), the limit where `censored`; NaN counts as missing. 80% or more below is refused."""
    available = np.isfinite(values)
    known, below = np.asarray(values[available], dtype=np.float64), censored[available]
    found = len(known) - int(np.count_nonzero(below))
    if found and 5 * found <= len(known):
        return MOSTLY_BELOW_LIMIT
    if found < FEWEST_DETECTED:
        return TOO_FEW_DETECTED
    levels, at, upto = _descending(known, below)
    if len(levels) == 1:
        return NO_VARIATION_DETECTED
    share_below = np.cumprod(1 - at / upto)
    pieces = np.diff(levels) * share_below[:-1]
    tails = np.cumsum(pieces[::-1])[::-1]
    growth = at[:-1] / (upto[:-1] * (upto[:-1] - at[:-1]))
    standard_error = math.sqrt(float(tails**2 @ growth) * found / (found - 1))
    lower_half = np.flatnonzero(share_below < HALF - ROUNDING)
    return KaplanMeierSummary(
        n=len(known),
        censored=len(known) - found,
        mean=float(levels[0] + np.sum(pieces)),
        standard_error=standard_error,
        standard_deviation=math.sqrt(len(known)) * standard_error,
        median=float(levels[lower_half[0]]) if len(lower_half) else None,
        left_below=float(share_below[-1]),
    )


def compare_arms(values: Floats, censored: Booleans, arm: Integers) -> ArmsTest | NotEstimable:
    """Peto & Peto's test of equal distributions in the arms named by the integers `arm` (n,)."""
    available = np.isfinite(values)
    known, below, group = np.asarray(values[available], dtype=np.float64), censored[available], arm[available]
    groups = np.unique(group)
    if len(groups) < 2 or len(groups) < len(np.unique(arm)):
        return ARM_EMPTY
    if np.all(below):
        return TOO_FEW_DETECTED
    levels, at, upto = _descending(known, below)
    weight = np.append(1.0, np.cumprod(1 - at / upto)[:-1])
    difference, variance = np.zeros(len(groups)), np.zeros((len(groups), len(groups)))
    for level, d, r, w in zip(levels, at, upto, weight, strict=True):
        share = np.array([np.count_nonzero(known[group == g] <= level) for g in groups]) / r
        seen = np.array([np.count_nonzero(known[(group == g) & ~below] == level) for g in groups])
        difference += w * (seen - d * share)
        if r > 1:
            variance += w**2 * d * (r - d) / (r - 1) * (np.diag(share) - np.outer(share, share))
    # The differences add up to zero: one arm is left out, and more where an arm is never at risk with others.
    kept, _, _ = independent_columns(variance[:, :-1])
    if not kept or not np.any(variance > ROUNDING):
        return NO_VARIATION_DETECTED
    rows = np.array(kept)
    statistic = float(difference[rows] @ np.linalg.solve(variance[np.ix_(rows, rows)], difference[rows]))
    return ArmsTest(statistic, len(rows), float(gammaincc(len(rows) / 2, statistic / 2)))


def _descending(values: Floats, censored: Booleans) -> tuple[Floats, Floats, Floats]:
    """Detected levels from the highest down, how many equal each, and how many values or limits lie up to each.

    A limit equal to a detected value lies below it.
    """
    levels, counts = np.unique(values[~censored], return_counts=True)
    upto = np.searchsorted(np.sort(values), levels, side="right")
    return levels[::-1], counts[::-1].astype(np.float64), upto[::-1].astype(np.float64)
