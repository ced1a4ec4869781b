"""Descriptive statistics of each arm at each visit, and of the change of those with both values.

Quantiles are R's type 7 (Hyndman & Fan 1996); intervals are t intervals, on logarithms for geometric means.
Values below a limit: up to 5% count as the limit; from there to 80% mean and SD are withheld and the geometric mean is
the censored maximum likelihood (normal intervals); above, it is withheld too. A quantile is stated if the ordered
values it is read from are detected and not below any limit, because then the unknown values cannot move it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from analytics.statistics.estimate import Z_975, quantile_975
from analytics.statistics.limits import Rule, decide, share_beyond_limit
from analytics.statistics.outcome import Booleans, Floats, Integers, OutcomeData
from analytics.statistics.tobit import fit_tobit

MEAN_ALLOWED: Final[frozenset[Rule]] = frozenset({"none", "substitution"})


@dataclass(frozen=True, slots=True)
class Moments:
    """n, mean, SD, standard error and 95% interval; None where n is too small for it."""

    n: int
    mean: float | None
    sd: float | None
    se: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Minimum, quartiles and maximum in the raw unit; None where values below a limit leave them open."""

    minimum: float | None
    q1: float | None
    median: float | None
    q3: float | None
    maximum: float | None


@dataclass(frozen=True, slots=True)
class Geometric:
    """Geometric mean with 95% interval, geometric SD (a factor) and geometric CV (percent); positive values only."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    sd: float | None
    cv_percent: float | None


@dataclass(frozen=True, slots=True)
class VisitDescription:
    """One arm at one visit. `below_limit` counts values; `share_beyond_limit` is their share of those available."""

    arm: str
    randomized: int
    available: int
    missing: int
    below_limit: int
    share_beyond_limit: float | None
    rule: Rule
    moments: Moments
    quantiles: Quantiles
    geometric: Geometric


@dataclass(frozen=True, slots=True)
class ChangeDescription:
    """Follow-up against baseline of one arm's participants with both values.

    `change`: follow-up minus baseline, raw unit. `geometric_ratio`: geometric mean of follow-up / baseline, and
    `geometric_percent` = 100 (ratio - 1). `percent_of_means` = 100 (mean follow-up / mean baseline - 1).
    `correlation` and `correlation_log` of baseline and follow-up.
    """

    arm: str
    change: Moments
    median: float | None
    geometric_ratio: float | None
    geometric_percent: float | None
    percent_of_means: float | None
    correlation: float | None
    correlation_log: float | None


NO_MOMENTS: Final = (None, None, None, None, None)
NO_GEOMETRIC: Final = Geometric(None, None, None, None, None)


def describe_visit(
    values: Floats, censored: Booleans, arm: Integers, arms: tuple[str, ...]
) -> tuple[VisitDescription, ...]:
    """Describe one visit, in the order of `arms`; the limit's rule follows from all arms together."""
    rule = share_beyond_limit(values, censored).rule
    return tuple(_describe_arm(values[arm == i], censored[arm == i], code, rule) for i, code in enumerate(arms))


def describe_change(data: OutcomeData) -> tuple[ChangeDescription, ...]:
    """Describe the change per arm, in the order of `data.arms`."""
    allowed = decide(data).rule in MEAN_ALLOWED
    both = np.isfinite(data.baseline) & np.isfinite(data.follow_up)
    rows = [both & (data.arm == index) & allowed for index in range(len(data.arms))]
    return tuple(
        _change(code, data.baseline[row], data.follow_up[row]) for code, row in zip(data.arms, rows, strict=True)
    )


def moments(values: Floats) -> Moments:
    """Mean, SD, standard error and t interval of finite values."""
    n = len(values)
    if not n:
        return Moments(0, *NO_MOMENTS)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = _finite(float(np.mean(values)))
        sd = _finite(_standard_deviation(values)) if n > 1 else None
    if mean is None or sd is None:
        return Moments(n, mean, None, None, None, None)
    se = sd / math.sqrt(n)
    half_width = quantile_975(n - 1) * se
    return Moments(n, mean, sd, se, _finite(mean - half_width), _finite(mean + half_width))


def quantiles(values: Floats, open_below: int = 0) -> Quantiles:
    """Type 7 quantiles of finite values; None where one of the `open_below` smallest, not known, would count."""
    ordered = np.sort(values)
    stated = [
        _quantile(ordered, probability) if (len(ordered) - 1) * probability >= open_below else None
        for probability in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return Quantiles(*stated)


def geometric(values: Floats) -> Geometric:
    """Geometric statistics; all None unless every value is positive."""
    if not len(values) or np.min(values) <= 0:
        return NO_GEOMETRIC
    logs = moments(np.log(values))
    sd = None if logs.sd is None else _exp(logs.sd)
    return Geometric(_exp(logs.mean), _exp(logs.ci_low), _exp(logs.ci_high), sd, _cv_percent(logs.sd))


def censored_geometric(values: Floats, censored: Booleans) -> Geometric:
    """Geometric statistics by maximum likelihood for values of which some are limits (lognormal model)."""
    if np.count_nonzero(~censored) < 2 or np.min(values) <= 0:
        return NO_GEOMETRIC
    logs = np.log(values)
    if not _standard_deviation(logs[~censored]) > 0:
        return NO_GEOMETRIC
    fit = fit_tobit(np.ones((len(values), 1)), logs, censored)
    if fit is None:
        return NO_GEOMETRIC
    mean = float(fit.coefficients[0])
    half_width = Z_975 * math.sqrt(float(fit.covariance[0, 0]))
    return Geometric(
        _exp(mean), _exp(mean - half_width), _exp(mean + half_width), _exp(fit.sigma), _cv_percent(fit.sigma)
    )


def _describe_arm(values: Floats, censored: Booleans, arm: str, rule: Rule) -> VisitDescription:
    available = np.isfinite(values)
    known, below = values[available], censored[available]
    share = share_beyond_limit(known, below)
    largest_limit = np.max(known[below], initial=-math.inf)
    open_below = 0 if rule in MEAN_ALLOWED else int(np.count_nonzero(below | (known < largest_limit)))
    return VisitDescription(
        arm=arm,
        randomized=len(values),
        available=share.available,
        missing=len(values) - share.available,
        below_limit=share.censored,
        share_beyond_limit=share.fraction,
        rule=rule,
        moments=moments(known) if rule in MEAN_ALLOWED else Moments(share.available, *NO_MOMENTS),
        quantiles=quantiles(known, open_below),
        geometric=_geometric_by_rule(known, below, rule),
    )


def _geometric_by_rule(values: Floats, censored: Booleans, rule: Rule) -> Geometric:
    if rule in MEAN_ALLOWED:
        return geometric(values)
    return censored_geometric(values, censored) if rule == "tobit" else NO_GEOMETRIC


def _change(arm: str, baseline: Floats, follow_up: Floats) -> ChangeDescription:
    with np.errstate(over="ignore", invalid="ignore"):
        change = follow_up - baseline
    change_moments = moments(change)
    positive = len(change) > 0 and min(np.min(baseline), np.min(follow_up)) > 0
    logs = (np.log(baseline), np.log(follow_up)) if positive else None
    log_ratio = float(np.mean(logs[1] - logs[0])) if logs else None
    return ChangeDescription(
        arm=arm,
        change=change_moments,
        median=_quantile(np.sort(change), 0.5),
        geometric_ratio=_exp(log_ratio),
        geometric_percent=None if log_ratio is None else _percent(_exp(log_ratio)),
        percent_of_means=_percent(_ratio_of_means(baseline, follow_up)),
        correlation=_correlation(baseline, follow_up),
        correlation_log=_correlation(*logs) if logs else None,
    )


def _ratio_of_means(baseline: Floats, follow_up: Floats) -> float | None:
    before, after = moments(baseline).mean, moments(follow_up).mean
    if before is None or after is None or before <= 0:
        return None
    return _finite(after / before)


def _correlation(first: Floats, second: Floats) -> float | None:
    if len(first) < 2 or not (_differ(first) and _differ(second)):
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        a, b = first - np.mean(first), second - np.mean(second)
        correlation = float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b))
    return min(1.0, max(-1.0, correlation)) if math.isfinite(correlation) else None


def _standard_deviation(values: Floats) -> float:
    # Equal values can leave a rounding error in the mean; their SD is zero all the same.
    return float(np.std(values, ddof=1)) if _differ(values) else 0.0


def _differ(values: Floats) -> bool:
    return bool(np.any(values != values[0]))


def _quantile(ordered: Floats, probability: float) -> float | None:
    if not len(ordered):
        return None
    position = (len(ordered) - 1) * probability
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return _finite(float(ordered[below] + (position - below) * (ordered[above] - ordered[below])))


def _cv_percent(log_sd: float | None) -> float | None:
    try:
        return None if log_sd is None else 100 * math.sqrt(math.expm1(log_sd**2))
    except OverflowError:
        return None


def _percent(ratio: float | None) -> float | None:
    return None if ratio is None else 100 * (ratio - 1)


def _exp(value: float | None) -> float | None:
    try:
        return None if value is None else math.exp(value)
    except OverflowError:
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
