"""How well replicates agree, on the scale they were measured on.

The coefficient of variation of one sample is SD / mean. Over many samples the CVs are pooled as a root mean square
weighted by degrees of freedom, which for duplicates is sqrt(sum((d/m)^2) / 2n) with d the difference and m the mean of
each pair: Hyslop & White (2009), J. Air Waste Manag. Assoc. 59:1032-1039; its absolute twin sqrt(sum(d^2) / 2n) is
Dahlberg (1940), Statistical Methods for Medical and Biological Students, and Bland & Altman (1996), BMJ 313:744.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Of one sample's replicates: how many, their mean, SD and CV in per cent (None unless the mean is positive)."""

    n: int
    mean: float
    sd: float
    cv: float | None


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of replicates (SD with n - 1); None of fewer than two, or where one is not finite."""
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return None
    mean = math.fsum(values) / len(values)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return Spread(len(values), mean, sd, 100 * sd / mean if mean > 0 else None)


def differ(values: Sequence[float], limit: float) -> bool:
    """Return whether the replicates' CV is above `limit` per cent; never where there is no CV."""
    found = spread(values)
    return found is not None and found.cv is not None and found.cv > limit


def pooled_cv(samples: Iterable[Sequence[float]]) -> float | None:
    """Return the CV in per cent over many samples with replicates; None where no sample has a CV."""
    found = [each for each in map(spread, samples) if each is not None and each.cv is not None]
    freedom = sum(each.n - 1 for each in found)
    if not freedom:
        return None
    return math.sqrt(math.fsum((each.n - 1) * (each.cv or 0.0) ** 2 for each in found) / freedom)


def duplicate_sd(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return the SD of one measurement from duplicates, sqrt(sum(d^2) / 2n), in their unit; None without a pair."""
    if not pairs:
        return None
    return math.sqrt(math.fsum((first - second) ** 2 for first, second in pairs) / (2 * len(pairs)))
