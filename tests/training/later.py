"""A company's tables as they were on a day, and as they may become after it: nothing known on D differs."""

import datetime as dt

import polars as pl

from features.sources import TABLES

EARLIER = dt.date(2026, 2, 1)
D = dt.datetime(2026, 2, 1)

FILLED = {"subscriptions": ("ended_at",), "tickets": ("first_solution_at", "closed_at")}
"""Fields whose own date may lie after D in a row that happened before it."""


def as_it_was(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """What a copy of the folder taken on D would hold."""
    dates = [name for name in (TABLES[table].happened_at, "recorded_at") if name in rows.columns]
    known = rows.filter(pl.all_horizontal(pl.col(name).is_null() | (pl.col(name) <= D) for name in dates))
    late = [pl.when(pl.col(name) <= D).then(name) for name in FILLED.get(table, ())]
    if table == "tickets":
        minutes = pl.duration(minutes="first_response_minutes")
        late.append(pl.when(pl.col("occurred_at") + minutes <= D).then("first_response_minutes"))
        late.append(pl.when(pl.col("closed_at") <= D).then("satisfaction"))
    return known.with_columns(late)


def as_it_may_become(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows after D turned upside down and doubled, others of before D that came to be known only after it.

    What a row of before D tells later (an end, a solution) is made up.
    """
    happened = str(TABLES[table].happened_at)
    after = rows.filter(pl.col(happened) > D)
    wild = [
        (pl.col(name) * -7 + 13) if kind == pl.Float64 else pl.lit("changed").alias(name)
        for name, kind in rows.schema.items()
        if name != "customer_id" and (kind == pl.Float64 or kind == pl.String)
    ]
    moved = after.with_columns(wild).with_columns(pl.col(happened) + pl.duration(days=3))
    shuffled = after.with_columns(customer_id=pl.col("customer_id").reverse())
    before = rows.filter(~(pl.col(happened) > D) | pl.col(happened).is_null())
    for name in FILLED.get(table, ()):
        before = before.with_columns(pl.when(~(pl.col(name) > D)).then(name).otherwise(D + dt.timedelta(days=2)))
    told_late = before.filter(pl.col(happened).is_between(D - dt.timedelta(days=110), D)).with_columns(wild)
    told_late = told_late.with_columns(customer_id=pl.col("customer_id").reverse())
    late = [told_late.with_columns(recorded_at=D + dt.timedelta(days=1))] if "recorded_at" in rows.columns else []
    return pl.concat([before, moved, shuffled, *late], how="vertical_relaxed")
