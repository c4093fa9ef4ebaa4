"""How well one feature by itself tells churners apart, of whatever kind it is and whichever way it points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models.manifest import FeatureColumn
from training.metrics import Floats, roc_auc
from training.split import folds

BINS = 20
PRIOR_ROWS = 5.0
"""A level's churn rate starts from that of all, with the weight of so many rows."""
_Z = 1.645  # a 90 % interval, as everywhere in the gate

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Strength:
    """ROC AUC of a feature alone and its standard error; NaN where one class is missing."""

    auc: float
    error: float

    def surely_above(self, other: "Strength") -> float:
        """Lower bound of self − other in AUC, as if the rows were others: cautious where customers are the same."""
        return self.auc - other.auc - _Z * float(np.hypot(self.error, other.error))


def strengths(rows: pl.DataFrame, columns: Sequence[FeatureColumn]) -> dict[str, Strength]:
    """Feature → how well its churn rate by level (numbers: by twentieth; null is a level) ranks `rows`.

    Rates are those of *other* customers, so that a text which is different for everyone is worth 0.5, not 1.
    """
    y, fold = rows["churned"].cast(pl.Float64).to_numpy(), folds(rows["customer_id"])
    aucs = {column.name: _out_of_fold_auc(_levels(rows[column.name]), y, fold) for column in columns}
    return {name: Strength(auc, _standard_error(auc, y)) for name, auc in aucs.items()}


def _standard_error(auc: float, y: Floats) -> float:
    """Hanley and McNeil 1982, The meaning and use of the area under a ROC curve, Radiology 143."""
    churners, stayers = float(y.sum()), float(len(y) - y.sum())
    if not churners * stayers:
        return np.nan
    both_churners, both_stayers = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (churners - 1) * (both_churners - auc**2) + (stayers - 1) * (both_stayers - auc**2)
    return float(np.sqrt(spread / (churners * stayers)))


def _out_of_fold_auc(level: Codes, y: Floats, fold: Codes) -> float:
    """AUC of each row's level's churn rate among the rows of other folds."""
    levels, parts = int(level.max(initial=0)) + 1, int(fold.max(initial=0)) + 1
    cell = level * parts + fold
    rows = np.bincount(cell, minlength=levels * parts).reshape(levels, parts).astype(float)
    hits = np.bincount(cell, weights=y, minlength=levels * parts).reshape(levels, parts)
    rows, hits = rows.sum(axis=1, keepdims=True) - rows, hits.sum(axis=1, keepdims=True) - hits
    base = hits.sum(axis=0) / np.maximum(rows.sum(axis=0), 1.0)
    rate = (hits + PRIOR_ROWS * base) / (rows + PRIOR_ROWS)
    return roc_auc(y, rate[level, fold])


def _levels(values: pl.Series) -> Codes:
    """A code per row: of a text each level, of a number each twentieth; null has one of its own."""
    if values.dtype == pl.String:
        return values.fill_null("").rank("dense").cast(pl.Int64).to_numpy()
    numbers = values.cast(pl.Float64).fill_nan(None).to_numpy()
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    return np.asarray(np.where(np.isnan(numbers), len(edges), np.searchsorted(edges, numbers)), dtype=np.int64)
