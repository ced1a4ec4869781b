"""Adjustment of p values for multiplicity within named families; missing p values are not counted.

Sources: Holm (1979); Hochberg (1988); Hommel (1988), Biometrika 75:383-386; Benjamini & Hochberg (1995);
Benjamini & Yekutieli (2001); Simes (1986). Same results as R's `p.adjust`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Final, Literal

import numpy as np

from analytics.statistics.outcome import Floats

Adjustment = Literal["holm", "hochberg", "hommel", "bonferroni", "BH", "BY"]
PValues = Sequence[float | None]


def adjust(p_values: PValues, method: Adjustment) -> tuple[float | None, ...]:
    """Adjusted p values in the given order; None (or NaN) stays None and does not count."""
    given = [i for i, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    adjusted: list[float | None] = [None] * len(p_values)
    if given:
        p = np.array([p_values[i] for i in given], dtype=np.float64)
        order = np.argsort(p, kind="stable")
        for position, value in zip(order, np.minimum(1.0, _ADJUSTMENTS[method](p[order])), strict=True):
            adjusted[given[position]] = float(value)
    return tuple(adjusted)


def adjust_within(
    p_values: PValues, families: Sequence[Hashable | None], method: Adjustment
) -> tuple[float | None, ...]:
    """Adjust every family by itself; where the family is None the result is None."""
    members: dict[Hashable, list[int]] = {}
    for index, family in enumerate(families):
        if family is not None:
            members.setdefault(family, []).append(index)
    adjusted: list[float | None] = [None] * len(p_values)
    for indices in members.values():
        for index, value in zip(indices, adjust([p_values[i] for i in indices], method), strict=True):
            adjusted[index] = value
    return tuple(adjusted)


def adjust_families(
    p_values: PValues, families: Sequence[Hashable], primary_families: Sequence[Hashable | None]
) -> tuple[tuple[float | None, float | None], ...]:
    """(Benjamini-Hochberg p, Holm p) of each estimate.

    `families`: what Benjamini-Hochberg is done over, by default (visit, population, method, measure).
    `primary_families`: the plan's primary family, None for an estimate that is not primary (its Holm p is None). It
    must tell the measures apart: a log difference and its ratio are one test and must not be counted as two.
    """
    return tuple(
        zip(adjust_within(p_values, families, "BH"), adjust_within(p_values, primary_families, "holm"), strict=True)
    )


def simes(p_values: PValues) -> float | None:
    """One p value for a family: min n p(i) / i; None for a family without p values."""
    given = sorted(p for p in p_values if p is not None and not math.isnan(p))
    return min((p * len(given) / rank for rank, p in enumerate(given, start=1)), default=None)


def _holm(p: Floats) -> Floats:
    return np.maximum.accumulate(np.arange(len(p), 0, -1) * p)


def _hochberg(p: Floats) -> Floats:
    return _step_up(np.arange(len(p), 0, -1) * p)


def _hommel(p: Floats) -> Floats:
    n = len(p)
    ranks = np.arange(1, n + 1)
    closed = np.full(n, np.min(n * p / ranks))
    adjusted = closed.copy()
    for size in range(n - 1, 1, -1):
        first, last = np.arange(n - size + 1), np.arange(n - size + 1, n)
        smallest = np.min(size * p[last] / np.arange(2, size + 1))
        closed[first] = np.minimum(size * p[first], smallest)
        closed[last] = closed[n - size]
        adjusted = np.maximum(adjusted, closed)
    return np.maximum(adjusted, p)


def _bonferroni(p: Floats) -> Floats:
    return len(p) * p


def _benjamini_hochberg(p: Floats) -> Floats:
    return _step_up(len(p) / np.arange(1, len(p) + 1) * p)


def _benjamini_yekutieli(p: Floats) -> Floats:
    ranks = np.arange(1, len(p) + 1)
    return _step_up(np.sum(1 / ranks) * len(p) / ranks * p)


def _step_up(values: Floats) -> Floats:
    return np.minimum.accumulate(values[::-1])[::-1]


_ADJUSTMENTS: Final[dict[Adjustment, Callable[[Floats], Floats]]] = {
    "holm": _holm,
    "hochberg": _hochberg,
    "hommel": _hommel,
    "bonferroni": _bonferroni,
    "BH": _benjamini_hochberg,
    "BY": _benjamini_yekutieli,
}
