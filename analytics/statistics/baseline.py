"""How far apart arms are at baseline: standardized mean differences. Descriptive; no test belongs to them.

Randomization makes every difference at baseline one of chance, so that a p value would answer no question (CONSORT
2025; Senn 1994, Statistics in Medicine 13:1715-1726).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np


def mean_difference(first: tuple[float, float], second: tuple[float, float]) -> float | None:
    """Return (mean1 - mean2) / sqrt((sd1^2 + sd2^2) / 2) of two (mean, SD) on the analysis scale.

    Austin 2009, Statistics in Medicine 28:3083-3107, equation 1. None where neither varies.
    """
    (mean1, sd1), (mean2, sd2) = first, second
    variance = (sd1**2 + sd2**2) / 2
    if not variance > 0:
        return None
    difference = (mean1 - mean2) / math.sqrt(variance)
    return difference if math.isfinite(difference) else None


def level_difference(first: Sequence[int], second: Sequence[int]) -> float | None:
    """Return the distance of two arms over the levels of a factor, from their counts per level; never negative.

    With T and C the shares of all levels but the first, and S the mean of the two multinomial covariance matrices,
    sqrt((T - C)' S^-1 (T - C)) (Yang & Dalton 2012, SAS Global Forum, paper 335). Which level is left out makes no
    difference. Levels that nobody has are left out; None where an arm has nobody, or where S has no inverse because
    the arms share no level.
    """
    counts = np.array([first, second], dtype=np.float64)
    counts = counts[:, counts.sum(axis=0) > 0]
    totals = counts.sum(axis=1)
    if not totals.all():
        return None
    shares = counts / totals[:, None]
    apart = (shares[0] - shares[1])[1:]
    if not apart.any():
        return 0.0
    covariance = sum(np.diag(each) - np.outer(each, each) for each in shares[:, 1:]) / 2
    if np.linalg.matrix_rank(covariance) < len(apart):
        return None
    return math.sqrt(float(apart @ np.linalg.solve(covariance, apart)))


def largest(differences: Iterable[float | None]) -> float | None:
    """Return the largest absolute difference; None where one of them is not known, or there is none."""
    found = list(differences)
    known = [abs(each) for each in found if each is not None]
    return max(known) if known and len(known) == len(found) else None
