"""Purchases, what they brought and how regular they are."""

from collections.abc import Mapping, Sequence

import narwhals as nw

from features.clock import DAY
from features.facts.contacts import latest
from features.point_in_time import Frame, Tables, between, known_before, within
from features.windows import added_up, ones, ratio, with_gaps

FEWEST = 3.0
"""Purchases from which their rhythm is told: RULES §2 (D4)."""

SUMS: Mapping[str, tuple[str, int, int]] = {
    "orders_90d": ("bought", 90, 0),
    "orders_90d_before": ("bought", 180, 90),
    "orders_365d": ("bought", 365, 0),
    "spend_365d": ("net", 365, 0),
    "spend_90d": ("net", 90, 0),
    "spend_90d_before": ("net", 180, 90),
    "rows": ("row", 365, 0),
    "margin": ("margin", 365, 0),
    "margins_known": ("margin_known", 365, 0),
    "discounted": ("discounted", 365, 0),
    "priced": ("priced", 365, 0),
    "premium": ("premium", 365, 0),
}
"""Name → the column of an order it sums, from how many days before the cut-off, to how many."""


def purchases(lines: Frame, as_of: int, premium_price: float | None) -> Frame:
    """Facts of `transactions`, one row a customer; premium_share_365d only where prices and their limit are known."""
    rows = _purchased(_orders(lines, _measures(lines.collect_schema().names(), premium_price)))
    present = rows.collect_schema().names()
    windowed = {
        name: nw.when(_inside(as_of, start, end)).then(nw.col(column)).otherwise(0.0)
        for name, (column, start, end) in SUMS.items()
        if column in present
    }
    totals = added_up(
        rows.with_columns(**windowed),
        ["customer_id"],
        ["bought", "net", *windowed],
        nw.col("moment").min().alias("order_first_at"),
        nw.col("moment").max().alias("order_last_at"),
        nw.col("gap").median().alias("median"),
    )
    told = totals.select("customer_id", "order_first_at", "order_last_at", *_facts([*windowed]))
    if "product" not in lines.collect_schema().names():
        return told
    named = lines.filter((nw.col("amount") >= 0.0) & ~nw.col("product").is_null()).with_columns(t=nw.col("occurred_at"))
    return told.join(latest(named, "product", "product_last"), on="customer_id", how="left")


def fit_premium_price(tables: Tables, as_of: int, percentile: float) -> float | None:
    """The unit price at `percentile` (0 to 100) of what was bought before `as_of`; None where no price is known."""
    if "transactions" not in tables:
        return None
    lines = known_before(tables, as_of)["transactions"]
    if "unit_price" not in lines.collect_schema().names():
        return None
    prices = lines.filter((nw.col("amount") >= 0.0) & ~nw.col("unit_price").is_null()).select("unit_price")
    price = prices.select(nw.col("unit_price").quantile(percentile / 100.0, interpolation="linear"))
    found = price.collect(backend="polars")["unit_price"].item()
    return None if found is None else float(found)


def _orders(lines: Frame, measures: Mapping[str, nw.Expr]) -> Frame:
    """One row an order, as `features.rfm.orders` has them: customer_id, t (its first line) and `measures` summed."""
    columns = ["customer_id", "t", *measures]
    rows = lines.filter(~nw.col("amount").is_null()).with_columns(**measures).with_columns(t=nw.col("occurred_at"))
    if "order_id" not in lines.collect_schema().names():
        return rows.select(columns)
    single = rows.filter(nw.col("order_id").is_null()).select(columns)
    ordered = rows.filter(~nw.col("order_id").is_null())
    whole = added_up(ordered, ["customer_id", "order_id"], [*measures], nw.col("t").min())
    return nw.concat([whole.select(columns), single])


def _measures(present: Sequence[str], premium_price: float | None) -> dict[str, nw.Expr]:
    """What of a line adds up; what is not known adds nothing."""
    measures = {"net": nw.col("amount")}
    if "gross_margin" in present:
        measures |= {"margin": nw.col("gross_margin").fill_null(0.0), "margin_known": ones("gross_margin")}
    if "discount" in present:
        measures["discounted"] = (nw.col("discount").fill_null(0.0) > 0.0).cast(nw.Float64)
    if "unit_price" in present and premium_price is not None:
        priced = (nw.col("amount") >= 0.0) & ~nw.col("unit_price").is_null()
        premium = priced & (nw.col("unit_price").fill_null(0.0) >= premium_price)
        measures["priced"] = nw.when(priced).then(nw.col("amount")).otherwise(0.0)
        measures["premium"] = nw.when(premium).then(nw.col("amount")).otherwise(0.0)
    return measures


def _purchased(orders: Frame) -> Frame:
    """Orders with their gaps in days to the purchase before, null where there is none; a return has no `moment`."""
    buys = nw.col("net") >= 0.0
    rows = with_gaps(orders, nw.when(buys).then(nw.col("t"))).with_columns(
        gap=nw.when(nw.col("gaps") > 0.0).then(nw.col("gap")), bought=buys.cast(nw.Float64), row=ones("t")
    )
    if "discounted" not in rows.collect_schema().names():
        return rows
    return rows.with_columns(discounted=(buys & (nw.col("discounted") > 0.0)).cast(nw.Float64))


def _inside(as_of: int, start: int, end: int) -> nw.Expr:
    """Whether an order lies between `start` and `end` days before the cut-off, the end excluded."""
    return between(as_of - start * DAY, as_of - end * DAY) if end else within(as_of, start)


def _facts(sums: Sequence[str]) -> list[nw.Expr]:
    """The facts out of the sums at hand."""
    told = (nw.col("margins_known") > 0.0) | (nw.col("rows") == 0.0) if "margin" in sums else None
    return [
        nw.col("bought").alias("orders_total"),
        nw.col("net").alias("spend_total"),
        *(nw.col(name) for name in sums if name.startswith(("orders", "spend"))),
        nw.when(nw.col("bought") >= FEWEST).then(nw.col("median")).alias("order_gap_median_days"),
        *([nw.when(told).then(nw.col("margin")).alias("profit_365d")] if told is not None else []),
        *([ratio("discounted", "orders_365d").alias("discount_share_365d")] if "discounted" in sums else []),
        *([ratio("premium", "priced").alias("premium_share_365d")] if "premium" in sums else []),
    ]
