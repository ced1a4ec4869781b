"""Windows, study days and states of visits, without a database."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.schedule import State, Window, days_from_anchor, state_of, study_day

DAYS = st.dates(date(2020, 1, 1), date(2030, 12, 31))
STUDY_DAYS = st.tuples(*[st.integers(-400, 400)] * 3).map(lambda days: tuple(sorted(days)))
ANCHOR = date(2026, 3, 2)
SIX_MONTHS = Window.of(ANCHOR, (168, 183, 196))


@pytest.mark.parametrize(
    ("on", "day"),
    [(date(2026, 3, 1), -1), (date(2026, 3, 2), 1), (date(2026, 3, 3), 2), (date(2026, 8, 31), 183)],
)
def test_there_is_no_day_zero(on, day):
    assert study_day(on, ANCHOR) == day


def test_a_window_in_calendar_days():
    assert (date(2026, 8, 16), date(2026, 8, 31), date(2026, 9, 13)) == SIX_MONTHS


@pytest.mark.parametrize(
    ("on", "days"),
    [(date(2026, 8, 15), -1), (date(2026, 8, 16), 0), (date(2026, 9, 13), 0), (date(2026, 9, 25), 12)],
)
def test_days_outside_of_the_window(on, days):
    assert SIX_MONTHS.days_outside(on) == days


@given(on=DAYS, anchor=DAYS)
def test_study_days_and_dates_are_each_others_inverse(on, anchor):
    assert anchor + timedelta(days=days_from_anchor(study_day(on, anchor))) == on
    assert study_day(on, anchor) != 0


@given(anchor=DAYS, days=STUDY_DAYS, on=DAYS)
def test_a_day_is_inside_or_by_some_days_outside(anchor, days, on):
    window = Window.of(anchor, days)
    outside = window.days_outside(on)
    assert window.first <= window.target <= window.last
    assert (outside == 0) == (window.first <= on <= window.last)
    nearest = window.first if outside < 0 else window.last
    assert outside == 0 or on == nearest + timedelta(days=outside)


@given(anchor=DAYS, days=STUDY_DAYS, today=DAYS)
def test_time_leads_from_not_yet_due_through_due_to_overdue(anchor, days, today):
    order = [State.NOT_YET_DUE, State.DUE, State.OVERDUE]
    window = Window.of(anchor, days)
    now, tomorrow = (state_of(window, today=day) for day in (today, today + timedelta(days=1)))
    assert order.index(tomorrow) - order.index(now) in {0, 1}


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"attended_on": date(2026, 8, 31)}, State.ATTENDED),
        ({"attended_on": date(2026, 9, 14)}, State.OUT_OF_WINDOW),
        ({"attended_on": date(2026, 8, 31), "is_expected": False}, State.ATTENDED),
        ({"is_missed": True}, State.MISSED),
        ({"is_missed": True, "is_expected": False}, State.MISSED),
        ({"is_expected": False}, State.NOT_EXPECTED),
        ({}, State.OVERDUE),
    ],
)
def test_what_was_recorded_comes_before_what_was_expected(told, state):
    assert state_of(SIX_MONTHS, today=date(2026, 10, 1), **told) is state


@given(today=DAYS)
def test_without_an_anchor_nothing_is_due(today):
    assert state_of(None, today=today) is State.NO_DATE
    assert state_of(None, today=today, attended_on=today) is State.ATTENDED
