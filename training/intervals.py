"""Every metric of every score with its interval, and with the interval of its difference to one score.

All come from the same draws of customers, so differences are paired.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training import drawn, metrics
from training.bootstrap import LEVEL, SEED, Interval, draws_for, percentile_interval, weight_blocks
from training.drawn import Drawn, DrawnMetric, Scored
from training.metrics import Floats, Values


@dataclass(frozen=True)
class Both:
    """A metric of given rows, and the same of rows drawn again and again."""

    plain: Callable[[Values, Values], float]
    drawn: DrawnMetric


RANKING: Mapping[str, Both] = {
    "roc_auc": Both(metrics.roc_auc, drawn.roc_auc),
    "average_precision": Both(metrics.average_precision, drawn.average_precision),
    "lift_top_decile": Both(metrics.lift_at, drawn.lift_top_decile),
}
"""Metrics that ask only for an order."""

PROBABILITY: Mapping[str, Both] = {
    "brier_score": Both(metrics.brier_score, drawn.brier_score),
    "log_loss": Both(metrics.log_loss, drawn.log_loss),
    "calibration_error": Both(metrics.calibration_error, drawn.calibration_error),
    "total_ratio": Both(metrics.total_ratio, drawn.total_ratio),
}
"""Metrics of probabilities."""

VALUE: Mapping[str, Both] = {
    "normalised_gini": Both(metrics.normalised_gini, drawn.normalised_gini),
    "spearman": Both(metrics.spearman, drawn.spearman),
    "mae": Both(metrics.mae, drawn.mae),
    "total_ratio": Both(metrics.total_ratio, drawn.total_ratio),
}
"""Metrics of amounts of money."""

Drawings = dict[str, Floats]


@dataclass(frozen=True)
class Judged:
    """Metric → its interval; and → the interval of reference − this, for metrics that both have."""

    intervals: dict[str, Interval]
    differences: dict[str, Interval]


def judge(
    y: Values,
    scores: Mapping[str, Values],
    wanted: Mapping[str, Mapping[str, Both]],
    customers: npt.ArrayLike,
    reference: str | None = None,
    draws: int | None = None,
    seed: int = SEED,
) -> dict[str, Judged]:
    """Judge `scores` (name → shape (rows,)) by the metrics that `wanted` names for each; `y` has shape (rows,).

    `draws`: by default as many as the number of rows affords. A score with a NaN is unknown in every metric.
    """
    rows = {name: np.asarray(score, dtype=float) for name, score in scores.items()}
    actual = np.asarray(y, dtype=float)
    _require_columns(actual, rows, customers)
    known = {name: {m: both.plain(actual, rows[name]) for m, both in wanted[name].items()} for name in rows}
    count = draws_for(len(actual)) if draws is None else draws
    found = _drawings(actual, rows, wanted, known, customers, count, seed)
    return {name: _judged(name, reference, known, found) for name in rows}


def _drawings(
    y: Floats,
    scores: Mapping[str, Floats],
    wanted: Mapping[str, Mapping[str, Both]],
    known: Mapping[str, Mapping[str, float]],
    customers: npt.ArrayLike,
    draws: int,
    seed: int,
) -> dict[str, Drawings]:
    """Score → metric → its value in each draw, shape (draws,), for metrics with a known estimate."""
    asked = {
        name: {m: both.drawn for m, both in wanted[name].items() if np.isfinite(known[name][m])} for name in scores
    }
    sorted_once = {name: Scored.of(y, scores[name]) for name in scores if asked[name]}
    truth = Scored.of(y, y) if sorted_once else None
    parts: dict[str, dict[str, list[Floats]]] = {name: {m: [] for m in each} for name, each in asked.items()}
    for weights in weight_blocks(customers, draws, seed) if truth else ():
        for name, block in _blocks(sorted_once, truth, y, weights):
            for m, metric in asked[name].items():
                parts[name][m].append(metric(block))
    return {name: {m: np.concatenate(values) for m, values in each.items()} for name, each in parts.items()}


def _blocks(
    sorted_once: Mapping[str, Scored], truth: Scored | None, y: Floats, weights: Floats
) -> Iterator[tuple[str, Drawn]]:
    """Every score in one block of draws; what the truth is asked for is worked out once for all of them."""
    weighted_y = weights * y
    ideal = Drawn(truth, weights, weighted_y) if truth else None
    for name, scored in sorted_once.items():
        yield name, Drawn(scored, weights, weighted_y, ideal)


def _judged(
    name: str, reference: str | None, known: Mapping[str, Mapping[str, float]], found: Mapping[str, Drawings]
) -> Judged:
    own = {m: _interval(estimate, found[name].get(m)) for m, estimate in known[name].items()}
    if reference is None or reference == name:
        return Judged(own, {})
    ahead, drawn_ahead = known[reference], found[reference]
    return Judged(
        own,
        {
            m: _interval(ahead[m] - estimate, _less(drawn_ahead.get(m), found[name].get(m)))
            for m, estimate in known[name].items()
            if m in ahead
        },
    )


def _interval(estimate: float, values: Floats | None) -> Interval:
    return percentile_interval(estimate, np.empty(0) if values is None else values, LEVEL)


def _less(a: Floats | None, b: Floats | None) -> Floats | None:
    return None if a is None or b is None else a - b


def _require_columns(y: Floats, scores: Mapping[str, Floats], customers: npt.ArrayLike) -> None:
    if y.ndim != 1 or np.shape(customers) != y.shape:
        raise ValueError(f"every row needs its customer, got {np.shape(customers)} for {y.shape}")
    wrong = [name for name, score in scores.items() if score.shape != y.shape]
    if wrong:
        raise ValueError(f"every score needs a number for each of {len(y)} rows; not so: {', '.join(wrong)}")
