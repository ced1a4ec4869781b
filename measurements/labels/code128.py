"""Code 128 bar codes after ISO/IEC 15417: code sets B and C, check character, quiet zones; drawn as SVG.

A symbol is start, data, check, stop. Each symbol character is six bars and spaces of 11 modules in all, stop seven of
13. The check character is the start's value plus each data value times its position, modulo 103.
"""

import re
from html import escape

# Widths of bars and spaces of the values 0 to 105, then of stop (106): ISO/IEC 15417, table 1.
WIDTHS = (  # noqa: SIM905 - a table, in its rows
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222"
    " 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321"
    " 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121"
    " 313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224"
    " 111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111"
    " 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113"
    " 114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112"
).split()
CODE_C, CODE_B, START_B, START_C, STOP = 99, 100, 104, 105, 106
QUIET = 10
"""Modules of empty space that a reader needs on either side."""
LONGEST = 64
_DIGITS = re.compile(r"[0-9]+")


class Code128Error(ValueError):
    """The text holds what code set B has not, or is empty or too long."""


def code_128(text: str) -> list[int]:
    """Return the values of the symbol for printable ASCII, start, check and stop among them.

    Runs of digits go into code set C where that makes the symbol shorter: four or more at the beginning or the end of
    the text, six or more within it. Raises Code128Error for other characters, no text, and more than 64 characters.
    """
    if not 1 <= len(text) <= LONGEST or not all(" " <= character <= "~" for character in text):
        raise Code128Error(f"a bar code holds 1 to {LONGEST} printable ASCII characters")
    values = _data(text)
    check = (values[0] + sum(place * value for place, value in enumerate(values[1:], 1))) % 103
    return [*values, check, STOP]


def _data(text: str) -> list[int]:
    """Start and data values."""
    values: list[int] = []
    place, is_c = 0, False
    while place < len(text):
        run = _pairs_at(text, place)
        if run != is_c or not values:
            values.append((START_C if run else START_B) if not values else CODE_C if run else CODE_B)
            is_c = bool(run)
        if run:
            values += [int(text[at : at + 2]) for at in range(place, place + run, 2)]
            place += run
        else:
            values.append(ord(text[place]) - 32)
            place += 1
    return values


def _pairs_at(text: str, place: int) -> int:
    """How many digits from here on go into code set C: an even number, 0 where set B is as short."""
    found = _DIGITS.match(text, place)
    if found is None:
        return 0
    count = len(found.group())
    at_an_end = place == 0 or found.end() == len(text)
    if count % 2 and place > 0:
        return 0  # the odd digit goes first, in set B; the rest is even
    needed = 4 if at_an_end else 6
    is_whole = place == 0 and count == len(text)
    return count - count % 2 if count >= needed or (is_whole and count == 2) else 0


def code_128_svg(text: str, *, module: float = 1, height: float = 40, label: str = "") -> str:
    """Return the symbol as an SVG with its quiet zones: `module` and `height` in user units, `label` read out loud.

    One path of filled bars, black on white in any colour scheme: readers need the contrast.
    """
    bars, at = [], QUIET
    for value in code_128(text):
        for index, width in enumerate(WIDTHS[value]):
            if index % 2 == 0:
                drawn = _short(int(width) * module)
                bars.append(f"M{_short(at * module)} 0h{drawn}v{_short(height)}h-{drawn}z")
            at += int(width)
    wide = _short((at + QUIET) * module)
    name = escape(label or text, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="barcode" viewBox="0 0 {wide} {_short(height)}"'
        f' preserveAspectRatio="none" role="img" aria-label="{name}" shape-rendering="crispEdges">'
        f'<rect width="{wide}" height="{_short(height)}" fill="#fff"/><path fill="#000" d="{"".join(bars)}"/></svg>'
    )


def _short(number: float) -> str:
    return f"{number:g}"
