"""Control values over time as standard deviations from their target: Levey & Jennings (1950), AJCP 20:1059-1066.

A value that is in control is a dot, a warning an open triangle, a rejected one a square with the letter of its rule.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from analytics.figures import palette, svg
from analytics.figures.scale import Scale

HEIGHT: Final = 276.0
LEFT: Final = 56.0
RIGHT: Final = 16.0
TOP: Final = 26.0
BOTTOM: Final = 246.0
FURTHEST: Final = 4.0
"""SD from the target at which the axis ends; what lies beyond is drawn at its end with an arrow."""
LABEL_ROOM: Final = 92.0
SIZE: Final = 13.0
LETTERS: Final = {"1_2s": "w", "1_3s": "A", "2_2s": "B", "R_4s": "C", "4_1s": "D", "10_x": "E"}
"""What stands beside a value for each rule, the warning last."""


@dataclass(frozen=True)
class LeveyJenningsWords:
    """The words on the chart, for translation; `days` are how the day of each value is written."""

    axis: str = "SD from target"
    days: tuple[str, ...] = ()


@dataclass(frozen=True)
class ControlPoint:
    """One value: when, its distance from the target in SD, the rules that it fulfils, and what it is called."""

    day: date
    z: float
    rules: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class LeveyJennings:
    """The values of one control material in the order of time, evenly spaced."""

    title: str
    description: str
    points: tuple[ControlPoint, ...]
    words: LeveyJenningsWords = field(default_factory=LeveyJenningsWords)

    def __post_init__(self) -> None:
        """Raises ValueError without a value."""
        if not self.points:
            raise ValueError("A chart of controls needs a value.")


def levey_jennings_chart(controls: LeveyJennings, width: float = 900.0) -> str:
    """The chart, `width` by 276 units; 900 suits a page, 340 a phone."""
    up = Scale(-FURTHEST, FURTHEST, BOTTOM, TOP)
    across = Scale(0, max(1, len(controls.points) - 1), LEFT + 14, width - RIGHT - 14)
    places = [(across(place), up.inside(point.z)) for place, point in enumerate(controls.points)]
    parts = [
        *_limits(up, width - RIGHT),
        svg.text(LEFT - 44, TOP - 12, controls.words.axis, size=13, kind="muted"),
        *_days(controls, across),
        svg.polyline(places, "plan", width=1.25),
        *_marks(controls.points, places),
    ]
    return svg.figure(width, HEIGHT, controls.title, controls.description, parts, kind="levey-jennings")


def letters(rules: Sequence[str]) -> str:
    """The letters of the rules that reject; that of the warning where there is nothing else."""
    rejecting = "".join(letter for rule, letter in LETTERS.items() if rule in rules and rule != "1_2s")
    return rejecting or (LETTERS["1_2s"] if rules else "")


def _limits(up: Scale, right: float) -> Iterator[str]:
    """The target, and lines at 1, 2 and 3 SD: the further out, the more broken."""
    dashes = {0: "", 1: "1 4", 2: "5 4", 3: "9 4"}
    for level in range(-3, 4):
        y = up(level)
        kind = "axis" if level == 0 else "reference" if abs(level) == 3 else "plan" if abs(level) == 2 else "grid"
        yield svg.line(LEFT, y, right, y, kind, dash=dashes[abs(level)])
        said = svg.number(level, 0) if level <= 0 else f"+{level}"
        yield svg.text(LEFT - 10, y + 4, said, anchor="end", size=13, kind="muted")


def _days(controls: LeveyJennings, across: Scale) -> Iterator[str]:
    """Some of the days under the axis, the first and the last among them."""
    shown = controls.words.days or tuple(point.day.isoformat() for point in controls.points)
    last = len(controls.points) - 1
    most = max(1, int((across.end - across.start) / LABEL_ROOM))
    stride = max(1, -(-last // most))
    for place in sorted({*range(0, last - stride + 1, stride), last}):
        x = across(place)
        anchor = "start" if place == 0 else "end" if place == last else "middle"
        yield svg.line(x, BOTTOM, x, BOTTOM + 4, "axis")
        yield svg.text(x, BOTTOM + 20, shown[place], anchor=anchor, size=12, kind="muted")


def _marks(points: Sequence[ControlPoint], places: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Every value with its letters, which stand above and below in turn where they would meet."""
    last, is_below = -math.inf, False
    for point, (x, y) in zip(points, places, strict=True):
        yield from _mark(point, x, y)
        said = letters(point.rules)
        if said:
            is_below = y < TOP + 30 or (not is_below and x - last < svg.text_width(said, SIZE) + 6)
            yield svg.text(x, y + 22 if is_below else y - 11, said, anchor="middle", size=SIZE, weight=700, halo=True)
            last = x


def _mark(point: ControlPoint, x: float, y: float) -> Iterator[str]:
    said = letters(point.rules)
    tip = svg.element("title", svg.escape(f"{point.name} {svg.number(point.z)} SD {' '.join(point.rules)}".strip()))
    if not said:
        yield svg.element("circle", tip, cx=x, cy=y, r=4, class_="mark", fill=palette.MARK)
    elif said == LETTERS["1_2s"]:
        shape = svg.path("M", x, y - 6, "L", x + 6, y + 5, "L", x - 6, y + 5, "Z")
        ring = {"class_": "ring", "fill": palette.SURFACE, "stroke": palette.MARK}
        yield svg.element("path", tip, d=shape, stroke_width=2, **ring)
    else:
        yield svg.element(
            "rect", tip, x=x - 5.5, y=y - 5.5, width=11, height=11, class_="reject", fill=palette.STROKE["reference"]
        )
    if abs(point.z) > FURTHEST:
        end = y + (10 if point.z > 0 else -10)
        tail = svg.path("M", x - 4, end, "L", x, y, "L", x + 4, end)
        yield svg.element("path", d=tail, fill="none", class_="reference", stroke=palette.STROKE["reference"])
