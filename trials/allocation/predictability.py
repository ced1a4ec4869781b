"""How often somebody who sees every arm of a stratum, as staff do in open-label trials, is certain of the next one.

The observer knows the scheme and remembers everything, but is not told where blocks begin. What the observer cannot
rule out is a set of possible remainders of the current block; the next arm is certain when all of them hold one arm
only. The probability is computed exactly, by carrying these sets, with the probability of every true remainder, forward
from the first allocation. (Blocks of 4, 1:1: 1/3. Blocks of 4, 6 or 8: 0.023.)
"""

from collections import defaultdict
from fractions import Fraction

from trials.allocation.blocks import Scheme

Remainder = tuple[int, ...]
"""Places left in the current block, by arm, in the scheme's order."""

Belief = dict[frozenset[Remainder], dict[Remainder, Fraction]]
"""For each set of remainders an observer may hold possible: the probability of each true one."""

DEFAULT_ALLOCATIONS = 120


def predictability(scheme: Scheme, allocations: int = DEFAULT_ALLOCATIONS) -> float:
    """Return the mean probability, over a stratum's first `allocations`, that the next arm is certain beforehand."""
    return float(sum(certainty_by_sequence(scheme, allocations)) / allocations)


def certainty_by_sequence(scheme: Scheme, allocations: int = DEFAULT_ALLOCATIONS) -> list[Fraction]:
    """Return for each of a stratum's first `allocations` the exact probability that its arm is certain beforehand."""
    fresh = fresh_blocks(scheme)
    belief: Belief = {frozenset(fresh): dict.fromkeys(fresh, Fraction(1, len(fresh)))}
    certainties = []
    for _ in range(allocations):
        certainties.append(_probability_of_certainty(belief))
        belief = _after_one_allocation(belief, fresh)
    return certainties


def fresh_blocks(scheme: Scheme) -> list[Remainder]:
    """Return what a block of each size holds before it is used."""
    return [tuple(weight * size // scheme.ratio_sum for _, weight in scheme.arms) for size in scheme.block_sizes]


def _probability_of_certainty(belief: Belief) -> Fraction:
    certain = (true for held, true in belief.items() if len(_next_arms(held)) == 1)
    return sum((sum(true.values(), Fraction()) for true in certain), Fraction())


def _next_arms(held: frozenset[Remainder]) -> set[int]:
    return {arm for remainder in held for arm, places in enumerate(remainder) if places}


def _after_one_allocation(belief: Belief, fresh: list[Remainder]) -> Belief:
    later: Belief = defaultdict(lambda: defaultdict(Fraction))
    for held, true in belief.items():
        for arm in _next_arms(held):
            still_held = frozenset(r for remainder in held if remainder[arm] for r in without(remainder, arm, fresh))
            for remainder, probability in true.items():
                if remainder[arm]:
                    successors = without(remainder, arm, fresh)
                    share = probability * remainder[arm] / sum(remainder) / len(successors)
                    for successor in successors:
                        later[still_held][successor] += share
    return later


def without(remainder: Remainder, arm: int, fresh: list[Remainder]) -> list[Remainder]:
    """Return what the block may hold after one place of `arm` was used: a used-up block is followed by a fresh one."""
    left = tuple(places - (position == arm) for position, places in enumerate(remainder))
    return [left] if any(left) else fresh
