"""Fitting the linear predictor: logistic regression with an L2 penalty, and the predictor that is one column."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.catalog import describe
from models.linear import Linear, Matrix, Transform, Vector, transformed

Groups = NDArray[np.str_] | NDArray[np.int64] | NDArray[np.object_]

PENALTIES: Final = (10.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0001)
"""Of the squared weights, against the mean log loss of a row; the strongest first."""
FOLDS: Final = 5
MOST_ROWS: Final = 40_000
"""Rows on which penalties are compared: more tell the same."""
CHANCES: Final = frozenset({"rhythm_alive", "rhythm_no_purchase"})
AS_THEY_ARE: Final = frozenset({"share", "−1..1", "points", "−100..100"})
"""Units of numbers that are not skewed."""


def transform_of(name: str) -> Transform:
    """How the column `name` enters: chances as log-odds, bounded numbers as they are, all others on a log scale.

    >>> [transform_of(name) for name in ("rfm_recency_days", "rfm_orders_trend_90d", "rhythm_alive")]
    ['log1p', 'identity', 'logit']
    """
    if name in CHANCES:
        return "logit"
    return "identity" if describe(name).unit in AS_THEY_ARE else "log1p"


def linear_of(column: str, transform: Transform, center: float = 0.0) -> Linear:
    """The predictor that *is* a column, transformed; `center` is what a missing value counts as, and the base."""
    return Linear(
        columns=(column,), transforms=(transform,), centers=(center,), scales=(1.0,), weights=(1.0,), intercept=center
    )


def fit_logistic(
    matrix: Matrix, names: Sequence[str], churned: Vector, columns: Sequence[str], groups: Groups, seed: int
) -> Linear:
    """Fit `churned` (n,) of 0 and 1 on those `columns` of `matrix` (n, f) that are not the same for everyone.

    The penalty is the one with the least log loss on customers left out; `groups` (n,) says whose row each is. With a
    single class, or nothing to read, the result is the intercept alone: the base rate, half a churner and half a
    stayer added.
    """
    from threadpoolctl import threadpool_limits

    table = _Table.of(matrix, names, [name for name in columns if name in names])
    if len(np.unique(churned)) < 2 or not table.columns:
        return Linear(intercept=float(np.log(churned.sum() + 0.5) - np.log(len(churned) - churned.sum() + 0.5)))
    with threadpool_limits(1):  # products this small wait for other threads longer than they compute
        penalty = _best_penalty(table.rows, churned, groups, seed)
        weights, intercept = _regression(table.rows, churned, penalty)
    return Linear(
        columns=table.columns,
        transforms=table.transforms,
        centers=table.centers,
        scales=table.scales,
        weights=tuple(_steady(weight) for weight in weights.tolist()),
        intercept=_steady(intercept),
    )


@dataclass(frozen=True)
class _Table:
    """Standardised columns, (n, k), with what standardised them."""

    rows: Vector
    columns: tuple[str, ...]
    transforms: tuple[Transform, ...]
    centers: tuple[float, ...]
    scales: tuple[float, ...]

    @classmethod
    def of(cls, matrix: Matrix, names: Sequence[str], columns: Sequence[str]) -> "_Table":
        kept, rows = [], []
        for name in dict.fromkeys(columns):
            how = transform_of(name)
            values = transformed(matrix[:, list(names).index(name)], how)
            known = values[np.isfinite(values)]
            center, scale = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)
            if scale > 1e-6 * max(1.0, abs(center)):
                kept.append((name, how, _steady(center), _steady(scale)))
                rows.append(np.where(np.isfinite(values), (values - center) / scale, 0.0))
        columns, hows, centers, scales = zip(*kept, strict=True) if kept else ((), (), (), ())
        return cls(np.column_stack(rows) if rows else np.empty((len(matrix), 0)), columns, hows, centers, scales)


def _best_penalty(rows: Vector, churned: Vector, groups: Groups, seed: int) -> float:
    """The penalty with the least log loss on folds of customers; the strongest where no fold can tell."""
    losses = np.zeros(len(PENALTIES))
    for training, left_out in _folds(groups, seed):
        if len(np.unique(churned[training])) == 2:
            for i, penalty in enumerate(PENALTIES):
                weights, intercept = _regression(rows[training], churned[training], penalty)
                losses[i] += _log_loss(rows[left_out] @ weights + intercept, churned[left_out]) * len(left_out)
    return PENALTIES[int(losses.argmin())]


def _folds(groups: Groups, seed: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """(rows to fit on, rows left out) of each fold: all rows of a customer on one side, at most MOST_ROWS in all."""
    customers, whose = np.unique(groups, return_inverse=True)
    share = min(1.0, MOST_ROWS / len(whose))
    drawn = np.random.default_rng(seed).permutation(len(customers))
    fold = np.where(drawn < share * len(customers), drawn % min(FOLDS, len(customers)), -1)[whose]
    for number in range(min(FOLDS, len(customers))):
        yield np.flatnonzero((fold >= 0) & (fold != number)), np.flatnonzero(fold == number)


def _regression(rows: Vector, churned: Vector, penalty: float) -> tuple[Vector, float]:
    """Weights and intercept of the least mean log loss + penalty / 2 · Σ weight²."""
    from sklearn.linear_model import LogisticRegression

    strength = 1.0 / (penalty * len(rows))
    fitted = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-8).fit(rows, churned)
    weights: Vector = fitted.coef_[0]
    return weights, float(fitted.intercept_[0])


def _steady(number: float) -> float:
    """Nine digits: further ones depend on the order of rows and on how many threads added them up."""
    return float(f"{number:.9g}")


def _log_loss(odds: Vector, churned: Vector) -> float:
    return float((np.logaddexp(0.0, odds) - churned * odds).mean())
