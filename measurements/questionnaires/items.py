"""What a questionnaire consists of, and answers read from text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

NOT_APPLICABLE = "na"
"""The answer “does not apply”, where a questionnaire offers it."""

Answers = Mapping[int, Decimal | None]
"""By the number of the item what was answered; None for “does not apply”. What was left out is not there."""

_WHOLE = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Item:
    """One question: its number, a short label of our own, and the answers it takes (`low`, `low + step`, … `high`).

    `label` says what it asks about, never how. A reversed item counts `low + high - answer`. With `onto`, the answer
    is mapped linearly from its own range onto that one before it counts.
    """

    number: int
    label: str
    low: int
    high: int
    step: int = 1
    is_reversed: bool = False
    onto: tuple[int, int] | None = None
    unit: str = ""

    @property
    def choices(self) -> range:
        """Every answer there is."""
        return range(self.low, self.high + 1, self.step)

    @property
    def counted_range(self) -> tuple[int, int]:
        """The range of what the item counts."""
        return self.onto or (self.low, self.high)


@dataclass(frozen=True)
class Scale:
    """A score: the sum of its items. `code` is the biomarker that it is recorded as.

    Up to `may_lack` items without an answer count as the mean of the others; with more there is no score.
    """

    code: str
    name: str
    items: tuple[int, ...]
    may_lack: int = 0


@dataclass(frozen=True)
class Instrument:
    """A questionnaire in one version; its first scale is the total. `anchors` name the ends of the answers."""

    code: str
    version: str
    name: str
    items: tuple[Item, ...]
    scales: tuple[Scale, ...]
    anchors: tuple[str, str]
    source: str
    missing_rule: str
    has_not_applicable: bool = False
    is_about_therapy: bool = False

    @property
    def total(self) -> Scale:
        """The scale of all items."""
        return self.scales[0]

    def range_of(self, scale: Scale) -> tuple[int, int]:
        """The least and the greatest score of a scale."""
        ranges = [item.counted_range for item in self.items if item.number in scale.items]
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)


@dataclass(frozen=True)
class Misread:
    """An answer that its item does not take, and what it takes."""

    number: int
    sentence: str


def read_answers(instrument: Instrument, entered: Mapping[int, str]) -> tuple[dict[int, Decimal | None], list[Misread]]:
    """Read what was entered by the number of its item; empty text is no answer. Return answers, and what was misread.

    Only whole numbers in ASCII digits are answers: `2.5`, `2,0` and `٢` are not.
    """
    answers: dict[int, Decimal | None] = {}
    misread = []
    for item in instrument.items:
        text = entered.get(item.number, "").strip()
        if text.casefold() == NOT_APPLICABLE and instrument.has_not_applicable:
            answers[item.number] = None
        elif _WHOLE.fullmatch(text) and text.isascii() and int(text) in item.choices:
            answers[item.number] = Decimal(int(text))
        elif text:
            misread.append(Misread(item.number, _takes(item, text)))
    return answers, misread


def _takes(item: Item, text: str) -> str:
    steps = f" in steps of {item.step}" if item.step > 1 else ""
    return f"Item {item.number} takes whole numbers from {item.low} to {item.high}{steps}, not “{text[:20]}”."
