"""How sure a metric is: the bootstrap by customer.

Rows of one customer at several cut-offs are not independent, so customers are drawn with replacement and bring all
their rows. A draw is a count for each customer, passed to the metric as weights: no row is copied. Every score of a
draw sees the same customers, which is what makes the difference of two scores sharper than their two intervals.

Reference: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8 and 13 (percentile interval).
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat

from training.metrics import Floats, Values

LEVEL, DRAWS, SEED = 0.90, 1000, 0
_USABLE = 0.9
_CELLS = 200_000
"""Draws × rows of a block: its arrays then stay in the processor's cache."""
_FEWEST, _AFFORDED = 200, 50_000_000


class Metric(Protocol):
    """A function of `training.metrics`: what happened, what was said, rows counted by `weights`."""

    def __call__(self, y: Values, p: Values, /, *, weights: Values | None = None) -> float: ...  # noqa: D102


class Interval(BaseModel):
    """An estimate with the bounds of its interval; None is "unknown", never zero."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    estimate: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None
    level: float = LEVEL


def known(number: float) -> float | None:
    """`number`, or None where it is not finite: JSON has no NaN."""
    return float(number) if np.isfinite(number) else None


def paired_interval(
    metric: Metric,
    y: Values,
    a: Values,
    b: Values,
    customers: npt.ArrayLike,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Interval:
    """Interval of metric(y, a) − metric(y, b), both on the same drawn customers; all arrays of shape (rows,)."""
    drawn = replicates(metric, y, [a, b], customers, draws, seed)
    return percentile_interval(metric(y, a) - metric(y, b), drawn[:, 0] - drawn[:, 1], level)


def interval(
    metric: Metric,
    y: Values,
    a: Values,
    customers: npt.ArrayLike,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> Interval:
    """Interval of metric(y, a); all arrays of shape (rows,)."""
    return percentile_interval(metric(y, a), replicates(metric, y, [a], customers, draws, seed)[:, 0], level)


def replicates(
    metric: Metric, y: Values, scores: Sequence[Values], customers: npt.ArrayLike, draws: int = DRAWS, seed: int = SEED
) -> Floats:
    """The metric of each score in each draw, shape (draws, scores); NaN where a draw leaves it undefined.

    Rows are handed over in the order of the score, which the metric's own sort then finds done. The draws depend on
    the set of customer ids and the seed, not on the order of the rows.
    """
    y, columns = np.asarray(y, dtype=float), [np.asarray(score, dtype=float) for score in scores]
    if np.shape(customers) != y.shape:
        raise ValueError(f"every row needs its customer, got {np.shape(customers)} for {y.shape}")
    orders = [np.argsort(score, kind="stable") for score in columns]
    ordered = [(y[order], score[order], order) for score, order in zip(columns, orders, strict=True)]
    weights = _customer_counts(np.asarray(customers), draws, seed)
    drawn = [[metric(t, s, weights=w[order]) for t, s, order in ordered] for w in weights]
    return np.array(drawn, dtype=float).reshape(-1, len(scores))


def weight_blocks(customers: npt.ArrayLike, draws: int = DRAWS, seed: int = SEED) -> Iterator[Floats]:
    """The draws of `replicates` in blocks of shape (draws of the block, rows): how often each row counts."""
    rows = np.asarray(customers)
    weights = _customer_counts(rows, draws, seed)
    while block := list(islice(weights, max(1, _CELLS // max(1, len(rows))))):
        yield np.array(block)


def draws_for(rows: int) -> int:
    """Draws that take a few seconds: 1,000 up to 50,000 rows, fewer beyond that, never under 200.

    >>> draws_for(5_000), draws_for(100_000), draws_for(10_000_000)
    (1000, 500, 200)
    """
    return max(_FEWEST, min(DRAWS, _AFFORDED // max(1, rows)))


def percentile_interval(estimate: float, drawn: Floats, level: float = LEVEL) -> Interval:
    """The middle `level` of the drawn values, shape (draws,).

    Draws without a value are left out; where they are more than a tenth the bounds are unknown.
    """
    usable = drawn[np.isfinite(drawn)]
    if not np.isfinite(estimate) or not len(usable) or len(usable) < _USABLE * len(drawn):
        return Interval(estimate=known(estimate), low=None, high=None, level=level)
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate=float(estimate), low=float(low), high=float(high), level=level)


def _customer_counts(customers: npt.NDArray[Any], draws: int, seed: int) -> Iterator[Floats]:
    """For each draw, how often each row's customer was drawn, shape (rows,)."""
    ids, customer_of = np.unique(customers, return_inverse=True)
    if not len(ids):
        return
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        counts = np.bincount(rng.integers(0, len(ids), len(ids)), minlength=len(ids)).astype(float)
        yield counts[customer_of]
