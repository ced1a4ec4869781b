"""From answers to scores: exact, by the published rule of the questionnaire, or the reason why there is none."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from measurements.questionnaires.items import Answers, Instrument, Item, Scale

DIGITS = 4
"""Digits after the point that a score keeps where a mean took the place of an answer; all others are exact in them."""

_SMALLEST = Decimal(1).scaleb(-DIGITS)


@dataclass(frozen=True)
class Score:
    """A scale's score, or None; `missing` are the items without an answer, `is_imputed` whether their mean counts."""

    scale: Scale
    value: Decimal | None
    missing: tuple[int, ...] = ()

    @property
    def is_imputed(self) -> bool:
        """Whether the mean of the answered items stands for the missing ones."""
        return self.value is not None and bool(self.missing)


def scores_of(instrument: Instrument, answers: Answers) -> tuple[Score, ...]:
    """Return a score for every scale of the instrument, the total first.

    Sums of fractions, rounded once, half to even, to four digits: only a mean in place of an answer needs it.
    """
    items = {item.number: item for item in instrument.items}
    return tuple(_score(scale, [items[number] for number in scale.items], answers) for scale in instrument.scales)


def _score(scale: Scale, items: list[Item], answers: Answers) -> Score:
    counted = [counts(item, answer) for item in items if (answer := answers.get(item.number)) is not None]
    missing = tuple(item.number for item in items if answers.get(item.number) is None)
    if len(missing) > scale.may_lack:
        return Score(scale, None, missing)
    total = sum(counted, Fraction(0)) * Fraction(len(items), len(counted))
    return Score(scale, _as_decimal(total), missing)


def counts(item: Item, answer: Decimal) -> Fraction:
    """What an answer counts: mapped onto the item's counted range, and turned round where the item is reversed."""
    low, high = item.counted_range
    share = Fraction(int(answer) - item.low, item.high - item.low)
    return high - share * (high - low) if item.is_reversed else low + share * (high - low)


def _as_decimal(number: Fraction) -> Decimal:
    scaled = Fraction(number.numerator * 10**DIGITS, number.denominator)
    rounded = Decimal(round(scaled)).scaleb(-DIGITS).quantize(_SMALLEST, rounding=ROUND_HALF_EVEN)
    plain = rounded.normalize()
    return plain if plain.as_tuple().exponent <= 0 else plain.quantize(Decimal(1))  # type: ignore[operator]  # finite
