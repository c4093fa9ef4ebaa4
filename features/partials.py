"""Many cut-offs from one pass: transactions added up once between all edges, then whole intervals for each cut-off.

Every moment at which a window of any cut-off begins or ends cuts time into intervals. Purchases of a customer within
one interval are in or out of a window together, so their sums serve every cut-off. That holds for orders that are
known whole or not at all; customers with an order that a cut-off divides go the direct way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.point_in_time import Frame, Tables, known_before
from features.rfm import BEFORE, EXTRA, TOTAL, WINDOWED, additive, edges, from_sums, orders, rfm
from features.windows import Span, added_up, spans

ALWAYS, NEVER = -(2**63), 2**63 - 1
"""Before and after every moment."""

MOST_DIVIDED = 0.25
"""Above this share of customers who go the direct way, all do: their transactions are held in memory."""

DIVIDING = {"order_id", "recorded_at"}
"""Columns without which an order is known at once."""

CELLS = 32_768
"""Customers times intervals laid out at once: they stay in the processor's cache, and BLAS on one thread."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Partials:
    """Sums per customer and interval, sorted so, as columns; `divided` holds the transactions of all other customers.

    Interval i reaches from edge i - 1 to edge i. The rows of customer c are those from `starts[c]` to `starts[c + 1]`.
    """

    edges: Whole
    customers: pl.Series
    starts: Whole
    interval: Whole
    columns: Mapping[str, Floats]
    divided: pl.DataFrame

    def rfm(self, as_of: int) -> Frame:
        """The family as of one of the cut-offs, as `features.rfm.rfm` gives it."""
        whole = from_sums(_frame(self.sums(as_of)), as_of)
        if self.divided.is_empty():
            return whole
        direct = rfm(known_before({"transactions": _frame(self.divided)}, as_of), as_of)
        assert direct is not None
        return nw.concat([whole, direct])

    def sums(self, as_of: int) -> pl.DataFrame:
        """What `windows.summed` gives for the additive rows before `as_of`, one of the cut-offs."""
        present = [name for name in EXTRA if name in self.columns]
        wanted = {name: Span(name, ALWAYS, as_of) for name in TOTAL} | spans(as_of, [*WINDOWED, *present], BEFORE)
        known = self._inside(Span("", ALWAYS, as_of))[self.interval]
        times = {"first": self._extreme(np.fmin, "first", known), "last": self._extreme(np.fmax, "last", known)}
        sums = pl.DataFrame({"customer_id": self.customers, **times, **self._added(wanted)})
        moments = pl.col(*times).fill_nan(None).cast(pl.Int64)
        return sums.filter(pl.Series(known[self.starts[:-1]], dtype=pl.Boolean)).with_columns(moments)

    def _added(self, wanted: Mapping[str, Span]) -> dict[str, Floats]:
        """Name → its sum for each customer: rows laid out as (customer, interval), times (interval, window)."""
        names: dict[str, list[str]] = {}
        for name, span in wanted.items():
            names.setdefault(span.column, []).append(name)
        windows = {column: np.array([self._inside(wanted[name]) for name in names[column]], float) for column in names}
        sums = {column: np.empty((len(names[column]), len(self.customers))) for column in names}
        size = max(CELLS // (len(self.edges) + 1), 1)
        for begin in range(0, len(self.customers), size):
            block = slice(begin, begin + size)
            for column, table in self._laid_out(names, block):
                sums[column][:, block] = windows[column] @ table.T
        return {name: row for column in names for name, row in zip(names[column], sums[column], strict=True)}

    def _laid_out(self, columns: Iterable[str], block: slice) -> Iterator[tuple[str, Floats]]:
        """Each column's values of a block of customers as a table (customer, interval), which the next one reuses."""
        starts, width = self.starts[block.start : block.stop + 1], len(self.edges) + 1
        rows, customers = slice(starts[0], starts[-1]), np.arange(len(starts) - 1)
        cells = np.repeat(customers * width, np.diff(starts)) + self.interval[rows]
        table = np.zeros(len(customers) * width)
        for column in columns:  # all fill the same cells
            table[cells] = self.columns[column][rows]
            yield column, table.reshape(-1, width)

    def _extreme(self, which: np.ufunc, column: str, known: Flags) -> Floats:
        """The least or greatest of the known moments of each customer; NaN without one."""
        moments = np.where(known, self.columns[column], np.nan)
        return np.asarray(which.reduceat(moments, self.starts[:-1]) if len(moments) else moments)

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
    """Additive rows per customer and interval; `divided` counts orders that a cut-off finds known only in part."""
    rows = additive(orders(lines)).with_columns(interval=interval("t", edges(as_ofs)))
    columns = [*dict.fromkeys([*TOTAL, *WINDOWED, *(name for name in EXTRA if name in rows.collect_schema().names())])]
    if DIVIDING & {*lines.collect_schema().names()}:
        rows, columns = rows.with_columns(divided=divided(as_ofs)), [*columns, "divided"]
    return added_up(rows, ["customer_id", "interval"], columns, nw.col("first").min(), nw.col("last").max())


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


def _laid_up(rows: pl.DataFrame, edges: Sequence[int], apart: pl.DataFrame | None = None) -> Partials:
    """`rows` of `between_edges` in order of customer and interval, as columns."""
    customers, width = rows["customer_id"].unique().sort(), len(edges) + 1
    place = pl.col("customer_id").cast(pl.Enum(customers)).to_physical().cast(pl.Int64)  # sorts faster than text
    inorder = rows.select(pl.exclude("customer_id", "interval"), cell=place * width + pl.col("interval")).sort("cell")
    cells = inorder["cell"].to_numpy()
    numbers = inorder.drop("cell").cast(pl.Float64).fill_null(np.nan)
    return Partials(
        edges=np.array(edges),
        customers=customers,
        starts=np.searchsorted(cells, np.arange(len(customers) + 1) * width),
        interval=cells % width,
        columns={name: numbers[name].to_numpy() for name in numbers.columns},
        divided=pl.DataFrame() if apart is None else apart,
    )


def _frame(rows: pl.DataFrame) -> Frame:
    return nw.from_native(rows).lazy()


def _native(frame: Frame) -> pl.DataFrame:
    native: pl.DataFrame = frame.collect(backend="polars").to_native()
    return native
