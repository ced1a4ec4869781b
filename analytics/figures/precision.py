"""What a blinded viewer may see of the effect: how precisely it will be known, never what it is.

Both trackers come from the pooled variance and the baseline correlation, over the number of participants analysed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from analytics.figures import palette, svg
from analytics.figures.labels import label
from analytics.figures.scale import Scale, ticks

WIDTH: Final = 520.0
HEIGHT: Final = 270.0
LEFT: Final = 50.0
MARGIN: Final = 20.0
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


def width_tracker(precision: Precision, width: float = WIDTH) -> str:
    """Expected width of the 95% interval against participants analysed; 520 units suit a card, 340 a phone."""
    highest = max([point.width for point in _points(precision)]) or 1.0
    axis = _Axis(lambda point: point.width, svg.number, ticks(0, highest, 4), rising=False)
    return _tracker(precision, axis, width)


def power_tracker(precision: Precision, width: float = WIDTH) -> str:
    """Power to detect the planned effect against participants analysed, with the usual 80% as a dashed line."""
    levels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    axis = _Axis(lambda point: point.power, "{:.0%}".format, levels, rising=True, threshold=USUAL_POWER)
    return _tracker(precision, axis, width)


@dataclass(frozen=True)
class _Axis:
    """What goes up: the value of a point, how it is written, where the grid lies."""

    value: Callable[[PrecisionPoint], float]
    show: Callable[[float], str]
    levels: Sequence[float]
    rising: bool
    threshold: float | None = None


def _points(precision: Precision) -> list[PrecisionPoint]:
    """Curve, plan and present in ascending order of participants."""
    points = [*precision.curve, precision.planned, *([precision.now] if precision.now else [])]
    return sorted(points, key=lambda point: point.analysed)


def _tracker(precision: Precision, axis: _Axis, width: float) -> str:
    across = Scale(
        0, ticks(0, max([1, *(point.analysed for point in _points(precision))]), 5)[-1], LEFT, width - MARGIN
    )
    up = Scale(axis.levels[0], axis.levels[-1], BOTTOM, TOP)
    curve = [(across(point.analysed), up(axis.value(point))) for point in _points(precision)]
    parts = [*_grid(across, up, axis, precision.words.analysed), svg.polyline(curve, "line", width=2.5)]
    # Above a falling curve there is room to the right and below it to the left; a rising curve has it the other way.
    for point, sentence, now in (
        (precision.planned, precision.words.planned, False),
        (precision.now, precision.words.now, True),
    ):
        if point:
            place = across(point.analysed), up(axis.value(point))
            words = sentence.format(value=axis.show(axis.value(point)), n=f"{point.analysed:,}")
            above = now is not axis.rising
            parts += [_dot(*place, full=now), label(words, place, curve, above=above, left=not now, edge=width)]
    return svg.figure(width, HEIGHT, precision.title, precision.description, parts, kind="precision")


def _grid(across: Scale, up: Scale, axis: _Axis, words: str) -> list[str]:
    parts = []
    for level in axis.levels:
        y = up(level)
        parts.append(svg.line(LEFT, y, across.end, y, "axis" if level == axis.levels[0] else "grid"))
        parts.append(svg.text(LEFT - 8, y + 4, axis.show(level), anchor="end", size=13, kind="muted"))
    if axis.threshold is not None:
        y = up(axis.threshold)
        parts.append(svg.line(LEFT, y, across.end, y, "plan", width=1.5, dash="5 4"))
    for count in ticks(across.low, across.high, 5):
        parts.append(svg.text(across(count), BOTTOM + 20, f"{count:,.0f}", anchor="middle", size=13, kind="muted"))
    middle = (across.start + across.end) / 2
    return [*parts, svg.text(middle, HEIGHT - 6, words, anchor="middle", size=13, kind="muted")]


def _dot(x: float, y: float, *, full: bool) -> str:
    """The present is a full dot, the plan a ring."""
    if full:
        return svg.element("circle", cx=x, cy=y, r=5, class_="mark", fill=palette.MARK)
    stroke = palette.STROKE["line"]
    return svg.element("circle", cx=x, cy=y, r=5, class_="ring", fill=palette.SURFACE, stroke=stroke, stroke_width=2.5)
