"""How well replicates agree: by hand, and against the statistics module."""

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.plates.replicates import differ, duplicate_sd, pooled_cv, spread

POSITIVE = st.floats(0.01, 1e6)


def test_a_pair_by_hand() -> None:
    found = spread([9.0, 11.0])
    assert found is not None
    assert (found.n, found.mean) == (2, 10.0)
    assert found.sd == pytest.approx(math.sqrt(2), rel=1e-15)
    assert found.cv == pytest.approx(10 * math.sqrt(2), rel=1e-15)


def test_duplicates_pool_by_the_published_formula() -> None:
    pairs = [(9.0, 11.0), (20.0, 20.0), (4.0, 5.0)]
    n = len(pairs)
    published = 100 * math.sqrt(sum(((a - b) / ((a + b) / 2)) ** 2 for a, b in pairs) / (2 * n))
    assert pooled_cv(pairs) == pytest.approx(published, rel=1e-14)
    assert duplicate_sd(pairs) == pytest.approx(math.sqrt((4 + 0 + 1) / 6), rel=1e-15)


@given(st.lists(POSITIVE, min_size=2, max_size=6))
def test_one_sample_agrees_with_the_standard_library(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert found.sd == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)
    assert pooled_cv([values]) == pytest.approx(found.cv, rel=1e-12)


@given(st.lists(POSITIVE, min_size=2, max_size=6), st.floats(0.1, 1000))
def test_the_cv_has_no_unit(values: list[float], factor: float) -> None:
    one, other = spread(values), spread([value * factor for value in values])
    assert one is not None
    assert other is not None
    assert other.cv == pytest.approx(one.cv, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_nothing_is_said_of_too_few_or_of_no_number(values: list[float]) -> None:
    assert spread(values) is None
    assert not differ(values, 15)
    assert pooled_cv([values]) is None


def test_no_cv_where_the_mean_is_not_positive() -> None:
    assert spread([-1.0, 1.0]).cv is None
    assert not differ([-3.0, 1.0], 15)
    assert pooled_cv([(-1.0, 1.0), (9.0, 11.0)]) == pytest.approx(10 * math.sqrt(2))


def test_a_cv_at_the_limit_is_within_it() -> None:
    values = [9.0, 11.0]
    limit = spread(values).cv
    assert not differ(values, limit)
    assert differ(values, limit - 1e-9)
