"""A measured figure beside its goal, and the report of all of them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

WALL_SLACK = 2.0
"""How far a wall time may miss its goal before that counts: machines are noisy, and CPU and counts are not."""


@dataclass(frozen=True)
class Figure:
    """One number with the most that it may be; no goal where it is only told.

    `reference` and `candidate` say in words what was compared. `note` says what was not measured, and why.
    """

    name: str
    value: float | None
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    slack: float = 1.0
    reference: str = ""
    candidate: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """`passed` or `failed`; `not measured` and `told` count as neither."""
        if self.value is None:
            return "not measured"
        if self.at_most is None and self.at_least is None:
            return "told"
        is_small_enough = self.at_most is None or self.value <= self.at_most * self.slack
        is_large_enough = self.at_least is None or self.value >= self.at_least / self.slack
        return "passed" if is_small_enough and is_large_enough else "failed"

    @property
    def goal(self) -> str:
        """The goal in words."""
        signs = [(sign, limit) for sign, limit in (("≤", self.at_most), ("≥", self.at_least)) if limit is not None]
        slack = f" ({self.slack:g}x slack)" if self.slack != 1 else ""
        return " ".join(f"{sign} {limit:g}" for sign, limit in signs) + (slack if signs else "")


def table(figures: Sequence[Figure]) -> str:
    """Return all figures as one Markdown table."""
    head = "| figure | reference | candidate | measured | goal | verdict |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(_line(figure) for figure in figures)])


def _line(figure: Figure) -> str:
    measured = "" if figure.value is None else f"{figure.value:.3g} {figure.unit}".strip()
    verdict = f"**{figure.verdict}**" if figure.verdict == "failed" else figure.verdict
    verdict += f": {figure.note}" if figure.note else ""
    return f"| {figure.name} | {figure.reference} | {figure.candidate} | {measured} | {figure.goal} | {verdict} |"


def summary(figures: Sequence[Figure]) -> str:
    """Return the last line of a run."""
    verdicts = [figure.verdict for figure in figures]
    return f"{verdicts.count('passed')} passed, {verdicts.count('failed')} failed"


def has_failed(figures: Sequence[Figure]) -> bool:
    """Whether a figure misses its goal by more than its slack."""
    return any(figure.verdict == "failed" for figure in figures)


def write_json(figures: Sequence[Figure], file: Path, **about: object) -> None:
    """Write everything, with what is told about the run."""
    lines = [asdict(figure) | {"verdict": figure.verdict} for figure in figures]
    file.write_text(json.dumps(about | {"figures": lines}, indent=1, ensure_ascii=False) + "\n")
