"""Times need an offset and lie in a believable past."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurements.validation.findings import NotedError
from measurements.validation.timestamps import parse_collected_at, parse_performed_on

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T08:30:00+01:00", datetime(2026, 11, 20, 7, 30, tzinfo=UTC)),
        ("2026-11-20T08:30Z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20 08:30:00.25-05:00", datetime(2026, 11, 20, 13, 30, 0, 250000, tzinfo=UTC)),
        # The hour that occurs twice when summer time ends: the offset says which one.
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_time_is_read(text: str, expected: datetime) -> None:
    assert parse_collected_at(text, NOW) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-11-20", "date_no_zone"),
        ("2026-11-20T08:30:00", "date_no_zone"),
        ("2026-11-22T12:06:00Z", "date_future"),
        ("2126-11-22T12:00:00Z", "date_future"),
        ("0026-11-20T08:30:00Z", "date_unreadable"),
        ("1949-12-31T08:30:00Z", "date_unreadable"),
        ("2026-02-30T08:30:00Z", "date_unreadable"),
        ("2026-11-20T25:30:00Z", "date_unreadable"),
        ("2026-11-20T08:30:00+15:00", "date_unreadable"),
        ("2026-11-20T08:30:00+99:00", "date_unreadable"),
        ("20261120T083000Z", "date_unreadable"),
        ("20.11.2026 08:30", "date_unreadable"),
        ("２０２６-11-20T08:30:00Z", "date_unreadable"),
        ("now", "date_unreadable"),
    ],
)
def test_time_is_refused(text: str, code: str) -> None:
    with pytest.raises(NotedError) as noted:
        parse_collected_at(text, NOW)
    assert noted.value.note.code == code


def test_a_clock_may_run_a_little_ahead() -> None:
    assert parse_collected_at("2026-11-22T12:04:00Z", NOW) > NOW


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-11-24", "date_future"),
        ("22.11.2026", "date_unreadable"),
        ("2026-13-01", "date_unreadable"),
        ("0001-01-01", "date_unreadable"),
    ],
)
def test_day_is_refused(text: str, code: str) -> None:
    with pytest.raises(NotedError) as noted:
        parse_performed_on(text, NOW)
    assert noted.value.note.code == code


def test_day_that_has_begun_in_the_east_is_no_future() -> None:
    assert parse_performed_on("2026-11-23", NOW) == date(2026, 11, 23)


@given(st.datetimes(datetime(1951, 1, 1), datetime(2026, 11, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001 - zone is drawn apart
def test_every_past_moment_is_read_exactly(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_collected_at(moment.isoformat(), NOW) == moment


def refusal(parse: Callable[[str, datetime], date], text: str) -> str:
    try:
        return f"date_{parse(text, NOW).year}"
    except NotedError as noted:
        return noted.note.code


@given(st.text(max_size=60))
def test_any_text_is_read_or_noted(text: str) -> None:
    assert refusal(parse_collected_at, text).startswith("date_")
    assert refusal(parse_performed_on, text).startswith("date_")
