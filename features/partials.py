"""Many cut-offs from one pass: transactions added up once between all edges, then whole intervals for each cut-off.

Every moment at which a window of any cut-off begins or ends cuts time into intervals. Purchases of a customer within
one interval are in or out of a window together, so their sums serve every cut-off. That holds for orders that are
known whole or not at all; customers with an order that a cut-off divides go the direct way.
"""

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from features.point_in_time import Frame, Tables, known_before
from features.rfm import ADDITIVE, BEFORE, TOTAL, WINDOWED, YEAR_AGO, additive, edges, from_sums, orders, rfm
from features.windows import Span, added_up, spans

ALWAYS, NEVER = -(2**63), 2**63 - 1
"""Before and after every moment."""

MOST_DIVIDED = 0.25
"""Above this share of customers who go the direct way, all do: their transactions are held in memory."""

DIVIDING = {"order_id", "recorded_at"}
"""Columns without which an order is known at once."""

COUNTED = ("n", "returns", "discounted", "divided")
"""Additive columns of whole numbers."""

CELLS = 131_072
"""Customers times intervals laid out at once: they stay in the processor's cache."""

AT_ONCE = 4
"""Cut-offs whose sums come from one layout."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Partials:
    """Sums per customer and interval, sorted so, as columns; `divided` holds the transactions of all other customers.

    Interval i reaches from edge i - 1 to edge i; a cell is customer × intervals + interval. The rows of customer c are
    those from `starts[c]` to `starts[c + 1]`; `first` is its first purchase or NEVER, `last` the one latest at each row
    (of another customer, where this one has not bought yet).
    """

    edges: Whole
    customers: pl.Series
    first: Whole
    last: Whole
    starts: Whole
    cells: Whole
    columns: Mapping[str, Floats]
    divided: pl.DataFrame

    def rfm(self, as_ofs: Sequence[int]) -> Iterator[Frame]:
        """The family as `features.rfm.rfm` gives it at each of these cut-offs."""
        for begin in range(0, len(as_ofs), AT_ONCE):
            together = as_ofs[begin : begin + AT_ONCE]
            sums = self.sums(together)
            for as_of in together:
                whole = from_sums(_frame(sums[as_of]), as_of)
                yield whole if self.divided.is_empty() else nw.concat([whole, self._direct(as_of)])

    def _direct(self, as_of: int) -> Frame:
        """The family of the customers with divided orders."""
        found = rfm(known_before({"transactions": _frame(self.divided)}, as_of), as_of)
        assert found is not None
        return found

    def sums(self, as_ofs: Sequence[int]) -> dict[int, pl.DataFrame]:
        """Cut-off → what `windows.summed` gives for the additive rows before it."""
        wanted = [
            (as_of, name, span)
            for as_of in as_ofs
            for name, span in _spans(as_of).items()
            if span.column in self.columns
        ]
        found: dict[int, dict[str, Floats]] = {as_of: {} for as_of in as_ofs}
        with threadpool_limits(1, user_api="blas"):  # products this small wait for other threads, and compute less
            for column in dict.fromkeys(span.column for _, _, span in wanted):
                sought = [(as_of, name, span) for as_of, name, span in wanted if span.column == column]
                added = self._added(column, np.array([self._inside(span) for _, _, span in sought], float))
                for (as_of, name, _), row in zip(sought, added, strict=True):
                    found[as_of][name] = row
        return {as_of: self._of_known(as_of, columns) for as_of, columns in found.items()}

    def _added(self, column: str, windows: Floats) -> Floats:
        """(windows, customers): a column laid out as (customer, interval), times `windows` (windows, intervals)."""
        width, count = windows.shape[1], len(self.customers)
        sums = np.empty((len(windows), count))
        size = max(CELLS // width, 1)
        for begin in range(0, count, size):
            end = min(begin + size, count)
            rows = slice(self.starts[begin], self.starts[end])
            table = np.zeros((end - begin) * width)
            table[self.cells[rows] - begin * width] = self.columns[column][rows]
            sums[:, begin:end] = windows @ table.reshape(-1, width).T
        return sums

    def _of_known(self, as_of: int, columns: Mapping[str, Floats]) -> pl.DataFrame:
        """`columns` as a frame of the customers with a row before `as_of`; moments as integers."""
        ends = self._ends(as_of)
        moments = pl.DataFrame({"first": self.first, "last": self.last[ends - 1] if len(ends) else self.last})
        bought = moments.select(pl.when(pl.col("first") < as_of).then(pl.all()))
        known = pl.Series(ends > self.starts[:-1], dtype=pl.Boolean)
        return pl.DataFrame({"customer_id": self.customers, **bought.to_dict(), **columns}).filter(known)

    def _ends(self, as_of: int) -> Whole:
        """Where the rows before `as_of` end, for each customer."""
        width = len(self.edges) + 1
        begun = np.arange(len(self.customers)) * width + int(self._inside(Span("", ALWAYS, as_of)).sum())
        return np.searchsorted(self.cells, begun)

    def _inside(self, span: Span) -> Flags:
        """Whether each interval lies in `span`."""
        begins, ends = np.append(ALWAYS, self.edges), np.append(self.edges, NEVER)
        return np.asarray((begins >= span.start) & (ends <= span.end))


def partials(tables: Tables, as_ofs: Sequence[int]) -> Partials | None:
    """What all of `as_ofs` need of the transactions, in memory; None where the direct way is the better one."""
    moments = sorted({*as_ofs})
    if "transactions" not in tables or len(moments) < 2:
        return None
    lines = known_before({"transactions": tables["transactions"]}, moments[-1])["transactions"]
    rows = _native(between_edges(lines, moments))
    if "divided" not in rows.columns:
        return _laid_up(rows, edges(moments))
    torn = rows.filter(pl.col("divided") > 0.0).select("customer_id").unique()
    if torn.height > MOST_DIVIDED * rows["customer_id"].n_unique():
        return None
    whole = rows.join(torn, on="customer_id", how="anti").drop("divided")
    return _laid_up(whole, edges(moments), _lines_of_torn(lines, moments) if torn.height else None)


def between_edges(lines: Frame, as_ofs: Sequence[int]) -> Frame:
    """Additive rows per customer and interval, sorted so; `divided` counts orders that a cut-off finds half known."""
    rows = additive(orders(lines)).with_columns(interval=interval("t", edges(as_ofs)))
    columns = [name for name in rows.collect_schema().names() if name in ADDITIVE]
    if DIVIDING & {*lines.collect_schema().names()}:
        rows, columns = rows.with_columns(divided=divided(as_ofs)), [*columns, "divided"]
    sums = added_up(rows, ["customer_id", "interval"], columns, nw.col("first").min(), nw.col("last").max())
    whole = [nw.col(name).cast(nw.Int32) for name in ("interval", *COUNTED) if name in (*columns, "interval")]
    return sums.with_columns(*whole).sort("customer_id", "interval")  # what it sorts should be narrow


def interval(column: str, edges: Sequence[int]) -> nw.Expr:
    """How many of the sorted `edges` are at or before `column`: a balanced tree of comparisons.

    narwhals refuses branches that are all literals, so a leaf compares with the one edge that is left.
    """
    if len(edges) == 1:
        return (nw.col(column) >= edges[0]).cast(nw.Int64)
    middle = len(edges) // 2
    above = interval(column, edges[middle:]) + middle
    return nw.when(nw.col(column) < edges[middle]).then(interval(column, edges[:middle])).otherwise(above)


def divided(as_ofs: Sequence[int]) -> nw.Expr:
    """1.0 for an order with a cut-off after its first line and up to the moment when all of it was known."""
    return (interval("until", as_ofs) != interval("t", as_ofs)).cast(nw.Float64)


def _lines_of_torn(lines: Frame, as_ofs: Sequence[int]) -> pl.DataFrame:
    """The lines of every customer with a divided order."""
    torn = orders(lines).with_columns(divided=divided(as_ofs)).filter(nw.col("divided") > 0.0)
    return _native(lines.join(torn.select("customer_id").unique(), on="customer_id", how="semi"))


def _spans(as_of: int) -> dict[str, Span]:
    """Name → what it sums: all that `from_sums` reads."""
    total = {name: Span(name, ALWAYS, as_of) for name in TOTAL}
    windowed = [spans(as_of, [name], windows=windows) for name, windows in WINDOWED.items()]
    return dict(ChainMap(total, spans(as_of, [], BEFORE, year_ago=YEAR_AGO), *windowed))


def _laid_up(rows: pl.DataFrame, edges: Sequence[int], apart: pl.DataFrame | None = None) -> Partials:
    """`rows` of `between_edges`, sorted by customer and interval, as columns."""
    of_customer, width = rows["customer_id"].rle().struct, len(edges) + 1
    customers, lengths = of_customer.field("value"), of_customer.field("len").to_numpy()
    assert customers.is_sorted(), "an engine sorts text in another order than Polars"
    starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
    first = rows["first"].fill_null(NEVER).to_numpy()
    return Partials(
        edges=np.array(edges),
        customers=customers.set_sorted(),  # what finds each customer once is ten times as fast then
        first=np.minimum.reduceat(first, starts[:-1]) if len(first) else first,
        last=rows["last"].forward_fill().fill_null(ALWAYS).to_numpy(),
        starts=starts,
        cells=np.repeat(np.arange(len(customers)) * width, lengths) + rows["interval"].to_numpy(),
        columns={name: _numbers(rows[name]) for name in rows.columns if name in ADDITIVE},
        divided=pl.DataFrame() if apart is None else apart,
    )


def _numbers(column: pl.Series) -> Floats:
    return column.cast(pl.Float64).to_numpy()


def _frame(rows: pl.DataFrame) -> Frame:
    return nw.from_native(rows).lazy()


def _native(frame: Frame) -> pl.DataFrame:
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native
