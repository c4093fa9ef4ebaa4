"""Sums over windows before a cut-off, and the rhythm of events: the arithmetic that the families share.

Everything starts from *additive rows*: per row a representative time `t`, `first`/`last` event times, `n` events,
and columns that may be summed. A raw event is such a row (n = 1); so is an interval partial (many events between
two edges), which is why one implementation serves both.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import narwhals as nw

from features.clock import DAY
from features.point_in_time import Frame, between

WINDOWS = (30, 90, 180, 365)
"""Days that every family looks back."""

YEAR, SEASON = 365, 90
"""Days: the season to come began a year ago, and lasts as long as the usual horizon."""

NO_SPREAD = 1e-9
"""Share of a sum of squares that is no variance: a spread of a thirty-thousandth of the usual size."""

GAP_GRID, SQUARE_GRID = 1.5 * 2.0**16, 1.5 * 2.0**26
"""A float this big counts in 2^-36 (a microsecond in days), or in 2^-26: see `on_grid`."""

RHYTHM = ("n", "gaps", "gap", "gap_sq")
"""Additive columns of the rhythm: events, gaps between them, their sum (days) and sum of squares (days²)."""


def events(frame: Frame, time: str, keep: Sequence[str] = ()) -> Frame:
    """Additive rows, one an event: customer_id, t, first, last, n, and `keep`."""
    t = nw.col(time)
    return frame.select(
        nw.col("customer_id"), t.alias("t"), t.alias("first"), t.alias("last"), ones(time).alias("n"), *keep
    )


def ones(column: str) -> nw.Expr:
    """1.0 for each row where `column` is known, else 0.0."""
    return (~nw.col(column).is_null()).cast(nw.Float64)


def with_gaps(rows: Frame, moment: nw.Expr | None = None) -> Frame:
    """Adds the gap in days to the same customer's `moment` (default: t) before, its square, and `gaps`, 1 for a gap.

    The one sort of a family, and most of its cost: let `rows` carry no column that can be computed afterwards.
    Gaps and squares lie on a grid: a spread takes the difference of their sums, and would show how these were added up.
    """
    # Whole microseconds are exact in a float until 2255, where float days drift. pandas fails to shift integers: it
    # looks up a null by label (Block.setitem of Int64 with a Series). Nulls come first, so a null breaks no gap.
    before = nw.col("moment").shift(1).over("customer_id", order_by="moment")
    return (
        rows.with_columns(moment=(nw.col("t") if moment is None else moment).cast(nw.Float64))
        .with_columns(gap=on_grid((nw.col("moment") - before) / DAY, GAP_GRID))
        .with_columns(gaps=ones("gap"), gap=nw.col("gap").fill_null(0.0))
        .with_columns(gap_sq=on_grid(nw.col("gap") * nw.col("gap"), SQUARE_GRID))
    )


def on_grid(number: nw.Expr, big: float) -> nw.Expr:
    """`number` (0 to a third of `big`) without the bits that `big` has no room for.

    Multiples of the grid add up exactly, so in any order to the same, while their sum is below 4/3 of `big`: 350 years
    of gaps, and squares (days²) over 31 years.
    """
    return number + big - big


class Span(NamedTuple):
    """A sum of `column` over the half-open interval [start, end) of `t`."""

    column: str
    start: int
    end: int


def spans(
    as_of: int,
    windowed: Sequence[str],
    before: Sequence[str] = (),
    windows: Iterable[int] = WINDOWS,
    year_ago: Sequence[str] = (),
) -> dict[str, Span]:
    """Name → what it sums: `NAME_30d` for names in `windowed`, `NAME_30d_before` for those in `before`, and so on.

    `NAME_year_ago`, for names in `year_ago`, is the season that began a year before the cut-off.
    """
    now = {f"{name}_{days}d": Span(name, as_of - days * DAY, as_of) for name in windowed for days in windows}
    earlier = {
        f"{name}_{days}d_before": Span(name, as_of - 2 * days * DAY, as_of - days * DAY)
        for name in before
        for days in windows
    }
    begins, ends = as_of - YEAR * DAY, as_of - (YEAR - SEASON) * DAY
    return now | earlier | {f"{name}_year_ago": Span(name, begins, ends) for name in year_ago}


def summed(
    rows: Frame,
    as_of: int,
    windowed: Sequence[str],
    total: Sequence[str] = (),
    before: Sequence[str] = (),
    windows: Iterable[int] = WINDOWS,
    year_ago: Sequence[str] = (),
) -> Frame:
    """One row a customer: first, last, sums of `total` over all time and of `windowed` over each window.

    Columns are named `NAME`, `NAME_30d`, and for names in `before` also `NAME_30d_before`, the same length before;
    `NAME_year_ago`, see `spans`.
    """
    columns = {
        name: nw.when(_inside(span, as_of)).then(nw.col(span.column)).otherwise(0.0)
        for name, span in spans(as_of, windowed, before, windows, year_ago).items()
    }
    return added_up(
        rows.with_columns(**columns), ["customer_id"], [*total, *columns], nw.col("first").min(), nw.col("last").max()
    )


def _inside(span: Span, as_of: int) -> nw.Expr:
    """Whether a row lies in `span`; the rows are already known before `as_of`."""
    return nw.col("t") >= span.start if span.end == as_of else between(span.start, span.end, "t")


def added_up(rows: Frame, by: Sequence[str], sums: Sequence[str], *more: nw.Expr) -> Frame:
    """Group `by`: Float64 sums of the columns in `sums`, and the plain aggregates in `more`."""
    grouped = rows.group_by(*by).agg(*more, *(nw.col(name).sum() for name in sums))
    return grouped.with_columns(*(nw.col(name).cast(nw.Float64) for name in sums)) if sums else grouped


def days_since(column: str, as_of: int) -> nw.Expr:
    """Days from the time in `column` to the cut-off."""
    return (as_of - nw.col(column)).cast(nw.Float64) / DAY


def ratio(part: str, whole: str) -> nw.Expr:
    """part / whole; null where the whole is zero."""
    return nw.when(nw.col(whole) != 0.0).then(nw.col(part) / nw.col(whole))


def trend(now: str, before: str) -> nw.Expr:
    """(now − before) / (now + before), in −1..1 for amounts that are not negative; null where both are zero."""
    both = nw.col(now) + nw.col(before)
    return nw.when(both > 0.0).then((nw.col(now) - nw.col(before)) / both)


def spread(count: str, total: str, squares: str) -> nw.Expr:
    """Sample standard deviation from sums; null below two values.

    Below NO_SPREAD of the squares it is 0: what is left there is the order in which an engine happened to add up.
    """
    n = nw.col(count)
    squared = (nw.col(squares) - nw.col(total) * nw.col(total) / n) / (n - 1.0)
    varies = squared > nw.col(squares) * NO_SPREAD
    return nw.when(n > 1.0).then(nw.when(varies).then(squared).otherwise(n * 0.0).sqrt())


def rhythm(prefix: str, as_of: int) -> list[nw.Expr]:
    """Recency, tenure and gaps (mean, spread, recency in gaps) out of `summed` rows with RHYTHM."""
    gap_mean = ratio("gap", "gaps")
    usual = nw.when(nw.col("gap") > nw.col("gaps")).then(nw.col("gap")).otherwise(nw.col("gaps"))  # a day at least
    return [
        days_since("last", as_of).alias(f"{prefix}_recency_days"),
        days_since("first", as_of).alias(f"{prefix}_tenure_days"),
        gap_mean.alias(f"{prefix}_gap_mean_days"),
        spread("gaps", "gap", "gap_sq").alias(f"{prefix}_gap_std_days"),
        nw.when(nw.col("gaps") > 0.0)
        .then(days_since("last", as_of) * nw.col("gaps") / usual)
        .alias(f"{prefix}_recency_in_gaps"),
    ]


def renamed(column: str, feature: str, windows: Iterable[int] = WINDOWS) -> list[nw.Expr]:
    """COLUMN_30d, … as FEATURE_30d, …"""
    return [nw.col(f"{column}_{days}d").alias(f"{feature}_{days}d") for days in windows]


def trends(column: str, feature: str, windows: Iterable[int] = WINDOWS) -> list[nw.Expr]:
    """FEATURE_trend_30d, …: each window of COLUMN against the same length before."""
    return [trend(f"{column}_{d}d", f"{column}_{d}d_before").alias(f"{feature}_trend_{d}d") for d in windows]
