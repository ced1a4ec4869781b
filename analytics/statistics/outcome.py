"""One biomarker at one follow-up visit: the participants' values, and those that can be analysed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Scale = Literal["log", "identity"]
Direction = Literal["beneficial", "harmful", "neutral"]


@dataclass(frozen=True, eq=False)
class OutcomeData:
    """Everybody randomized, in one order; arrays have one entry per participant.

    `baseline`, `follow_up`: values on the raw scale in one unit, NaN where missing.
    `baseline_censored`, `follow_up_censored`: True where the value is the limit that the true value lies below.
    `arm`: index into `arms`; `arms[0]` is the reference. `strata`: named factors as integer levels (an unknown level
    is a level of its own). `scale`: analysis scale. `direction`: what more of the biomarker means.
    Raises ValueError where the arrays do not fit together.
    """

    baseline: Floats
    follow_up: Floats
    baseline_censored: Booleans
    follow_up_censored: Booleans
    arm: Integers
    strata: Mapping[str, Integers]
    arms: tuple[str, ...]
    scale: Scale
    direction: Direction

    def __post_init__(self) -> None:
        columns = (self.follow_up, self.baseline_censored, self.follow_up_censored, self.arm, *self.strata.values())
        if any(len(column) != len(self.baseline) for column in columns):
            raise ValueError("all columns need one entry per participant")
        if len(self.arms) < 2 or len(set(self.arms)) != len(self.arms):
            raise ValueError("two or more arms with different codes are needed")
        if len(self.arm) and not 0 <= int(np.min(self.arm)) <= int(np.max(self.arm)) < len(self.arms):
            raise ValueError("an arm index points outside the arms")

    def randomized(self) -> dict[str, int]:
        """Participants randomized, per arm code."""
        return count_by_arm(self.arm, self.arms)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Participants with both values, on the analysis scale; how many were left out, and why."""

    baseline: Floats
    follow_up: Floats
    baseline_censored: Booleans
    follow_up_censored: Booleans
    arm: Integers
    strata: Mapping[str, Integers]
    arms: tuple[str, ...]
    scale: Scale
    missing: int
    nonpositive: int

    def n(self) -> dict[str, int]:
        """Participants with both values, per arm code."""
        return count_by_arm(self.arm, self.arms)

    def keep(self, rows: Booleans) -> Pairs:
        """The same with only the participants where `rows` is True."""
        return Pairs(
            self.baseline[rows],
            self.follow_up[rows],
            self.baseline_censored[rows],
            self.follow_up_censored[rows],
            self.arm[rows],
            {name: levels[rows] for name, levels in self.strata.items()},
            self.arms,
            self.scale,
            self.missing,
            self.nonpositive,
        )

    def notes(self) -> tuple[str, ...]:
        """Sentences on who was left out."""
        return tuple(
            f"{count} left out: {why}."
            for count, why in (
                (self.missing, "no value at baseline or follow-up"),
                (self.nonpositive, "a value of zero or less has no logarithm"),
            )
            if count
        )


def paired_values(data: OutcomeData) -> Pairs:
    """Participants with both values, transformed to the analysis scale (values <= 0 are left out of a log scale)."""
    available = np.isfinite(data.baseline) & np.isfinite(data.follow_up)
    usable = available & (data.baseline > 0) & (data.follow_up > 0) if data.scale == "log" else available
    transform = np.log if data.scale == "log" else np.asarray
    return Pairs(
        transform(np.asarray(data.baseline[usable], dtype=np.float64)),
        transform(np.asarray(data.follow_up[usable], dtype=np.float64)),
        data.baseline_censored[usable],
        data.follow_up_censored[usable],
        data.arm[usable],
        {name: levels[usable] for name, levels in data.strata.items()},
        data.arms,
        data.scale,
        missing=int(len(available) - np.count_nonzero(available)),
        nonpositive=int(np.count_nonzero(available) - np.count_nonzero(usable)),
    )


@dataclass(frozen=True, eq=False)
class ComparedValues:
    """Participants of two arms with both values and a further known one; `values` (n,), one per participant."""

    pairs: Pairs
    values: Floats


def compared_with(data: OutcomeData, values: Floats, arm: str) -> ComparedValues:
    """Participants of `arm` and the reference with both values and a known entry in `values` (NaN where unknown)."""
    if len(values) != len(data.arm):
        raise ValueError("the further values need one entry per participant")
    compared = np.isfinite(values) & np.isin(data.arm, (0, data.arms.index(arm)))
    # Row numbers travel as one more stratum, so that the same participants are kept; names of strata are never empty.
    rows = np.arange(len(data.arm), dtype=np.int64)
    pairs = paired_values(replace(data, strata={**data.strata, "": rows}))
    pairs = pairs.keep(compared[pairs.strata[""]])
    strata = {name: levels for name, levels in pairs.strata.items() if name}
    kept = np.asarray(values[pairs.strata[""]], dtype=np.float64)
    index = (pairs.arm != 0).astype(np.int64)
    return ComparedValues(replace(pairs, strata=strata, arms=(data.arms[0], arm), arm=index), kept)


def count_by_arm(arm: Integers, arms: tuple[str, ...]) -> dict[str, int]:
    """Number of entries per arm code."""
    return {code: int(np.count_nonzero(arm == index)) for index, code in enumerate(arms)}
