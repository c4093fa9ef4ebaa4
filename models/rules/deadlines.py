"""By when an alert is answered (RULES §2): clock hours, calendar days in the company's zone, and out of hours (D5)."""

import datetime as dt
from dataclasses import dataclass
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from features.errors import RemoraError, raise_all
from models.rules.pack import RulePack
from models.rules.schema.alert_rules import Deadline


class CalendarError(RemoraError):
    """Business hours or country make no calendar."""


class Days(Protocol):
    """Public holidays (`in`) and working days of a country; an object of the `holidays` package is one."""

    def __contains__(self, day: dt.date) -> bool:
        """Whether `day` is a public holiday."""

    def is_working_day(self, day: dt.date) -> bool:
        """Whether people work on `day`."""


class Weekdays:
    """Monday to Friday, no holidays: where the country is not known."""

    def __contains__(self, day: dt.date) -> bool:
        """There are no holidays."""
        return False

    def is_working_day(self, day: dt.date) -> bool:
        """Monday to Friday."""
        return day.weekday() < 5


UTC, WEEKDAYS = ZoneInfo("UTC"), Weekdays()


@dataclass(frozen=True)
class WorkCalendar:
    """When the company works: from `opens` up to `closes`, local time, on working days; `person_by` as in the pack."""

    zone: ZoneInfo = UTC
    opens: dt.time = dt.time(9)
    closes: dt.time = dt.time(18)
    days: Days = WEEKDAYS
    person_by: dt.time = dt.time(9)
    next_day: Literal["calendar", "working"] = "calendar"

    def is_open(self, moment: dt.datetime) -> bool:
        """Whether the aware `moment` lies in working hours; the moment of closing does not."""
        local = moment.astimezone(self.zone)
        return self.days.is_working_day(local.date()) and self.opens <= local.time() < self.closes

    def begins_holiday(self, day: dt.date) -> bool:
        """Whether `day` is a public holiday and the first of its run of days off: one mail for a week of holidays."""
        earlier = day - dt.timedelta(days=1)
        while day in self.days and not self.days.is_working_day(earlier):
            if earlier in self.days:
                return False
            earlier -= dt.timedelta(days=1)
        return day in self.days


def work_calendar(
    pack: RulePack, zone: ZoneInfo, business_hours: str = "09:00-18:00", country: str | None = None
) -> WorkCalendar:
    """The calendar of `[company]`: its zone, business hours "HH:MM-HH:MM" and country ("CN"; "DE-BY" for a region).

    Without a country only Saturday and Sunday are off. Raises CalendarError, naming the setting and the remedy.
    """
    hours, days = _hours(business_hours), _days(country)
    raise_all(CalendarError, [problem for problem in (hours, days) if isinstance(problem, str)])
    assert not isinstance(hours, str)
    assert not isinstance(days, str)
    rule = pack.deadlines
    person_by = dt.datetime.strptime(rule.person_by.time, "%H:%M").time()
    return WorkCalendar(zone, *hours, days, person_by, rule.next_day.counts)


def due(
    opened_at: dt.datetime, deadline: Deadline, calendar: WorkCalendar, *, round_the_clock: bool = False
) -> dt.datetime:
    """When an alert opened at the aware `opened_at` is to be answered, in UTC.

    Days: the same time of day so many calendar days later, in the company's zone. Hours: clock hours; opened outside
    working hours not before a person is there (`person_by`), unless the customer is served round the clock (7×24).
    """
    if deadline.days is not None:
        local = opened_at.astimezone(calendar.zone) + dt.timedelta(days=deadline.days)
        return local.astimezone(dt.UTC)
    answered = opened_at.astimezone(dt.UTC) + dt.timedelta(hours=deadline.hours or 0)
    if round_the_clock or calendar.is_open(opened_at):
        return answered
    return max(answered, person_by(opened_at, calendar))


def person_by(opened_at: dt.datetime, calendar: WorkCalendar) -> dt.datetime:
    """The first `calendar.person_by` (09:00) after `opened_at`, in UTC (D5: "by 09:00 next day").

    After midnight that is the same morning. D5 does not spare weekends; with `next_day` "working" they are skipped.
    """
    local = opened_at.astimezone(calendar.zone)
    day = local.date()
    while not (_at(day, calendar) > local and (calendar.next_day == "calendar" or calendar.days.is_working_day(day))):
        day += dt.timedelta(days=1)
    return _at(day, calendar).astimezone(dt.UTC)


def needs_notice(opened_at: dt.datetime, calendar: WorkCalendar, *, round_the_clock: bool = False) -> bool:
    """Whether an emergency notice goes out at once: outside working hours, and nobody there round the clock (D5)."""
    return not round_the_clock and not calendar.is_open(opened_at)


def _at(day: dt.date, calendar: WorkCalendar) -> dt.datetime:
    return dt.datetime.combine(day, calendar.person_by, calendar.zone)


def _hours(text: str) -> tuple[dt.time, dt.time] | str:
    """Opening and closing, or what is wrong."""
    try:
        opens, closes = (dt.datetime.strptime(part.strip(), "%H:%M").time() for part in text.split("-"))
    except ValueError:
        return f"company.business_hours {text!r}: not two times of day; write HH:MM-HH:MM, for example 09:00-18:00"
    if opens >= closes:
        return f"company.business_hours {text!r}: closes before it opens; write the earlier time first"
    return opens, closes


def _days(country: str | None) -> Days | str:
    if not country:
        return Weekdays()
    import holidays  # only where a country is set: its tables take their time

    code, _, region = country.partition("-")
    try:
        found: Days = holidays.country_holidays(code, subdiv=region or None)
    except (NotImplementedError, KeyError, AttributeError):
        return (
            f"company.country {country!r}: no public holidays known; write an ISO 3166 code such as 'CN' or 'DE-BY', "
            "or leave it out: then only Saturday and Sunday are off"
        )
    return found
