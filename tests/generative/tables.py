"""Random tables of the input contract, in the types that `engines.py` hands on."""

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
from hypothesis import strategies as st

from features.build import Fitted
from features.clock import DAY
from features.engines import Engine, held_by
from features.point_in_time import Frame, Tables
from features.sources import TABLES, Column
from tests.literal import T

Row = dict[str, Any]
Rows = dict[str, list[Row]]

READ = tuple(name for name in TABLES if name not in ("labels", "interventions", "leads", "lead_stages"))
"""Tables that features read."""

FITTED = Fitted(core_features=("report", "Sales / export", "报表"), static=("region", "employees"))

WORDS: Mapping[str, Sequence[str]] = {
    "customer_id": ("a", "b", "c", "007"),
    "order_id": ("1", "2", "3"),
    "feature": ("report", "Sales / export", "报表", "unpopular"),
    "direction": ("inbound", "outbound"),
    "topic": ("complaint", "enquiry", "intent"),
}
EDGES = tuple(T - days * DAY + shift for days in (0, 30, 60, 90, 180, 360, 365, 730) for shift in (-1, 0, 1))
"""Moments where a window begins or ends, and their neighbours."""

SIGNED = tuple(quarter / 4 for quarter in (-400, -10, -1, 0, 0, 1, 3, 10, 4_000_001))
"""Whole quarters add up exactly, so that amounts that cancel cancel on every engine."""

UNSIGNED = (0.0, 0.0, 0.1, 0.25, 0.3, 1.0, 7.0, 1234.56)


def times() -> st.SearchStrategy[int]:
    """Moments around T: edges often, any microsecond of the 800 days before and the 100 days after otherwise."""
    return st.sampled_from(EDGES) | st.integers(T - 800 * DAY, T + 100 * DAY) | st.integers(T - 60 * DAY, T - 1)


def values(name: str, column: Column) -> st.SearchStrategy[Any]:
    """What may stand in a column, null included."""
    if column.kind == "time":
        return st.none() | times()
    if column.kind == "flag":
        return st.none() | st.sampled_from((0.0, 1.0))
    if column.kind == "text":
        return st.none() | st.sampled_from(WORDS.get(name, ("x", "y"))) | st.sampled_from(WORDS.get(name, ("x", "y")))
    if column.filled_after_minutes:
        return st.none() | st.sampled_from((0.0, 30.0, 1440.0, 60 * 1440.0))
    if column.low is None:
        return st.none() | st.sampled_from(SIGNED)
    if column.high is not None and column.high > 1:
        return st.none() | st.integers(int(column.low), int(column.high)).map(float)
    return st.none() | st.sampled_from(tuple(value for value in UNSIGNED if value <= (column.high or value)))


def a_row(table: str) -> st.SearchStrategy[Row]:
    """Any row of `table`: nulls, late records, and all columns."""
    return st.fixed_dictionaries({name: values(name, column) for name, column in TABLES[table].columns().items()})


@st.composite
def some_rows(draw: st.DrawFn, at_most: int = 7) -> Rows:
    """Rows by table; most tables are missing, some empty, some rows stand twice."""
    names = draw(st.sets(st.sampled_from(READ), min_size=1, max_size=3))
    tables = {name: draw(st.lists(a_row(name), max_size=at_most)) for name in READ if name in names}
    return {name: rows + rows[: draw(st.integers(0, 2))] for name, rows in tables.items()}


def typed(table: str, rows: Sequence[Row]) -> pl.DataFrame:
    """Rows as `engines.py` types them."""
    dtypes = {"text": pl.String(), "number": pl.Float64(), "flag": pl.Float64(), "time": pl.Int64()}
    schema = {name: dtypes[column.kind] for name, column in TABLES[table].columns().items()}
    return pl.DataFrame(list(rows), schema=schema)


def on(engine: Engine, rows: Rows) -> Tables:
    """Every table held by `engine`."""
    frames = {name: typed(name, table) for name, table in rows.items()}
    if engine == "duckdb":
        connection = duckdb.connect()
        return {name: nw.from_native(connection.from_arrow(frame.to_arrow())) for name, frame in frames.items()}
    lazy: dict[str, Frame] = {name: nw.from_native(frame).lazy() for name, frame in frames.items()}
    return {name: held_by(frame, engine) for name, frame in lazy.items()}
