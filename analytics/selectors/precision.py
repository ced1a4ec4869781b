"""What the blinded see of the effect: how precisely it will be known, from numbers in which no arm shows."""

import math
from dataclasses import dataclass
from statistics import NormalDist, median

from analytics.models import ArmDescription
from analytics.models.estimate import POOLED
from analytics.selectors.runs import Freshness, freshness
from trials.access import Actor, require
from trials.models import Trial, Visit
from trials.permissions import Permission
from trials.selectors.planned_visits import is_after_comparison

Z = 1.959963984540054
EFFECT = 0.30
"""The standardized effect that power is given for: that of Shields, Spahr & Slavich 2020."""
UNKNOWN_CORRELATION = 0.5
IN_GROUPS = (
    "Therapy groups are randomized: participants of one group are not independent, and there is no analysis here yet "
    "that counts groups."
)
LEAST_PAIRS = 10
"""With fewer pairs the correlation is taken to be the unknown one; an estimate of it would be noise."""


@dataclass(frozen=True)
class OutcomePrecision:
    """One biomarker: participants with both values, correlation of the two, expected width of the 95% interval."""

    name: str
    pairs: int
    correlation: float | None
    width: float | None


@dataclass(frozen=True)
class PooledPrecision:
    """All biomarkers at a visit. The curve is drawn with `correlation` and `factor` (of the arms' shares).

    `not_estimable` says why there is none where participants are not independent.
    """

    state: Freshness
    outcomes: tuple[OutcomePrecision, ...]
    correlation: float
    factor: float
    not_estimable: str = ""

    @property
    def pairs(self) -> int:
        """The median number of participants with both values."""
        return round(median(each.pairs for each in self.outcomes)) if self.outcomes else 0

    def width(self, analysed: int) -> float:
        """Return the expected width of the interval in standard deviations, with this many analysed."""
        return expected_width(analysed, self.correlation, self.factor)

    def power(self, analysed: int) -> float:
        """Return the power to find `EFFECT`, two-sided at 5%."""
        return NormalDist().cdf(EFFECT / (self.width(analysed) / (2 * Z)) - Z)


def expected_width(analysed: int, correlation: float, factor: float) -> float:
    """Return 2 z sqrt((1 - r^2) f / n): the interval of an ANCOVA in units of the standard deviation.

    `factor` f is 1/p + 1/q for planned shares p and q of the two arms that are compared, which is 1 / (p (1 - p))
    where there are no others (Borm, Fransen & Lemmens 2007, J Clin Epidemiol 60:1234-1238).
    """
    return 2 * Z * math.sqrt((1 - correlation**2) * factor / analysed)


def pooled_precision(trial: Trial, visit: Visit, by: Actor) -> PooledPrecision:
    """Return the precision at a visit, from descriptions of all arms together."""
    require(by, Permission.TRIAL_VIEW, trial)
    state, factor = freshness(trial), _variance_factor(trial)
    if trial.randomization_unit == Trial.RandomizationUnit.GROUP:
        return PooledPrecision(state, (), UNKNOWN_CORRELATION, factor, IN_GROUPS)
    if is_after_comparison(trial, visit):  # pairs that stay away would tell who crossed over
        return PooledPrecision(state, (), UNKNOWN_CORRELATION, factor)
    described = ArmDescription.objects.filter(run=state.run, visit=visit, arm=POOLED).select_related("biomarker")
    described = described.filter(biomarker__tells_arm=False)
    outcomes = tuple(_outcome(each, factor) for each in described) if state.run else ()
    known = [each.correlation for each in outcomes if each.correlation is not None and each.pairs >= LEAST_PAIRS]
    return PooledPrecision(state, outcomes, median(known) if known else UNKNOWN_CORRELATION, factor)


def _variance_factor(trial: Trial) -> float:
    """Return the factor of the least precise comparison: the smallest arm against the reference."""
    ratios = list(trial.arms.values_list("is_reference", "ratio"))
    reference = next(ratio for is_reference, ratio in ratios if is_reference)
    smallest = min(ratio for is_reference, ratio in ratios if not is_reference)
    return sum(ratio for _, ratio in ratios) * (1 / reference + 1 / smallest)


def _outcome(described: ArmDescription, factor: float) -> OutcomePrecision:
    pairs, correlation = described.numbers["pairs"], described.numbers["correlation"]
    usable = correlation if pairs >= LEAST_PAIRS else None
    width = expected_width(pairs, usable or 0.0, factor) if usable is not None else None
    return OutcomePrecision(described.biomarker.name, pairs, usable, width)
