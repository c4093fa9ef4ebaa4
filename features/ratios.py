"""Features that need two families at once: per seat, per amount paid, complaints per order."""

import polars as pl

from features.clock import MONTH_DAYS


def across(wide: pl.DataFrame) -> pl.DataFrame:
    """`wide` with the ratios whose parts are there; null where the divisor is zero or unknown.

    Columns that say nothing beside the ratio they went into are dropped.
    """
    present = set(wide.columns)
    candidates = [
        _per("usage_quantity_sum_90d", "subscription_seats", "usage_quantity_per_seat_90d"),
        _per("usage_quantity_sum_90d", "subscription_amount", "usage_quantity_per_amount_90d"),
        _per("usage_quantity_sum_30d", "subscription_amount", "usage_quantity_per_amount_30d"),
        _per("subscription_amount", "subscription_seats", "subscription_amount_per_seat"),
        _per("rfm_amount_sum_365d", "subscription_seats", "rfm_amount_per_seat_365d"),
        _monthly("rfm_amount_sum", "rfm_tenure_days", "rfm_amount_monthly"),
        _monthly("rfm_orders_count", "rfm_tenure_days", "rfm_orders_monthly"),
    ]
    ratios = [expression for expression in candidates if set(expression.meta.root_names()) <= present]
    derived = wide.with_columns(*ratios, *_complaint_rate(present), *_tenure(present))
    return derived.drop("support_complaint_satisfaction_365d", "profile_signed_up_days", strict=False)


def _per(part: str, whole: str, name: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole)).alias(name)


def _monthly(total: str, days: str, name: str) -> pl.Expr:
    """A total over the time since the first event, a month; the first month counts as whole."""
    months = pl.max_horizontal(pl.col(days), pl.lit(30.0)) / MONTH_DAYS
    return pl.when(pl.col(days).is_not_null()).then(pl.col(total) / months).alias(name)


def _complaint_rate(present: set[str]) -> list[pl.Expr]:
    """D2: complaints / orders (else / tickets) × (1 − satisfaction with the solution scaled to 0..1)."""
    if "support_complaints_count_365d" not in present:
        return []
    whole = next(name for name in ("rfm_orders_count_365d", "support_tickets_count_365d") if name in present)
    rate = pl.col("support_complaints_count_365d") / pl.col(whole)
    unsolved: pl.Expr = pl.lit(1.0)
    if "support_complaint_satisfaction_365d" in present:
        unsolved = (1 - (pl.col("support_complaint_satisfaction_365d") - 1) / 4).fill_null(1.0)
    return [pl.when(pl.col(whole) > 0).then(rate * unsolved).alias("support_complaint_rate_365d")]


def _tenure(present: set[str]) -> list[pl.Expr]:
    """Days since sign-up or the first activity, whichever is earlier."""
    starts = [
        name
        for name in (
            "profile_signed_up_days",
            "rfm_tenure_days",
            "usage_tenure_days",
            "subscription_tenure_days",
            "engagement_tenure_days",
        )
        if name in present
    ]
    return [pl.max_horizontal(starts).alias("profile_tenure_days")] if starts else []
