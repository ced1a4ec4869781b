"""From data frames to what the statistics engine takes: one outcome per biomarker and follow-up visit.

Only workers import this: it needs pandas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analytics.statistics.limits import Share, share_beyond_limit
from analytics.statistics.outcome import Booleans, Direction, Floats, OutcomeData, Scale
from trials.selectors.analysis import STRATUM

BELOW, ABOVE = "<", ">"


@dataclass(frozen=True)
class Measure:
    """How a biomarker is analysed: on which scale, and what more of it means."""

    code: str
    scale: Scale
    direction: Direction


@dataclass(frozen=True)
class Design:
    """What the analysis needs to know of a trial's design: codes of the arms (reference first) and of the visits.

    `after_comparison` are the follow-ups by which an arm has been offered the intervention of another.
    """

    arms: tuple[str, ...]
    baseline: str
    follow_ups: tuple[str, ...]
    measures: tuple[Measure, ...]
    randomized_in_groups: bool = False
    after_comparison: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Column:
    """The values of one biomarker at one visit, one entry per randomized participant, NaN where there is none."""

    values: Floats
    below: Booleans
    above: Booleans


class Outcomes:
    """The analysis values of everybody randomized, ready to be asked for by biomarker and visit.

    `randomized` has the columns of `randomized_frame`; `values` has `participant_id`, `biomarker`, `visit`, `value`
    and `comparator`, at most one row per participant, biomarker and visit. Values of people who are not randomized
    are left out. Raises ValueError for an arm that is not in the design.
    """

    def __init__(self, randomized: pd.DataFrame, values: pd.DataFrame, design: Design) -> None:
        self.design = design
        self._place = pd.Index(randomized["participant_id"])
        known = values[values["participant_id"].isin(self._place)]
        self.value_count = len(known)
        self._groups: Mapping[Any, pd.DataFrame] = dict(iter(known.groupby(["biomarker", "visit"], sort=False)))
        self._arm = _positions(randomized["arm"], design.arms)
        if len(self._arm) and self._arm.min() < 0:
            raise ValueError("a participant is allocated to an arm that the design does not have")
        self._strata = {
            name.removeprefix(STRATUM): pd.factorize(randomized[name], sort=True)[0].astype(np.int64)
            for name in randomized.columns
            if name.startswith(STRATUM)
        }

    def column(self, biomarker: str, visit: str) -> Column:
        """Return the values of one biomarker at one visit in the order of the randomized."""
        values = np.full(len(self._place), np.nan)
        below, above = np.zeros((2, len(self._place)), dtype=bool)
        rows = self._groups.get((biomarker, visit))
        if rows is None:
            return Column(values, below, above)
        at = self._place.get_indexer(rows["participant_id"])
        values[at] = rows["value"].to_numpy(dtype=np.float64)
        below[at] = (rows["comparator"] == BELOW).to_numpy(dtype=bool)
        above[at] = (rows["comparator"] == ABOVE).to_numpy(dtype=bool)
        return Column(values, below, above)

    def outcome(self, measure: Measure, visit: str) -> OutcomeData:
        """Return one biomarker at one follow-up visit with its baseline."""
        before, after = self.column(measure.code, self.design.baseline), self.column(measure.code, visit)
        return OutcomeData(
            baseline=before.values,
            follow_up=after.values,
            baseline_censored=before.below,
            follow_up_censored=after.below,
            arm=self._arm,
            strata=self._strata,
            arms=self.design.arms,
            scale=measure.scale,
            direction=measure.direction,
        )

    def above_range(self, measure: Measure, visit: str) -> tuple[Share, Share]:
        """Return the shares at baseline and at this visit that are only known to lie above their assay's range."""
        columns = [self.column(measure.code, at) for at in (self.design.baseline, visit)]
        before, after = (share_beyond_limit(column.values, column.above) for column in columns)
        return before, after


def _positions(codes: pd.Series, known: Sequence[str]) -> np.ndarray:
    return np.asarray(pd.Index(known).get_indexer(codes), dtype=np.int64)
