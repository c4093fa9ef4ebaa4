"""Who left after a cut-off, and what they were worth: the four definitions and the value.

Times are Int64 microseconds. Who was at stake is decided by what was known at the cut-off (`features.at_stake`); what
came of it by all that is readable when the window has closed.
"""

from math import log1p

import narwhals as nw
import polars as pl

from features.at_stake import LabelError, at_stake, customers_of, purchases, running
from features.clock import DAY, MONTH_DAYS
from features.point_in_time import Frame, Tables, between
from features.settings import Churn, Definition, Value, ValueSource

YEAR_DAYS = 365.25

NEGLIGIBLE = 1e-9
"""A discount over the whole horizon below which the integral would lose more digits than it gains."""


def value_source_of(tables: Tables, value: Value) -> ValueSource | None:
    """The configured source of value, or the only one there; None without value data.

    Raises LabelError where invoices and subscriptions would count twice, or currencies cannot be added.
    """
    there: list[ValueSource] = [name for name in ("transactions", "subscriptions") if name in tables]
    if value.source is None:
        if len(there) > 1:
            raise LabelError(
                "value.source is not set and both transactions and subscriptions are there; set [value] "
                'source = "transactions", "subscriptions" or "both" (both counts an invoice for a '
                "subscription twice)"
            )
        own: list[ValueSource] = ["labels"] if _brings_value(tables) else []
        return next(iter([*there, *own]), None)
    needed = ("transactions", "subscriptions") if value.source == "both" else (value.source,)
    missing = [name for name in needed if name not in tables]
    if missing:
        raise LabelError(f"value.source = {value.source!r} needs the table {', '.join(missing)}, which is not there")
    return value.source


def window_days(definition: Definition, churn: Churn) -> int:
    """Days from a cut-off until its label is known."""
    if definition == "labelled":
        return 0
    return churn.horizon_days + (churn.grace_days if definition == "cancelled" else 0)


def churned(tables: Tables, as_of: int, definition: Definition, churn: Churn) -> pl.DataFrame:
    """customer_id, churned (1.0 or 0.0): what came of everyone at stake, from `tables` readable after the window."""
    stake = at_stake(tables, as_of, definition, churn)
    end = as_of + churn.horizon_days * DAY
    if definition == "labelled":
        rows = tables["labels"].filter(nw.col("as_of") == as_of).group_by("customer_id").agg(nw.col("churned").max())
        return _collect(rows)
    if definition == "no_purchase":
        stayed = customers_of(purchases(tables["transactions"]).filter(between(as_of, end)))
    elif definition == "inactive":
        stayed = customers_of(tables["usage_events"].filter(between(as_of, end, "occurred_at")))
    else:
        stayed = customers_of(running(tables["subscriptions"], end, end + churn.grace_days * DAY))
    stays = pl.col("customer_id").is_in(stayed["customer_id"].implode())
    return stake.with_columns(churned=(~stays).cast(pl.Float64))


def realised_value(
    tables: Tables,
    as_of: int,
    source: ValueSource,
    horizon_days: int,
    measure: str,
    annual_discount_rate: float = 0.0,
) -> pl.DataFrame:
    """customer_id, value: money over [as_of, as_of + horizon) of those who brought any, worth what it is at `as_of`.

    Money that comes d days after `as_of` counts 1 / (1 + rate)^(d / 365.25) of its amount; a subscription is paid
    evenly, day by day. Values that `labels` brings are taken as they are.
    """
    end, rate = as_of + horizon_days * DAY, log1p(annual_discount_rate) / YEAR_DAYS
    if source == "labels":
        return _collect(
            tables["labels"].filter(nw.col("as_of") == as_of).group_by("customer_id").agg(nw.col("value").max())
        )
    parts = []
    if source in ("transactions", "both"):
        parts.append(_traded(tables["transactions"], as_of, end, measure, rate))
    if source in ("subscriptions", "both"):
        parts.append(_subscribed(tables["subscriptions"], as_of, end, rate))
    return pl.concat(parts).group_by("customer_id").agg(pl.col("value").sum()).sort("customer_id")


def _brings_value(tables: Tables) -> bool:
    return "labels" in tables and "value" in tables["labels"].collect_schema().names()


def labelled_cutoffs(tables: Tables) -> list[int]:
    """The cut-offs that `labels` brings, oldest first."""
    dates = tables["labels"].select("as_of").unique().collect(backend="polars")["as_of"].to_list()
    return sorted(date for date in dates if date is not None)


def _traded(lines: Frame, start: int, end: int, measure: str, rate: float) -> pl.DataFrame:
    """What was bought less what was given back in [start, end), discounted by `rate`, in logarithms a day."""
    amount = nw.col("amount")
    if measure == "margin" and "gross_margin" in lines.collect_schema().names():
        amount = nw.col("gross_margin").fill_null(nw.col("amount"))
    inside = lines.filter(between(start, end, "occurred_at")).with_columns(value=amount.fill_null(0.0))
    if rate:
        inside = inside.with_columns(value=nw.col("value") * _worth(_days(nw.col("occurred_at") - start), rate))
    return _collect(inside.group_by("customer_id").agg(nw.col("value").sum()))


def _subscribed(rows: Frame, start: int, end: int, rate: float) -> pl.DataFrame:
    """monthly_amount × months running inside [start, end), discounted by `rate`, in logarithms a day."""
    first = nw.max_horizontal(nw.col("started_at"), nw.col("started_at") * 0 + start)
    last = nw.min_horizontal(nw.col("ended_at").fill_null(end), nw.col("started_at") * 0 + end)
    months = (last - first).cast(nw.Float64) / (DAY * MONTH_DAYS)
    worth = months
    if rate * (end - start) / DAY > NEGLIGIBLE:  # the integral of _worth over the days that it runs
        paid_days = (_worth(_days(first - start), rate) - _worth(_days(last - start), rate)) / rate
        worth = paid_days / MONTH_DAYS
    paid = nw.when(months > 0.0).then(worth * nw.col("monthly_amount").fill_null(0.0)).otherwise(0.0)
    return _collect(rows.with_columns(value=paid).group_by("customer_id").agg(nw.col("value").sum()))


def _worth(days: nw.Expr, rate: float) -> nw.Expr:
    """What a coin in so many days is worth today."""
    return (days * -rate).exp()


def _days(time: nw.Expr) -> nw.Expr:
    return time.cast(nw.Float64) / DAY


def _collect(frame: Frame) -> pl.DataFrame:
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native.with_columns(pl.exclude("customer_id").cast(pl.Float64)).sort("customer_id")
