"""Effect sizes of trials that report only one visit: what articles give, made into effects and sampling variances.

Sources: Hedges (1982), Psychol. Bull. 92:490-499 (unbiased variance); Bonett (2009), Psychol. Methods 14:225-238
(unequal variances); Borenstein et al. (2009), Introduction to Meta-Analysis, ch. 4 and 5. Treated minus control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analytics.statistics.pre_post_control import EffectSize, exact_correction


@dataclass(frozen=True, slots=True)
class Group:
    """One arm at one visit: participants, mean and SD. Raises ValueError for fewer than 2 or a negative SD."""

    n: int
    mean: float
    sd: float

    def __post_init__(self) -> None:
        if self.n < 2 or not (self.sd >= 0 and math.isfinite(self.mean) and math.isfinite(self.sd)):
            raise ValueError("A group needs two participants, a mean, and a standard deviation of zero or more.")


def mean_difference(treated: Group, control: Group) -> EffectSize:
    """Difference of means, in the unit of the outcome."""
    variance = treated.sd**2 / treated.n + control.sd**2 / control.n
    return EffectSize(treated.mean - control.mean, variance)


def standardized_difference(treated: Group, control: Group, *, unbiased: bool = False) -> EffectSize:
    """Hedges' g, exact correction; the variance is the large-sample one, or the unbiased one of Hedges (1982)."""
    df = treated.n + control.n - 2
    pooled = _positive(math.sqrt(((treated.n - 1) * treated.sd**2 + (control.n - 1) * control.sd**2) / df))
    correction = exact_correction(df)
    size = correction * (treated.mean - control.mean) / pooled
    of_means = 1 / treated.n + 1 / control.n
    if unbiased:
        return EffectSize(size, of_means + (1 - (df - 2) / (df * correction**2)) * size**2)
    return EffectSize(size, of_means + size**2 / (2 * (treated.n + control.n)))


def heteroscedastic_difference(treated: Group, control: Group) -> EffectSize:
    """Difference over the root mean of both variances, for arms that spread differently (Bonett 2009)."""
    mean_square = (treated.sd**2 + control.sd**2) / 2
    correction = exact_correction(treated.n + control.n - 2)
    size = correction * (treated.mean - control.mean) / _positive(math.sqrt(mean_square))
    of_means = (treated.sd**2 / (treated.n - 1) + control.sd**2 / (control.n - 1)) / mean_square
    of_spread = (treated.sd**4 / (treated.n - 1) + control.sd**4 / (control.n - 1)) / (8 * mean_square**2)
    return EffectSize(size, correction**2 * (of_means + of_spread * size**2))


def log_ratio_of_means(treated: Group, control: Group) -> EffectSize:
    """Log of treated over control; raises ValueError unless both means are positive."""
    ratio = _positive(treated.mean) / _positive(control.mean)
    return EffectSize(math.log(ratio), sum((group.sd / group.mean) ** 2 / group.n for group in (treated, control)))


def log_risk_ratio(treated: tuple[int, int], control: tuple[int, int]) -> EffectSize:
    """Log risk ratio from (events, participants) of each arm; one half is added to every cell if one is empty.

    Raises ValueError where events are negative or more than participants.
    """
    for events, n in (treated, control):
        if not 0 <= events <= n or n < 1:
            raise ValueError("Events lie between 0 and the participants of an arm.")
    cells = [float(cell) for events, n in (treated, control) for cell in (events, n - events)]
    if 0 in cells:
        cells = [cell + 0.5 for cell in cells]
    a, b, c, d = cells
    return EffectSize(math.log(a / (a + b)) - math.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))


def _positive(value: float) -> float:
    if not value > 0:
        raise ValueError("This size needs positive means, or values that vary.")
    return value
