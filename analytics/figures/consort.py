"""The flow of participants after CONSORT 2025: assessed, excluded, randomized, and each arm to its analysis.

One arm alone stands for all of them: that is what a blinded viewer gets. Arms stand side by side while each has room
for its words; more of them go into bands below each other, on a phone one arm a band.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from analytics.figures import palette, svg

WIDTH: Final = 640.0
LEAST_ARM_WIDTH: Final = 184.0
LARGEST_ARM_WIDTH: Final = 320.0
ENROLMENT_WIDTH: Final = 304.0
GAP: Final = 28.0
DROP: Final = 30.0
TRUNK: Final = 22.0
PADDING: Final = 12.0
LINE: Final = 19.0
TITLE_SIZE: Final = 14.0
DETAIL_SIZE: Final = 13.0
INDENT: Final = "\N{NO-BREAK SPACE}" * 3


@dataclass(frozen=True)
class Step:
    """A box: its heading, the count that is printed after it, and lines under it; indented where they are reasons."""

    heading: str
    n: int | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArmColumn:
    """One arm (or all of them together) from allocation to analysis; `kind` chooses the colour, empty for none.

    All arms of a flow have the same number of steps.
    """

    steps: tuple[Step, ...]
    kind: str = ""


@dataclass(frozen=True)
class Flow:
    """The boxes of a trial; `assessed` and `excluded` are None where a trial was randomized elsewhere: nobody knows."""

    title: str
    description: str
    randomized: Step
    arms: tuple[ArmColumn, ...]
    assessed: Step | None = None
    excluded: Step | None = None

    def __post_init__(self) -> None:
        """Raises ValueError without an arm, for arms of different length, or with a negative count."""
        if not self.arms:
            raise ValueError("A flow needs at least one arm; all arms together count as one.")
        if len({len(arm.steps) for arm in self.arms}) != 1 or not self.arms[0].steps:
            raise ValueError("All arms of a flow need the same steps.")
        before = [step for step in (self.assessed, self.excluded, self.randomized) if step is not None]
        if any((step.n or 0) < 0 for step in [*before, *(step for arm in self.arms for step in arm.steps)]):
            raise ValueError("Counts cannot be negative.")


def reason(words: str, depth: int = 1) -> str:
    """A line that belongs to the one above it, or (`depth` 2) to one that does so itself."""
    return INDENT * depth + words


@dataclass(frozen=True)
class _Box:
    """A box with its heading and the lines under it, wrapped to its width."""

    x: float
    y: float
    width: float
    heading: Sequence[str]
    details: Sequence[str]
    kind: str = "box"

    @property
    def bottom(self) -> float:
        return self.y + 2 * PADDING - 4 + LINE * (len(self.heading) + len(self.details))

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def draw(self) -> list[str]:
        frame = svg.element(
            "rect",
            x=self.x,
            y=self.y,
            width=self.width,
            height=self.bottom - self.y,
            rx=6,
            class_=f"box {self.kind}" if self.kind != "box" else "box",
            fill=palette.SURFACE,
            stroke=palette.STROKE[self.kind],
            stroke_width=None if self.kind == "box" else 1.8,
        )
        left, baseline = self.x + PADDING, self.y + PADDING + 12
        parts = [frame]
        for index, content in enumerate(self.heading):
            parts.append(svg.text(left, baseline + LINE * index, content, weight=600))
        for index, content in enumerate(self.details, start=len(self.heading)):
            # A leading space would be dropped; the indent becomes a place.
            words = content.lstrip("\N{NO-BREAK SPACE}")
            x = left + svg.text_width(content[: len(content) - len(words)], DETAIL_SIZE)
            parts.append(svg.text(x, baseline + LINE * index, words, size=DETAIL_SIZE, kind="muted"))
        return parts


def _box(x: float, y: float, width: float, step: Step, kind: str = "box") -> _Box:
    room = width - 2 * PADDING
    # The count stays on one line: the spaces in it do not break.
    count = "" if step.n is None else f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{step.n:,})"
    heading = svg.wrap(step.heading + count, room / _BOLD, TITLE_SIZE)
    return _Box(x, y, width, heading, [part for line in step.lines for part in _wrapped(line, room)], kind)


_BOLD: Final = 1.08
"""How much wider a heading is than plain text of its size."""


def _wrapped(line: str, room: float) -> list[str]:
    words = line.lstrip("\N{NO-BREAK SPACE}")
    indent = line[: len(line) - len(words)]
    return [indent + part for part in svg.wrap(words, room - svg.text_width(indent, DETAIL_SIZE), DETAIL_SIZE)]


def _arrow(x1: float, y1: float, x2: float, y2: float) -> list[str]:
    """An arrow straight down or straight to the right."""
    down = x1 == x2
    line = svg.line(x1, y1, x2, y2 - 6, "flow") if down else svg.line(x1, y1, x2 - 6, y2, "flow")
    wings = (-4, -7, 8, 0) if down else (-7, -4, 0, 8)
    head = svg.path("M", x2, y2, "l", wings[0], wings[1], "l", wings[2], wings[3], "Z")
    return [line, svg.element("path", d=head, class_="head", fill=palette.HEAD)]


def consort_flow(flow: Flow, width: float = WIDTH) -> str:
    """The diagram; 960 units suit a page, 640 a card, 340 a phone."""
    gap = GAP * min(1.0, width / WIDTH)
    columns = max(1, int((width - TRUNK + gap) // (LEAST_ARM_WIDTH + gap)))
    is_one_band = len(flow.arms) <= columns
    top, randomized = _enrolment(flow, width, is_one_band=is_one_band)
    if is_one_band:
        lefts, arm_width = _columns(len(flow.arms), width, gap, randomized.middle)
        first = randomized.bottom + DROP + (DROP if len(flow.arms) > 1 else 0)
        rows = _arm_rows(flow.arms, lefts, arm_width, first)
        body, bottom = [*_fork(randomized, rows[0]), *_draw_rows(rows)], _bottom(rows)
    else:
        body, bottom = _bands(flow.arms, columns, width, gap, randomized)
    kind = "consort broad" if width > WIDTH else "consort"
    return svg.figure(width, math.ceil(bottom) + 2, flow.title, flow.description, [*top, *body], kind=kind)


def _columns(arms: int, width: float, gap: float, middle: float) -> tuple[list[float], float]:
    """Where each arm's boxes begin, and how wide they are; one arm alone stands below the randomization."""
    if arms == 1:
        alone = min(LARGEST_ARM_WIDTH, width - 2)
        return [max(1.0, middle - alone / 2)], alone
    arm_width = min(LARGEST_ARM_WIDTH, (width - 2 - gap * (arms - 1)) / arms)
    used = arm_width * arms + gap * (arms - 1)
    return [(width - used) / 2 + index * (arm_width + gap) for index in range(arms)], arm_width


def _enrolment(flow: Flow, width: float, *, is_one_band: bool) -> tuple[list[str], _Box]:
    """Assessed, excluded and randomized; the last box is where the arms begin."""
    box_width = min(ENROLMENT_WIDTH, width * 0.6)
    # Left of the middle, so that the box of the excluded beside the arrow has room for its reasons.
    is_left = not is_one_band or (flow.assessed is not None and width < WIDTH)
    left = 1.0 if is_left else (width - box_width) / 2
    middle = left + (box_width / 2 if not is_left else min(box_width / 2, width * 0.16))
    if flow.assessed is None or flow.excluded is None:
        randomized = _box(left, 1, box_width, flow.randomized)
        return randomized.draw(), randomized
    assessed = _box(left, 1, box_width, flow.assessed)
    aside = middle + GAP
    excluded = _box(aside, assessed.bottom + 18, min(width - 1 - aside, 1.4 * ENROLMENT_WIDTH), flow.excluded)
    randomized = _box(left, excluded.bottom + 22, box_width, flow.randomized)
    level = (excluded.y + excluded.bottom) / 2
    arrows = [*_arrow(middle, assessed.bottom, middle, randomized.y), *_arrow(middle, level, excluded.x, level)]
    return [*assessed.draw(), *excluded.draw(), *randomized.draw(), *arrows], randomized


def _arm_rows(arms: Sequence[ArmColumn], lefts: Sequence[float], width: float, top: float) -> list[list[_Box]]:
    """A row of one box an arm for each step; a row starts below the tallest of the last."""
    rows: list[list[_Box]] = []
    for index in range(len(arms[0].steps)):
        row = [_box(left, top, width, arm.steps[index], _colour(arm)) for left, arm in zip(lefts, arms, strict=True)]
        rows.append(row)
        top = max(box.bottom for box in row) + DROP
    return rows


def _bottom(rows: Sequence[Sequence[_Box]]) -> float:
    return max(box.bottom for box in rows[-1])


def _colour(arm: ArmColumn) -> str:
    return palette.arm_class(arm.kind) if arm.kind else "box"


def _fork(origin: _Box, arms: list[_Box]) -> list[str]:
    """From the randomization to every arm."""
    if len(arms) == 1:
        return _arrow(origin.middle, origin.bottom, origin.middle, arms[0].y)
    level = origin.bottom + DROP
    parts = [
        svg.line(origin.middle, origin.bottom, origin.middle, level, "flow"),
        svg.line(arms[0].middle, level, arms[-1].middle, level, "flow"),
    ]
    return [*parts, *(piece for arm in arms for piece in _arrow(arm.middle, level, arm.middle, arm.y))]


def _bands(arms: Sequence[ArmColumn], columns: int, width: float, gap: float, origin: _Box) -> tuple[list[str], float]:
    """Arms in bands of `columns`; a trunk at the left leads from the randomization to each band."""
    arm_width = (width - 1 - TRUNK - gap * (columns - 1)) / columns
    lefts = [TRUNK + index * (arm_width + gap) for index in range(columns)]
    parts: list[str] = []
    trunk, bottom, level = TRUNK / 2, origin.bottom, origin.bottom
    for start in range(0, len(arms), columns):
        band = arms[start : start + columns]
        level = bottom + DROP
        rows = _arm_rows(band, lefts[: len(band)], arm_width, level + (DROP if columns > 1 else 0))
        parts += _branches(rows[0], trunk, level) + _draw_rows(rows)
        bottom = _bottom(rows)
        level = level if columns > 1 else rows[0][0].y + LINE
    return [svg.line(trunk, origin.bottom, trunk, level, "flow"), *parts], bottom


def _branches(boxes: Sequence[_Box], trunk: float, level: float) -> list[str]:
    """From the trunk into a lone box from the side, or over several and down into each."""
    if level == boxes[0].y:
        return _arrow(trunk, boxes[0].y + LINE, boxes[0].x, boxes[0].y + LINE)
    over = svg.line(trunk, level, boxes[-1].middle, level, "flow")
    return [over, *(piece for box in boxes for piece in _arrow(box.middle, level, box.middle, box.y))]


def _draw_rows(rows: list[list[_Box]]) -> list[str]:
    """All boxes, and an arrow from each to the one of the same arm below it."""
    parts = [piece for row in rows for box in row for piece in box.draw()]
    for upper, lower in pairwise(rows):
        for above, below in zip(upper, lower, strict=True):
            parts += _arrow(below.middle, above.bottom, below.middle, below.y)
    return parts
