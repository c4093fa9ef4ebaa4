"""Scores of the past, read for the review: of each customer and date the latest, as of a day."""

import polars as pl

from monitoring.review.figures import at_moment


def latest(history: pl.DataFrame) -> pl.DataFrame:
    """One row per customer_id and as_of (from here on Int64 microseconds): the one scored last."""
    rows = history.with_columns(as_of=at_moment())
    rows = rows.sort("scored_at", maintain_order=True) if "scored_at" in rows.columns else rows
    return rows.unique(("customer_id", "as_of"), keep="last", maintain_order=True)


def snapshot(history: pl.DataFrame, before: int) -> pl.DataFrame:
    """The rows of the last date up to `before` (microseconds, included): the whole population as scored then."""
    rows = history.filter(at_moment() <= before)
    return latest(rows.filter(at_moment() == at_moment().max()))


def tiers_at(events: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """`events` (customer_id, occurred_at) with the `tier` last scored up to then, and whether one was `scored`."""
    if history.is_empty():
        return events.with_columns(tier=pl.lit(None, pl.String), scored=pl.lit(False))
    scores = latest(history).select("customer_id", "as_of", "tier", scored=pl.lit(True)).sort("as_of")
    found = events.sort("occurred_at").join_asof(
        scores, left_on="occurred_at", right_on="as_of", by="customer_id", check_sortedness=False
    )
    return found.drop("as_of").with_columns(pl.col("scored").fill_null(False))
