"""Robust regression on order statistics: the detected values as measured, those below a limit drawn from a line.

Plotting positions by Hirsch & Stedinger (1987), Water Resour. Res. 23:715-727, for several limits, with the expected
order statistics i/(n+1) of Weibull; the line is log(value) = a + b z on the normal scores z of the detected values; a
value below its limit becomes exp(a + b z) at its own position. Source of the summary: Helsel & Cohn (1988), Water
Resour. Res. 24:1997-2004; Helsel (2012), Statistics for Censored Environmental Data, chapter 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtri

from analytics.statistics.estimate import MOSTLY_BELOW_LIMIT, NO_VARIATION_DETECTED, TOO_FEW_DETECTED, NotEstimable
from analytics.statistics.outcome import Booleans, Floats

FEWEST_DETECTED: Final = 3


@dataclass(frozen=True, eq=False)
class OrderStatisticsSummary:
    """Mean, SD and median (quartile rule of R type 7) of detected and filled-in values, in the unit of the values.

    `values` (n - dropped,) ascending and `positions`, the plotting position of each; `intercept` and `slope` on the
    log scale; `dropped` counts limits above the largest detected value, which have no place on the line.
    """

    n: int
    censored: int
    dropped: int
    intercept: float
    slope: float
    mean: float
    standard_deviation: float
    median: float
    values: Floats
    positions: Floats


def summarize_by_order_statistics(values: Floats, censored: Booleans) -> OrderStatisticsSummary | NotEstimable:
    """Summarize `values` (n,), the limit where `censored`; NaN counts as missing.

    Needs positive values (ValueError otherwise), three detected values that are not all equal, and less than 80%
    below the limit.
    """
    available = np.isfinite(values)
    known, below = np.asarray(values[available], dtype=np.float64), censored[available]
    if np.any(known <= 0):
        raise ValueError("regression on order statistics needs positive values")
    detected = known[~below]
    if len(detected) and 5 * len(detected) <= len(known):
        return MOSTLY_BELOW_LIMIT
    if len(detected) < FEWEST_DETECTED:
        return TOO_FEW_DETECTED
    if np.all(detected == detected[0]):
        return NO_VARIATION_DETECTED
    placed = ~below | (known <= np.max(detected))
    return _summary(known[placed], below[placed], dropped=int(np.count_nonzero(~placed)))


def plotting_positions(values: Floats, censored: Booleans) -> Floats:
    """Probability (n,) of a value as low as each; ties of detected values and limits are ranked in their order.

    Between two limits the detected values share the probability of that interval; the values below a limit share what
    lies below it.
    """
    limits = np.unique(values[censored])
    if not len(limits) or np.any(values[~censored] < limits[0]):
        limits = np.append(0.0, limits)
    exceedance = _exceedance(values, censored, limits)
    positions = np.empty(len(values))
    for index, limit in enumerate(limits):
        upper = limits[index + 1] if index + 1 < len(limits) else np.inf
        inside = np.flatnonzero(~censored & (values >= limit) & (values < upper))
        inside = inside[np.argsort(values[inside], kind="stable")]
        share = (exceedance[index] - exceedance[index + 1]) / (len(inside) + 1)
        positions[inside] = (1 - exceedance[index]) + share * np.arange(1, len(inside) + 1)
        at_limit = np.flatnonzero(censored & (values == limit))
        positions[at_limit] = (1 - exceedance[index]) * np.arange(1, len(at_limit) + 1) / (len(at_limit) + 1)
    return positions


def _exceedance(values: Floats, censored: Booleans, limits: Floats) -> Floats:
    """Probability of lying at or above each limit, and 0 beyond the last: Hirsch & Stedinger's recursion from above."""
    exceedance = np.zeros(len(limits) + 1)
    for index in range(len(limits) - 1, -1, -1):
        upper = limits[index + 1] if index + 1 < len(limits) else np.inf
        inside = np.count_nonzero(~censored & (values >= limits[index]) & (values < upper))
        below = np.count_nonzero(values <= limits[index]) - np.count_nonzero(~censored & (values == limits[index]))
        conditional = inside / (inside + below) if inside + below else 0.0
        exceedance[index] = exceedance[index + 1] + conditional * (1 - exceedance[index + 1])
    return exceedance


def _summary(values: Floats, censored: Booleans, dropped: int) -> OrderStatisticsSummary:
    positions = plotting_positions(values, censored)
    scores = np.asarray(ndtri(positions))
    x, y = scores[~censored], np.log(values[~censored])
    slope = float((x - x.mean()) @ (y - y.mean()) / ((x - x.mean()) @ (x - x.mean())))
    intercept = float(y.mean() - slope * x.mean())
    filled = np.where(censored, np.exp(intercept + slope * scores), values)
    order = np.argsort(filled, kind="stable")
    return OrderStatisticsSummary(
        n=len(values) + dropped,
        censored=int(np.count_nonzero(censored)) + dropped,
        dropped=dropped,
        intercept=intercept,
        slope=slope,
        mean=float(np.mean(filled)),
        standard_deviation=float(np.std(filled, ddof=1)),
        median=float(np.median(filled)),
        values=filled[order],
        positions=positions[order],
    )
