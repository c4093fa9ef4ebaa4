"""Does the range of value hold what it says: the share of realised values inside, by decile of expected value."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.value_range import HIGH, LOW
from training.bootstrap import SEED, Interval, draws_for, interval
from training.metrics import Floats, Values, midranks

_ROUNDING = 1e-9  # a sum that most customers pay exactly lies on a bound, not a bit beside it


@dataclass(frozen=True)
class CoverageRow:
    """A tenth of the rows by expected value, decile 1 the highest; widths in the unit of value.

    `aim` is what a perfect range from the 10 % to the 90 % quantile holds: 80 %; 90 % where `zeros`, the share that
    brought nothing, exceeds a tenth, as nothing lies below a range that begins at 0; all the zeros if they are more.
    """

    decile: int
    rows: int
    coverage: float
    aim: float
    above: float
    zeros: float
    mean_width: float


def coverage(actual: Values, low: Values, high: Values) -> float:
    """Share of realised values inside [low, high], all of shape (rows,); NaN without rows.

    A net value below zero counts as 0, as it does in fitting.
    """
    return _share([], _held(actual, low, high))


def coverage_interval(
    actual: Values, low: Values, high: Values, customers: npt.ArrayLike, draws: int | None = None, seed: int = SEED
) -> Interval:
    """`coverage` with its interval, drawn by customer."""
    held = _held(actual, low, high)
    return interval(_share, held, held, customers, draws=draws_for(len(held)) if draws is None else draws, seed=seed)


def coverage_table(actual: Values, expected: Values, low: Values, high: Values, bins: int = 10) -> list[CoverageRow]:
    """`coverage` by decile of `expected`; equal expectations share one. Arrays of shape (rows,)."""
    y, e, bottom, top = (np.asarray(column, dtype=float) for column in (actual, expected, low, high))
    decile = 1 + np.floor(bins * midranks(-e, np.ones(len(e))) / max(len(e), 1)).astype(int)
    return [_row(int(each), *(c[decile == each] for c in (y, bottom, top))) for each in np.unique(decile)]


def _row(decile: int, actual: Floats, low: Floats, high: Floats) -> CoverageRow:
    zeros = float((actual <= 0).mean())
    return CoverageRow(
        decile=decile,
        rows=len(actual),
        coverage=float(_inside(actual, low, high).mean()),
        aim=max(HIGH, zeros) if zeros > LOW else HIGH - LOW,
        above=float((actual > high * (1 + _ROUNDING)).mean()),
        zeros=zeros,
        mean_width=float((high - low).mean()),
    )


def _share(_: Values, inside: Values, *, weights: Values | None = None) -> float:
    """The weighted share of `inside`, a `training.bootstrap.Metric`; NaN without rows."""
    held = np.asarray(inside, dtype=float)
    counts = np.ones(len(held)) if weights is None else np.asarray(weights, dtype=float)
    return float(held @ counts / counts.sum()) if len(held) else np.nan


def _held(actual: Values, low: Values, high: Values) -> Floats:
    return _inside(*(np.asarray(column, dtype=float) for column in (actual, low, high)))


def _inside(actual: Floats, low: Floats, high: Floats) -> Floats:
    y = np.maximum(actual, 0.0)
    return np.asarray((y >= low * (1 - _ROUNDING)) & (y <= high * (1 + _ROUNDING)), dtype=float)
