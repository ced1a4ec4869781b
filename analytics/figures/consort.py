"""The flow of participants after CONSORT 2025: assessed, excluded, randomized, and each arm to its analysis.

One arm alone stands for all of them: that is what a blinded viewer gets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from analytics.figures import palette, svg

WIDTH: Final = 640.0
LEAST_ARM_WIDTH: Final = 150.0
LARGEST_ARM_WIDTH: Final = 320.0
GAP: Final = 28.0
DROP: Final = 30.0
PADDING: Final = 12.0
LINE: Final = 19.0
TITLE_SIZE: Final = 14.0
DETAIL_SIZE: Final = 13.0

Reasons = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class ArmFlow:
    """One arm (or all of them together) from allocation to analysis; `kind` chooses the colour, empty for none."""

    name: str
    allocated: int
    received: int
    followed_up: int
    kind: str = ""
    not_received: Reasons = ()
    lost: Reasons = ()
    not_yet_due: int = 0
    analysed: int | None = None
    missed: int = 0
    withdrawn: int = 0


@dataclass(frozen=True)
class FlowWords:
    """The words on the chart, for translation."""

    assessed: str = "Assessed for eligibility"
    excluded: str = "Excluded"
    randomized: str = "Randomized"
    received: str = "Received as allocated: {n}"
    not_received: str = "Did not receive: {n}"
    followed_up: str = "{visit}: {n} of {total}"
    lost: str = "Lost to follow-up: {n}"
    not_yet_due: str = "Not yet due: {n}"
    analysed: str = "Analysed"
    missed: str = "Missed: {n}"
    withdrawn: str = "Data use withdrawn: {n}"


@dataclass(frozen=True)
class Flow:
    """Counts of a trial; `assessed` is None where a trial was randomized elsewhere and nobody knows."""

    title: str
    description: str
    randomized: int
    arms: tuple[ArmFlow, ...]
    assessed: int | None = None
    excluded: Reasons = ()
    visit: str = "Six-month visit"
    words: FlowWords = field(default_factory=FlowWords)

    def __post_init__(self) -> None:
        """Raises ValueError without an arm or with a negative count."""
        if not self.arms:
            raise ValueError("A flow needs at least one arm; all arms together count as one.")
        if min(self.randomized, self.assessed or 0, *(arm.allocated for arm in self.arms)) < 0:
            raise ValueError("Counts cannot be negative.")


@dataclass(frozen=True)
class _Box:
    """A box with its heading and the lines under it."""

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
        baseline = self.y + PADDING + 12
        parts = [frame]
        for index, content in enumerate(self.heading):
            parts.append(svg.text(self.middle, baseline + LINE * index, content, anchor="middle", weight=600))
        for index, content in enumerate(self.details, start=len(self.heading)):
            y = baseline + LINE * index
            parts.append(svg.text(self.middle, y, content, anchor="middle", size=DETAIL_SIZE, kind="muted"))
        return parts


def _box(x: float, y: float, width: float, heading: str, details: Sequence[str] = (), kind: str = "box") -> _Box:
    """A box whose lines are wrapped to its width."""
    room = width - 2 * PADDING
    lines = [line for detail in details for line in svg.wrap(detail, room, DETAIL_SIZE)]
    return _Box(x, y, width, svg.wrap(heading, room, TITLE_SIZE), lines, kind)


def _with_n(words: str, n: int) -> str:
    """The count stays on one line: the spaces in it do not break."""
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n:,})"


def _listed(heading: str, reasons: Reasons) -> list[str]:
    """`Lost to follow-up: 3` and its reasons; nothing where there are none."""
    total = sum(n for _, n in reasons)
    if not total:
        return []
    named = [f"{reason} {n:,}" for reason, n in reasons if reason]
    return [heading.format(n=f"{total:,}"), *named]


def _arrow(x1: float, y1: float, x2: float, y2: float) -> list[str]:
    """An arrow straight down or straight to the right."""
    down = x1 == x2
    line = svg.line(x1, y1, x2, y2 - 6, "flow") if down else svg.line(x1, y1, x2 - 6, y2, "flow")
    wings = (-4, -7, 8, 0) if down else (-7, -4, 0, 8)
    head = svg.path("M", x2, y2, "l", wings[0], wings[1], "l", wings[2], wings[3], "Z")
    return [line, svg.element("path", d=head, class_="head", fill=palette.HEAD)]


def consort_flow(flow: Flow, width: float = WIDTH) -> str:
    """The diagram; 640 units suit a card, 340 a phone, and many arms make it wider."""
    gap = GAP * width / WIDTH
    width = max(width, len(flow.arms) * (LEAST_ARM_WIDTH + gap) - gap)
    top, randomized = _enrolment(flow, width)
    lefts, arm_width = _columns(len(flow.arms), width, gap, randomized.middle)
    rows = _arm_rows(flow, lefts, arm_width, randomized.bottom + DROP + (DROP if len(flow.arms) > 1 else 0))
    parts = [*top, *_fork(randomized, rows[0]), *_draw_rows(rows)]
    bottom = max(box.bottom for box in rows[-1])
    return svg.figure(width, math.ceil(bottom) + 2, flow.title, flow.description, parts, kind="consort")


def _columns(arms: int, width: float, gap: float, middle: float) -> tuple[list[float], float]:
    """Where each arm's boxes begin, and how wide they are; one arm alone stands straight below the randomization."""
    if arms == 1:
        alone = min(LARGEST_ARM_WIDTH, 2 * middle - 2)
        return [middle - alone / 2], alone
    arm_width = min(LARGEST_ARM_WIDTH, (width - 2 - gap * (arms - 1)) / arms)
    used = arm_width * arms + gap * (arms - 1)
    return [(width - used) / 2 + index * (arm_width + gap) for index in range(arms)], arm_width


def _enrolment(flow: Flow, width: float) -> tuple[list[str], _Box]:
    """Assessed, excluded and randomized; the last box is where the arms begin."""
    box_width = min(290.0, width * 0.6)
    # Left of the middle, so that the box of the excluded beside the arrow has room for its reasons.
    left = width * 0.08 if flow.assessed is not None and width < WIDTH else (width - box_width) / 2
    middle = left + box_width / 2
    if flow.assessed is None:
        randomized = _box(left, 1, box_width, _with_n(flow.words.randomized, flow.randomized))
        return randomized.draw(), randomized
    assessed = _box(left, 1, box_width, _with_n(flow.words.assessed, flow.assessed))
    total = sum(n for _, n in flow.excluded)
    details = [f"{reason} {n:,}" for reason, n in flow.excluded]
    aside = middle + GAP
    excluded = _box(aside, assessed.bottom + 18, width - 1 - aside, _with_n(flow.words.excluded, total), details)
    randomized = _box(left, excluded.bottom + 22, box_width, _with_n(flow.words.randomized, flow.randomized))
    level = (excluded.y + excluded.bottom) / 2
    arrows = [*_arrow(middle, assessed.bottom, middle, randomized.y), *_arrow(middle, level, excluded.x, level)]
    return [*assessed.draw(), *excluded.draw(), *randomized.draw(), *arrows], randomized


def _arm_rows(flow: Flow, lefts: list[float], width: float, top: float) -> list[list[_Box]]:
    """Allocation, follow-up and analysis, each a row of one box an arm; a row starts below the tallest of the last."""
    rows: list[list[_Box]] = []
    for stage in (_allocation, _follow_up, _analysis):
        row = [
            _box(left, top, width, *text, _colour(arm))
            for left, arm in zip(lefts, flow.arms, strict=True)
            if (text := stage(flow, arm))
        ]
        if row:
            rows.append(row)
            top = max(box.bottom for box in row) + DROP
    return rows


def _colour(arm: ArmFlow) -> str:
    return palette.arm_class(arm.kind) if arm.kind else "box"


def _allocation(flow: Flow, arm: ArmFlow) -> tuple[str, list[str]]:
    received = flow.words.received.format(n=f"{arm.received:,}")
    return _with_n(arm.name, arm.allocated), [received, *_listed(flow.words.not_received, arm.not_received)]


def _follow_up(flow: Flow, arm: ArmFlow) -> tuple[str, list[str]]:
    words = flow.words
    heading = words.followed_up.format(visit=flow.visit, n=f"{arm.followed_up:,}", total=f"{arm.allocated:,}")
    others = ((words.missed, arm.missed), (words.withdrawn, arm.withdrawn), (words.not_yet_due, arm.not_yet_due))
    return heading, [*_listed(words.lost, arm.lost), *(word.format(n=f"{n:,}") for word, n in others if n)]


def _analysis(flow: Flow, arm: ArmFlow) -> tuple[str, list[str]] | None:
    return None if arm.analysed is None else (_with_n(flow.words.analysed, arm.analysed), [])


def _fork(origin: _Box, arms: list[_Box]) -> list[str]:
    """From the randomization to every arm."""
    if len(arms) == 1:
        return _arrow(origin.middle, origin.bottom, arms[0].middle, arms[0].y)
    level = origin.bottom + DROP
    parts = [
        svg.line(origin.middle, origin.bottom, origin.middle, level, "flow"),
        svg.line(arms[0].middle, level, arms[-1].middle, level, "flow"),
    ]
    return [*parts, *(piece for arm in arms for piece in _arrow(arm.middle, level, arm.middle, arm.y))]


def _draw_rows(rows: list[list[_Box]]) -> list[str]:
    """All boxes, and an arrow from each to the one of the same arm below it."""
    parts = [piece for row in rows for box in row for piece in box.draw()]
    for upper, lower in pairwise(rows):
        for box in lower:
            above = next(candidate for candidate in upper if candidate.x == box.x)
            parts += _arrow(box.middle, above.bottom, box.middle, box.y)
    return parts
