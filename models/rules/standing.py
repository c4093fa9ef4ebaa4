"""Where a customer stands: bought or not, how recently, for how long. Read from one row; nothing is learnt.

A running subscription counts as buying, and one that ran as an order before (project default).
"""

import polars as pl

from models.rules.pack import RulePack
from models.rules.rows import column, days_since

_NEVER = pl.lit(None, pl.Boolean)


def bought(rows: pl.DataFrame) -> pl.Expr:
    """Boolean: ordered or subscribed at least once; null where neither table exists."""
    names = [name for name in ("order_first_at", "subscription_first_at") if name in rows.columns]
    return pl.any_horizontal(pl.col(name).is_not_null() for name in names) if names else _NEVER


def days_since_first_purchase(rows: pl.DataFrame, as_of: int) -> pl.Expr:
    """Days since the first order or subscription; null before it."""
    return pl.max_horizontal(days_since(rows, name, as_of) for name in ("order_first_at", "subscription_first_at"))


def last_purchase_at(rows: pl.DataFrame) -> pl.Expr:
    """When the customer last bought (Int64): the last order, or the end of the last subscription that has ended."""
    return pl.max_horizontal(column(rows, name, pl.Int64) for name in ("order_last_at", "subscription_ended_at"))


def days_since_purchase(rows: pl.DataFrame, as_of: int) -> pl.Expr:
    """Days since the customer last bought, 0 while a subscription runs; null before any order."""
    lapsed = [days_since(rows, name, as_of) for name in ("order_last_at", "subscription_ended_at")]
    return pl.when(subscribed(rows)).then(0.0).otherwise(pl.min_horizontal(lapsed))


def subscribed(rows: pl.DataFrame) -> pl.Expr:
    """Boolean, never null: a subscription runs."""
    return column(rows, "subscribed", pl.Boolean).fill_null(False)


def no_order_for(rows: pl.DataFrame, days: float, as_of: int) -> pl.Expr:
    """Boolean: bought before, but not in the last `days`; false for who never bought, null where unknown."""
    return bought(rows) & (days_since_purchase(rows, as_of) >= days)


def tenure_days(rows: pl.DataFrame, as_of: int) -> pl.Expr:
    """Days as a customer: the feature, or else since the first purchase or signing up, whichever was earlier."""
    signed_up = days_since(rows, "signed_up_at", as_of)
    earliest = pl.max_horizontal(days_since_first_purchase(rows, as_of), signed_up)
    tenure = column(rows, "profile_tenure_days").fill_nan(None).fill_null(earliest)
    return pl.when(tenure >= 0).then(tenure)


def in_delivery(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """Boolean, never null: column `in_delivery` where known, else the first days after the first purchase."""
    first = days_since_first_purchase(rows, as_of) < pack.deadlines.delivery_days.value
    return pl.coalesce(column(rows, "in_delivery", pl.Boolean), first, pl.lit(False))


def loyal(rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.Expr:
    """Boolean (D1): 2 years or more, ordering, no open risk (`alerts`, where that column is there)."""
    rule = pack.segments.loyal
    ordering = bought(rows) & ~no_order_for(rows, pack.segments.lifecycle.at_risk_days.value, as_of)
    return (tenure_days(rows, as_of) >= rule.tenure_days.value) & ordering & ~has_any_alert(rows, rule.risk_alerts)


def has_any_alert(rows: pl.DataFrame, keys: tuple[str, ...]) -> pl.Expr:
    """Boolean, never null: one of the alerts `keys` is among the customer's `alerts`."""
    if "alerts" not in rows.columns or rows.schema["alerts"] == pl.List(pl.Null):
        return pl.lit(False)
    return pl.any_horizontal(pl.lit(False), *(pl.col("alerts").list.contains(key).fill_null(False) for key in keys))


def first_with_data(rows: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first column of `names` in which anyone has a value other than 0; None without one."""
    for name in names:
        if name in rows.columns and rows.select((amount(rows, name) != 0).any()).item():
            return name
    return None


def amount(rows: pl.DataFrame, name: str | None) -> pl.Expr:
    """The column `name` as Float64 without NaN and infinity; null for None or where it is not there."""
    if name is None:
        return pl.lit(None, pl.Float64)
    value = column(rows, name)
    return pl.when(value.is_finite()).then(value)
