"""The metrics of `training.metrics` in many bootstrap draws at once: the same formulas on a block of weights.

A block is (draws, rows): how often each draw counts each row. A score is sorted once; from there on a draw costs a few
passes over its distinct values, which is what makes intervals for every metric of every score affordable.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from training.metrics import SMALLEST, Floats, first_of_equals

Indices = npt.NDArray[np.intp]
BINS, TOP = 10, 0.1


@dataclass(frozen=True)
class Scored:
    """What happened and one score, shape (rows,), with the distinct scores found: ascending, `group` of each row."""

    y: Floats
    p: Floats
    order: Indices
    starts: Indices
    group: Indices

    @classmethod
    def of(cls, y: Floats, p: Floats) -> "Scored":
        """Sort `p` once; neither array may hold a NaN."""
        order = np.argsort(p, kind="stable")
        starts = first_of_equals(p[order]) if len(p) else np.empty(0, dtype=np.intp)
        group = np.empty(len(p), dtype=np.intp)
        group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(p))))
        return cls(y, p, order, starts, group)


@dataclass(frozen=True)
class Drawn:
    """A score in one block of draws; sums by distinct score have shape (draws, distinct), totals (draws,).

    `truth` is the same block with the outcome itself as the score, for metrics that need the order of the truth.
    """

    scored: Scored
    weights: Floats
    weighted_y: Floats
    truth: "Drawn | None" = None

    @cached_property
    def counts(self) -> Floats:
        """Σw of each distinct score."""
        return self._by_score(self.weights)

    @cached_property
    def hits(self) -> Floats:
        """Σwy of each distinct score."""
        return self._by_score(self.weighted_y)

    @cached_property
    def total(self) -> Floats:
        """Σw."""
        return _sums(self.weights)

    @cached_property
    def positives(self) -> Floats:
        """Σwy."""
        return _sums(self.weighted_y)

    @cached_property
    def ranks(self) -> Floats:
        """Mid-rank of each distinct score: the weight below plus half of its own."""
        return np.cumsum(self.counts, axis=1) - self.counts / 2

    @cached_property
    def centred(self) -> Floats:
        """Mid-ranks less their weighted mean."""
        return self.ranks - self.total[:, None] / 2

    @cached_property
    def from_the_top(self) -> tuple[Floats, Floats]:
        """Σw and Σwy of each distinct score and all above it."""
        return _and_above(self.counts), _and_above(self.hits)

    def mean(self, column: Floats) -> Floats:
        """Weighted mean of a column of shape (rows,)."""
        return ratio(self.weights @ column, self.total)

    def _by_score(self, rows: Floats) -> Floats:
        sums: Floats = np.add.reduceat(rows[:, self.scored.order], self.scored.starts, axis=1)
        return sums


DrawnMetric = Callable[[Drawn], Floats]
"""Gives shape (draws,); NaN where a draw leaves the metric undefined."""


def roc_auc(drawn: Drawn) -> Floats:
    """As `metrics.roc_auc`."""
    positives, negatives = drawn.positives, drawn.total - drawn.positives
    return ratio(_dot(drawn.hits, drawn.ranks) - positives**2 / 2, positives * negatives)


def average_precision(drawn: Drawn) -> Floats:
    """As `metrics.average_precision`."""
    counts, hits = drawn.from_the_top
    precision = np.divide(hits, counts, out=np.zeros_like(hits), where=counts > 0)
    return ratio(_dot(drawn.hits, precision), drawn.positives)


def lift_top_decile(drawn: Drawn) -> Floats:
    """As `metrics.lift_at` with a tenth of the rows."""
    counts, hits = drawn.from_the_top
    wanted = TOP * drawn.total
    reached = (counts >= wanted[:, None]).sum(axis=1) - 1  # the score at which the tenth is full
    at = np.arange(len(wanted)), reached
    inside = (wanted - counts[at] + drawn.counts[at]) / drawn.counts[at]
    return ratio(hits[at] - drawn.hits[at] + drawn.hits[at] * inside, TOP * drawn.positives)


def brier_score(drawn: Drawn) -> Floats:
    """As `metrics.brier_score`."""
    return drawn.mean((drawn.scored.p - drawn.scored.y) ** 2)


def log_loss(drawn: Drawn) -> Floats:
    """As `metrics.log_loss`."""
    y, p = drawn.scored.y, np.clip(drawn.scored.p, SMALLEST, 1 - SMALLEST)
    return drawn.mean(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


def calibration_error(drawn: Drawn) -> Floats:
    """As `metrics.calibration_error` with ten bins, which every draw forms anew."""
    draws = len(drawn.weights)
    bins = np.minimum(np.floor(BINS * drawn.ranks / drawn.total[:, None]), BINS - 1).astype(np.intp)
    place = bins + BINS * np.arange(draws)[:, None]
    surplus = drawn.counts * drawn.scored.p[drawn.scored.order][drawn.scored.starts] - drawn.hits
    sums = np.bincount(place.ravel(), surplus.ravel(), minlength=BINS * draws).reshape(draws, BINS)
    return ratio(_sums(np.abs(sums)), drawn.total)


def total_ratio(drawn: Drawn) -> Floats:
    """As `metrics.total_ratio`."""
    actual = np.where(drawn.positives > 0, drawn.positives, np.nan)
    return ratio(drawn.weights @ drawn.scored.p, actual)


def normalised_gini(drawn: Drawn) -> Floats:
    """As `metrics.normalised_gini`."""
    best = _truth(drawn)
    return ratio(_dot(drawn.hits, drawn.centred), _dot(best.hits, best.centred))


def spearman(drawn: Drawn) -> Floats:
    """As `metrics.spearman`."""
    best = _truth(drawn)
    spread = _dot(drawn.counts, drawn.centred**2) * _dot(best.counts, best.centred**2)
    together = best.centred[:, best.scored.group] * drawn.weights
    return ratio(_dot(together, drawn.centred[:, drawn.scored.group]), np.sqrt(spread))


def mae(drawn: Drawn) -> Floats:
    """As `metrics.mae`."""
    return drawn.mean(np.abs(drawn.scored.p - drawn.scored.y))


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, NaN where below is 0.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    unknown = np.full(np.shape(above), np.nan)
    return np.asarray(np.divide(above, below, out=unknown, where=below != 0))


def _sums(block: Floats) -> Floats:
    sums: Floats = block.sum(axis=1)
    return sums


def _and_above(sums: Floats) -> Floats:
    above: Floats = np.cumsum(sums[:, ::-1], axis=1)[:, ::-1]
    return above


def _dot(a: Floats, b: Floats) -> Floats:
    products: Floats = np.einsum("ij,ij->i", a, b)
    return products


def _truth(drawn: Drawn) -> Drawn:
    return drawn.truth or drawn
