"""Descriptive statistics per biomarker, visit and arm, and of all arms together. No database; workers only."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from analytics.models.estimate import POOLED
from analytics.services.outcomes import Measure, Outcomes
from analytics.statistics.descriptives import describe_change, describe_visit
from analytics.statistics.estimate import RANDOMIZED_IN_GROUPS
from analytics.statistics.outcome import OutcomeData, Pairs, paired_values

UNCERTAIN = frozenset({"se", "ci_low", "ci_high"})


@dataclass(frozen=True)
class Description:
    """The numbers of one biomarker at one visit in one arm, or in all of them together (arm `POOLED`)."""

    biomarker: str
    visit: str
    arm: str
    numbers: dict[str, Any]


def describe_trial(outcomes: Outcomes) -> Iterator[Description]:
    """Describe every biomarker at every visit: per arm, and for the blinded pooled over the arms."""
    for measure in outcomes.design.measures:
        yield from _describe(outcomes, measure, outcomes.design.baseline, None)
        for visit in outcomes.design.follow_ups:
            yield from _describe(outcomes, measure, visit, outcomes.outcome(measure, visit))


def _describe(outcomes: Outcomes, measure: Measure, visit: str, pair: OutcomeData | None) -> Iterator[Description]:
    data = pair or outcomes.outcome(measure, visit)
    in_groups = outcomes.design.randomized_in_groups
    changes = {each.arm: asdict(each) for each in describe_change(pair)} if pair else {}
    for each in describe_visit(data.follow_up, data.follow_up_censored, data.arm, data.arms):
        numbers = {name: value for name, value in asdict(each).items() if name != "arm"}
        if each.arm in changes:
            numbers["change"] = {name: value for name, value in changes[each.arm].items() if name != "arm"}
        yield Description(measure.code, visit, each.arm, _without_uncertainty(numbers) if in_groups else numbers)
    pooled = _pooled(data, paired_values(pair) if pair else None)
    # At baseline nobody has received anything: what all arms together look like there is everybody's to see.
    together = {} if pair else _together(data)
    yield Description(
        measure.code, visit, POOLED, pooled | (_without_uncertainty(together) if together and in_groups else together)
    )


def _without_uncertainty(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers without standard errors and intervals, which would count participants of a group one by one.

    Counts, means and standard deviations stay; `uncertainty` says why the others are null.
    """
    stated = {name: _withheld(value) if isinstance(value, dict) else value for name, value in numbers.items()}
    reason = RANDOMIZED_IN_GROUPS
    return {**stated, "uncertainty": {"code": reason.code, "sentence": reason.sentence}}


def _withheld(part: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if name in UNCERTAIN else _withheld(value) if isinstance(value, dict) else value
        for name, value in part.items()
    }


def _together(data: OutcomeData) -> dict[str, Any]:
    """Describe everybody randomized as if they were one arm."""
    (described,) = describe_visit(data.follow_up, data.follow_up_censored, np.zeros_like(data.arm), (POOLED,))
    return {name: value for name, value in asdict(described).items() if name != "arm"}


def _pooled(data: OutcomeData, pairs: Pairs | None) -> dict[str, Any]:
    """Numbers in which no arm shows: how many there are, and how well the baseline predicts the follow-up."""
    numbers: dict[str, Any] = {
        "randomized": len(data.arm),
        "available": int(np.count_nonzero(np.isfinite(data.follow_up))),
        "below_limit": int(np.count_nonzero(data.follow_up_censored)),
    }
    if pairs is not None:
        numbers["pairs"] = len(pairs.follow_up)
        numbers["correlation"] = _correlation(pairs)
    return numbers


def _correlation(pairs: Pairs) -> float | None:
    """Correlation of baseline and follow-up on the analysis scale; None where one of them does not vary."""
    if len(pairs.baseline) < 3 or np.ptp(pairs.baseline) == 0 or np.ptp(pairs.follow_up) == 0:
        return None
    return float(np.corrcoef(pairs.baseline, pairs.follow_up)[0, 1])
