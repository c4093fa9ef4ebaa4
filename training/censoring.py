"""Windows whose labels cannot be believed, because a table stops before they close: left out, with a warning."""

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

import narwhals as nw
import polars as pl

from features.clock import DAY, moment
from features.point_in_time import Frame
from features.sources import TABLES
from training.split import Plan, SplitError

MANY_TIMES = 3.0
"""A churn rate this many times the median's is a table that stopped, not a bad month."""


def silence(frame: Frame, table: str, closes: int) -> tuple[float, float]:
    """Days from the table's last event to `closes`, and the longest silence between events before that."""
    happened = str(TABLES[table].happened_at)
    days = frame.filter(nw.col(happened) < closes).with_columns(day=nw.col(happened) // DAY).select("day").unique()
    seen: pl.Series = days.collect(backend="polars").to_native()["day"].drop_nulls().sort()
    if seen.is_empty():
        return float("inf"), 0.0
    return closes / DAY - float(seen[-1] + 1), float(seen.diff().max() or 1) - 1  # type: ignore[arg-type]


def stopped(frame: Frame, table: str, closes: int) -> str | None:
    """Why the table says nothing about the end of a window that closes at `closes`; None when it does."""
    quiet, longest = silence(frame, table, closes)
    if quiet == float("inf"):
        return f"{table} has no row before the window closes"
    if quiet <= longest + 1:
        return None
    last = moment(closes - int((quiet + 1) * DAY))
    return (
        f"{table} has no row after {last:%Y-%m-%d}, {quiet:.0f} days before the window closes "
        f"(its longest silence before: {longest:.0f} days)"
    )


def believable(plan: Plan, rates: Mapping[int, float], why_stopped: Mapping[int, str | None]) -> tuple[Plan, list[str]]:
    """`plan` without the training cut-offs whose labels are not to be believed, and a warning for each.

    `rates` are churn rates by cut-off. Raises SplitError when the test cut-off itself is one of them, or none is left.
    """
    usual = median(rates.values())
    doubts = {cutoff: why_stopped.get(cutoff) or _too_high(rate, usual) for cutoff, rate in rates.items()}
    if doubts[plan.test]:
        raise SplitError(
            f"test cut-off {moment(plan.test):%Y-%m-%d}: {doubts[plan.test]}; its labels would call nearly "
            "everyone gone: set --as-of to the day after the table's last row, or bring the rest"
        )
    kept = tuple(cutoff for cutoff in plan.training if not doubts[cutoff])
    warnings = [f"cut-off {moment(c):%Y-%m-%d} left out: {doubts[c]}" for c in plan.training if doubts[c]]
    if not kept:
        raise SplitError(*warnings, "no training cut-off is left; set --as-of earlier, or bring complete tables")
    return replace(plan, training=kept), warnings


def _too_high(rate: float, usual: float) -> str | None:
    if usual == 0 or rate <= MANY_TIMES * usual:
        return None
    return f"{rate:.0%} churned, over {MANY_TIMES:.0f} times the median of {usual:.0%}: a table may have stopped"
