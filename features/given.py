"""Rows that are given, not stored, as the frames that `engines.open_source` makes of stored ones.

For the few customers of a request: the same types, the same zone for times without one, the same currency. The rows
are held by Polars, which starts fastest on few rows.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import narwhals as nw
import polars as pl

from features.clock import micros
from features.currency import in_one_currency
from features.point_in_time import Frame, Tables
from features.settings import Settings
from features.sources import TABLES, Kind

Cell = str | float | bool | dt.datetime | None
"""Text, a number, a flag, or a time with or without a zone."""

PHYSICAL: Mapping[Kind, type[pl.DataType]] = {
    "text": pl.String, "number": pl.Float64, "flag": pl.Float64, "time": pl.Int64
}  # fmt: skip


def given_tables(
    rows: Mapping[str, Mapping[str, Sequence[Cell]]], extras: Mapping[str, Kind], settings: Settings
) -> dict[str, Frame]:
    """Contract table → column → its cells, opened: a table is there if it is named, its columns those that are named.

    `extras`: columns outside the contract → kind. Cells must fit their column's kind.
    """
    zone = settings.company.zone
    tables = {name: _frame(columns, {**extras, **_kinds(name)}, zone) for name, columns in rows.items()}
    if "subscriptions" in tables and _ends_are_terms(settings):
        tables["subscriptions"] = _with_terms(tables["subscriptions"])
    opened: dict[str, Frame] = {name: nw.from_native(frame.lazy()) for name, frame in tables.items()}
    if "transactions" in opened:
        opened["transactions"] = in_one_currency(opened["transactions"], settings.value.rates)
    return opened


def columns_of(tables: Tables) -> dict[str, list[str]]:
    """Table → its columns: what a bundle keeps, so that a column which a request leaves out is null, and not absent."""
    return {name: list(frame.collect_schema().names()) for name, frame in tables.items()}


def micros_in(time: dt.datetime, zone: ZoneInfo) -> int:
    """Microseconds of `time`; one without a zone is local time in `zone`.

    An hour that a clock shows twice is its second pass, one that it skips is read as if it had not: as DuckDB reads
    them.
    """
    if time.tzinfo is not None:
        return micros(time)
    return max(micros(time.replace(tzinfo=zone, fold=fold)) for fold in (0, 1))


def _kinds(table: str) -> dict[str, Kind]:
    return {name: column.kind for name, column in TABLES[table].columns().items()}


def _frame(columns: Mapping[str, Sequence[Cell]], kinds: Mapping[str, Kind], zone: ZoneInfo) -> pl.DataFrame:
    return pl.DataFrame({name: _series(cells, kinds[name], zone) for name, cells in columns.items()})


def _series(cells: Sequence[Cell], kind: Kind, zone: ZoneInfo) -> pl.Series:
    if kind == "time":
        cells = [micros_in(cell, zone) if isinstance(cell, dt.datetime) else None for cell in cells]
    return pl.Series(cells, dtype=PHYSICAL[kind])


def _ends_are_terms(settings: Settings) -> bool:
    mapping = settings.tables.get("subscriptions")
    return mapping is not None and mapping.ended_at_is_term


def _with_terms(rows: pl.DataFrame) -> pl.DataFrame:
    """Prepaid periods end when it was agreed in advance, as `[tables.subscriptions] ended_at_is_term` says."""
    known = [name for name in ("term_ends_at", "ended_at") if name in rows.columns]
    return rows.with_columns(term_ends_at=pl.coalesce(known)) if "ended_at" in known else rows
