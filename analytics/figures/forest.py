"""Forest plot: each outcome's effect with its interval, grouped by what more of it means.

Positive is to the right and means better function; the groups' headings say whose sign was flipped for that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from analytics.figures import palette, svg
from analytics.figures.scale import Scale, ticks

WIDTH: Final = 1100.0
PLOT_LEFT: Final = 380.0
PLOT_RIGHT: Final = 900.0
ANALYSED_RIGHT: Final = 350.0
INDENT: Final = 14.0
ROW: Final = 30.0
HEAD: Final = 46.0
FOOT: Final = 58.0
SMALLEST_SQUARE, LARGEST_SQUARE = 6.0, 12.0
# An interval this many times as wide as the median one is cut with an arrowhead, so that it does not squash the others.
WIDEST: Final = 4.0
# Each direction gets at least this share of the axis, so that both arms' names fit beside the zero line.
LEAST_SIDE: Final = 0.3


@dataclass(frozen=True)
class ForestRow:
    """One outcome: what was estimated, or in `reason` why nothing could be.

    `analysed` is n per arm in the order of the arms, or one pooled n; the estimate is oriented: positive = better.
    """

    label: str
    analysed: tuple[int, ...] = ()
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for half an estimate, for numbers that are not finite, and for a gap without a reason."""
        values = (self.estimate, self.lower, self.upper)
        if all(value is None for value in values):
            if not self.reason:
                raise ValueError(f"{self.label}: an outcome without an estimate needs a reason.")
        elif not all(value is not None and math.isfinite(value) for value in values):
            raise ValueError(f"{self.label}: estimate and both limits must be finite.")

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """Estimate, lower and upper limit; None where it could not be estimated."""
        if self.estimate is None or self.lower is None or self.upper is None:
            return None
        return self.estimate, self.lower, self.upper


@dataclass(frozen=True)
class ForestGroup:
    """Rows under one heading."""

    heading: str
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True)
class Reference:
    """A published effect, drawn as a dashed line in a band."""

    label: str
    estimate: float
    lower: float
    upper: float


# Shields, Spahr & Slavich 2020, JAMA Psychiatry 77(10):1031-1043, pretest-posttest-control g over 56 trials.
SHIELDS_2020: Final = Reference("Shields 2020: g = 0.30 (0.21 to 0.40)", 0.30, 0.21, 0.40)


@dataclass(frozen=True)
class ForestWords:
    """The words on the chart, for translation."""

    outcome: str = "Immune outcome"
    analysed: str = "Analysed"
    favours: str = "favours {arm}"


@dataclass(frozen=True)
class Forest:
    """All that a forest plot shows. `comparator` and `intervention` are arm names, as (name, kind).

    Unless `is_oriented`, no row says which arm does better, and no side of zero is named after an arm.
    """

    title: str
    description: str
    groups: tuple[ForestGroup, ...]
    intervention: tuple[str, str] = ("intervention", "intervention")
    comparator: tuple[str, str] = ("waitlist", "waitlist")
    measure: str = "d_ppc2 (95% CI)"
    reference: Reference | None = SHIELDS_2020
    summary: ForestRow | None = None
    is_oriented: bool = True
    words: ForestWords = field(default_factory=ForestWords)

    @property
    def rows(self) -> Sequence[ForestRow]:
        """Every row in the order of the chart, the summary last."""
        rows = [row for group in self.groups for row in group.rows]
        return [*rows, self.summary] if self.summary else rows


def forest_plot(forest: Forest) -> str:
    """The plot in columns for a wide page or paper, 1100 units wide."""
    axis = forest_axis(forest, PLOT_LEFT, PLOT_RIGHT)
    sizes = square_sizes(forest)
    lines = sum(1 + len(group.rows) for group in forest.groups) + (1 if forest.summary else 0)
    bottom = HEAD + ROW * lines
    parts = [*backdrop(forest, axis, HEAD - 8, bottom), *_column_heads(forest), *directions(forest, axis, 20)]
    y = HEAD
    for group in forest.groups:
        parts.append(svg.text(0, y + 20, group.heading, weight=600, kind="muted"))
        for row in group.rows:
            y += ROW
            parts += [*_cells(row, y + 20, INDENT), *interval_marks(row, axis, y + 15, sizes)]
        y += ROW
    if forest.summary:
        parts.append(svg.line(0, y, WIDTH, y, "grid"))
        parts += [*_cells(forest.summary, y + 20, 0, weight=650), *diamond(forest.summary, axis, y + 15)]
    return svg.figure(WIDTH, bottom + FOOT, forest.title, forest.description, parts, kind="forest")


def forest_axis(forest: Forest, start: float, end: float) -> Scale:
    """The axis over all estimates, the reference and zero; extreme intervals reach beyond it."""
    intervals = [row.interval for row in forest.rows if row.interval]
    reach = WIDEST / 2 * median(upper - lower for _, lower, upper in intervals) if intervals else 0.0
    lows = [max(lower, estimate - reach) for estimate, lower, _ in intervals]
    highs = [min(upper, estimate + reach) for estimate, _, upper in intervals]
    if forest.reference:
        lows, highs = [*lows, forest.reference.lower], [*highs, forest.reference.upper]
    low, high = min([0.0, *lows]), max([0.0, *highs])
    side = LEAST_SIDE / (1 - LEAST_SIDE)
    low, high = min(low, -high * side), max(high, -low * side)
    marks = ticks(low, high)
    return Scale(marks[0], marks[-1], start, end)


def square_sizes(forest: Forest) -> Scale:
    """From the width of an interval to the side of its square: the narrower, the larger."""
    widths = [row.interval[2] - row.interval[1] for row in forest.rows if row.interval]
    narrow, wide = (min(widths), max(widths)) if widths else (0.0, 1.0)
    return Scale(narrow, wide if wide > narrow else narrow + 1, LARGEST_SQUARE, SMALLEST_SQUARE)


def backdrop(forest: Forest, axis: Scale, top: float, bottom: float) -> list[str]:
    """Band and line of the reference, grid, zero line and the numbers under the axis."""
    parts = []
    if forest.reference:
        left, right = axis(forest.reference.lower), axis(forest.reference.upper)
        parts.append(
            svg.element(
                "rect", x=left, y=top, width=right - left, height=bottom - top, class_="band", fill=palette.BAND
            )
        )
    for tick in ticks(axis.low, axis.high):
        x = axis(tick)
        parts.append(svg.line(x, top, x, bottom, "axis" if tick == 0 else "grid"))
        parts.append(svg.text(x, bottom + 18, svg.number(tick, 1), anchor="middle", size=13, kind="muted"))
    return [*parts, *_reference_line(forest.reference, axis, top, bottom)] if forest.reference else parts


def _reference_line(reference: Reference, axis: Scale, top: float, bottom: float) -> list[str]:
    x, half = axis(reference.estimate), svg.text_width(reference.label, 13) / 2
    middle = max(axis.start + half, min(axis.end - half, x))
    return [
        svg.line(x, top, x, bottom, "reference", width=1.5, dash="4 3"),
        svg.text(middle, bottom + 40, reference.label, anchor="middle", size=13, weight=600, kind="reference"),
    ]


def directions(forest: Forest, axis: Scale, y: float) -> list[str]:
    """Which arm each side of the zero line speaks for, with an arrow, in the arm's colour."""
    if not forest.is_oriented:
        return []
    zero = axis(0)
    parts = []
    for (name, kind), way, anchor in ((forest.comparator, -1, "end"), (forest.intervention, 1, "start")):
        room = abs((axis.end if way > 0 else axis.start) - zero) - 20
        label = svg.shorten(forest.words.favours.format(arm=name), room, 13)
        colour = palette.arm_class(kind)
        arrow = svg.path(
            "M", zero + 10 * way, y - 4, "h", 14 * way, "m", -5 * way, -4, "l", 5 * way, 4, "l", -5 * way, 4
        )
        stroke = palette.STROKE[colour]
        parts.append(svg.element("path", d=arrow, fill="none", class_=colour, stroke=stroke, stroke_width=1.5))
        parts.append(svg.text(zero + 30 * way, y, label, anchor=anchor, size=13, kind=colour))
    return parts


def _column_heads(forest: Forest) -> list[str]:
    columns = (
        (0.0, forest.words.outcome, ""),
        (ANALYSED_RIGHT, forest.words.analysed, "end"),
        (WIDTH, forest.measure, "end"),
    )
    return [svg.text(x, 20, label, anchor=anchor, size=13, weight=600, kind="muted") for x, label, anchor in columns]


def _cells(row: ForestRow, y: float, indent: float, *, weight: int | None = None) -> list[str]:
    """Label, n and figures of one row; where there is no estimate, the reason in italics."""
    parts = [
        svg.text(indent, y, svg.shorten(row.label, ANALYSED_RIGHT - 62 - indent, 14), weight=weight),
        svg.text(ANALYSED_RIGHT, y, " / ".join(f"{n:,}" for n in row.analysed), anchor="end"),
    ]
    return [*parts, outcome_text(row, WIDTH, y, WIDTH - PLOT_LEFT, weight=weight)]


def outcome_text(
    row: ForestRow, x: float, y: float, width: float, *, weight: int | None = None, halo: bool = False
) -> str:
    """`0.28 (0.02 to 0.54)`, or why there is no estimate, ending at `x`."""
    if row.interval is None:
        reason = svg.shorten(row.reason, width, 13)
        return svg.text(x, y, reason, anchor="end", size=13, kind="muted", slant="italic", halo=halo)
    estimate, lower, upper = (svg.number(value) for value in row.interval)
    return svg.text(x, y, f"{estimate} ({lower} to {upper})", anchor="end", weight=weight, halo=halo)


def interval_marks(row: ForestRow, axis: Scale, y: float, sizes: Scale) -> list[str]:
    """The interval with its square; nothing where there is no estimate."""
    if row.interval is None:
        return []
    estimate, lower, upper = row.interval
    side = sizes(upper - lower)
    path = svg.path(
        *_end(axis, lower, y, -1), *_end(axis, upper, y, 1), "M", axis.inside(lower), y, "H", axis.inside(upper)
    )
    return [
        svg.element("path", d=path, class_="line", fill="none", stroke=palette.STROKE["line"], stroke_width=1.5),
        svg.element(
            "rect",
            x=axis(estimate) - side / 2,
            y=y - side / 2,
            width=side,
            height=side,
            class_="mark",
            fill=palette.MARK,
        ),
    ]


def _end(axis: Scale, value: float, y: float, way: int) -> tuple[str | float, ...]:
    """The end of an interval: a cap, or an arrowhead where the interval goes on beyond the axis."""
    x = axis.inside(value)
    if axis.holds(value):
        return "M", x, y - 4, "l", 0, 4, "l", 0, 4
    return "M", x - 6 * way, y - 4, "l", 6 * way, 4, "l", -6 * way, 4


def diamond(row: ForestRow, axis: Scale, y: float) -> list[str]:
    """The summary's interval as a diamond."""
    if row.interval is None:
        return []
    estimate, lower, upper = (axis.inside(value) for value in row.interval)
    path = svg.path("M", lower, y, "L", estimate, y - 8, "L", upper, y, "L", estimate, y + 8, "Z")
    return [svg.element("path", d=path, class_="mark", fill=palette.MARK)]
