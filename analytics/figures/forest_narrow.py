"""The forest plot for a phone: no room for columns, so that label and figures stand above their interval."""

from typing import Final

from analytics.figures import forest as wide
from analytics.figures import svg
from analytics.figures.forest import Forest, ForestRow

WIDTH: Final = 360.0
ROW: Final = 62.0
MARK: Final = 47.0
HEADING: Final = 42.0
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
            marks += [*_words(row, y), *wide.interval_marks(row, axis, y + MARK, sizes)]
            y += ROW
    if forest.summary:
        marks += [*_words(forest.summary, y, weight=650), *wide.diamond(forest.summary, axis, y + MARK)]
        y += ROW
    parts = [*wide.backdrop(forest, axis, HEAD - 4, y), *wide.directions(forest, axis, 18), *marks]
    return svg.figure(WIDTH, y + FOOT, forest.title, forest.description, parts, kind="forest")


def _heading(heading: str, y: float) -> list[str]:
    lines = svg.wrap(heading, WIDTH, 13)[:2]
    return [
        svg.text(0, y + 18 + 16 * index, line, size=13, weight=600, kind="muted", halo=True)
        for index, line in enumerate(lines)
    ]


def _words(row: ForestRow, y: float, *, weight: int | None = None) -> list[str]:
    """The label, and under it n and the figures or the reason."""
    analysed = " / ".join(f"{n:,}" for n in row.analysed)
    return [
        svg.text(0, y + 16, svg.shorten(row.label, WIDTH, 14), weight=weight or 500, halo=True),
        svg.text(0, y + 34, analysed and f"n {analysed}", size=13, kind="muted", halo=True),
        wide.outcome_text(row, WIDTH, y + 34, WIDTH - 90, weight=weight, halo=True),
    ]
