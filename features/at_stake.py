"""Who can be lost as of a date: what each churn definition calls at stake, by what was known then.

Times are Int64 microseconds.
"""

import narwhals as nw
import polars as pl

from features.clock import DAY
from features.errors import RemoraError
from features.point_in_time import Frame, Tables, known_at, known_before
from features.rfm import orders
from features.settings import Churn, Definition

TABLE_OF: dict[Definition, str] = {
    "no_purchase": "transactions",
    "cancelled": "subscriptions",
    "inactive": "usage_events",
    "labelled": "labels",
}
"""Definition → the table it reads."""


class LabelError(RemoraError):
    """The churn definition or the value source does not fit the tables."""


def definition_of(tables: Tables, churn: Churn) -> Definition:
    """The configured definition, or the only one the tables allow. Raises LabelError where one must choose."""
    possible = [definition for definition, table in TABLE_OF.items() if table in tables]
    if churn.definition is None:
        if len(possible) == 1:
            return possible[0]
        raise LabelError(
            f"churn.definition is not set and the tables allow {', '.join(possible)}; set it in "
            'remora.toml, for example `[churn]` `definition = "' + possible[0] + '"`'
        )
    if churn.definition not in possible:
        raise LabelError(
            f"churn.definition = {churn.definition!r} needs the table {TABLE_OF[churn.definition]}, "
            f"which is not there; these definitions are possible: {', '.join(possible)}"
        )
    return churn.definition


def at_stake(tables: Tables, as_of: int, definition: Definition, churn: Churn) -> pl.DataFrame:
    """customer_id of everyone who can be lost as of `as_of`, by what was known then."""
    since = as_of - churn.active_within_days * DAY
    if definition == "no_purchase":
        bought = purchases(known_before(_only(tables, "transactions"), as_of)["transactions"])
        return customers_of(bought.filter(nw.col("t") >= since))
    if definition == "inactive":
        used = known_before(_only(tables, "usage_events"), as_of)["usage_events"]
        return customers_of(used.filter(nw.col("occurred_at") >= since))
    if definition == "cancelled":
        return customers_of(running(known_at(_only(tables, "subscriptions"), as_of)["subscriptions"], as_of, as_of))
    return customers_of(tables["labels"].filter(nw.col("as_of") == as_of))


def purchases(lines: Frame) -> Frame:
    """The orders of `lines` that bought: a net amount ≥ 0."""
    return orders(lines).filter(nw.col("net") >= 0.0)


def running(rows: Frame, start: int, end: int) -> Frame:
    """Subscriptions that run at any moment of [start, end]."""
    ends = nw.col("ended_at")
    return rows.filter((nw.col("started_at") <= end) & (ends.is_null() | (ends > start)))


def customers_of(rows: Frame) -> pl.DataFrame:
    """customer_id of everyone with a row, sorted."""
    native: pl.DataFrame = rows.select("customer_id").unique().collect(backend="polars").to_native()
    return native.sort("customer_id")


def _only(tables: Tables, name: str) -> dict[str, Frame]:
    return {name: tables[name]}
