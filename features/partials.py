"""Many cut-offs from one pass: transactions added up once between all edges, then whole intervals for each cut-off.

Every moment at which a window of any cut-off begins or ends cuts time into intervals. Purchases of a customer within
one interval are in or out of a window together, so their sums serve every cut-off. What was known of an order must
not change between its first line and its last, so customers with an order that a cut-off divides go the direct way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl

from features.point_in_time import Frame, Tables, known_before
from features.rfm import EXTRA, SUMS, additive, edges, features, orders, rfm
from features.windows import added_up

MOST_DIVIDED = 0.25
"""Above this share of customers who go the direct way, all do: their rows are held in memory."""


@dataclass(frozen=True)
class Partials:
    """`rows`: additive rows, one per customer and interval; `divided`: the transactions of all other customers."""

    rows: pl.DataFrame
    divided: pl.DataFrame

    def rfm(self, as_of: int) -> pl.DataFrame:
        """The family as of one of the cut-offs, as `features.rfm.rfm` gives it."""
        whole = features(_frame(self.rows).filter(nw.col("t") < as_of), as_of)
        parts = [_native(whole)]
        if self.divided.height:
            direct = rfm(known_before({"transactions": _frame(self.divided)}, as_of), as_of)
            assert direct is not None
            parts.append(_native(direct))
        return pl.concat(parts, how="vertical_relaxed")


def partials(tables: Tables, as_ofs: Sequence[int]) -> Partials | None:
    """What all of `as_ofs` need to know of the transactions, in memory; None where the direct way is the better one."""
    if "transactions" not in tables or len(set(as_ofs)) < 2:
        return None
    lines = known_before({"transactions": tables["transactions"]}, max(as_ofs))["transactions"]
    rows = _native(between_edges(orders(lines), as_ofs))
    divided = rows.filter(pl.col("divided") > 0).select("customer_id").unique()
    if divided.height > MOST_DIVIDED * rows["customer_id"].n_unique():
        return None
    whole = rows.join(divided, on="customer_id", how="anti") if divided.height else rows
    return Partials(whole.drop("divided"), _lines_of_divided(lines, as_ofs) if divided.height else pl.DataFrame())


def between_edges(orders: Frame, as_ofs: Sequence[int]) -> Frame:
    """Additive rows per customer and interval; `divided` counts the orders that were known only in part at a cut-off."""
    rows = additive(orders).with_columns(interval=interval("t", edges(as_ofs)), divided=_divided(as_ofs))
    sums = [*SUMS, *(name for name in EXTRA if name in rows.collect_schema().names()), "divided"]
    times = (nw.col("first").min(), nw.col("last").max(), nw.col("t").max())
    return added_up(rows, ["customer_id", "interval"], sums, *times)


def interval(column: str, edges: Sequence[int]) -> nw.Expr:
    """How many of the sorted `edges` are at or before `column`: a balanced tree of comparisons.

    narwhals refuses branches that are all literals, so a leaf compares with the one edge that is left.
    """
    if len(edges) == 1:
        return (nw.col(column) >= edges[0]).cast(nw.Int64)
    middle = len(edges) // 2
    above = interval(column, edges[middle:]) + middle
    return nw.when(nw.col(column) < edges[middle]).then(interval(column, edges[:middle])).otherwise(above)


def _divided(as_ofs: Sequence[int]) -> nw.Expr:
    """1.0 for an order with a cut-off after its first line and up to when its last came to be known."""
    moments = sorted(as_ofs)
    return (interval("until", moments) != interval("t", moments)).cast(nw.Float64)


def _lines_of_divided(lines: Frame, as_ofs: Sequence[int]) -> pl.DataFrame:
    divided = orders(lines).with_columns(divided=_divided(as_ofs)).filter(nw.col("divided") > 0.0)
    return _native(lines.join(divided.select("customer_id").unique(), on="customer_id", how="semi"))


def _frame(rows: pl.DataFrame) -> Frame:
    return nw.from_native(rows).lazy()


def _native(frame: Frame) -> pl.DataFrame:
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native
