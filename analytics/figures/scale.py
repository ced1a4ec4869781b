"""From numbers to places on an axis, and where the ticks go."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear axis: `low` is drawn at `start`, `high` at `end` (either direction)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of `value`."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the axis; rounding in its last digits does not put it beyond."""
        slack = 1e-6 * (self.high - self.low)
        return self.low - slack <= value <= self.high + slack

    def inside(self, value: float) -> float:
        """The place of `value`, or of the end of the axis where it lies beyond."""
        return self(min(self.high, max(self.low, value)))


def step(span: float, intervals: int) -> float:
    """The roundest of 1, 2, 4, 5 times a power of ten that divides `span` into about `intervals` parts.

    Raises ValueError unless `span` is positive and finite.
    """
    if not (span > 0 and math.isfinite(span)):
        raise ValueError(f"An axis must have a positive length, not {span}.")
    power = 10.0 ** math.floor(math.log10(span / intervals))
    return min((power * factor for factor in (1, 2, 4, 5, 10)), key=lambda candidate: abs(span / candidate - intervals))


def ticks(low: float, high: float, intervals: int = 5) -> Sequence[float]:
    """Round numbers that enclose `low` to `high`, in ascending order; equal ends are widened first."""
    if low == high:
        low, high = low - 1, high + 1
    size = step(high - low, intervals)
    # The tolerance keeps 0.30000000000000004 from opening one more interval.
    first, last = math.floor(low / size + 1e-9), math.ceil(high / size - 1e-9)
    digits = max(0, 1 - math.floor(math.log10(size)))
    return [round(index * size, digits) + 0.0 for index in range(first, last + 1)]
