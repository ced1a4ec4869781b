"""The chance that the next arm is certain, against enumeration and simulation."""

from fractions import Fraction
from itertools import islice, permutations, product

import pytest

from trials.allocation.blocks import ArmRatio, Scheme, permuted_blocks
from trials.allocation.predictability import certainty_by_sequence, predictability


def scheme(ratio, sizes):
    return Scheme(tuple(ArmRatio(arm, weight) for arm, weight in ratio.items()), tuple(sizes))


def possible_lists(scheme, allocations):
    """Every list of that length with its probability, block by block."""
    lists = {"": Fraction(1)}
    while any(len(done) < allocations for done in lists):
        longer: dict[str, Fraction] = {}
        for done, probability in lists.items():
            if len(done) >= allocations:
                longer[done] = longer.get(done, 0) + probability
                continue
            for size in scheme.block_sizes:
                orders = sorted(set(permutations(scheme.block_of(size))))
                for order in orders:
                    key = (done + "".join(order))[:allocations]
                    longer[key] = longer.get(key, 0) + probability / len(scheme.block_sizes) / len(orders)
        lists = longer
    return lists


@pytest.mark.parametrize(
    ("ratio", "sizes", "allocations"),
    [({"a": 1, "b": 1}, [2, 4], 10), ({"a": 1, "b": 1}, [4, 6], 9), ({"a": 2, "b": 1}, [3, 6], 8)],
)
def test_it_equals_the_enumeration_of_all_lists(ratio, sizes, allocations):
    design = scheme(ratio, sizes)
    lists = possible_lists(design, allocations)
    expected = []
    for place in range(allocations):
        following: dict[str, dict[str, Fraction]] = {}
        for done, probability in lists.items():
            arms = following.setdefault(done[:place], {})
            arms[done[place]] = arms.get(done[place], Fraction()) + probability
        expected.append(sum(sum(arms.values()) for arms in following.values() if len(arms) == 1))
    assert certainty_by_sequence(design, allocations) == expected


def test_fixed_blocks_of_four_give_the_next_arm_away_in_a_third():
    assert predictability(scheme({"a": 1, "b": 1}, [4])) == pytest.approx(1 / 3, rel=1e-15)
    assert certainty_by_sequence(scheme({"a": 1, "b": 1}, [4]), 4) == [0, 0, Fraction(1, 3), 1]


def test_blocks_of_four_six_and_eight_keep_the_limit_of_three_per_cent():
    assert predictability(scheme({"a": 1, "b": 1}, [4, 6, 8])) == pytest.approx(0.02316274971902588, rel=1e-12)


def test_it_agrees_with_an_observer_of_simulated_lists():
    # An observer who tries every way to cut the past into blocks, over 1,000 lists of 40.
    # Standard error 0.0013: a list gives from 0 to 8 certain arms, several at a time.
    design = scheme({"a": 1, "b": 1}, [4, 6, 8])
    certain = 0
    for number in range(1000):
        arms = [slot.arm for slot in islice(permuted_blocks(number.to_bytes(32, "big"), design, ""), 40)]
        certain += sum(len(possible_next_arms(arms[:place])) == 1 for place in range(40))
    assert certain / 40_000 == pytest.approx(predictability(design, 40), abs=0.006)


def possible_next_arms(past):
    starts = {0}
    for begin, size in product(range(len(past)), (4, 6, 8)):
        block = past[begin : begin + size]
        if begin in starts and len(block) == size and block.count("a") == size // 2:
            starts.add(begin + size)
    arms = set()
    for begin, size in product(starts, (4, 6, 8)):
        open_block = past[begin:]
        left = {arm: size // 2 - open_block.count(arm) for arm in "ab"}
        if len(open_block) < size and min(left.values()) >= 0:
            arms |= {arm for arm, places in left.items() if places}
    return arms
