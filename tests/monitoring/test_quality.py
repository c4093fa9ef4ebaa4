"""What is counted in one table, on every engine: a literal table in, the figures out."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from features.clock import micros
from features.engines import Engine, Source
from features.settings import Settings
from monitoring.findings import TableFinding
from monitoring.quality import Moments, table_finding
from monitoring.readiness import readiness
from tests.literal import ENGINES, TODAY, Rows, T, ago, rows, source

NOW = TODAY.replace(tzinfo=dt.UTC)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    chosen: Engine = request.param
    return chosen


def found(opened: Source, table: str) -> TableFinding:
    moments = Moments(micros(NOW), T, dt.UTC)
    return table_finding(table, opened.tables[table], "a file", (), opened.tables.get("customers"), moments)


CUSTOMERS = rows(
    "customer_id signed_up_at size_fit",
    ("a", ago(100), 0.5),
    ("b", ago(50), 1.5),
    ("b", ago(50), None),
    ("c", None, -0.1),
)
TRANSACTIONS = rows(
    "customer_id occurred_at amount discount recorded_at",
    ("a", ago(90), 10.0, 0.1, ago(90)),
    ("a", ago(90), 10.0, 0.1, ago(90)),  # an exact copy
    ("a", ago(120), 10.0, None, ago(117)),  # before the sign-up, and three days late
    ("b", ago(30), None, 1.1, ago(31)),  # no amount, impossible discount, recorded before it happened
    (None, ago(20), 5.0, None, None),
    ("stranger", ago(10), 5.0, None, None),
    ("c", ago(-2), 5.0, None, None),  # in the future
)


def test_rows_span_customers_and_missing_values(tmp_path: Path, engine: Engine) -> None:
    sales = found(source(tmp_path, engine, {"transactions": TRANSACTIONS}), "transactions")
    assert (sales.rows, sales.customers, sales.without_customer) == (7, 4, 1)
    assert (sales.first, sales.last) == (ago(120).replace(tzinfo=dt.UTC), ago(-2).replace(tzinfo=dt.UTC))
    assert sales.missing == {"customer_id": 1 / 7, "occurred_at": 0, "amount": 1 / 7, "discount": 4 / 7,
                             "recorded_at": 3 / 7}  # fmt: skip


def test_copies_future_late_strangers_and_rows_before_sign_up(tmp_path: Path, engine: Engine) -> None:
    sales = found(source(tmp_path, engine, {"customers": CUSTOMERS, "transactions": TRANSACTIONS}), "transactions")
    assert sales.duplicate_rows == 1
    assert sales.duplicate_keys is None  # transactions may hold the same row twice
    assert sales.future == 1
    assert sales.late_share == 1 / 7
    assert sales.strangers == 1
    assert sales.before_sign_up == 1


def test_impossible_values_name_the_rule(tmp_path: Path, engine: Engine) -> None:
    opened = source(tmp_path, engine, {"customers": CUSTOMERS, "transactions": TRANSACTIONS})
    sales, customers = found(opened, "transactions"), found(opened, "customers")
    assert {each.what: each.rows for each in sales.impossible} == {
        "discount outside 0 to 1": 1, "recorded_at before occurred_at": 1
    }  # fmt: skip
    assert {each.what: each.rows for each in customers.impossible} == {"size_fit outside 0 to 1": 2}


@pytest.mark.parametrize(
    ("table", "lines", "what"),
    [
        ("subscriptions", rows("customer_id started_at ended_at monthly_amount", ("a", ago(9), ago(10), 1.0)),
         "ended_at before started_at"),
        ("subscriptions", rows("customer_id started_at ended_at monthly_amount", ("a", ago(9), None, -1.0)),
         "monthly_amount below 0"),
        ("tickets", rows("customer_id occurred_at closed_at", ("a", ago(9), ago(10))), "closed_at before occurred_at"),
        ("nps_responses", rows("customer_id occurred_at score", ("a", ago(9), 11.0)), "score outside 0 to 10"),
        ("satisfaction_surveys", rows("customer_id occurred_at score", ("a", ago(9), 0.0)), "score outside 1 to 5"),
    ],
)  # fmt: skip
def test_each_rule_of_the_contract(tmp_path: Path, engine: Engine, table: str, lines: Rows, what: str) -> None:
    assert {each.what for each in found(source(tmp_path, engine, {table: lines}), table).impossible} == {what}


def test_what_may_lie_before_the_row_is_not_impossible(tmp_path: Path, engine: Engine) -> None:
    lines = rows("customer_id signed_up_at birthday", ("a", ago(9), ago(9000)))
    assert found(source(tmp_path, engine, {"customers": lines}), "customers").impossible == ()


def test_duplicate_keys(tmp_path: Path, engine: Engine) -> None:
    labels = rows("customer_id as_of churned", ("a", ago(9), True), ("a", ago(9), False), ("a", ago(5), True))
    opened = source(tmp_path, engine, {"customers": CUSTOMERS, "labels": labels})
    assert (found(opened, "customers").key, found(opened, "customers").duplicate_keys) == (("customer_id",), 1)
    assert (found(opened, "labels").key, found(opened, "labels").duplicate_keys) == (("customer_id", "as_of"), 1)


def test_a_table_that_stops_says_since_when(tmp_path: Path, engine: Engine) -> None:
    daily = rows("customer_id occurred_at feature", *(("a", ago(day), "x") for day in range(30, 90)))
    weekly = rows("customer_id occurred_at amount", *(("a", ago(day), 1.0) for day in range(5, 90, 7)))
    opened = source(tmp_path, engine, {"usage_events": daily, "transactions": weekly})
    assert found(opened, "usage_events").stopped == (
        "no row after 2026-06-01, 29 days before the as-of date (longest silence before: 0 days)"
    )
    assert found(opened, "transactions").stopped is None  # five days of silence are usual here


def test_empty_table_and_table_without_optional_columns(tmp_path: Path, engine: Engine) -> None:
    opened = source(tmp_path, engine, {"tickets": [], "transactions": rows("customer_id occurred_at amount",
                                                                          ("a", ago(1), 1.0))})  # fmt: skip
    assert found(opened, "tickets").rows == 0
    assert found(opened, "tickets").missing == {}
    assert found(opened, "transactions").late_share is None


def test_the_same_report_from_csv_and_on_every_engine(tmp_path: Path) -> None:
    parquet = source(tmp_path, "duckdb", {"customers": CUSTOMERS, "transactions": TRANSACTIONS})
    texts = tmp_path / "csv"
    texts.mkdir()
    for name in ("customers", "transactions"):
        pl.read_parquet(tmp_path / f"{name}.parquet").write_csv(texts / f"{name}.csv")
    from features.engines import open_source

    settings = Settings()
    reports = [readiness(each, None, settings, NOW) for each in
               (parquet, parquet.on("polars"), parquet.on("pandas"), open_source(texts, settings))]  # fmt: skip
    bare = [report.model_dump(exclude={"place": True, "tables": {"__all__": {"origin"}}}) for report in reports]
    assert bare[0] == bare[1] == bare[2] == bare[3]
