"""Minimization: the arm that balances is the likeliest, never certain, and the ratio is kept."""

from collections import Counter
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation import simple
from trials.allocation.arms import ArmRatio
from trials.allocation.generator import HmacDrbg
from trials.allocation.minimization import (
    DRAW_LENGTH,
    Scheme,
    count,
    draws,
    minimized_arm,
    preferred_arms,
    probabilities,
)

SEED = bytes(range(32))
FACTORS = {"site": 3, "sex": 2, "age": 2}
EQUAL = Scheme((ArmRatio("cbt", 1), ArmRatio("waitlist", 1)), tuple(FACTORS), 80)
TWO_TO_ONE = Scheme((ArmRatio("cbt", 2), ArmRatio("waitlist", 1)), tuple(FACTORS), 80)

seeds = st.binary(min_size=32, max_size=32)


@st.composite
def schemes(draw):
    weights = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    arms = tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights))
    share = 100 * min(weights) / sum(weights)
    return Scheme(arms, tuple(FACTORS), draw(st.integers(int(share) + 1, 99)))


def people(number, seed=SEED):
    drawn = HmacDrbg(seed, personalization=b"people")
    return [{factor: str(drawn.below(levels)) for factor, levels in FACTORS.items()} for _ in range(number)]


def minimized(scheme, who, seed=SEED):
    counts, arms = Counter(), []
    for draw, levels in zip(draws(seed, scheme, "all"), who, strict=False):
        arms.append(minimized_arm(scheme, draw, counts, levels))
        counts.update(count([(arms[-1], levels, 1)]))
    return arms


def imbalance(arms, who):
    """The sum, over all levels of all factors, of the difference between the arms."""
    counts = count((arm, levels, 1) for arm, levels in zip(arms, who, strict=True))
    keys = {(factor, level) for factor, level, _ in counts}
    return sum(abs(counts[*key, "cbt"] - counts[*key, "waitlist"]) for key in keys)


def test_the_example_of_pocock_and_simon_prefers_the_arm_with_fewer():
    # One factor leans to cbt by two, another to waitlist by one: waitlist leaves 1 + 2, cbt would leave 3 + 0.
    scheme = Scheme(EQUAL.arms, ("site", "sex"), 80)
    counts = count([("cbt", {"site": "a", "sex": "F"}, 3), ("waitlist", {"site": "a", "sex": "F"}, 1)])
    assert [arm.code for arm in preferred_arms(scheme, counts, {"site": "a", "sex": "F"})] == ["waitlist"]
    other = count([("cbt", {"site": "a"}, 2), ("waitlist", {"sex": "F"}, 2)])
    assert len(preferred_arms(scheme, other, {"site": "a", "sex": "F"})) == 2


def test_levels_of_others_do_not_count():
    counts = count([("cbt", {"site": "0", "sex": "0", "age": "0"}, 9)])
    assert len(preferred_arms(EQUAL, counts, {"site": "1", "sex": "1", "age": "1"})) == 2


def test_counts_are_weighed_by_the_ratio():
    levels = dict.fromkeys(FACTORS, "0")
    even = count([("cbt", levels, 4), ("waitlist", levels, 2)])
    assert [arm.code for arm in preferred_arms(TWO_TO_ONE, even, levels)] == ["cbt"]
    ahead = count([("cbt", levels, 6), ("waitlist", levels, 2)])
    assert [arm.code for arm in preferred_arms(TWO_TO_ONE, ahead, levels)] == ["waitlist"]


def test_the_preferred_arm_has_its_probability_and_none_is_certain():
    levels = dict.fromkeys(FACTORS, "0")
    lagging = count([("cbt", levels, 5)])
    assert probabilities(EQUAL, lagging, levels) == {"cbt": Fraction(1, 5), "waitlist": Fraction(4, 5)}
    assert probabilities(EQUAL, Counter(), levels) == {"cbt": Fraction(1, 2), "waitlist": Fraction(1, 2)}


@given(schemes())
def test_probabilities_keep_the_ratio_and_sum_to_one(scheme):
    """Han et al. 2009: with each arm preferred as often as its part in the ratio, each is given as often as that."""
    total = sum(weight for _, weight in scheme.arms)
    given_share = dict.fromkeys((arm.code for arm in scheme.arms), Fraction(0))
    levels = dict.fromkeys(FACTORS, "0")
    for preferred in scheme.arms:
        others = count([(arm.code, levels, 1000 * arm.weight) for arm in scheme.arms if arm != preferred])
        chances = probabilities(scheme, others, levels)
        assert sum(chances.values()) == 1
        assert min(chances.values()) > 0
        assert max(chances.values()) < 1
        for code, chance in chances.items():
            given_share[code] += chance * Fraction(preferred.weight, total)
    assert given_share == {arm.code: Fraction(arm.weight, total) for arm in scheme.arms}
    smallest = min(scheme.arms, key=lambda arm: arm.weight)
    lagging = count([(arm.code, levels, 1000) for arm in scheme.arms if arm != smallest])
    assert probabilities(scheme, lagging, levels)[smallest.code] == Fraction(scheme.percent, 100)


@given(schemes(), seeds)
def test_only_arms_of_the_scheme_and_always_the_same(scheme, seed):
    who = people(30, seed)
    assert set(minimized(scheme, who, seed)) <= {arm.code for arm in scheme.arms}
    assert minimized(scheme, who, seed) == minimized(scheme, who, seed)


def test_margins_are_better_balanced_than_by_simple_randomization():
    coin = simple.Scheme(EQUAL.arms)
    for_minimization = for_simple = 0
    for number in range(40):
        seed = number.to_bytes(32, "big")
        who = people(60, seed)
        for_minimization += imbalance(minimized(EQUAL, who, seed), who)
        for_simple += imbalance(list(islice(simple.simple_list(seed, coin, "all"), 60)), who)
    assert for_minimization < for_simple / 2


@pytest.mark.parametrize("weights", [(1, 1), (2, 1), (3, 2, 1)])
def test_the_ratio_is_kept_in_the_long_run(weights):
    arms = tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights))
    counts = Counter(minimized(Scheme(arms, tuple(FACTORS), 80), people(1200)))
    for arm in arms:
        assert counts[arm.code] == pytest.approx(1200 * arm.weight / sum(weights), abs=30)


def test_the_arms_of_a_known_seed_never_change():
    """A change here would break the replay of every registered trial."""
    assert "".join(arm[0] for arm in minimized(EQUAL, people(24))) == "wcccwwwwcwccwcwccwccwwcw"


def test_draws_have_one_length_and_differ():
    drawn = list(islice(draws(SEED, EQUAL, "all"), 100))
    assert {len(draw) for draw in drawn} == {DRAW_LENGTH}
    assert len(set(drawn)) == 100
    with pytest.raises(ValueError, match="48 hexadecimal"):
        minimized_arm(EQUAL, drawn[0][:-1], Counter(), dict.fromkeys(FACTORS, "0"))


@given(schemes())
def test_a_scheme_survives_its_json(scheme):
    assert Scheme.from_json(scheme.canonical_json()) == scheme


def test_the_canonical_json_is_one_spelling():
    assert EQUAL.canonical_json() == (
        '{"arms":[["cbt",1],["waitlist",1]],"factors":["site","sex","age"],"generator":"HMAC_DRBG-SHA-256",'
        '"imbalance":"range","method":"minimization","percent":80,"version":1}'
    )
    with pytest.raises(ValueError, match="range"):
        Scheme.from_json(EQUAL.canonical_json().replace('"range"', '"variance"'))


@pytest.mark.parametrize(
    ("weights", "factors", "percent", "sentence"),
    [
        ((1, 1), (), 80, "factors"),
        ((1, 1), ("sex", "sex"), 80, "each named once"),
        ((1, 1), ("sex",), 100, "between 50 and 100"),
        ((1, 1), ("sex",), 50, "between 50 and 100"),
        ((2, 1), ("sex",), 33, "between 33.3 and 100"),
        ((1,), ("sex",), 80, "two or more arms"),
    ],
)
def test_a_scheme_that_cannot_work_is_refused(weights, factors, percent, sentence):
    with pytest.raises(ValueError, match=sentence):
        Scheme(tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights)), factors, percent)
