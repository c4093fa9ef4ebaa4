"""Tickets that wait for an answer or a solution: what the service deadlines look at."""

import narwhals as nw
import polars as pl

from features.point_in_time import Tables, known_before


def open_tickets(tables: Tables, as_of: int) -> pl.DataFrame | None:
    """One row per ticket not closed at `as_of`: customer_id, ticket_at (Int64), acknowledged, solved (Boolean).

    Acknowledged and solved are null where their column is absent; None without tickets, or where no column says when
    they were closed.
    """
    if "tickets" not in tables:
        return None
    rows = known_before({"tickets": tables["tickets"]}, as_of)["tickets"]
    present = rows.collect_schema().names()
    if "closed_at" not in present:
        return None
    waiting = rows.filter(nw.col("closed_at").is_null())
    columns = [name for name in ("first_response_minutes", "first_solution_at") if name in present]
    native: pl.DataFrame = waiting.select("customer_id", "occurred_at", *columns).collect(backend="polars").to_native()
    return native.select(
        "customer_id",
        ticket_at=pl.col("occurred_at"),
        acknowledged=_known("first_response_minutes", present),
        solved=_known("first_solution_at", present),
    )


def _known(column: str, present: list[str]) -> pl.Expr:
    return pl.col(column).is_not_null() if column in present else pl.lit(None, pl.Boolean)
