"""How good a score is: plain functions of numpy arrays, `(what happened, what was said)`, returning plain data.

All arrays are of shape (rows,) and of one length; `y` is 1 for a churner and 0 for who stayed. `weights` count rows:
a metric with weights equals the metric of the rows repeated that often, which is what the bootstrap relies on. Tied
scores are never broken by the order of the rows, so every metric is permutation invariant.

A metric of something unknown is unknown: with no rows, a NaN anywhere, or a quantity without variation (one class
only, all values equal) the answer is NaN, never a number that looks like one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Values = npt.ArrayLike
SMALLEST = float(np.finfo(float).eps)
"""How far log loss keeps probabilities off 0 and 1."""


@dataclass(frozen=True)
class ReliabilityRow:
    """One bin of equally many rows, the lowest probabilities first."""

    rows: int
    mean_predicted: float
    observed: float


@dataclass(frozen=True)
class DecileRow:
    """A tenth of the rows by predicted value; decile 1 holds the highest. Values in the unit of the inputs."""

    decile: int
    rows: int
    mean_predicted: float
    mean_actual: float
    total_predicted: float
    total_actual: float


def roc_auc(y: Values, p: Values, weights: Values | None = None) -> float:
    """Chance that a churner's score is above a stayer's, ties counting half (Mann-Whitney U / (P·N)).

    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    y, p, w = _aligned(y, p, weights)
    positives = float(w @ y)
    negatives = float(w.sum()) - positives
    if not positives * negatives:
        return np.nan
    return (float((w * y) @ midranks(p, w)) - positives**2 / 2) / (positives * negatives)


def average_precision(y: Values, p: Values, weights: Values | None = None) -> float:
    """Σ (recall_k − recall_{k−1}) · precision_k over the distinct scores, highest first."""
    counts, hits = _by_score(*_aligned(y, p, weights))
    if not hits.sum():
        return np.nan
    return float(hits @ (np.cumsum(hits) / np.cumsum(counts)) / hits.sum())


def brier_score(y: Values, p: Values, weights: Values | None = None) -> float:
    """Mean of (p − y)²; NaN where `p` leaves [0, 1]."""
    y, p, w = _aligned(y, p, weights)
    return _mean((p - y) ** 2, w) if _are_probabilities(p) else np.nan


def log_loss(y: Values, p: Values, weights: Values | None = None) -> float:
    """Mean of −ln(probability given to what happened), in nats; probabilities are kept off 0 and 1 by 2.2e-16."""
    y, p, w = _aligned(y, p, weights)
    if not _are_probabilities(p):
        return np.nan
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return _mean(-(y * np.log(p) + (1 - y) * np.log(1 - p)), w)


def calibration_error(y: Values, p: Values, bins: int = 10, weights: Values | None = None) -> float:
    """Mean over quantile bins, weighted by rows, of |mean p − mean y|; equal probabilities share one bin."""
    y, p, w = _aligned(y, p, weights)
    if not _are_probabilities(p):
        return np.nan
    return float(np.abs(np.bincount(_quantile_bins(p, w, bins), w * (p - y))).sum() / w.sum())


def reliability_table(y: Values, p: Values, bins: int = 10) -> list[ReliabilityRow]:
    """The bins behind `calibration_error`, empty ones left out; [] where that is NaN."""
    y, p, w = _aligned(y, p, None)
    if not _are_probabilities(p):
        return []
    bin_of = _quantile_bins(p, w, bins)
    members = [np.flatnonzero(bin_of == each) for each in np.unique(bin_of)]
    return [ReliabilityRow(len(m), float(p[m].mean()), float(y[m].mean())) for m in members]


def gain_curve(y: Values, p: Values, weights: Values | None = None) -> tuple[Floats, Floats]:
    """Share of rows taken, highest score first, and share of Σy they hold, from (0, 0) to (1, 1).

    Within equal scores the curve is a straight line: the expectation over their order. Two empty arrays where Σy = 0.
    """
    counts, hits = _by_score(*_aligned(y, p, weights))
    if not hits.sum():
        return np.empty(0), np.empty(0)
    taken, held = np.cumsum(counts), np.cumsum(hits)
    return np.append(0.0, taken / taken[-1]), np.append(0.0, held / held[-1])


def lift_at(y: Values, p: Values, share: float = 0.1, weights: Values | None = None) -> float:
    """Churn rate among the `share` of rows with the highest scores, over the churn rate of all.

    >>> lift_at([1, 0, 0, 0], [0.9, 0.3, 0.2, 0.1], share=0.25)
    4.0
    """
    taken, held = gain_curve(y, p, weights)
    return float(np.interp(share, taken, held) / share) if len(taken) else np.nan


def normalised_gini(actual: Values, predicted: Values, weights: Values | None = None) -> float:
    """Covariance of actual value with the rank of the prediction, over the same with the rank of the truth.

    1 for a perfect ranking, 0 for a random one, −1 for the reverse. Equals (area under the gain curve − ½) over that
    of the perfect ranking, and stays defined where returns make the total zero or negative.

    >>> normalised_gini([0, 10, 100], [1, 2, 3])
    1.0
    """
    y, p, w = _aligned(actual, predicted, weights)
    best = float((w * y) @ _centred_ranks(y, w))
    return float((w * y) @ _centred_ranks(p, w)) / best if best else np.nan


def spearman(actual: Values, predicted: Values, weights: Values | None = None) -> float:
    """Pearson correlation of the mid-ranks."""
    y, p, w = _aligned(actual, predicted, weights)
    y, p = _centred_ranks(y, w), _centred_ranks(p, w)
    spread = float((w * y) @ y) * float((w * p) @ p)
    return float((w * y) @ p) / float(np.sqrt(spread)) if spread else np.nan


def mae(actual: Values, predicted: Values, weights: Values | None = None) -> float:
    """Mean of |predicted − actual|, in their unit."""
    y, p, w = _aligned(actual, predicted, weights)
    return _mean(np.abs(p - y), w)


def total_ratio(actual: Values, predicted: Values, weights: Values | None = None) -> float:
    """Total predicted / total actual; NaN unless the actual total is above zero."""
    y, p, w = _aligned(actual, predicted, weights)
    total = float(w @ y)
    return float(w @ p) / total if total > 0 else np.nan


def decile_table(actual: Values, predicted: Values, bins: int = 10) -> list[DecileRow]:
    """Predicted and actual value by tenth of predicted value, highest first; equal predictions share one decile."""
    y, p, w = _aligned(actual, predicted, None)
    decile = 1 + _quantile_bins(-p, w, bins)
    return [_decile_row(int(each), y[decile == each], p[decile == each]) for each in np.unique(decile)]


def midranks(x: Floats, weights: Floats) -> Floats:
    """Weight below each value plus half the weight of its equals, shape (rows,); their weighted mean is Σw / 2.

    The sort is one that passes over sorted input in linear time, so the bootstrap sorts once.
    """
    if not len(x):
        return np.empty(0)
    order = np.argsort(x, kind="stable")
    starts = first_of_equals(x[order])
    sizes = np.add.reduceat(weights[order], starts)
    ranks = np.empty(len(x))
    ranks[order] = np.repeat(np.cumsum(sizes) - sizes / 2, np.diff(np.append(starts, len(x))))
    return ranks


def _aligned(y: Values, p: Values, weights: Values | None) -> tuple[Floats, Floats, Floats]:
    """Floats of one length without the rows of weight 0; nothing at all when a NaN makes the metric unknown."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    w = np.ones(y.shape) if weights is None else np.asarray(weights, dtype=float)
    if y.ndim != 1 or y.shape != p.shape or y.shape != w.shape:
        raise ValueError(f"a metric needs columns of one length, got shapes {y.shape}, {p.shape}, {w.shape}")
    if np.isnan(y).any() or np.isnan(p).any():
        return np.empty(0), np.empty(0), np.empty(0)
    if weights is None:
        return y, p, w
    kept = w > 0
    return y[kept], p[kept], w[kept]


def _by_score(y: Floats, p: Floats, w: Floats) -> tuple[Floats, Floats]:
    """Σw and Σwy of each distinct score, highest score first."""
    if not len(p):
        return np.empty(0), np.empty(0)
    order = np.argsort(p, kind="stable")
    starts = first_of_equals(p[order])
    return np.add.reduceat(w[order], starts)[::-1], np.add.reduceat((w * y)[order], starts)[::-1]


def first_of_equals(ordered: Floats) -> npt.NDArray[np.intp]:
    """Where each distinct value of a sorted array begins; the array has at least one element."""
    return np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))


def _centred_ranks(x: Floats, w: Floats) -> Floats:
    return midranks(x, w) - float(w.sum()) / 2


def _quantile_bins(x: Floats, w: Floats, bins: int) -> npt.NDArray[np.int64]:
    """The bin, 0 to bins − 1, that the middle of each value's ties falls into."""
    return np.floor(bins * midranks(x, w) / float(w.sum() or 1)).astype(np.int64)


def _mean(x: Floats, w: Floats) -> float:
    return float(w @ x / w.sum()) if len(x) else np.nan


def _are_probabilities(p: Floats) -> bool:
    return len(p) > 0 and bool(((p >= 0) & (p <= 1)).all())


def _decile_row(decile: int, actual: Floats, predicted: Floats) -> DecileRow:
    return DecileRow(
        decile=decile,
        rows=len(actual),
        mean_predicted=float(predicted.mean()),
        mean_actual=float(actual.mean()),
        total_predicted=float(predicted.sum()),
        total_actual=float(actual.sum()),
    )
