"""What a blinded viewer may see of the effect: how precisely it will be known, never what it is.

Both trackers come from the pooled variance and the baseline correlation, over the number of participants analysed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from analytics.figures import palette, svg
from analytics.figures.scale import Scale, ticks

WIDTH: Final = 520.0
HEIGHT: Final = 270.0
LEFT: Final = 50.0
RIGHT: Final = 500.0
TOP: Final = 16.0
BOTTOM: Final = 222.0
USUAL_POWER: Final = 0.8


@dataclass(frozen=True)
class PrecisionPoint:
    """With `analysed` participants over all arms: the expected width of the 95% interval, and the power (0 to 1)."""

    analysed: int
    width: float
    power: float

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that are not finite or out of range."""
        if not (math.isfinite(self.width) and self.width >= 0 and 0 <= self.power <= 1):
            raise ValueError("The width must be finite and not negative, the power between 0 and 1.")


@dataclass(frozen=True)
class PrecisionWords:
    """The words on the charts, for translation."""

    analysed: str = "Participants analysed"
    now: str = "Now: {value} with {n}"
    planned: str = "Planned: {value} with {n}"


@dataclass(frozen=True)
class Precision:
    """`curve` in ascending order of participants; `now` is None before anybody can be analysed."""

    title: str
    description: str
    curve: tuple[PrecisionPoint, ...]
    planned: PrecisionPoint
    now: PrecisionPoint | None = None
    words: PrecisionWords = field(default_factory=PrecisionWords)


def width_tracker(precision: Precision) -> str:
    """Expected width of the 95% interval against participants analysed, 520 by 270 units."""
    points = [*precision.curve, precision.planned, *([precision.now] if precision.now else [])]
    highest = max(point.width for point in points) or 1.0
    levels = ticks(0, highest, 4)
    return _tracker(precision, lambda point: point.width, levels, svg.number, _label_above)


def power_tracker(precision: Precision) -> str:
    """Power to detect the planned effect against participants analysed, with the usual 80%, 520 by 270 units."""
    levels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    return _tracker(
        precision, lambda point: point.power, levels, lambda value: f"{value:.0%}", _label_below, USUAL_POWER
    )


def _tracker(
    precision: Precision,
    value: Callable[[PrecisionPoint], float],
    levels: Sequence[float],
    show: Callable[[float], str],
    place: Callable[[float, float], tuple[float, float, str]],
    threshold: float | None = None,
) -> str:
    counts = [point.analysed for point in (*precision.curve, precision.planned)]
    across = Scale(0, ticks(0, max([*counts, 1]), 5)[-1], LEFT, RIGHT)
    up = Scale(levels[0], levels[-1], BOTTOM, TOP)
    parts = [*_axes(across, up, levels, show, precision.words.analysed)]
    if threshold is not None:
        parts.append(svg.line(LEFT, up(threshold), RIGHT, up(threshold), "plan", width=1.5, dash="5 4"))
    places = [(across(point.analysed), up(value(point))) for point in precision.curve]
    parts += [svg.polyline(places, "line", width=2.5)] if len(places) > 1 else []
    for point, sentence, filled in (
        (precision.planned, precision.words.planned, False),
        (precision.now, precision.words.now, True),
    ):
        if point:
            label = sentence.format(value=show(value(point)), n=f"{point.analysed:,}")
            parts += _point(across(point.analysed), up(value(point)), label, filled, place)
    return svg.figure(WIDTH, HEIGHT, precision.title, precision.description, parts, kind="precision")


def _axes(across: Scale, up: Scale, levels: Sequence[float], show: Callable[[float], str], label: str) -> list[str]:
    parts = []
    for level in levels:
        parts.append(svg.line(LEFT, up(level), RIGHT, up(level), "axis" if level == levels[0] else "grid"))
        parts.append(svg.text(LEFT - 8, up(level) + 4, show(level), anchor="end", size=13, kind="muted"))
    for count in ticks(across.low, across.high, 5):
        parts.append(svg.text(across(count), BOTTOM + 20, f"{count:,.0f}", anchor="middle", size=13, kind="muted"))
    middle = (LEFT + RIGHT) / 2
    return [*parts, svg.text(middle, HEIGHT - 6, label, anchor="middle", size=13, kind="muted")]


def _label_above(x: float, y: float) -> tuple[float, float, str]:
    """Beside a falling curve there is room above and to the right; near the edge above and to the left."""
    return (x + 8, y - 10, "start") if x < (LEFT + RIGHT) / 2 else (x + 4, y - 14, "end")


def _label_below(x: float, y: float) -> tuple[float, float, str]:
    """Beside a rising curve there is room below and to the right; near the edge further below."""
    return (x + 10, y + 18, "start") if x < (LEFT + RIGHT) / 2 else (min(x + 10, RIGHT), y + 28, "end")


def _point(
    x: float, y: float, label: str, filled: bool, place: Callable[[float, float], tuple[float, float, str]]
) -> list[str]:
    """Now is a full circle, the plan an open one."""
    at_x, at_y, anchor = place(x, y)
    look = {"class_": "mark", "fill": palette.MARK} if filled else {"class_": "box line", "fill": palette.SURFACE}
    stroke = None if filled else palette.MARK
    circle = svg.element("circle", cx=x, cy=y, r=5, stroke=stroke, stroke_width=None if filled else 2.5, **look)
    return [circle, svg.text(at_x, at_y, label, anchor=anchor, size=13, weight=600)]
