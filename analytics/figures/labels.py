"""Where the name of a point goes beside a curve, so that it lies on no line."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from analytics.figures import svg
from analytics.figures.scale import Scale

SIZE: Final = 13.0
BOLD: Final = 1.1
ABOVE: Final = 10.0
BELOW: Final = 20.0


def label(
    content: str,
    point: tuple[float, float],
    curve: Sequence[tuple[float, float]],
    *,
    above: bool,
    left: bool,
    edge: float,
) -> str:
    """`content` above or below the part of `curve` that it spans, ending or starting at `point`, within 0 to `edge`."""
    width = svg.text_width(content, SIZE) * BOLD
    start = min(max(0.0, point[0] - width if left else point[0]), edge - width)
    heights = [point[1], *(_height(curve, x) for x in (start, start + width) if curve[0][0] <= x <= curve[-1][0])]
    heights += [y for x, y in curve if start <= x <= start + width]
    y = min(heights) - ABOVE if above else max(heights) + BELOW
    anchor, x = ("end", start + width) if left or start < point[0] else ("", start)
    return svg.text(x, y, content, anchor=anchor, size=SIZE, weight=600, halo=True)


def _height(curve: Sequence[tuple[float, float]], x: float) -> float:
    """The curve's height at `x`, which must lie within it."""
    for (x1, y1), (x2, y2) in pairwise(curve):
        if x1 <= x <= x2:
            return Scale(x1, x2, y1, y2)(x) if x2 > x1 else y2
    return curve[-1][1]
