"""The forest plot for a phone: no room for columns, so that label and figures stand above their interval."""

from typing import Final

from analytics.figures import forest as wide
from analytics.figures import svg
from analytics.figures.forest import Forest, ForestRow

WIDTH: Final = 360.0
ROW: Final = 46.0
HEADING: Final = 40.0
HEAD: Final = 34.0
FOOT: Final = 52.0


def narrow_forest_plot(forest: Forest) -> str:
    """The same plot as `forest_plot`, 360 units wide; n and headings are kept, the columns are not."""
    axis, sizes = wide.forest_axis(forest, 10, WIDTH - 10), wide.square_sizes(forest)
    marks: list[str] = []
    y = HEAD
    for group in forest.groups:
        marks += _heading(group.heading, y)
        y += HEADING
        for row in group.rows:
            marks += [*_words(row, y), *wide.interval_marks(row, axis, y + 32, sizes)]
            y += ROW
    if forest.summary:
        marks += [*_words(forest.summary, y, weight=650), *wide.diamond(forest.summary, axis, y + 32)]
        y += ROW
    parts = [*wide.backdrop(forest, axis, HEAD - 4, y), *wide.directions(forest, axis, 18), *marks]
    return svg.figure(WIDTH, y + FOOT, forest.title, forest.description, parts, kind="forest")


def _heading(heading: str, y: float) -> list[str]:
    lines = svg.wrap(heading, WIDTH, 13)[:2]
    return [
        svg.text(0, y + 16 + 16 * index, text, size=13, weight=600, kind="muted") for index, text in enumerate(lines)
    ]


def _words(row: ForestRow, y: float, *, weight: int | None = None) -> list[str]:
    """The label with its n, and the figures or the reason at the other end of the line."""
    figures = wide.outcome_text(row, WIDTH, y + 16, WIDTH / 2, weight=weight)
    analysed = f" ({' / '.join(str(n) for n in row.analysed)})" if row.analysed else ""
    room = WIDTH - 150 - svg.text_width(analysed, 14)
    return [svg.text(0, y + 16, svg.shorten(row.label, room, 14) + analysed, weight=weight), figures]
