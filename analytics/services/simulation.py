"""Simulated people for rehearsals: when they come, what they stay for, and what is measured. No database; workers only.

Every person is drawn from a generator of their own, seeded by the rehearsal's seed and their number, so that a
rehearsal that was interrupted goes on with the same people.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

# Correlation of a value at baseline with that at a later visit, as usual for cytokines over half a year.
CORRELATION = 0.6
EXCLUDED_SHARE = 0.2
MISSED_SHARE = 0.05
NOT_STARTED_SHARE = 0.08
SCALES_PER_RANGE = 6  # a plausible range is taken as three standard deviations to either side
SHORTEST_RECRUITMENT = 60  # days
EXCLUSIONS = ("ineligible", "ineligible", "declined", "other")


@dataclass(frozen=True)
class PlannedVisit:
    """A visit in study days; the baseline is at randomization or before it."""

    code: str
    is_baseline: bool
    target_day: int
    window_from: int
    window_to: int


@dataclass(frozen=True)
class Quantity:
    """What is measured: its plausible range in its unit, and which direction is better (1, -1, or 0 for neither)."""

    code: str
    is_log: bool
    low: float | None
    high: float | None
    better: int
    is_score: bool = False


@dataclass(frozen=True)
class Person:
    """Somebody who is screened: excluded for a reason, or randomized, and what came of their visits in order."""

    number: int
    screened_on: date
    exclusion: str
    attends: tuple[bool, ...]
    visit_shifts: tuple[float, ...]
    lost_after: int | None
    starts: bool
    choices: tuple[float, ...]


def recruitment_days(participants: int) -> int:
    """Return over how many days people are screened."""
    return max(SHORTEST_RECRUITMENT, participants)


def first_day(participants: int, visits: Sequence[PlannedVisit], today: date) -> date:
    """Return the first day of recruitment, so early that every visit of everybody is over today."""
    last = max(visit.window_to for visit in visits)
    return today - timedelta(days=recruitment_days(participants) + last + 14)


def person(seed: int, number: int, *, participants: int, visits: int, attrition: float, starts: date) -> Person:
    """Draw the `number`-th person who is screened (from 1), of about a quarter more than are randomized."""
    draws = np.random.default_rng([seed, number])
    screened = participants / (1 - EXCLUDED_SHARE)
    day = min(recruitment_days(participants) - 1, int((number - 1) * recruitment_days(participants) / screened))
    is_lost = bool(draws.random() < attrition)
    lost_after = int(draws.integers(1, visits)) if is_lost and visits > 1 else None
    exclusion = str(draws.choice(EXCLUSIONS)) if draws.random() < EXCLUDED_SHARE else ""
    attends = tuple(bool(draws.random() >= MISSED_SHARE) or index == 0 for index in range(visits))
    return Person(
        number,
        starts + timedelta(days=day),
        exclusion,
        tuple(attended and (lost_after is None or index < lost_after) for index, attended in enumerate(attends)),
        tuple(float(each) for each in draws.beta(4, 4, visits)),
        lost_after,
        bool(draws.random() >= NOT_STARTED_SHARE),
        tuple(float(each) for each in draws.random(16)),
    )


def visit_day(visit: PlannedVisit, shift: float) -> int:
    """Return the study day of a visit: around the target, within the window, with `shift` from 0 to 1."""
    if visit.is_baseline:
        return visit.target_day
    before, after = visit.target_day - visit.window_from, visit.window_to - visit.target_day
    offset = (shift - 0.5) * 2
    return visit.target_day + round(offset * (after if offset > 0 else before))


def value(seed: int, number: int, quantity: int, visit: int, measured: Quantity, effect: float) -> str:
    """Return the value of a quantity at the `visit`-th visit as a laboratory writes it: three significant digits.

    On the analysis scale values are normal, those after the baseline correlate with it by `CORRELATION`, and `effect`
    (standardized, positive = better) shifts them in the better direction.
    """
    baseline = float(np.random.default_rng([seed, number, quantity]).standard_normal())
    score = baseline
    if visit:
        own = float(np.random.default_rng([seed, number, quantity, visit]).standard_normal())
        score = CORRELATION * baseline + math.sqrt(1 - CORRELATION**2) * own + effect * measured.better
    return _written(_unscaled(score, measured), measured)


def _unscaled(score: float, measured: Quantity) -> float:
    """Return the value whose standard score this is, kept inside of the plausible range."""
    if measured.low is None or measured.high is None:
        return math.exp(0.5 * score) if measured.is_log else 10 + 2 * score
    if not measured.is_log:
        middle, scale = (measured.low + measured.high) / 2, (measured.high - measured.low) / SCALES_PER_RANGE
        return min(max(middle + scale * score, measured.low), measured.high)
    low = max(measured.low, measured.high / 1000)  # a logarithm has no zero
    middle, scale = math.log(low * measured.high) / 2, math.log(measured.high / low) / SCALES_PER_RANGE
    return min(max(math.exp(middle + scale * score), low), measured.high)


def _written(number: float, measured: Quantity) -> str:
    if measured.is_score:
        return str(round(number))
    return np.format_float_positional(number, precision=3, unique=False, fractional=False, trim="-")
