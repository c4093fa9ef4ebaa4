"""The default as-of date: the day after the last event that is not in the future, in the company's time zone."""

import datetime as dt
from pathlib import Path

import pytest

from features.asof import NoEventError, default_as_of
from features.settings import Company, Settings
from tests.literal import TODAY, Rows, ago, rows, source

NOW = TODAY.replace(tzinfo=dt.UTC)


def as_of(folder: Path, zone: str = "UTC", **tables: Rows) -> str:
    settings = Settings.model_construct(company=Company(timezone=zone))
    return f"{default_as_of(source(folder, 'duckdb', tables), settings, NOW).astimezone(settings.company.zone):%F %R}"


def sales(*days: float) -> Rows:
    return rows("customer_id occurred_at amount", *(("a", ago(day), 1.0) for day in days))


def test_day_after_the_last_event(tmp_path: Path) -> None:
    assert as_of(tmp_path, transactions=sales(9, 5.5)) == "2026-06-26 00:00"


def test_an_event_at_midnight_belongs_to_the_day_it_begins(tmp_path: Path) -> None:
    assert as_of(tmp_path, transactions=sales(5)) == "2026-06-27 00:00"


def test_the_future_does_not_count(tmp_path: Path) -> None:
    assert as_of(tmp_path, transactions=sales(9, -3)) == "2026-06-23 00:00"


def test_the_day_is_the_companys(tmp_path: Path) -> None:
    late = rows("customer_id occurred_at amount", ("a", dt.datetime(2026, 6, 20, 23, 30), 1.0))
    assert as_of(tmp_path, "Asia/Shanghai", transactions=late) == "2026-06-22 00:00"  # 07:30 of the 21st there


def test_the_latest_of_all_event_tables(tmp_path: Path) -> None:
    nps = rows("customer_id occurred_at score", ("a", ago(2), 9.0))
    assert as_of(tmp_path, transactions=sales(9), nps_responses=nps) == "2026-06-30 00:00"


def test_labels_and_sign_ups_are_no_events(tmp_path: Path) -> None:
    people = rows("customer_id signed_up_at", ("a", ago(1)))
    labels = rows("customer_id as_of churned", ("a", ago(2), True))
    assert as_of(tmp_path, transactions=sales(9), customers=people, labels=labels) == "2026-06-23 00:00"


def test_labels_stand_in_where_there_are_no_events(tmp_path: Path) -> None:
    assert as_of(tmp_path, labels=rows("customer_id as_of churned", ("a", ago(2), True))) == "2026-06-30 00:00"


def test_nothing_yet(tmp_path: Path) -> None:
    with pytest.raises(NoEventError, match="no row has a date up to 2026-07-01"):
        as_of(tmp_path, transactions=sales(-1))
