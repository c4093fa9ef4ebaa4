"""How far to look: horizons that fit the rhythm of what customers do, and prepaid periods told from running ones."""

from dataclasses import dataclass

import narwhals as nw
import polars as pl

from features.clock import DAY
from features.point_in_time import Frame
from features.rfm import orders
from features.windows import with_gaps

LADDER = (7, 14, 31, 60, 90, 180, 365)
"""Horizons that are proposed."""

HISTORY_DAYS = 60
"""Days that must lie before the first cut-off (as in training)."""

RETURNED = 0.8
"""A horizon is long enough when this share of those who came back came back within it."""

PREPAID_SHARE, CONTIGUOUS_SHARE, EQUAL_SHARE, SPREAD = 0.95, 0.6, 0.8, 0.12
NEXT_DAYS = 1
TERMS = {31: 31, 61: 62, 92: 92, 183: 184, 366: 366}
"""About so many days of a period → days after which a renewal is sure to have begun."""


@dataclass(frozen=True)
class Horizon:
    """Days to look ahead, in words why, and whether history has room for it and a later test period."""

    days: int
    why: str
    fits: bool


@dataclass(frozen=True)
class Term:
    """Prepaid periods of about `days`; the shares say how sure that is."""

    days: int
    ended: float
    contiguous: float


def purchase_horizon(transactions: Frame, history_days: float) -> Horizon:
    """A horizon within which most repeat purchases come."""
    bought = orders(transactions).filter((nw.col("net") >= 0.0) & ~nw.col("customer_id").is_null())
    return _of_gaps(bought.select("customer_id", "t"), "purchases", history_days)


def usage_horizon(events: Frame, history_days: float) -> Horizon:
    """A horizon within which most return to the product."""
    days = events.filter(~nw.col("customer_id").is_null()).select("customer_id", t=nw.col("occurred_at") // DAY * DAY)
    return _of_gaps(days.unique(), "days of use", history_days)


def subscription_horizon(term: Term | None, history_days: float) -> Horizon:
    """One prepaid period, so that every period comes up for renewal in each window; 90 days where none is known."""
    if term is None:
        return _fitted(90, "a quarter: the usual choice for running contracts", history_days)
    return _fitted(term.days, f"one prepaid period of about {term.days} days", history_days, ladder=False)


def prepaid_term(subscriptions: Frame) -> Term | None:
    """The period, where nearly all rows have an end, all are about equally long and each begins where one ended."""
    product = [name for name in ("product",) if name in subscriptions.collect_schema().names()]
    kept = subscriptions.select("customer_id", *product, "started_at", "ended_at").collect(backend="polars")
    rows: pl.DataFrame = kept.to_native()
    ended = rows.filter(pl.col("ended_at") > pl.col("started_at")).sort("customer_id", *product, "started_at")
    if ended.height < PREPAID_SHARE * rows.height or not ended.height:
        return None
    lengths = (ended["ended_at"] - ended["started_at"]) / DAY
    usual = float(lengths.median())  # type: ignore[arg-type]
    equal = float(((lengths - usual).abs() <= SPREAD * usual).mean())  # type: ignore[arg-type]
    contiguous = _contiguous(ended, ["customer_id", *product])
    if equal < EQUAL_SHARE or contiguous < CONTIGUOUS_SHARE:
        return None
    return Term(_term_days(usual), ended.height / rows.height, contiguous)


def _contiguous(ended: pl.DataFrame, among: list[str]) -> float:
    """Share of periods with a next one that begins where they end."""
    gap = pl.col("started_at").shift(-1).over(among) - pl.col("ended_at")
    gaps = ended.select(gap=gap)["gap"].drop_nulls()
    return float((gaps.abs() <= NEXT_DAYS * DAY).mean()) if gaps.len() else 0.0  # type: ignore[arg-type]


def _term_days(usual: float) -> int:
    near = min(TERMS, key=lambda days: abs(days - usual))
    return TERMS[near] if abs(near - usual) <= SPREAD * usual else int(usual) + 1


def _of_gaps(moments: Frame, what: str, history_days: float) -> Horizon:
    """A rung of the ladder that holds most gaps between one customer's moments."""
    gaps = with_gaps(moments).filter(nw.col("gaps") > 0.0).with_columns(days=nw.col("gap").cast(nw.Int64))
    counts = gaps.group_by("days").agg(nw.len().alias("n")).collect(backend="polars").to_native().sort("days")
    if counts.is_empty():
        return _fitted(90, f"a quarter: no customer has two {what}", history_days)
    within = counts.with_columns(share=pl.col("n").cum_sum() / pl.col("n").sum())
    enough = int(within.filter(pl.col("share") >= RETURNED)["days"][0]) + 1
    days = next((rung for rung in LADDER if rung >= enough), LADDER[-1])
    days = max(days, 31)
    share = float(within.filter(pl.col("days") < days)["share"].max() or 0.0)
    return _fitted(days, f"{share:.0%} of gaps between a customer's {what} are shorter", history_days)


def _fitted(days: int, why: str, history_days: float, ladder: bool = True) -> Horizon:
    """`days`, or the longest shorter rung for which history has room: two windows, and 60 days before them."""
    fits = [rung for rung in ((*LADDER, days) if ladder else (days,)) if 2 * rung + HISTORY_DAYS <= history_days]
    room = [rung for rung in fits if rung <= days]
    if not room or max(room) == days:
        return Horizon(days, why, bool(room))
    return Horizon(max(room), f"{why}; {days} days would suit, but history is only {history_days:.0f} days long", True)
