"""The one function that says what "now" is, and the arithmetic of times as whole microseconds."""

import datetime as dt
from zoneinfo import ZoneInfo

from features.errors import RemoraError

DAY = 86_400_000_000
"""Microseconds in a day."""

MONTH_DAYS = 30.4375
"""Days in a month of money: a year has twelve of them."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class DateError(RemoraError):
    """A date on the command line is not a date."""


def now() -> dt.datetime:
    """The current moment, in UTC."""
    return dt.datetime.now(dt.UTC)


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970-01-01 UTC of an aware `moment`.

    >>> micros(dt.datetime(1970, 1, 2, tzinfo=dt.UTC)) == DAY
    True
    """
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def moment(micros: int) -> dt.datetime:
    """The aware moment behind `micros`, the inverse of `micros`."""
    return EPOCH + dt.timedelta(microseconds=micros)


def start_of(day: str | dt.date, zone: ZoneInfo) -> dt.datetime:
    """00:00 of `day` (YYYY-MM-DD) in `zone`. Raises DateError when `day` is no date."""
    try:
        date = dt.date.fromisoformat(day) if isinstance(day, str) else day
    except ValueError:
        raise DateError(f"{day!r} is not a date; write YYYY-MM-DD, for example 2026-06-30") from None
    return dt.datetime(date.year, date.month, date.day, tzinfo=zone).astimezone(dt.UTC)


def day_after(micros: int, zone: ZoneInfo) -> dt.datetime:
    """00:00 in `zone` of the day after the one that `micros` falls on."""
    return start_of(moment(micros).astimezone(zone).date() + dt.timedelta(days=1), zone)
