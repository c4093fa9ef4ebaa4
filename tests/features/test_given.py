"""Rows that are given read as those of a file."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.engines import open_source
from features.given import columns_of, given_tables, micros_in
from features.settings import Company, Settings, TableMapping, Value
from tests.literal import frame, rows, written

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai")
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
CLOCK_CHANGES = st.builds(
    lambda day, minutes: day + dt.timedelta(minutes=minutes),
    st.sampled_from([dt.datetime(2026, *day) for day in ((3, 29), (10, 25), (3, 8), (11, 1), (4, 5), (10, 4))]),
    st.integers(0, 360),
)

ROWS = st.lists(
    st.fixed_dictionaries({
        "customer_id": st.sampled_from(["a", "007", "客户"]),
        "started_at": MOMENTS | CLOCK_CHANGES,
        "ended_at": st.none() | MOMENTS,
        "monthly_amount": st.none() | st.floats(-1e12, 1e12),
        "renews": st.none() | st.booleans(),
        "product": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
    }),
    max_size=8,
)  # fmt: skip


def stored(folder: Path, table: str, given_rows: list[dict[str, Any]], told: Settings) -> pl.DataFrame:
    """The rows by way of a file."""
    names = list(given_rows[0])
    opened = open_source(written(folder, {table: frame(table, given_rows, *names)}), told)
    found: pl.DataFrame = opened.tables[table].collect(backend="polars").to_native()
    return found


def held(table: str, given_rows: list[dict[str, Any]], told: Settings, **extras: Any) -> pl.DataFrame:
    """The rows as they are given."""
    cells = {name: [row[name] for row in given_rows] for name in given_rows[0]}
    found: pl.DataFrame = given_tables({table: cells}, extras, told)[table].collect(backend="polars").to_native()
    return found


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(some=ROWS.filter(bool))
def test_given_rows_read_as_stored_ones(zone: str, some: list[dict[str, Any]], tmp_path: Path) -> None:
    told = Settings.model_construct(company=Company(timezone=zone))
    found, wanted = held("subscriptions", some, told), stored(tmp_path, "subscriptions", some, told)
    assert_frame_equal(found, wanted, check_column_order=False)


@pytest.mark.parametrize("zone", ZONES)
def test_every_minute_around_a_change_of_the_clocks(zone: str, tmp_path: Path) -> None:
    changes = [dt.datetime(2026, *day) for day in ((3, 29), (10, 25), (3, 8), (11, 1), (4, 5), (10, 4))]
    some = [
        {"customer_id": "a", "occurred_at": day + dt.timedelta(minutes=minute), "feature": "x"}
        for day in changes
        for minute in range(300)
    ]
    told = Settings.model_construct(company=Company(timezone=zone))
    assert_frame_equal(held("usage_events", some, told), stored(tmp_path, "usage_events", some, told))


def test_a_time_with_a_zone_keeps_it() -> None:
    there = dt.datetime(2026, 6, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert micros_in(there, Company(timezone="Asia/Shanghai").zone) == micros_in(dt.datetime(2026, 6, 1), dt.UTC)  # type: ignore[arg-type]


def test_amounts_come_to_one_currency_and_prepaid_ends_are_terms(tmp_path: Path) -> None:
    told = Settings.model_construct(
        value=Value(rates={"USD": 0.5}), tables={"subscriptions": TableMapping(ended_at_is_term=True)}
    )
    at = dt.datetime(2026, 1, 1)
    sales = rows("customer_id occurred_at amount currency", ("a", at, 10.0, "USD"), ("a", at, 10.0, None))
    assert held("transactions", sales, told)["amount"].to_list() == [5.0, 10.0]
    runs = rows("customer_id started_at ended_at monthly_amount", ("a", at, at, 1.0), ("a", at, None, 1.0))
    read = held("subscriptions", runs, told)
    assert_frame_equal(read, stored(tmp_path, "subscriptions", runs, told), check_column_order=False)


def test_columns_outside_the_contract_have_the_kind_that_is_said() -> None:
    some = rows("customer_id vip plan", ("a", True, None), ("b", None, None))
    found = held("customers", some, Settings(), vip="number", plan="text")
    assert found.schema == pl.Schema({"customer_id": pl.String, "vip": pl.Float64, "plan": pl.String})
    assert found["vip"].to_list() == [1.0, None]


def test_the_columns_of_tables_are_plain_data() -> None:
    tables = given_tables({"usage_events": {"customer_id": [], "occurred_at": [], "feature": []}}, {}, Settings())
    assert json.loads(json.dumps(columns_of(tables))) == {"usage_events": ["customer_id", "occurred_at", "feature"]}
