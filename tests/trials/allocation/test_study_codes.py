"""Study codes."""

import pytest

from trials.allocation.study_codes import format_code


@pytest.mark.parametrize(
    ("prefix", "number", "code"),
    [("PNI", 81, "PNI-081"), ("PNI", 1, "PNI-001"), ("PNI", 1234, "PNI-1234"), ("P", 7, "P-007")],
)
def test_a_code_is_prefix_and_running_number(prefix, number, code):
    assert format_code(prefix, number) == code


@pytest.mark.parametrize("prefix", ["", "pni", "1A", "P-", "ÄB", "P" * 13, "PNI\n"])
def test_a_prefix_that_would_confuse_is_refused(prefix):
    with pytest.raises(ValueError, match="prefix"):
        format_code(prefix, 1)


@pytest.mark.parametrize("number", [0, -1])
def test_numbers_begin_at_one(number):
    with pytest.raises(ValueError, match="from 1"):
        format_code("PNI", number)
