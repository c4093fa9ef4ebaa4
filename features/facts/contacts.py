"""Contacts, tickets and complaints."""

import narwhals as nw

from features.clock import DAY
from features.point_in_time import Frame, Tables, known_before, within
from features.windows import added_up, events, ones, summed

RECENT, YEAR = 90, 365


def interactions(contacts: Frame, as_of: int) -> Frame:
    """Facts of `interactions`, one row a customer."""
    topics = {"enquiries": _is("topic", "enquiry")} if "topic" in contacts.collect_schema().names() else {}
    rows = events(contacts.with_columns(**topics) if topics else contacts, "occurred_at", ["channel", *topics])
    totals = summed(rows, as_of, ["n"], ["n", *topics], windows=(RECENT,))
    span = (nw.col("last") - nw.col("first")).cast(nw.Float64) / DAY
    facts = totals.select(
        "customer_id",
        nw.col("last").alias("interaction_last_at"),
        nw.col(f"n_{RECENT}d").alias("interactions_90d"),
        nw.col("n").alias("interactions_total"),
        nw.when(nw.col("n") > 1.0).then(span / (nw.col("n") - 1.0)).alias("interaction_gap_mean_days"),
        *(nw.col(name).alias("enquiries_total") for name in topics),
    )
    return facts.join(latest(rows, "channel", "channel_last"), on="customer_id", how="left")


def contacted(tables: Tables, as_of: int, since: int) -> tuple[str, ...]:
    """Whom the company got in touch with from `since` up to `as_of` (microseconds), by outbound contacts; sorted."""
    rows = (
        known_before({"interactions": tables["interactions"]}, as_of)["interactions"]
        if "interactions" in tables
        else None
    )
    if rows is None or "direction" not in rows.collect_schema().names():
        return ()
    ours = rows.filter((nw.col("direction") == "outbound") & (nw.col("occurred_at") >= since)).select("customer_id")
    return tuple(sorted(ours.unique().collect(backend="polars")["customer_id"].to_list()))


def tickets(rows: Frame, as_of: int) -> Frame:
    """Facts of `tickets`, one row a customer; what is open only where it is said when tickets were closed."""
    closes = "closed_at" in rows.collect_schema().names()
    measures = {"tickets_365d": within(as_of, YEAR, "occurred_at").cast(nw.Float64)}
    last = nw.col("occurred_at").max().alias("ticket_last_at")
    if not closes:
        return added_up(rows.with_columns(**measures), ["customer_id"], [*measures], last)
    measures["tickets_open"] = 1.0 - ones("closed_at")
    waiting = nw.when(nw.col("closed_at").is_null()).then(nw.col("occurred_at"))
    since = nw.col("waiting").min().alias("ticket_open_since")
    return added_up(rows.with_columns(waiting=waiting, **measures), ["customer_id"], [*measures], last, since)


def complaints(known: Tables, as_of: int) -> Frame | None:
    """Facts of complaints, one row a customer who made one; None where no column tells them."""
    rows = _complaints(known)
    if rows is None:
        return None
    return summed(events(rows, "occurred_at"), as_of, ["n"], ["n"], windows=(YEAR,)).select(
        "customer_id",
        nw.col("n").alias("complaints_total"),
        nw.col(f"n_{YEAR}d").alias("complaints_365d"),
        nw.col("last").alias("complaint_last_at"),
    )


def latest(rows: Frame, column: str, name: str) -> Frame:
    """customer_id and `column` at the greatest t, as `name`; the least where several rows share it."""
    last = rows.group_by("customer_id").agg(nw.col("t").max().alias("latest"))
    at_last = rows.join(last, on="customer_id", how="left").filter(nw.col("t") == nw.col("latest"))
    return at_last.group_by("customer_id").agg(nw.col(column).min().alias(name))


def _complaints(known: Tables) -> Frame | None:
    """Tickets that are complaints; where tickets do not say, contacts with that topic."""
    columns = {name: known[name].collect_schema().names() for name in ("tickets", "interactions") if name in known}
    if "is_complaint" in columns.get("tickets", ()):
        return known["tickets"].filter(_is("is_complaint", 1.0) > 0.0)
    if "topic" in columns.get("interactions", ()):
        return known["interactions"].filter(_is("topic", "complaint") > 0.0)
    return None


def _is(column: str, value: str | float) -> nw.Expr:
    """1.0 where `column` is `value`, else 0.0, and so where it is unknown."""
    return (nw.col(column) == value).cast(nw.Float64).fill_null(0.0)
