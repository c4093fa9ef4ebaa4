"""What is in one table and what is wrong with it, counted in few scans whatever engine holds the rows."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import polars as pl

from features.asof import EVENT_TABLES
from features.clock import DAY, moment
from features.point_in_time import Frame
from features.sources import TABLES, Column, Table
from monitoring.findings import Impossible, TableFinding
from training.censoring import silence

KEYS = {
    "customers": ("customer_id",),
    "labels": ("customer_id", "as_of"),
    "interventions": ("customer_id", "occurred_at", "playbook"),
    "leads": ("lead_id",),
    "lead_stages": ("lead_id", "stage", "entered_at"),
}
"""Table → columns that name a row; the other tables may hold the same row twice."""

LATE_DAYS = 1
"""A row recorded more than this after it happened is late."""

NOT_AN_END = ("due_at", "expected_close_at", "birthday")
"""Times that may lie before the row's own without being wrong."""


@dataclass(frozen=True)
class Moments:
    """What the checks compare dates with, in microseconds; `as_of` None: no date could be found."""

    now: int
    as_of: int | None
    zone: dt.tzinfo


def table_finding(
    name: str, frame: Frame, origin: str, ignored: tuple[str, ...], customers: Frame | None, moments: Moments
) -> TableFinding:
    """Everything about the table `name`; `customers` is the table of that name, None where it is absent."""
    table, present = TABLES[name], frame.collect_schema().names()
    impossible, happened = impossible_values(table, present), table.happened_at
    conditions = _counters(table, present, moments.now) | impossible
    counts = _counted(frame, conditions, happened if happened in present else None)
    rows, key = int(counts["rows"]), KEYS.get(name, ())
    ids = _ids(frame) if "customer_id" in present and name != "customers" else None
    return TableFinding(
        table=name,
        origin=origin,
        rows=rows,
        first=_shown(counts.get("first"), moments.zone),
        last=_shown(counts.get("last"), moments.zone),
        customers=_customers(frame, ids, present),
        missing={column: counts[f"missing {column}"] / rows for column in present} if rows else {},
        without_customer=int(counts.get("missing customer_id", 0)),
        duplicate_rows=rows - _height(frame.unique()),
        key=key,
        duplicate_keys=duplicate_keys(frame, key) if set(key) <= set(present) and key else None,
        future=int(counts.get("future", 0)),
        strangers=_strangers(ids, customers),
        before_sign_up=before_sign_up(name, frame, customers),
        late_share=counts["late"] / rows if "late" in counts and rows else None,
        impossible=tuple(Impossible(what=what, rows=int(counts[what])) for what in impossible if counts[what]),
        stopped=stops(frame, name, moments.as_of) if name in EVENT_TABLES and moments.as_of and rows else None,
        ignored=ignored,
    )


def impossible_values(table: type[Table], present: list[str]) -> dict[str, nw.Expr]:
    """What cannot be, in words → whether a row shows it: out of the contract's range, over before it began."""
    columns = {name: column for name, column in table.columns().items() if name in present}
    outside = {_range(name, column): _outside(name, column) for name, column in columns.items()
               if column.low is not None or column.high is not None}  # fmt: skip
    begins = str(table.happened_at)
    if begins not in present:
        return outside
    ends = [name for name, column in columns.items() if column.kind == "time" and name not in (begins, *NOT_AN_END)]
    return outside | {f"{name} before {begins}": nw.col(name) < nw.col(begins) for name in ends}


def duplicate_keys(frame: Frame, key: tuple[str, ...]) -> int:
    """How many values of `key` stand in more than one row."""
    known = frame.filter(*(~nw.col(name).is_null() for name in key))
    return _height(known.group_by(*key).agg(nw.len().alias("rows_of_key")).filter(nw.col("rows_of_key") > 1))


def before_sign_up(name: str, frame: Frame, customers: Frame | None) -> int | None:
    """Rows that happened before their customer signed up; None where that cannot be told."""
    happened = str(TABLES[name].happened_at)
    if customers is None or name not in EVENT_TABLES or "signed_up_at" not in customers.collect_schema().names():
        return None
    signed = customers.filter(~nw.col("signed_up_at").is_null()).select("customer_id", "signed_up_at")
    first = signed.group_by("customer_id").agg(nw.col("signed_up_at").min().alias("signed"))
    joined = frame.select("customer_id", happened).join(first, on="customer_id", how="inner")
    return _height(joined.filter(nw.col(happened) < nw.col("signed")))


def stops(frame: Frame, name: str, as_of: int) -> str | None:
    """Since when an event table is silent, where that is longer than it ever was before `as_of`; else None."""
    quiet, longest = silence(frame, name, as_of)
    if quiet <= longest + 1:
        return None
    if quiet == float("inf"):
        return "no row before the as-of date"
    last = moment(as_of - int(quiet * DAY) - 1)
    return (f"no row after {last:%Y-%m-%d}, {quiet:.0f} days before the as-of date "
            f"(longest silence before: {longest:.0f} days)")  # fmt: skip


def customer_ids(tables: Mapping[str, Frame]) -> int:
    """How many customers the tables know between them."""
    found = [_ids(frame) for frame in tables.values() if "customer_id" in frame.collect_schema().names()]
    return pl.concat(found).n_unique() if found else 0


def _counters(table: type[Table], present: list[str], now: int) -> dict[str, nw.Expr]:
    """Name → condition to be counted."""
    happened = str(table.happened_at)
    counters = {f"missing {name}": nw.col(name).is_null() for name in present}
    if happened in present:
        counters["future"] = nw.col(happened) > now
    if {happened, "recorded_at"} <= set(present):
        counters["late"] = nw.col("recorded_at") > nw.col(happened) + LATE_DAYS * DAY
    return counters


def _counted(frame: Frame, conditions: Mapping[str, nw.Expr], happened: str | None) -> dict[str, float]:
    """Rows, first and last moment, and how often each condition holds: one scan."""
    names = dict(zip([f"c{i}" for i in range(len(conditions))], conditions, strict=True))
    flags = {short: conditions[name].cast(nw.Float64) for short, name in names.items()}
    times = {"first": nw.col(happened), "last": nw.col(happened)} if happened else {}
    marked = frame.select(**flags, **times)
    ends = [nw.col("first").min(), nw.col("last").max()] if happened else []
    totals = marked.select(nw.len().alias("rows"), *ends, *(nw.col(short).sum() for short in names))
    row = totals.collect(backend="polars").rows(named=True)[0]
    return {names.get(name, name): value or 0 for name, value in row.items() if value is not None or name in names}


def _outside(name: str, column: Column) -> nw.Expr:
    value = nw.col(name)
    low, high = value < column.low, value > column.high
    if column.low is None:
        return high
    return low if column.high is None else low | high


def _range(name: str, column: Column) -> str:
    if column.high is None:
        return f"{name} below {column.low:g}"
    if column.low is None:
        return f"{name} above {column.high:g}"
    return f"{name} outside {column.low:g} to {column.high:g}"


def _ids(frame: Frame) -> pl.DataFrame:
    """Distinct known customer ids, in memory."""
    ids: pl.DataFrame = frame.select("customer_id").unique().collect(backend="polars").to_native()
    return ids.drop_nulls()


def _customers(frame: Frame, ids: pl.DataFrame | None, present: list[str]) -> int:
    if "customer_id" not in present:
        return 0
    return (_ids(frame) if ids is None else ids).height


def _strangers(ids: pl.DataFrame | None, customers: Frame | None) -> int | None:
    """Customers of a table that `customers` does not know; None where there is nothing to compare."""
    if ids is None or customers is None:
        return None
    return ids.join(_ids(customers), on="customer_id", how="anti").height


def _height(frame: Frame) -> int:
    return int(frame.select(nw.len().alias("n")).collect(backend="polars")["n"].item())


def _shown(micros: float | None, zone: dt.tzinfo) -> dt.datetime | None:
    return None if micros is None else moment(int(micros)).astimezone(zone)
