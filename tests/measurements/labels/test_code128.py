"""Code 128 against published symbols, and against a decoder that knows nothing of the encoder."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.labels import Code128Error, code_128, code_128_svg

PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)


def modules_of(svg: str) -> str:
    """Read the bars of an SVG of module width 1 as a string of 1 (bar) and 0 (space), quiet zones included."""
    wide = int(re.search(r'viewBox="0 0 (\d+) ', svg)[1])
    row = ["0"] * wide
    for start, width in re.findall(r"M(\d+) 0h(\d+)v", svg):
        row[int(start) : int(start) + int(width)] = "1" * int(width)
    return "".join(row)


# The bars of each value as in the table of the standard, written as modules and not as widths: 0 is 11011001100.
def pattern(widths: str) -> str:
    return "".join(("1" if place % 2 == 0 else "0") * int(width) for place, width in enumerate(widths))


def decode(modules: str) -> str:
    """Decode a symbol: quiet zones, start, check character, stop; set B and set C. It knows no encoder."""
    assert modules[:10] == modules[-10:] == "0" * 10, "quiet zones"
    bars = modules[10:-10]
    assert bars.endswith("1100011101011"), "stop"
    values = [PATTERNS[bars[at : at + 11]] for at in range(0, len(bars) - 13, 11)]
    *data, check = values
    assert check == (data[0] + sum(place * value for place, value in enumerate(data[1:], 1))) % 103, "check"
    is_c, text = data[0] == 105, ""
    assert data[0] in {104, 105}
    for value in data[1:]:
        if is_c and value == 100:
            is_c = False
        elif not is_c and value == 99:
            is_c = True
        elif is_c:
            text += f"{value:02d}"
        else:
            text += chr(value + 32)
    return text


from measurements.labels.code128 import WIDTHS  # noqa: E402 - the standard's table, checked by the next two tests

PATTERNS = {pattern(widths): value for value, widths in enumerate(WIDTHS[:106])}


def test_the_table_is_the_standards() -> None:
    """Every symbol character is 11 modules with an even number of dark ones, and all differ; some known by heart."""
    assert len(PATTERNS) == 106
    assert all(len(dark) == 11 and dark.count("1") % 2 == 0 for dark in PATTERNS)
    known = {
        0: "11011001100",
        33: "10100011000",
        42: "10110111000",
        99: "10111011110",
        104: "11010010000",
        105: "11010011100",
    }
    assert all(PATTERNS[dark] == value for value, dark in known.items())
    assert pattern(WIDTHS[106]) == "1100011101011"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # Wikipedia, "Code 128": PJJ123C has check character 54 when in set A (start 103); in set B it is 55.
        ("PJJ123C", [104, 48, 42, 42, 17, 18, 19, 35, 55, 106]),
        # By hand: 105 + 12*1 + 34*2 = 185, modulo 103 is 82.
        ("1234", [105, 12, 34, 82, 106]),
        # By hand: 104 + 33 = 137, modulo 103 is 34.
        ("A", [104, 33, 34, 106]),
        # By hand: B, "A", to C, 12, 34: 104 + 33 + 99*2 + 12*3 + 34*4 = 507, modulo 103 is 95.
        ("A1234", [104, 33, 99, 12, 34, 95, 106]),
        # An odd run: the first digit stays in set B. 104 + 33 + 17*2 + 99*3 + 23*4 + 45*5 = 785, modulo 103 is 64.
        ("A12345", [104, 33, 17, 99, 23, 45, 64, 106]),
    ],
)
def test_hand_computed_symbols(text: str, values: list[int]) -> None:
    assert code_128(text) == values


@given(PRINTABLE)
def test_whatever_is_drawn_reads_as_it_was_written(text: str) -> None:
    assert decode(modules_of(code_128_svg(text))) == text


@given(st.from_regex(r"[A-Z]{0,3}[0-9]{1,20}[A-Z]{0,3}[0-9]{0,9}", fullmatch=True))
def test_runs_of_digits_read_right_and_are_never_longer_than_in_set_b(text: str) -> None:
    assert decode(modules_of(code_128_svg(text))) == text
    assert len(code_128(text)) <= len(text) + 3


@pytest.mark.parametrize("text", ["", "a" * 65, "é", "a\n", "\x7f"])
def test_what_cannot_be_drawn_is_refused(text: str) -> None:
    with pytest.raises(Code128Error):
        code_128(text)


def test_the_name_for_who_cannot_see_is_escaped() -> None:
    assert 'aria-label="a&quot;&lt;b"' in code_128_svg('a"<b')
