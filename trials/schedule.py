"""When a visit is due and what came of it: windows in calendar dates, days outside of them, states. Pure.

Study days follow CDISC (SDTMIG 3.4, section 4.4.4): 1 on the anchor, no day 0, the plain difference before it.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """What stands with a planned visit of a participant."""

    OVERDUE = "overdue"
    DUE = "due"
    NOT_YET_DUE = "not_yet_due"
    NO_DATE = "no_date"
    ATTENDED = "attended"
    OUT_OF_WINDOW = "out_of_window"
    MISSED = "missed"
    NOT_EXPECTED = "not_expected"


TO_DO = (State.OVERDUE, State.DUE, State.NOT_YET_DUE)
"""Visits that somebody has to plan."""


class Window(NamedTuple):
    """First, target and last calendar day."""

    first: date
    target: date
    last: date

    @classmethod
    def of(cls, anchor: date, days: tuple[int, int, int]) -> "Window":
        """Return the window of (first, target, last) study days for somebody anchored at `anchor`."""
        return cls(*(anchor + timedelta(days=days_from_anchor(day)) for day in days))

    def days_outside(self, on: date) -> int:
        """Return by how many days `on` misses the window: negative too early, positive too late, 0 inside."""
        return min((on - self.first).days, 0) + max((on - self.last).days, 0)


def study_day(on: date, anchor: date) -> int:
    """Return the CDISC study day: 1 on the anchor, no day 0, the plain difference before it."""
    days = (on - anchor).days
    return days + 1 if days >= 0 else days


def days_from_anchor(day: int) -> int:
    """Return how many days after the anchor a study day lies; the inverse of `study_day` (day 0 counts as day 1)."""
    return day - 1 if day > 0 else day


def state_of(
    window: Window | None,
    *,
    today: date,
    attended_on: date | None = None,
    is_missed: bool = False,
    is_expected: bool = True,
) -> State:
    """Return the state of a visit; without a window (its anchor is not known) it is neither due nor out of window.

    `is_expected` is false for those who left or were never randomized, and once the trial is over.
    """
    if attended_on is not None:
        return State.OUT_OF_WINDOW if window and window.days_outside(attended_on) else State.ATTENDED
    if is_missed:
        return State.MISSED
    if not is_expected:
        return State.NOT_EXPECTED
    if window is None:
        return State.NO_DATE
    if today < window.first:
        return State.NOT_YET_DUE
    return State.DUE if today <= window.last else State.OVERDUE
