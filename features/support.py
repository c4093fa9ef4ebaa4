"""Problems the customer reported, and how well they were solved."""

import narwhals as nw

from features.clock import DAY
from features.point_in_time import Frame, Tables
from features.windows import days_since, events, ones, ratio, renamed, summed, trends

YEAR = (365,)


def support(tables: Tables, as_of: int) -> Frame | None:
    """Features of the family, one row a customer with a ticket; None without tickets."""
    if "tickets" not in tables:
        return None
    tickets = tables["tickets"]
    present = tickets.collect_schema().names()
    measured = _measures(present)
    rows = events(tickets.with_columns(**measured) if measured else tickets, "occurred_at", [*measured])
    counts = summed(rows, as_of, ["n"], before=("n",)).select(
        "customer_id",
        days_since("last", as_of).alias("support_recency_days"),
        *renamed("n", "support_tickets_count"),
        *trends("n", "support_tickets", (90,)),
    )
    if not measured:
        return counts
    measures = summed(rows, as_of, [*measured], total=["open"] if "closed_at" in present else [], windows=YEAR)
    return counts.join(measures.select("customer_id", *_solved(present)), on="customer_id", how="left")


def _measures(present: list[str]) -> dict[str, nw.Expr]:
    """Additive columns for each optional column; what is not known yet adds nothing."""
    measures: dict[str, nw.Expr] = {}
    if "closed_at" in present:
        hours = (nw.col("closed_at") - nw.col("occurred_at")).cast(nw.Float64) * 24 / DAY
        measures |= {"open": 1.0 - ones("closed_at"), "closed": ones("closed_at"), "hours": hours.fill_null(0.0)}
    if "first_response_minutes" in present:
        measures |= {
            "answered": ones("first_response_minutes"),
            "minutes": nw.col("first_response_minutes").fill_null(0.0),
        }
    if "satisfaction" in present:
        measures |= {"rated": ones("satisfaction"), "rating": nw.col("satisfaction").fill_null(0.0)}
    if "is_complaint" in present:
        measures["complaints"] = nw.col("is_complaint").fill_null(0.0)
    if {"is_complaint", "satisfaction"} <= set(present):
        both = nw.col("is_complaint").fill_null(0.0)
        measures |= {
            "complaints_rated": both * ones("satisfaction"),
            "complaints_rating": both * nw.col("satisfaction").fill_null(0.0),
        }
    return measures


def _solved(present: list[str]) -> list[nw.Expr]:
    features: list[nw.Expr] = []
    if "closed_at" in present:
        features += [
            nw.col("open").alias("support_tickets_open"),
            ratio("hours_365d", "closed_365d").alias("support_hours_to_close_mean_365d"),
        ]
    if "first_response_minutes" in present:
        features.append(ratio("minutes_365d", "answered_365d").alias("support_first_response_mean_365d"))
    if "satisfaction" in present:
        features.append(ratio("rating_365d", "rated_365d").alias("support_satisfaction_mean_365d"))
    if "is_complaint" in present:
        features.append(nw.col("complaints_365d").alias("support_complaints_count_365d"))
    if {"is_complaint", "satisfaction"} <= set(present):
        features.append(
            ratio("complaints_rating_365d", "complaints_rated_365d").alias("support_complaint_satisfaction_365d")
        )
    return features
