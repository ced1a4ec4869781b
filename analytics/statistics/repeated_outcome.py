"""One biomarker at all visits: the participants' values, those that can be analysed, and the columns of their model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analytics.statistics.outcome import Booleans, Floats, Integers, Scale, count_by_arm

BASELINE_VISIT = "baseline"


@dataclass(frozen=True, eq=False)
class RepeatedOutcome:
    """Everybody randomized, in one order; `baseline` (n,) and `values` (n, T) on the raw scale, NaN where missing.

    `arm` (n,): index into `arms`; `arms[0]` is the reference. `strata`: named factors as integer levels (n,).
    `visits`: codes of the T follow-up visits in their order in time. `scale`: analysis scale.
    Raises ValueError where the arrays do not fit together.
    """

    baseline: Floats
    values: Floats
    arm: Integers
    strata: Mapping[str, Integers]
    arms: tuple[str, ...]
    visits: tuple[str, ...]
    scale: Scale

    def __post_init__(self) -> None:
        if any(len(column) != len(self.baseline) for column in (self.values, self.arm, *self.strata.values())):
            raise ValueError("all columns need one entry per participant")
        if self.values.ndim != 2 or self.values.shape[1] != len(self.visits):
            raise ValueError("values need one column per visit")
        if not self.visits or len({*self.visits, BASELINE_VISIT}) != len(self.visits) + 1:
            raise ValueError("visits need different codes, none of them that of the baseline")
        if len(self.arms) < 2 or len(set(self.arms)) != len(self.arms):
            raise ValueError("two or more arms with different codes are needed")
        if len(self.arm) and not 0 <= int(np.min(self.arm)) <= int(np.max(self.arm)) < len(self.arms):
            raise ValueError("an arm index points outside the arms")


@dataclass(frozen=True, eq=False)
class Profiles:
    """Participants whose values are used, on the analysis scale, and remarks on those left out.

    `values` (n, T) has a column for each of `visits`; with the baseline first where it is part of the outcome.
    """

    baseline: Floats
    values: Floats
    arm: Integers
    strata: Mapping[str, Integers]
    arms: tuple[str, ...]
    visits: tuple[str, ...]
    scale: Scale
    notes: tuple[str, ...]

    def n(self) -> dict[str, int]:
        """Participants used, per arm code."""
        return count_by_arm(self.arm, self.arms)

    def n_at(self, visit: str) -> dict[str, int]:
        """Participants with a value at a visit, per arm code."""
        return count_by_arm(self.arm[np.isfinite(self.values[:, self.visits.index(visit)])], self.arms)


@dataclass(frozen=True, eq=False)
class RepeatedDesign:
    """Columns (n, T, p) of the values of `Profiles`, named by `terms`; `formula` and `notes` say what they are."""

    columns: Floats
    terms: tuple[str, ...]
    formula: str
    notes: tuple[str, ...]


def follow_up_profiles(data: RepeatedOutcome, *, needs_baseline: bool) -> Profiles:
    """Participants with a follow-up value and, where the model needs it, a baseline."""
    baseline, values, nonpositive = _on_analysis_scale(data)
    some = np.asarray(np.isfinite(values).any(axis=1))
    usable = np.asarray(some & np.isfinite(baseline)) if needs_baseline else some
    left_out = (
        (int(len(some) - np.count_nonzero(some)), "no value at follow-up"),
        (int(np.count_nonzero(some) - np.count_nonzero(usable)), "no value at baseline"),
    )
    return _profiles(data, baseline, values, data.visits, usable, _notes(left_out, nonpositive))


def all_profiles(data: RepeatedOutcome) -> Profiles:
    """Participants with any value, the baseline as the first visit of the outcome."""
    baseline, values, nonpositive = _on_analysis_scale(data)
    values = np.column_stack((baseline, values))
    some = np.asarray(np.isfinite(values).any(axis=1))
    left_out = ((int(len(some) - np.count_nonzero(some)), "no value at any visit"),)
    return _profiles(data, baseline, values, (BASELINE_VISIT, *data.visits), some, _notes(left_out, nonpositive))


def visit_terms(profiles: Profiles, arm_visits: tuple[str, ...]) -> tuple[list[Floats], list[str]]:
    """Columns (n, T) of the visits' means in the reference, and of each other arm's difference at `arm_visits`."""
    one = np.eye(len(profiles.visits))
    columns = [np.broadcast_to(row, profiles.values.shape) for row in one]
    terms = [f"visit:{visit}" for visit in profiles.visits]
    for index, arm in enumerate(profiles.arms[1:], start=1):
        for visit in arm_visits:
            columns.append(np.outer(profiles.arm == index, one[profiles.visits.index(visit)]))
            terms.append(arm_term(arm, visit))
    return columns, terms


def strata_terms(profiles: Profiles) -> tuple[list[Floats], list[str], list[str]]:
    """Columns (n, T) of the strata's levels but the first, their names, and the names of the strata that vary."""
    columns, terms, words = [], [], []
    for name, factor in profiles.strata.items():
        levels = np.unique(factor)
        if len(levels) > 1:
            words.append(name)
            for level in levels[1:]:
                columns.append(np.repeat((factor == level).astype(np.float64)[:, None], len(profiles.visits), axis=1))
                terms.append(f"{name}:{level}")
    return columns, terms, words


def arm_term(arm: str, visit: str) -> str:
    """Name of the column of an arm's difference from the reference at a visit."""
    return f"arm:{arm}@{visit}"


def on_scale(name: str, scale: Scale) -> str:
    """A value's name in a formula."""
    return f"log({name})" if scale == "log" else name


def _on_analysis_scale(data: RepeatedOutcome) -> tuple[Floats, Floats, int]:
    # The number counts values of zero or less that have no logarithm.
    stacked = np.column_stack((data.baseline, data.values)).astype(np.float64)
    stacked[~np.isfinite(stacked)] = np.nan
    if data.scale == "identity":
        return stacked[:, 0], stacked[:, 1:], 0
    without = stacked <= 0
    stacked[without] = np.nan
    stacked = np.log(stacked)
    return stacked[:, 0], stacked[:, 1:], int(np.count_nonzero(without))


def _profiles(
    data: RepeatedOutcome,
    baseline: Floats,
    values: Floats,
    visits: tuple[str, ...],
    usable: Booleans,
    notes: tuple[str, ...],
) -> Profiles:
    return Profiles(
        baseline[usable],
        values[usable],
        data.arm[usable],
        {name: levels[usable] for name, levels in data.strata.items()},
        data.arms,
        visits,
        data.scale,
        notes,
    )


def _notes(left_out: tuple[tuple[int, str], ...], nonpositive: int) -> tuple[str, ...]:
    notes = tuple(f"{count} left out: {why}." for count, why in left_out if count)
    if nonpositive:
        notes += (f"{nonpositive} values left out: a value of zero or less has no logarithm.",)
    return notes
