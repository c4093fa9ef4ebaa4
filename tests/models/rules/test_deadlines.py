"""Deadlines: clock hours, calendar days in the company's zone, the rule outside working hours, and the calendar."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rules import load_pack
from models.rules.deadlines import CalendarError, WorkCalendar, due, needs_notice, person_by, work_calendar
from models.rules.schema.alert_rules import Deadline

PACK = load_pack()
BERLIN = ZoneInfo("Europe/Berlin")
CALENDAR = work_calendar(PACK, BERLIN, country="DE")
RULES = PACK.alerts.rules


def at(text: str) -> dt.datetime:
    return dt.datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=BERLIN)


# 2026-07-01 is a Wednesday, 2026-10-03 (a Saturday) and 2026-12-25 (a Friday) are holidays in Germany
DUE = [  # document, rule, opened, due, due with 7×24
    ("D5", "ticket_acknowledge", "2026-07-01 10:00", "2026-07-01 10:30", "2026-07-01 10:30"),
    ("D5", "ticket_acknowledge", "2026-07-01 09:00", "2026-07-01 09:30", "2026-07-01 09:30"),
    ("D5", "ticket_acknowledge", "2026-07-01 08:59", "2026-07-01 09:29", "2026-07-01 09:29"),
    ("D5", "ticket_acknowledge", "2026-07-01 17:59", "2026-07-01 18:29", "2026-07-01 18:29"),
    ("D5", "ticket_acknowledge", "2026-07-01 18:00", "2026-07-02 09:00", "2026-07-01 18:30"),
    ("D5", "ticket_acknowledge", "2026-07-02 03:00", "2026-07-02 09:00", "2026-07-02 03:30"),
    ("D5", "ticket_acknowledge", "2026-07-03 20:00", "2026-07-04 09:00", "2026-07-03 20:30"),
    ("D5", "ticket_acknowledge", "2026-07-04 11:00", "2026-07-05 09:00", "2026-07-04 11:30"),
    ("D5", "ticket_acknowledge", "2026-12-25 11:00", "2026-12-26 09:00", "2026-12-25 11:30"),
    ("D5", "ticket_solution", "2026-07-01 10:00", "2026-07-01 22:00", "2026-07-01 22:00"),
    ("D5", "ticket_solution", "2026-07-01 19:00", "2026-07-02 09:00", "2026-07-02 07:00"),
    ("D5", "ticket_solution", "2026-07-01 22:00", "2026-07-02 10:00", "2026-07-02 10:00"),
    ("D3", "ticket_at_risk", "2026-07-01 22:00", "2026-07-02 22:00", "2026-07-02 22:00"),
    ("D3", "ticket_at_risk", "2026-10-24 12:00", "2026-10-25 11:00", "2026-10-25 11:00"),  # 25 hours on the clock
    ("D3", "loss_risk", "2026-07-01 00:00", "2026-07-31 00:00", "2026-07-31 00:00"),
    ("D3", "loss_risk", "2026-10-01 00:00", "2026-10-31 00:00", "2026-10-31 00:00"),  # winter time begins between
    ("D5", "thank_you", "2026-07-04 22:00", "2026-07-05 22:00", "2026-07-05 22:00"),
    ("D5", "first_call", "2026-07-01 15:00", "2026-07-04 15:00", "2026-07-04 15:00"),
    ("D5", "value_report", "2026-07-01 15:00", "2026-07-08 15:00", "2026-07-08 15:00"),
]


@pytest.mark.parametrize(("document", "rule", "opened", "expected", "round_the_clock"), DUE)
def test_due(document: str, rule: str, opened: str, expected: str, round_the_clock: str) -> None:
    deadline = RULES.by_key[rule].deadline
    assert deadline.source == document
    assert due(at(opened), deadline, CALENDAR) == at(expected)
    assert due(at(opened), deadline, CALENDAR, round_the_clock=True) == at(round_the_clock)


@pytest.mark.parametrize(
    ("opened", "calendar", "working"),
    [
        ("2026-07-01 18:00", "2026-07-02 09:00", "2026-07-02 09:00"),
        ("2026-07-03 18:00", "2026-07-04 09:00", "2026-07-06 09:00"),
        ("2026-07-04 03:00", "2026-07-04 09:00", "2026-07-06 09:00"),
        ("2026-12-24 19:00", "2026-12-25 09:00", "2026-12-28 09:00"),
        ("2026-07-01 09:00", "2026-07-02 09:00", "2026-07-02 09:00"),
    ],
)
def test_a_person_by_the_next_morning(opened: str, calendar: str, working: str) -> None:
    """D5: by 09:00 next day; a company may count working days only."""
    rule = PACK.deadlines.next_day.model_copy(update={"counts": "working"})
    pack = PACK.model_copy(update={"deadlines": PACK.deadlines.model_copy(update={"next_day": rule})})
    assert person_by(at(opened), CALENDAR) == at(calendar)
    assert person_by(at(opened), work_calendar(pack, BERLIN, country="DE")) == at(working)


@pytest.mark.parametrize(
    ("moment", "notice"),
    [("2026-07-01 08:59", True), ("2026-07-01 09:00", False), ("2026-07-01 17:59", False), ("2026-07-01 18:00", True),
     ("2026-07-04 12:00", True), ("2026-12-25 12:00", True)],
)  # fmt: skip
def test_an_emergency_notice_outside_working_hours(moment: str, notice: bool) -> None:
    """D5; 09:00 to 18:00 is a project default."""
    assert needs_notice(at(moment), CALENDAR) == notice
    assert not needs_notice(at(moment), CALENDAR, round_the_clock=True)


def test_hours_and_country_are_settings() -> None:
    calendar = work_calendar(PACK, BERLIN, "07:30-12:00")
    assert calendar.is_open(at("2026-12-25 07:30"))  # no country, no holidays
    assert not calendar.is_open(at("2026-12-25 12:00"))
    assert not calendar.is_open(at("2026-12-26 10:00"))
    assert not work_calendar(PACK, BERLIN, country="DE-BY").is_open(at("2026-01-06 10:00"))
    assert work_calendar(PACK, BERLIN, country="DE").is_open(at("2026-01-06 10:00"))


def test_worked_weekends_and_weeks_of_holidays() -> None:
    """China works on some Saturdays to make up for holidays; a mail goes out once for a week of them."""
    shanghai = ZoneInfo("Asia/Shanghai")
    calendar = work_calendar(PACK, shanghai, country="CN")
    assert calendar.is_open(dt.datetime(2026, 2, 14, 10, tzinfo=shanghai))
    starts = [
        day for day in (dt.date(2026, 10, 1) + dt.timedelta(n) for n in range(12)) if calendar.begins_holiday(day)
    ]
    assert starts == [dt.date(2026, 10, 1)]


@pytest.mark.parametrize(
    ("hours", "country", "settings"),
    [
        ("nine to five", None, ["company.business_hours"]), ("09:00", None, ["company.business_hours"]),
        ("18:00-09:00", None, ["company.business_hours"]), ("25:00-26:00", None, ["company.business_hours"]),
        ("09:00-18:00", "XX", ["company.country"]), ("09:00-18:00", "DE-ZZ", ["company.country"]),
        ("9-5", "XX", ["company.business_hours", "company.country"]),
    ],
)  # fmt: skip
def test_wrong_settings_are_told_at_once(hours: str, country: str | None, settings: list[str]) -> None:
    with pytest.raises(CalendarError) as error:
        work_calendar(PACK, BERLIN, hours, country)
    assert [problem.split(" ")[0] for problem in error.value.problems] == settings


@given(
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)),
    st.floats(0, 100),
    st.sampled_from([CALENDAR, WorkCalendar()]),
)
def test_nobody_waits_longer_than_a_night(opened: dt.datetime, hours: float, calendar: WorkCalendar) -> None:
    """Round the clock is never later; otherwise at most until the next morning."""
    deadline = Deadline.model_validate({"hours": hours, "from": "D5"})
    soonest = due(opened, deadline, calendar, round_the_clock=True)
    assert soonest <= due(opened, deadline, calendar) <= max(soonest, opened + dt.timedelta(hours=25))
    assert calendar.is_open(opened) <= (due(opened, deadline, calendar) == soonest)
