"""Times of collection, which need an offset, and dates of runs, which have none."""

import re
from datetime import date, datetime, timedelta

from measurements.validation.findings import Note, NotedError

EARLIEST_YEAR = 1950
CLOCK_TOLERANCE = timedelta(minutes=5)  # laboratory clocks run a little ahead of ours
_LARGEST_OFFSET = timedelta(hours=14)

_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATE_AND_TIME = {"expected": "date and time", "example": "2026-11-20T08:30:00+01:00"}
_DAY = {"expected": "date", "example": "2026-11-22"}


def parse_collected_at(text: str, now: datetime) -> datetime:
    """The moment that an ISO 8601 text with an offset names.

    Raises `NotedError`: `date_no_zone`, `date_future`, or `date_unreadable` (also for years before 1950).
    """
    match = _TIMESTAMP.fullmatch(text.strip()) if len(text) <= 64 else None
    moment = _moment(match) if match else None
    if match is None or moment is None or moment.year < EARLIEST_YEAR:
        raise NotedError(Note("date_unreadable", "collected_at", text, details=_DATE_AND_TIME))
    offset = moment.utcoffset()
    if offset is None:
        raise NotedError(Note("date_no_zone", "collected_at", text))
    if abs(offset) > _LARGEST_OFFSET:
        raise NotedError(Note("date_unreadable", "collected_at", text, details=_DATE_AND_TIME))
    if moment > now + CLOCK_TOLERANCE:
        raise NotedError(Note("date_future", "collected_at", text))
    return moment


def _moment(match: re.Match[str]) -> datetime | None:
    day, time, zone = match.groups()
    try:
        return datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or '').upper()}")
    except ValueError:
        return None


def parse_performed_on(text: str, now: datetime) -> date:
    """The day that an ISO 8601 date names. Raises `NotedError`: `date_future` or `date_unreadable`."""
    try:
        day = date.fromisoformat(text.strip()) if _DATE.fullmatch(text.strip()) else None
    except ValueError:
        day = None
    if day is None or day.year < EARLIEST_YEAR:
        raise NotedError(Note("date_unreadable", "performed_on", text, details=_DAY))
    # A day has no zone: it is future only when it has begun nowhere on earth.
    if day > (now + _LARGEST_OFFSET).date():
        raise NotedError(Note("date_future", "performed_on", text))
    return day
