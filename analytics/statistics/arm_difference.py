"""The ways to say one difference between an arm and the reference: as difference, ratio or percent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from analytics.statistics.estimate import Analysis, Estimate, NotEstimable
from analytics.statistics.outcome import Scale

MEASURES: Final[Mapping[Scale, tuple[str, ...]]] = {
    "log": ("log_difference", "ratio_of_geometric_means", "percent_difference"),
    "identity": ("difference",),
}

SE_ON_LOG_SCALE: Final = "The standard error belongs to the log difference; the interval is transformed from it."


def arm_differences(
    analysis: Analysis, scale: Scale, estimate: float, standard_error: float, df: float | None
) -> tuple[Estimate, ...]:
    """All measures of one arm difference that was estimated on the analysis scale."""
    if scale == "identity":
        return (analysis.wald("difference", estimate, standard_error, df),)
    log_difference = analysis.wald("log_difference", estimate, standard_error, df)
    return (
        log_difference,
        _transformed(analysis, "ratio_of_geometric_means", log_difference),
        _transformed(analysis, "percent_difference", log_difference),
    )


def refused_differences(analysis: Analysis, scale: Scale, reason: NotEstimable) -> tuple[Estimate, ...]:
    """All measures of an arm difference that could not be estimated."""
    return tuple(analysis.refuse(measure, reason) for measure in MEASURES[scale])


def _transformed(analysis: Analysis, measure: str, log_difference: Estimate) -> Estimate:
    numbers = (log_difference.estimate, log_difference.ci_low, log_difference.ci_high, log_difference.p_value)
    if log_difference.not_estimable is not None:
        return analysis.refuse(measure, log_difference.not_estimable)
    estimate, low, high, p_value = (number for number in numbers if number is not None)
    transform = _ratio if measure == "ratio_of_geometric_means" else _percent
    return analysis.state(
        measure,
        transform(estimate),
        (transform(low), transform(high)),
        p_value,
        df=log_difference.df,
        notes=(SE_ON_LOG_SCALE,),
    )


def _ratio(log_value: float) -> float:
    try:
        return math.exp(log_value)
    except OverflowError:
        return math.inf


def _percent(log_value: float) -> float:
    try:
        return 100 * math.expm1(log_value)
    except OverflowError:
        return math.inf
