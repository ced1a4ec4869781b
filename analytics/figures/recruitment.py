"""Recruitment: participants randomized so far, cumulatively, against the straight line of the plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from analytics.figures import palette, svg
from analytics.figures.labels import label
from analytics.figures.scale import Scale, ticks

WIDTH: Final = 560.0
HEIGHT: Final = 320.0
LEFT: Final = 44.0
MARGIN: Final = 12.0
TOP: Final = 30.0
BOTTOM: Final = 284.0
MONTH_ROOM: Final = 64.0
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class RecruitmentWords:
    """The words on the chart, for translation; `months` are twelve short names."""

    randomized: str = "{n} randomized"
    target: str = "Target {n}"
    months: tuple[str, ...] = MONTHS


@dataclass(frozen=True)
class Recruitment:
    """`points` are (day, participants randomized by then) in ascending order; the plan goes from `starts` to `ends`."""

    title: str
    description: str
    points: tuple[tuple[date, int], ...]
    starts: date
    ends: date
    target: int
    words: RecruitmentWords = field(default_factory=RecruitmentWords)

    def __post_init__(self) -> None:
        """Raises ValueError for a plan without length or days that go backwards."""
        if self.starts >= self.ends:
            raise ValueError("The plan must end after it starts.")
        days = [day for day, _ in self.points]
        if days != sorted(days):
            raise ValueError("The days must be in ascending order.")


def recruitment_chart(recruitment: Recruitment, width: float = WIDTH) -> str:
    """The chart, `width` by 320 units; 560 suits a card, 340 a phone."""
    days = [day for day, _ in recruitment.points]
    first, last = min([recruitment.starts, *days]), max([recruitment.ends, *days])
    across = Scale(first.toordinal(), last.toordinal(), LEFT, width - MARGIN)
    most = max([recruitment.target, *(n for _, n in recruitment.points), 1])
    levels = ticks(0, most, 4)
    up = Scale(0, levels[-1], BOTTOM, TOP)
    plan = [
        (across(recruitment.starts.toordinal()), up(0)),
        (across(recruitment.ends.toordinal()), up(recruitment.target)),
    ]
    parts = [
        *_grid(levels, up, across.end),
        *_months(first, last, across, recruitment.words.months),
        svg.polyline(plan, "plan", width=1.5, dash="5 4"),
        _target(recruitment, plan[-1]),
        *_curve(recruitment, across, up, width),
    ]
    return svg.figure(width, HEIGHT, recruitment.title, recruitment.description, parts, kind="recruitment")


def _grid(levels: Sequence[float], up: Scale, right: float) -> Iterator[str]:
    for level in levels:
        y = up(level)
        yield svg.line(LEFT, y, right, y, "axis" if level == 0 else "grid")
        yield svg.text(LEFT - 10, y + 4, f"{level:,.0f}", anchor="end", size=13, kind="muted")


def _months(first: date, last: date, across: Scale, names: Sequence[str]) -> Iterator[str]:
    """Month names under the axis, with the year at the first and at every January."""
    starts = [
        date(year, month, 1)
        for year in range(first.year, last.year + 1)
        for month in range(1, 13)
        if first <= date(year, month, 1) <= last
    ]
    most = int((across.end - across.start) / MONTH_ROOM)
    stride = -(-len(starts) // most) or 1
    shown_year = 0
    for month in starts[::stride]:
        name = names[month.month - 1]
        x = across(month.toordinal())
        yield svg.line(x, BOTTOM, x, BOTTOM + 4, "axis")
        yield svg.text(x, BOTTOM + 19, name, anchor="middle", size=13, kind="muted")
        if month.year != shown_year:
            shown_year = month.year
            yield svg.text(x, BOTTOM + 34, str(month.year), anchor="middle", size=12, kind="muted")


def _target(recruitment: Recruitment, end: tuple[float, float]) -> str:
    words = recruitment.words.target.format(n=f"{recruitment.target:,}")
    return svg.text(end[0], end[1] - 8, words, anchor="end", size=13, kind="muted")


def _curve(recruitment: Recruitment, across: Scale, up: Scale, edge: float) -> list[str]:
    """The cumulative curve, with its last point named below it, where neither line runs."""
    if not recruitment.points:
        return []
    places = [(across(day.toordinal()), up(n)) for day, n in recruitment.points]
    x, y = places[-1]
    words = recruitment.words.randomized.format(n=f"{recruitment.points[-1][1]:,}")
    return [
        svg.polyline(places, "line", width=2.5),
        svg.element("circle", cx=x, cy=y, r=4.5, class_="mark", fill=palette.MARK),
        label(words, places[-1], places, above=False, left=False, edge=edge),
    ]
