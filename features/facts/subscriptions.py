"""Subscriptions: does one run, since when, what was paid, when the term ends."""

import narwhals as nw

from features.point_in_time import Frame
from features.subscription import months_within
from features.windows import added_up, ones

YEAR = 365


def subscriptions(periods: Frame, as_of: int) -> Frame:
    """Facts of `subscriptions`, one row a customer; `ended_at` is null while the end is not known, that is, it runs."""
    amount = nw.col("monthly_amount").fill_null(0.0)
    measures = {"running": 1.0 - ones("ended_at"), "paid": months_within(as_of, YEAR) * amount}
    rows = periods.with_columns(**measures)
    due = [nw.col("due").min().alias("subscription_due_at")] if "term_ends_at" in rows.collect_schema().names() else []
    if due:
        ahead = nw.col("ended_at").is_null() & (nw.col("term_ends_at") >= as_of)
        rows = rows.with_columns(due=nw.when(ahead).then(nw.col("term_ends_at")))
    first = nw.col("started_at").min().alias("subscription_first_at")
    last_end = nw.col("ended_at").max().alias("subscription_ended_at")
    return added_up(rows, ["customer_id"], [*measures], first, last_end, *due).select(
        "customer_id",
        (nw.col("running") > 0.0).alias("subscribed"),
        "subscription_first_at",
        "subscription_ended_at",
        nw.col("paid").alias("subscription_paid_365d"),
        *(["subscription_due_at"] if due else []),
    )
