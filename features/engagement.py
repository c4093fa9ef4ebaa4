"""Contacts between the customer and us: calls, visits, mails."""

import narwhals as nw

from features.point_in_time import Frame, Tables, within
from features.windows import RHYTHM, events, ratio, renamed, rhythm, summed, trends, with_gaps

YEAR = 365


def engagement(tables: Tables, as_of: int) -> Frame | None:
    """Features of the family, one row a customer with a contact; None without interactions."""
    if "interactions" not in tables:
        return None
    contacts = tables["interactions"]
    measures = _measures(contacts.collect_schema().names())
    rows = events(contacts.with_columns(**measures) if measures else contacts, "occurred_at", ["channel", *measures])
    totals = summed(with_gaps(rows), as_of, ["n", *measures], total=RHYTHM, before=("n",)).select(
        "customer_id",
        *rhythm("engagement", as_of),
        *renamed("n", "engagement_interactions_count"),
        *trends("n", "engagement_interactions"),
        *_shares(measures),
    )
    return totals.join(_channels(rows, as_of), on="customer_id", how="left")


def _measures(present: list[str]) -> dict[str, nw.Expr]:
    measures: dict[str, nw.Expr] = {}
    if "direction" in present:
        measures["inbound"] = _is("direction", "inbound")
    if "topic" in present:
        measures |= {"complaints": _is("topic", "complaint"), "enquiries": _is("topic", "enquiry")}
    return measures


def _is(column: str, value: str) -> nw.Expr:
    return (nw.col(column) == value).cast(nw.Float64).fill_null(0.0)


def _shares(measures: dict[str, nw.Expr]) -> list[nw.Expr]:
    shares = [ratio("inbound_365d", "n_365d").alias("engagement_inbound_share_365d")] if "inbound" in measures else []
    counts = [nw.col(f"{name}_365d").alias(f"engagement_{name}_count_365d") for name in measures if name != "inbound"]
    return shares + counts


def _channels(rows: Frame, as_of: int) -> Frame:
    recent = rows.filter(within(as_of, YEAR) & ~nw.col("channel").is_null()).select("customer_id", "channel").unique()
    return recent.group_by("customer_id").agg(nw.len().alias(f"engagement_channels_count_{YEAR}d"))
