"""How often B follows A: counts of ordered pairs over customers, block by block, in bounded memory.

`training.cross_sell` says what is counted and why.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

CELLS = 4_000_000
"""Cells of a table of pairs, and pairs of purchases, held at a time: about 300 MiB."""

PAIRS = {
    "antecedent": pl.String, "consequent": pl.String, "buyers": pl.Int64, "at_risk": pl.Int64, "support": pl.Int64,
    "expected": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Firsts:
    """First purchases, sorted by customer; shape (firsts,). Customers, products and months are codes from 0."""

    customer: Ints
    t: Ints
    product: Ints
    month: Ints


@dataclass(frozen=True)
class Orders:
    """Orders whose window is over, sorted by customer and time; shape (orders,)."""

    customer: Ints
    t: Ints
    month: Ints


def counted_pairs(
    purchases: pl.DataFrame, window: int, as_of: int, minimum_buyers: int, minimum_support: int, cells: int = CELLS
) -> tuple[pl.DataFrame, int]:
    """Pairs with at_risk ≥ `minimum_buyers` and support ≥ `minimum_support`, and how many had the first.

    `purchases`: customer_id, product, t before `as_of`; `window` in microseconds. Columns: PAIRS.
    """
    closed_until = as_of - window
    names, firsts, orders = _coded(purchases, closed_until, minimum_buyers, minimum_support)
    if not len(firsts.t) or not len(orders.t):
        return pl.DataFrame(schema=PAIRS), 0
    base = base_rates(firsts, orders, window, len(names))
    tested, found = 0, []
    leading = np.flatnonzero(firsts.t <= closed_until)
    for block, candidates in _blocks(firsts, leading, base, window, minimum_buyers, minimum_support, cells):
        tested += candidates
        found.append(block)
    named = {
        side: pl.col(side).replace_strict(_numbers(names), names, return_dtype=pl.String) for side in list(PAIRS)[:2]
    }
    return pl.concat([pl.DataFrame(schema=PAIRS), *(block.with_columns(**named) for block in found)]), tested


def base_rates(firsts: Firsts, orders: Orders, window: int, products: int) -> Floats:
    """Share of the orders of a month, by customers without the product, that its first purchase follows in `window`.

    Shape (months, products). An order counts for every product but those its customer had bought by then.
    """
    begin, start, end = _ranges(firsts, orders, window)
    months = int(firsts.month.max()) + 1
    rates = np.zeros((months, products))
    for month in range(months):
        passed = np.append(0, np.cumsum(orders.month == month))
        hits = _added(passed[start] - passed[begin], firsts.product, products)
        owned = _added(passed[end] - passed[start], firsts.product, products)
        at_risk = passed[-1] - owned
        np.divide(hits, at_risk, out=rates[month], where=at_risk > 0)
    return rates


def _ranges(firsts: Firsts, orders: Orders, window: int) -> tuple[Ints, Ints, Ints]:
    """Places in `orders`, for each first purchase at f, of its customer's orders: after f − window, from f, the end."""
    times = np.unique(orders.t)
    width = len(times) + 1
    keys = orders.customer * width + np.searchsorted(times, orders.t)
    own = firsts.customer * width
    after = np.searchsorted(keys, own + np.searchsorted(times, firsts.t - window, side="right"))
    return after, np.searchsorted(keys, own + np.searchsorted(times, firsts.t)), np.searchsorted(keys, own + width)


def _coded(
    purchases: pl.DataFrame, closed_until: int, minimum_buyers: int, minimum_support: int
) -> tuple[pl.Series, Firsts, Orders]:
    """Names of the products that can be in a rule, their first purchases, and the orders whose window is over."""
    customers = purchases["customer_id"].unique().sort()
    at = pl.from_epoch("t", "us")
    month = at.dt.year().cast(pl.Int64) * 12 + at.dt.month()
    coded = purchases.with_columns(month=month - month.min(), customer=_code("customer_id", customers))
    firsts = coded.sort("t").unique(["customer", "product"], keep="first", maintain_order=True)
    buyers = firsts.group_by("product").agg(closed=(pl.col("t") <= closed_until).sum(), ever=pl.len())
    enough = (pl.col("closed") >= minimum_buyers) | (pl.col("ever") >= minimum_support)
    products = buyers.filter(enough)["product"].sort()
    kept = firsts.join(products.to_frame(), on="product", how="semi").with_columns(_code("product", products))
    orders = coded.filter(pl.col("t") <= closed_until).unique(["customer", "t"])
    return (
        products,
        Firsts(*_arrays(kept, "customer", "t", "product", "month")),
        Orders(*_arrays(orders, "customer", "t", "month")),
    )


def _arrays(rows: pl.DataFrame, *names: str) -> list[Ints]:
    """The columns as arrays, sorted by the first, then the next."""
    return [column.to_numpy() for column in rows.select(names).sort(names).get_columns()]


def _blocks(
    firsts: Firsts, leading: Ints, base: Floats, window: int, minimum_buyers: int, minimum_support: int, cells: int
) -> Iterator[tuple[pl.DataFrame, int]]:
    """For a few antecedents at a time: their pairs by code, and how many pairs had enough customers at risk.

    `leading`: places of the first purchases whose window is over.
    """
    products = base.shape[1]
    buyers = np.bincount(firsts.product[leading], minlength=products)
    followers = np.bincount(firsts.product, minlength=products) >= minimum_support
    eligible = np.flatnonzero(buyers >= minimum_buyers)
    for part in np.array_split(eligible, -(-len(eligible) * products // cells) or 1):
        place = np.full(products, -1)
        place[part] = np.arange(len(part))
        rows = leading[place[firsts.product[leading]] >= 0]
        owned, owned_rate, support = _tables(firsts, rows, place, len(part), base, window, cells)
        at_risk = buyers[part][:, None] - owned
        expected = _expected(firsts, rows, place, len(part), base) - owned_rate
        enough = (at_risk >= minimum_buyers) & followers
        a, b = np.nonzero(enough & (support >= minimum_support))
        columns = (part[a], b, buyers[part][a], at_risk[a, b], support[a, b], expected[a, b])
        yield pl.DataFrame(dict(zip(PAIRS, columns, strict=True))), int(enough.sum())


def _expected(firsts: Firsts, rows: Ints, place: Ints, size: int, base: Floats) -> Floats:
    """Σ of the base rates over all buyers of A, whether they have B or not; shape (size, products)."""
    months = base.shape[0]
    cells = place[firsts.product[rows]] * months + firsts.month[rows]
    return np.bincount(cells, minlength=size * months).reshape(size, months) @ base


def _tables(
    firsts: Firsts, rows: Ints, place: Ints, size: int, base: Floats, window: int, cells: int
) -> tuple[Ints, Floats, Ints]:
    """Over customers, shape (size, products): who had B at A, the base rates of these, and who bought B in time."""
    shape = size, base.shape[1]
    owned, rate, support = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape, np.int64)
    for first, second in _pairs_of_a_customer(firsts, rows, cells):
        a, b = place[firsts.product[first]], firsts.product[second]
        later = firsts.t[second] - firsts.t[first]
        cell, had, hit = a * shape[1] + b, later <= 0, (later > 0) & (later < window)
        owned += np.bincount(cell[had], minlength=owned.size).reshape(shape)
        rate += np.bincount(cell[had], base[firsts.month[first[had]], b[had]], minlength=owned.size).reshape(shape)
        support += np.bincount(cell[hit], minlength=owned.size).reshape(shape)
    return owned, rate, support


def _pairs_of_a_customer(firsts: Firsts, rows: Ints, cells: int) -> Iterator[tuple[Ints, Ints]]:
    """Places of (A, any product of the same customer), at most about `cells` of them at a time."""
    begin = np.searchsorted(firsts.customer, firsts.customer[rows])
    count = np.searchsorted(firsts.customer, firsts.customer[rows], side="right") - begin
    part = np.cumsum(count) // cells
    for number in np.unique(part):
        inside = part == number
        first, many = np.repeat(rows[inside], count[inside]), count[inside]
        within = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        yield first, np.repeat(begin[inside], many) + within


def _added(values: Ints, product: Ints, products: int) -> Floats:
    return np.bincount(product, values, minlength=products).astype(np.float64)


def _code(column: str, names: pl.Series) -> pl.Expr:
    return pl.col(column).replace_strict(names, _numbers(names), return_dtype=pl.Int64)


def _numbers(names: pl.Series) -> pl.Series:
    return pl.Series(np.arange(len(names)))
