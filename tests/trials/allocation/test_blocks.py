"""Lists of permuted blocks: balanced, reproducible, extendable, apart by stratum."""

from collections import Counter, defaultdict
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation.blocks import ArmRatio, Scheme, default_block_sizes, permuted_blocks

SEED = bytes(range(32))
ONE_TO_ONE = Scheme((ArmRatio("cbt_i", 1), ArmRatio("waitlist", 1)), (4, 6, 8))

seeds = st.binary(min_size=32, max_size=32)


@st.composite
def schemes(draw):
    weights = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    multiples = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))
    arms = tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights))
    return Scheme(arms, tuple(multiple * sum(weights) for multiple in multiples))


def first(n, seed=SEED, scheme=ONE_TO_ONE, stratum="leeds/F"):
    return list(islice(permuted_blocks(seed, scheme, stratum), n))


@given(seeds, schemes(), st.text(max_size=20))
def test_every_complete_block_keeps_the_ratio(seed, scheme, stratum):
    blocks = defaultdict(list)
    for slot in first(60, seed, scheme, stratum):
        blocks[slot.block].append(slot)
    complete = [block for block in blocks.values() if len(block) == block[0].size]
    assert complete
    for block in complete:
        counts = Counter(slot.arm for slot in block)
        assert {arm: counts[arm] * scheme.ratio_sum for arm in scheme.ratio} == {
            arm: weight * len(block) for arm, weight in scheme.ratio.items()
        }


@given(seeds, schemes(), st.integers(0, 80), st.integers(0, 80))
def test_a_longer_list_begins_with_the_shorter_one(seed, scheme, shorter, longer):
    shorter, longer = sorted((shorter, longer))
    assert first(longer, seed, scheme)[:shorter] == first(shorter, seed, scheme)


@given(seeds, schemes())
def test_sequence_and_blocks_count_from_one_without_gaps(seed, scheme):
    slots = first(50, seed, scheme)
    assert [slot.sequence for slot in slots] == list(range(1, 51))
    assert sorted({slot.block for slot in slots}) == list(range(1, slots[-1].block + 1))
    assert {slot.size for slot in slots} <= set(scheme.block_sizes)


@given(seeds, st.lists(st.text(max_size=8), min_size=2, max_size=2, unique=True))
def test_strata_have_different_lists(seed, strata):
    one, other = (first(200, seed, stratum=stratum) for stratum in strata)
    assert one != other


def test_another_seed_or_scheme_gives_another_list():
    other_order = Scheme(ONE_TO_ONE.arms, (8, 6, 4))
    lists = [first(200), first(200, seed=bytes(32)), first(200, scheme=other_order)]
    assert all(one != other for number, one in enumerate(lists) for other in lists[:number])


def test_the_list_of_a_known_seed_never_changes():
    # From a second program, written apart from this one. A change here would break the rebuilding of every registered
    # trial's list.
    slots = first(24)
    assert "".join(slot.arm[0] for slot in slots) == "wcwcwcwcwcccwwwwcccwcwcw"
    assert {slot.block: slot.size for slot in slots} == {1: 8, 2: 6, 3: 4, 4: 8}


def test_all_sizes_and_all_orders_of_a_block_occur():
    slots = first(4000)
    sizes = Counter(slot.size for slot in slots)
    assert set(sizes) == {4, 6, 8}
    orders = defaultdict(str)
    for slot in slots:
        if slot.size == 4:
            orders[slot.block] += slot.arm[0]
    assert {"ccww", "cwcw", "cwwc", "wccw", "wcwc", "wwcc"} == {order for order in orders.values() if len(order) == 4}


def test_default_sizes_are_two_three_and_four_times_the_ratio():
    assert default_block_sizes(ONE_TO_ONE.arms) == (4, 6, 8)
    assert default_block_sizes((ArmRatio("a", 2), ArmRatio("b", 1))) == (6, 9, 12)


@given(schemes())
def test_a_scheme_survives_its_json(scheme):
    assert Scheme.from_json(scheme.canonical_json()) == scheme


def test_the_canonical_json_is_one_spelling():
    assert ONE_TO_ONE.canonical_json() == (
        '{"arms":[["cbt_i",1],["waitlist",1]],"block_sizes":[4,6,8],"generator":"HMAC_DRBG-SHA-256",'
        '"method":"permuted_blocks","version":1}'
    )


@pytest.mark.parametrize("key", ["generator", "method", "version"])
def test_a_scheme_of_another_kind_is_refused(key):
    text = ONE_TO_ONE.canonical_json().replace(f'"{key}":', f'"{key}":"other","was":')
    with pytest.raises(ValueError, match="permuted_blocks scheme of version 1"):
        Scheme.from_json(text)


@pytest.mark.parametrize(
    ("arms", "sizes", "sentence"),
    [
        ([("a", 1)], [4], "two or more arms"),
        ([("a", 1), ("a", 1)], [4], "different codes"),
        ([("a", 1), ("", 1)], [4], "different codes"),
        ([("a", 1), ("b", 0)], [4], "at least 1"),
        ([("a", 1), ("b", 1)], [], "block sizes"),
        ([("a", 1), ("b", 1)], [4, 4], "each named once"),
        ([("a", 1), ("b", 1)], [5], "multiples of 2"),
        ([("a", 2), ("b", 1)], [4], "multiples of 3"),
        ([("a", 1), ("b", 1)], [0], "multiples of 2"),
    ],
)
def test_a_scheme_that_cannot_work_is_refused(arms, sizes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Scheme(tuple(ArmRatio(*arm) for arm in arms), tuple(sizes))


def test_a_short_seed_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        permuted_blocks(b"short", ONE_TO_ONE, "leeds/F")
