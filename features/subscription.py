"""Running subscriptions: what is paid, for how long, until when, and what was given up."""

import narwhals as nw

from features.clock import DAY, MONTH_DAYS
from features.point_in_time import Frame, Tables
from features.windows import added_up, days_since, events, ones, ratio, renamed, summed

BACK = 90
"""Days over which the running amount is compared with itself."""


def subscription(tables: Tables, as_of: int) -> Frame | None:
    """Features of the family, one row a customer who subscribed or cancelled; None without either table."""
    parts = [
        build(tables[name], as_of)
        for name, build in (("subscriptions", _running), ("cancellations", _cancelled))
        if name in tables
    ]
    if len(parts) < 2:
        return parts[0] if parts else None
    everyone = nw.concat([part.select("customer_id") for part in parts]).unique()
    return everyone.join(parts[0], on="customer_id", how="left").join(parts[1], on="customer_id", how="left")


def _running(rows: Frame, as_of: int) -> Frame:
    present = rows.collect_schema().names()
    measured = rows.with_columns(**_measures(present, as_of))
    renewal = [nw.col("term").min()] if "term_ends_at" in present else []
    if renewal:
        measured = measured.with_columns(term=nw.when(nw.col("ended_at").is_null()).then(nw.col("term_ends_at")))
    totals = added_up(
        measured,
        ["customer_id"],
        [*_measures(present, as_of)],
        nw.col("started_at").min().alias("first"),
        nw.col("started_at").max().alias("last"),
        *renewal,
    )
    return totals.select("customer_id", *_features(present, as_of))


def _measures(present: list[str], as_of: int) -> dict[str, nw.Expr]:
    """Additive columns; `ended_at` is null while the end is not known, that is, while it runs."""
    running = 1.0 - ones("ended_at")
    ended = nw.col("ended_at")
    measures = {
        "periods": ones("started_at"),
        "running": running,
        "amount": running * nw.col("monthly_amount").fill_null(0.0),
        "amount_before": _ran_at(as_of - BACK * DAY) * nw.col("monthly_amount").fill_null(0.0),
        "paid_180d": months_within(as_of, 180) * nw.col("monthly_amount").fill_null(0.0),
        "ended_365d": (~ended.is_null() & (ended >= as_of - 365 * DAY)).cast(nw.Float64).fill_null(0.0),
    }
    if "seats" in present:
        measures["seats"] = running * nw.col("seats").fill_null(0.0)
    if "discount" in present:
        measures |= {"discounts": running * nw.col("discount").fill_null(0.0), "discounted": running * ones("discount")}
    if "renews" in present:
        measures |= {"renewing": running * nw.col("renews").fill_null(0.0), "renewal_known": running * ones("renews")}
    return measures


def _ran_at(moment: int) -> nw.Expr:
    runs = nw.col("ended_at").is_null() | (nw.col("ended_at") > moment)
    return ((nw.col("started_at") <= moment) & runs).cast(nw.Float64)


def months_within(as_of: int, days: int) -> nw.Expr:
    """Months that a subscription ran in the last `days`: an expression over its row."""
    start = nw.max_horizontal(nw.col("started_at"), nw.col("started_at") * 0 + (as_of - days * DAY))
    end = nw.col("ended_at").fill_null(as_of)
    months = (end - start).cast(nw.Float64) / (DAY * MONTH_DAYS)
    return nw.when(months > 0.0).then(months).otherwise(0.0)


def _features(present: list[str], as_of: int) -> list[nw.Expr]:
    features = [
        days_since("first", as_of).alias("subscription_tenure_days"),
        days_since("last", as_of).alias("subscription_recency_days"),
        nw.col("periods").alias("subscription_periods_count"),
        nw.col("running").alias("subscription_running_count"),
        nw.col("amount").alias("subscription_amount"),
        (nw.col("amount") - nw.col("amount_before")).alias(f"subscription_amount_change_{BACK}d"),
        nw.col("paid_180d").alias("subscription_amount_sum_180d"),
        nw.col("ended_365d").alias("subscription_ended_count_365d"),
    ]
    if "seats" in present:
        features.append(nw.col("seats").alias("subscription_seats"))
    if "discount" in present:
        features.append(ratio("discounts", "discounted").alias("subscription_discount_mean"))
    if "renews" in present:
        features.append(ratio("renewing", "renewal_known").alias("subscription_renews_share"))
    if "term_ends_at" in present:
        features.append((-days_since("term", as_of)).alias("subscription_days_to_renewal"))
    return features


def _cancelled(rows: Frame, as_of: int) -> Frame:
    return summed(events(rows, "occurred_at"), as_of, ["n"], windows=(365,)).select(
        "customer_id",
        days_since("last", as_of).alias("subscription_cancellation_recency_days"),
        *renamed("n", "subscription_cancellations_count", (365,)),
    )
