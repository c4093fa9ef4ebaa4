"""Recency, frequency, monetary: what the customer bought and gave back."""

from collections.abc import Mapping, Sequence

import narwhals as nw

from features.clock import DAY
from features.point_in_time import Frame, Tables
from features.windows import SEASON, WINDOWS, YEAR, added_up, ratio, renamed, rhythm, spread, summed, trends, with_gaps

TOTAL = ("n", "gap_sq", "net", "spent", "spent_sq")
"""Additive columns of a purchase or return that are summed over all time."""

WINDOWED: Mapping[str, Sequence[int]] = {
    "n": WINDOWS,
    "net": WINDOWS,
    "spent": WINDOWS,
    "refunded": (365,),
    "returns": (365,),
    "margin": (180,),
    "discounts": (365,),
    "discounted": (365,),
}
"""Those that are summed over windows, and the days of these."""

BEFORE = ("n", "spent")
"""Those that are also summed over the same length before each window."""

YEAR_AGO = ("net",)
"""Those that are summed over the same season of the year before."""

NO_MONEY = 1e-6
"""What an order adds up to when all of it was given back; which side of 0 depends on the order of its lines."""

ADDITIVE = {*TOTAL, *WINDOWED}
"""All that are summed."""


def rfm(tables: Tables, as_of: int) -> Frame | None:
    """Features of the family as of `as_of`, one row a customer; None without transactions.

    `tables` holds what was known before `as_of`. A purchase is an order with a net amount ≥ 0, else a return.
    """
    if "transactions" not in tables:
        return None
    return features(additive(orders(tables["transactions"])), as_of)


def orders(lines: Frame) -> Frame:
    """One row an order: customer_id, t (its first line), until (when all was known), net, and the optional sums."""
    present = lines.collect_schema().names()
    measures = {"net": nw.col("amount")} | _optional(present)
    priced = lines.filter(~nw.col("amount").is_null())  # a sum of nulls would be a purchase of 0
    rows = priced.with_columns(**measures).with_columns(t=nw.col("occurred_at"), until=_known_at(present))
    columns = ["customer_id", "t", "until", *measures]
    if "order_id" not in present:
        return rows.select(columns)
    single = rows.filter(nw.col("order_id").is_null()).select(columns)
    lines_added = added_up(
        rows.filter(~nw.col("order_id").is_null()),
        ["customer_id", "order_id"],
        [*measures],
        nw.col("t").min(),
        nw.col("until").max(),
    )
    nothing = (nw.col("net") > -NO_MONEY) & (nw.col("net") < NO_MONEY)
    whole = lines_added.with_columns(net=nw.when(~nothing).then(nw.col("net")).otherwise(0.0))
    return nw.concat([whole.select(columns), single])


def additive(orders: Frame) -> Frame:
    """Additive rows (see `windows`) with TOTAL and WINDOWED; gaps are between purchases."""
    buys = nw.col("net") >= 0.0
    rows = with_gaps(orders, nw.when(buys).then(nw.col("t")))  # before all else: what it sorts should be narrow
    bought = buys.cast(nw.Float64)
    return rows.with_columns(
        n=bought,
        returns=1.0 - bought,
        spent=nw.when(buys).then(nw.col("net")).otherwise(0.0),
        refunded=nw.when(~buys).then(-nw.col("net")).otherwise(0.0),
        first=nw.when(buys).then(nw.col("t")),
        last=nw.when(buys).then(nw.col("t")),
    ).with_columns(spent_sq=nw.col("spent") * nw.col("spent"))


def features(rows: Frame, as_of: int) -> Frame:
    """The family out of additive rows, raw or partial, that lie before `as_of`."""
    present = rows.collect_schema().names()
    windowed = [name for name in WINDOWED if name in present]
    return from_sums(summed(rows, as_of, windowed, TOTAL, BEFORE, year_ago=YEAR_AGO), as_of)


def from_sums(sums: Frame, as_of: int) -> Frame:
    """The family out of what `windows.summed` makes of TOTAL, WINDOWED, BEFORE and the optional columns."""
    return sums.with_columns(*_gaps()).select(
        "customer_id",
        *rhythm("rfm", as_of),
        *_money(),
        *renamed("n", "rfm_orders_count"),
        *renamed("net", "rfm_amount_sum"),
        nw.col("net_year_ago").alias("rfm_amount_year_ago"),
        *trends("n", "rfm_orders"),
        *trends("spent", "rfm_amount"),
        *_returns(),
        *_extra(sums.collect_schema().names()),
    )


def _gaps() -> list[nw.Expr]:
    """How many gaps lie between purchases, and their sum in days: what lies between the first and the last."""
    gaps = nw.when(nw.col("n") > 1.0).then(nw.col("n") - 1.0).otherwise(0.0)
    return [gaps.alias("gaps"), ((nw.col("last") - nw.col("first")).cast(nw.Float64) / DAY).alias("gap")]


def _money() -> list[nw.Expr]:
    return [
        nw.col("n").alias("rfm_orders_count"),
        nw.col("net").alias("rfm_amount_sum"),
        ratio("spent", "n").alias("rfm_amount_mean"),
        spread("n", "spent", "spent_sq").alias("rfm_amount_std"),
    ]


def _returns() -> list[nw.Expr]:
    return [
        nw.col("returns_365d").alias("rfm_returns_count_365d"),
        ratio("refunded_365d", "spent_365d").alias("rfm_returns_share_365d"),
    ]


def _extra(present: Sequence[str]) -> list[nw.Expr]:
    margin = [ratio("margin_180d", "net_180d").alias("rfm_margin_rate_180d")]
    discount = [ratio("discounts_365d", "discounted_365d").alias("rfm_discount_mean_365d")]
    return (margin if "margin_180d" in present else []) + (discount if "discounts_365d" in present else [])


def _known_at(present: Sequence[str]) -> nw.Expr:
    """When a line was known: once it had happened and was recorded."""
    happened = nw.col("occurred_at")
    if "recorded_at" not in present:
        return happened
    return nw.when(nw.col("recorded_at") > happened).then(nw.col("recorded_at")).otherwise(happened)


def _optional(present: Sequence[str]) -> dict[str, nw.Expr]:
    """Additive measures of the optional columns; a missing value adds nothing."""
    measures: dict[str, nw.Expr] = {}
    if "gross_margin" in present:
        measures["margin"] = nw.col("gross_margin").fill_null(0.0)
    if "discount" in present:
        measures["discounts"] = nw.col("discount").fill_null(0.0)
        measures["discounted"] = (~nw.col("discount").is_null()).cast(nw.Float64)
    return measures


def edges(as_ofs: Sequence[int]) -> list[int]:
    """Every moment at which a window of any cut-off begins or ends, sorted."""
    days = {0, *WINDOWS, *(2 * window for window in WINDOWS), YEAR - SEASON}
    return sorted({as_of - back * DAY for as_of in as_ofs for back in days})
