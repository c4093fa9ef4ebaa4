"""The simulator's clock: time is float days since the first day; a week is seven of them."""

import calendar
import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

YEAR_DAYS = 365.0
WORKDAYS = np.array([1.0, 1.1, 1.1, 1.05, 0.9, 0.12, 0.08])  # Monday first


def stream(seed: int, subject: str) -> np.random.Generator:
    """The random numbers of one subject: a change in one table moves no other."""
    return np.random.default_rng([seed, *subject.encode()])


def months_before(day: dt.date, months: int) -> dt.date:
    """`day` moved back by whole months, into the month's length.

    >>> months_before(dt.date(2026, 7, 1), 30)
    datetime.date(2024, 1, 1)
    """
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Timeline:
    """From `start` up to, not including, `end`."""

    start: dt.date
    end: dt.date

    @property
    def days(self) -> float:
        """Length in days; also the first moment that the company cannot know."""
        return float((self.end - self.start).days)

    @property
    def weeks(self) -> int:
        """Weeks begun."""
        return -(-(self.end - self.start).days // 7)

    def day(self, date: dt.date) -> float:
        """A date as days since `start`."""
        return float((date - self.start).days)

    def date(self, day: Numbers) -> NDArray[np.datetime64]:
        """Days since `start` as calendar dates."""
        return np.datetime64(self.start, "D") + np.floor(day).astype("timedelta64[D]")

    def stamps(self, days: Numbers) -> pl.Series:
        """Days as timestamps without a zone (UTC), to the second; NaN as null."""
        micros = np.where(np.isnan(days), 0, np.round(days * 86_400)).astype("timedelta64[s]").astype("timedelta64[us]")
        moments = np.datetime64(self.start, "us") + micros
        return pl.Series(np.where(np.isnan(days), np.datetime64("NaT", "us"), moments))

    def firsts(self, every_months: int = 1) -> list[dt.date]:
        """First days of each month (or of every third: quarters) after `start` and before `end`."""
        months = range(self.start.year * 12 + self.start.month - 1, self.end.year * 12 + self.end.month)
        dates = (dt.date(month // 12, month % 12 + 1, 1) for month in months if month % every_months == 0)
        return [date for date in dates if self.start < date < self.end]

    def workday(self, days: Numbers | Whole) -> Numbers:
        """How much work is done on each day: about 1, little on weekends."""
        work: Numbers = WORKDAYS[(self.start.weekday() + np.floor(days).astype(np.int64)) % 7]
        return work

    def season_of_use(self, days: Numbers) -> Numbers:
        """Use over the year: a summer dip, a busy autumn, quiet holidays; mean about 1."""
        nth = self._day_of_year(days)
        quiet = np.where((nth > 355) | (nth < 5), 0.5, 1.0)
        return quiet * (1 - 0.28 * _bump(nth, 215, 28) + 0.14 * _bump(nth, 320, 30))

    def season_of_spend(self, days: Numbers) -> Numbers:
        """One-off orders over the year: budgets are spent before it ends, little in summer."""
        nth = self._day_of_year(days)
        return 1 + 1.3 * _bump(nth, 338, 22) - 0.4 * _bump(nth, 212, 30)

    def _day_of_year(self, days: Numbers) -> Numbers:
        dates = self.date(days)
        since: Numbers = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.float64)
        return since


def _bump(nth: Numbers, middle: float, width: float) -> Numbers:
    height: Numbers = np.exp(-0.5 * ((nth - middle) / width) ** 2)
    return height


def in_hours(rng: np.random.Generator, days: Numbers | Whole) -> Numbers:
    """The same days at an office hour: 07:00 to 19:00, mostly around noon."""
    return np.floor(days) + 0.29 + 0.5 * rng.beta(2, 2, len(days))
