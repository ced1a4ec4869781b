"""Minimization with a random element: the arm that leaves the factors best balanced is the likeliest, never certain.

Pocock & Simon 1975, Biometrics 31:103-115, with the range as measure of imbalance and equal weights of the factors.
Ratios other than 1:1 by the biased coin of Han, Enas & McEntegart 2009, Statist Med 28:3329-3346: counts are divided by
the arm's part in the ratio, and the preferred arm's probability is such that in the long run every arm keeps its part.

What chance contributes to a place is drawn beforehand from the sealed seed, like the arms of a list: the arm follows
from the draw, the levels of who is allocated, and the allocations before.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from trials.allocation.arms import (
    ArmRatio,
    arm_at,
    canonical_json,
    check_arms,
    personalization,
    specification_of,
    sum_of,
)
from trials.allocation.generator import HmacDrbg

METHOD = "minimization"
VERSION = 1
IMBALANCE = "range"

NUMBER_BYTES = 8
NUMBERS = 3
DRAW_LENGTH = 2 * NUMBER_BYTES * NUMBERS
"""A draw is three integers of 64 bits in hexadecimal: for a tie, for the coin, and for where the coin turns."""

Levels = Mapping[str, str]
Counts = Mapping[tuple[str, str, str], int]
"""How many were allocated, by (factor, level, arm)."""


@dataclass(frozen=True)
class Scheme:
    """The arms with their ratio, the codes of the factors, and the preferred arm's probability in percent.

    `percent` is that of the arm with the smallest part in the ratio; the others' is larger (see `randomness`).
    `ValueError` for arms that `check_arms` refuses, no factor or one named twice, 100 percent or more (nothing would be
    random), or no more than the smallest arm's own part (nothing would be balanced).
    """

    arms: tuple[ArmRatio, ...]
    factors: tuple[str, ...]
    percent: int

    def __post_init__(self) -> None:
        check_arms(self.arms)
        if not self.factors or len(set(self.factors)) < len(self.factors):
            raise ValueError("minimization needs factors, each named once")
        smallest = Fraction(100 * min(weight for _, weight in self.arms), sum_of(self.arms))
        if not smallest < self.percent < 100:
            raise ValueError(f"the preferred arm's probability must lie between {float(smallest):.3g} and 100 percent")

    @property
    def randomness(self) -> Fraction:
        """The probability that the arm is drawn by the ratio from all arms; otherwise it is the preferred one.

        Han et al. give the preferred arm i the probability 1 - (1 - p)(R - r_i)/(R - r_1), with ratio r, its sum R and
        p of the smallest part r_1, and share the rest by the ratio. That is the same as this mixture.
        """
        ratio_sum, smallest = sum_of(self.arms), min(weight for _, weight in self.arms)
        return Fraction(100 - self.percent, 100) * Fraction(ratio_sum, ratio_sum - smallest)

    def canonical_json(self) -> str:
        """Return the one ASCII spelling of this scheme; commitments and draws are computed from it."""
        return canonical_json(
            METHOD, VERSION, self.arms, factors=list(self.factors), imbalance=IMBALANCE, percent=self.percent
        )

    @classmethod
    def from_json(cls, text: str) -> "Scheme":
        """Read what `canonical_json` wrote; `ValueError` for another method, version or measure of imbalance."""
        arms, specification = specification_of(text, METHOD, VERSION)
        if specification["imbalance"] != IMBALANCE:
            raise ValueError(f"this scheme does not measure imbalance by the {IMBALANCE}")
        return cls(arms, tuple(specification["factors"]), specification["percent"])


def draws(seed: bytes, scheme: Scheme, stratum: str) -> Iterator[str]:
    """Yield each place's draw without end; the same seed, scheme and list always give the same.

    `ValueError` for a seed of fewer than 256 bits.
    """
    generator = HmacDrbg(seed, personalization=personalization(scheme.canonical_json(), stratum))
    return (generator.generate(NUMBER_BYTES * NUMBERS).hex() for _ in iter(int, 1))


def count(allocated: Iterable[tuple[str, Levels, int]]) -> Counter[tuple[str, str, str]]:
    """Return the counts of (arm, levels, how many) that were allocated."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for arm, levels, number in allocated:
        for factor, level in levels.items():
            counts[factor, level, arm] += number
    return counts


def preferred_arms(scheme: Scheme, counts: Counts, levels: Levels) -> tuple[ArmRatio, ...]:
    """Return the arm that leaves the least imbalance over the factors at these levels; several at a tie.

    The imbalance of a factor is the range, over the arms, of the counts at the level divided by the arm's part in the
    ratio; that of an arm is their sum once it got one more. `KeyError` for a factor without a level.
    """
    # Counts times `whole` and divided by the weight are integers, so that ties are exact.
    whole = lcm(*(weight for _, weight in scheme.arms))
    imbalances = {arm: _imbalance(scheme, counts, levels, arm, whole) for arm in scheme.arms}
    least = min(imbalances.values())
    return tuple(arm for arm in scheme.arms if imbalances[arm] == least)


def _imbalance(scheme: Scheme, counts: Counts, levels: Levels, given: ArmRatio, whole: int) -> int:
    total = 0
    for factor in scheme.factors:
        at_level = [
            (counts.get((factor, levels[factor], arm.code), 0) + (arm == given)) * whole // arm.weight
            for arm in scheme.arms
        ]
        total += max(at_level) - min(at_level)
    return total


def minimized_arm(scheme: Scheme, draw: str, counts: Counts, levels: Levels) -> str:
    """Return the code of the arm that the place's draw gives at these counts and levels."""
    tie, coin, other = _numbers(draw)
    if coin * scheme.randomness.denominator < scheme.randomness.numerator << 8 * NUMBER_BYTES:
        return _drawn(scheme.arms, other)
    return _drawn(preferred_arms(scheme, counts, levels), tie)


def probabilities(scheme: Scheme, counts: Counts, levels: Levels) -> dict[str, Fraction]:
    """Return every arm's probability for whoever comes next with these levels, as an observer of all could know it."""
    preferred, ratio_sum = preferred_arms(scheme, counts, levels), sum_of(scheme.arms)
    return {
        arm.code: scheme.randomness * Fraction(arm.weight, ratio_sum)
        + (1 - scheme.randomness) * (Fraction(arm.weight, sum_of(preferred)) if arm in preferred else 0)
        for arm in scheme.arms
    }


def _numbers(draw: str) -> tuple[int, int, int]:
    if len(draw) != DRAW_LENGTH:
        raise ValueError(f"a draw has {DRAW_LENGTH} hexadecimal digits")
    width = 2 * NUMBER_BYTES
    tie, coin, other = (int(draw[start : start + width], 16) for start in range(0, DRAW_LENGTH, width))
    return tie, coin, other


def _drawn(arms: tuple[ArmRatio, ...], number: int) -> str:
    """Return one of the arms by their ratio; of 2^64 numbers at most one more falls on an arm than its part."""
    return arm_at(arms, number * sum_of(arms) >> 8 * NUMBER_BYTES)
