"""Simple randomization: by the ratio, reproducible, extendable."""

from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation.arms import ArmRatio, arm_at
from trials.allocation.schemes import contents, scheme_from_json
from trials.allocation.simple import Scheme, simple_list

SEED = bytes(range(32))
arms = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(
    lambda weights: tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights))
)


@given(st.binary(min_size=32, max_size=32), arms, st.integers(0, 60), st.integers(0, 60))
def test_a_longer_list_begins_with_the_shorter_one_and_holds_arms_of_the_scheme_only(seed, arms, shorter, longer):
    shorter, longer = sorted((shorter, longer))
    scheme = Scheme(arms)
    drawn = list(islice(simple_list(seed, scheme, "all"), longer))
    assert list(islice(simple_list(seed, scheme, "all"), shorter)) == drawn[:shorter]
    assert set(drawn) <= {code for code, _ in arms}


def test_the_ratio_is_kept_in_the_long_run():
    scheme = Scheme((ArmRatio("a", 3), ArmRatio("b", 2), ArmRatio("c", 1)))
    counts = Counter(islice(simple_list(SEED, scheme, "all"), 6000))
    # Standard deviations of the counts are 39, 37 and 29.
    assert counts["a"] == pytest.approx(3000, abs=120)
    assert counts["b"] == pytest.approx(2000, abs=110)
    assert counts["c"] == pytest.approx(1000, abs=90)


def test_arms_lie_side_by_side_in_the_ratio():
    ratio = (ArmRatio("a", 2), ArmRatio("b", 1))
    assert [arm_at(ratio, place) for place in range(3)] == ["a", "a", "b"]
    with pytest.raises(ValueError, match="beyond"):
        arm_at(ratio, 3)


def test_the_list_of_a_known_seed_never_changes():
    """A change here would break the replay of every registered trial."""
    scheme = Scheme((ArmRatio("cbt", 1), ArmRatio("waitlist", 1)))
    assert "".join(arm[0] for arm in islice(simple_list(SEED, scheme, "all"), 24)) == "wwcwwccwccccccwwwccwcwwc"


@given(arms)
def test_a_scheme_survives_its_json(arms):
    scheme = Scheme(arms)
    assert scheme_from_json(scheme.canonical_json()) == scheme
    assert list(islice(contents(SEED, scheme, "all"), 5)) == list(islice(simple_list(SEED, scheme, "all"), 5))


def test_a_method_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="no method “dice”"):
        scheme_from_json('{"method":"dice"}')
