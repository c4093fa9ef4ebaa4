"""Literal tables for tests: rows in, an opened source out, and a frame's column as a dict by customer."""

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import polars as pl

from features.clock import DAY, micros
from features.engines import Engine, Source, open_source
from features.point_in_time import Frame
from features.settings import Settings
from features.sources import ONE_OF, TABLES, Kind

ENGINES: tuple[Engine, ...] = get_args(Engine)

TODAY = dt.datetime(2026, 7, 1)
"""The cut-off of every literal table, 00:00 UTC."""

T = micros(TODAY.replace(tzinfo=dt.UTC))
"""The same in microseconds."""

DTYPES: Mapping[Kind, pl.DataType] = {
    "text": pl.String(), "number": pl.Float64(), "flag": pl.Boolean(), "time": pl.Datetime("us")
}  # fmt: skip

Rows = Sequence[Mapping[str, Any]]


def ago(days: float, *, microseconds: int = 0) -> dt.datetime:
    """`days` before the cut-off; negative days lie after it."""
    return TODAY - dt.timedelta(days=days) + dt.timedelta(microseconds=microseconds)


def at(days: float) -> int:
    """Microseconds of `ago(days)`."""
    return T - int(days * DAY)


def rows(header: str, *values: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows as dicts out of a line of column names and tuples of values."""
    names = header.split()
    return [dict(zip(names, row, strict=True)) for row in values]


def frame(table: str, rows: Rows, *empty: str) -> pl.DataFrame:
    """Rows in the contract's types; `empty` names the columns of a table without rows."""
    kinds = {name: column.kind for name, column in TABLES[table].columns().items()}
    names = dict.fromkeys([name for row in rows for name in row] or empty or TABLES[table].required())
    schema = {name: DTYPES[kinds[name]] if name in kinds else None for name in names}
    return pl.DataFrame(list(rows), schema=schema, infer_schema_length=None)


def written(folder: Path, tables: Mapping[str, Rows | pl.DataFrame]) -> Path:
    """`tables` as Parquet files of `folder`."""
    for name, table in tables.items():
        whole = table if isinstance(table, pl.DataFrame) else frame(name, table)
        whole.write_parquet(folder / f"{name}.parquet")
    return folder


def source(folder: Path, engine: Engine, tables: Mapping[str, Rows | pl.DataFrame]) -> Source:
    """`tables` written, opened through the one door, and held by `engine`."""
    one_of = {} if tables.keys() & set(ONE_OF) else {"labels": []}  # a source needs one of them; this one says nothing
    return open_source(written(folder, one_of | dict(tables)), Settings()).on(engine)


def by_customer(features: Frame | pl.DataFrame | None) -> dict[str, dict[str, Any]]:
    """Feature → customer → value."""
    assert features is not None
    wide: pl.DataFrame = features if isinstance(features, pl.DataFrame) else features.collect("polars").to_native()
    assert wide["customer_id"].is_unique().all()
    return {name: dict(wide.select("customer_id", name).iter_rows()) for name in wide.columns if name != "customer_id"}
