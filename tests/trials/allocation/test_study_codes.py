"""Study codes and their check characters."""

from itertools import pairwise
from string import ascii_uppercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation.study_codes import (
    ALPHABET,
    check_character,
    format_code,
    is_study_code,
    meant_code,
)

PREFIXES = st.from_regex(r"[A-Z][A-Z0-9]{0,11}", fullmatch=True)
NUMBERS = st.integers(min_value=1, max_value=99_999)


@pytest.mark.parametrize(
    ("prefix", "number", "code"),
    [("PNI", 81, "PNI-081-N"), ("T", 1, "T-001-F"), ("T", 2, "T-002-D")],
)
def test_a_code_is_prefix_running_number_and_check_character(prefix, number, code):
    assert format_code(prefix, number) == code


@pytest.mark.parametrize("prefix", ["", "pni", "1A", "P-", "ÄB", "P" * 13, "PNI\n"])
def test_a_prefix_that_would_confuse_is_refused(prefix):
    with pytest.raises(ValueError, match="prefix"):
        format_code(prefix, 1)


@pytest.mark.parametrize("number", [0, -1])
def test_numbers_begin_at_one(number):
    with pytest.raises(ValueError, match="from 1"):
        format_code("PNI", number)


def test_the_check_character_is_that_of_the_standard():
    """A published example: GRid A1-2425G-ABC1234002-M, which uses the same system."""
    assert check_character("A12425GABC1234002") == "M"


@given(PREFIXES, NUMBERS)
def test_a_code_agrees_with_its_check_character(prefix, number):
    assert is_study_code(format_code(prefix, number), prefix)


@given(PREFIXES, NUMBERS, st.data())
def test_every_wrong_character_is_found(prefix, number, data):
    code = format_code(prefix, number)
    place = data.draw(st.integers(0, len(code) - 1))
    wrong = data.draw(st.sampled_from(sorted(set(ALPHABET + "-") - {code[place]})))
    assert not is_study_code(code[:place] + wrong + code[place + 1 :], prefix)


def swaps(code: str) -> list[str]:
    """Return the code with every two unlike neighbours exchanged."""
    return [
        code[:place] + code[place + 1] + code[place] + code[place + 2 :]
        for place in range(len(code) - 1)
        if code[place] != code[place + 1]
    ]


def test_all_swaps_of_neighbours_are_found_but_the_few_of_the_standard():
    """MOD 37,36 lets 36 of its 22,680 swaps through: neighbours in the alphabet, at one of 36 running products."""

    def after(product: int, value: int) -> int:
        return ((product + value) % 36 or 36) * 2 % 37

    missed = [
        (product, high, low)
        for product in range(1, 37)
        for high in range(36)
        for low in range(high)
        if after(after(product, high), low) == after(after(product, low), high)
    ]
    assert len(missed) == 36
    assert {high - low for _, high, low in missed} <= {1, 35}


@pytest.mark.parametrize("prefix", [*ascii_uppercase, "PNI", "CALM", "A1"])
def test_swaps_in_the_codes_of_a_trial_are_found(prefix):
    """The few that are let through exchange two consecutive digits, in at most three codes of a hundred.

    Which pair passes depends on the running product, hence on the prefix: at its end one pair of digits may pass
    (56 and 65 after "P"), and that pair begins 20 codes of 999.
    """
    codes = [format_code(prefix, number) for number in range(1, 1000)]
    passed = [code for code in codes for swap in swaps(code) if is_study_code(swap, prefix)]
    assert len(passed) <= 30
    for code in passed:
        digits = [int(digit) for digit in code.removeprefix(f"{prefix}-")[:3]]
        assert 1 in {abs(one - other) for one, other in pairwise(digits)}


def test_a_slip_is_understood_where_only_one_code_can_be_meant():
    known = [format_code("T", number) for number in range(1, 20)]
    assert meant_code("T-001-X", known) == "T-001-F"
    assert meant_code("T-001", known) == "T-001-F"
    assert meant_code("t001f", known) == "T-001-F"
    assert meant_code("T-010-F", ["T-001-F"]) == "T-001-F"
    assert meant_code("T-0X1-F", ["T-001-F", "T-011-F"]) is None
    assert meant_code("Q-999-A", known) is None
