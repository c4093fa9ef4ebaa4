"""The only date filter: what the company knew before a moment, and nothing else."""

from collections.abc import Mapping
from typing import Any

import narwhals as nw

from features.clock import DAY
from features.sources import TABLES, Column

Frame = nw.LazyFrame[Any]
Tables = Mapping[str, Frame]


def known_before(tables: Tables, as_of: int) -> dict[str, Frame]:
    """Every table as it was known just before `as_of` (microseconds): the view that features may see.

    Keeps rows that happened before `as_of` and were recorded before it; a field filled in later reads as null
    until its own date. Rows without a customer are left out.
    """
    return {name: _known(name, frame, as_of) for name, frame in tables.items()}


def known_at(tables: Tables, as_of: int) -> dict[str, Frame]:
    """Every table as readable at `as_of`, that moment included: what a training run may read for its labels."""
    return known_before(tables, as_of + 1)


def within(as_of: int, days: float, column: str = "t") -> nw.Expr:
    """Whether `column` lies in the last `days` before `as_of`; the rows are already known before `as_of`."""
    return nw.col(column) >= as_of - int(days * DAY)


def between(start: int, end: int, column: str = "t") -> nw.Expr:
    """Whether `column` lies in the half-open interval [start, end)."""
    return (nw.col(column) >= start) & (nw.col(column) < end)


def _known(name: str, frame: Frame, as_of: int) -> Frame:
    table, present = TABLES[name], frame.collect_schema().names()
    if "customer_id" in table.required():
        frame = frame.filter(~nw.col("customer_id").is_null())
    happened = table.happened_at
    if happened in present:
        seen = nw.col(happened) < as_of
        frame = frame.filter(seen | nw.col(happened).is_null() if happened not in table.required() else seen)
    if "recorded_at" in present:
        frame = frame.filter(nw.col("recorded_at").is_null() | (nw.col("recorded_at") < as_of))
    masks = [
        _mask(name, column, happened, as_of)
        for name, column in table.columns().items()
        if name in present and _is_late(column, present)
    ]
    return frame.with_columns(*masks) if masks else frame


def _is_late(column: Column, present: list[str]) -> bool:
    return column.filled_after_minutes or column.filled_at in present


def _mask(name: str, column: Column, happened: str | None, as_of: int) -> nw.Expr:
    if column.filled_after_minutes:
        known = nw.col(str(happened)) + (nw.col(name) * 60_000_000) < as_of
    else:
        known = nw.col(str(column.filled_at)) < as_of
    return nw.when(known).then(nw.col(name)).alias(name)
