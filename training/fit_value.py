"""Fitting value on snapshots: the kind that an earlier period favours, the value of staying, and the range."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from features.clock import DAY
from models.booster import Booster
from models.design import Design
from models.lifetime_value import fit_quantiles, fit_retained, typical_scale
from models.value_model import ValueMixture
from models.value_range import HIGH, ValueRange, begins_at_zero, squeezed
from training.calibration import slice_rows
from training.inner import training_rows
from training.metrics import Floats
from training.split import Plan
from training.value_choice import ComparedValue, SimpleForecast, candidates, choose

FEW = 30
"""Rows below which a group of the range is not corrected by itself but together with the other."""


@dataclass(frozen=True)
class FittedValue:
    """What a bundle needs: `texts` holds a LightGBM text for each of `mixture.boosters`, by name."""

    mixture: ValueMixture
    range: ValueRange
    texts: Mapping[str, str]
    compared: tuple[ComparedValue, ...]


def fit_value(
    rows: pl.DataFrame, plan: Plan, design: Design, window_days: int, simple: SimpleForecast | None
) -> FittedValue:
    """Fit on the rows of `training.snapshots` whose value is known (null values are left out).

    `window_days` is the value horizon; `simple` is the column that counts the same money, so that it may stand
    for value; None where none does.
    """
    known = rows.filter(pl.col("value").is_not_null())
    choice = choose(known, plan, design, window_days, simple)
    kept = candidates(known, plan, design, choice.trees, simple)[choice.kind]
    training = training_rows(known, plan)
    matrix, value, stayed = design.matrix(training), training["value"].to_numpy(), _stayed(training)
    scale = typical_scale(value)
    quantiles = fit_quantiles(matrix, value, scale, design.categories)
    retained = {"retained": fit_retained(matrix, value, stayed, design.categories)}
    return FittedValue(
        mixture=kept.mixture.model_copy(update={"why": choice.why}),
        range=fit_range(known, plan, design, window_days, quantiles, scale),
        texts={**kept.texts, **retained, **quantiles},
        compared=choice.compared,
    )


def fit_range(
    rows: pl.DataFrame, plan: Plan, design: Design, window_days: int, quantiles: Mapping[str, str], scale: float
) -> ValueRange:
    """Corrections of the quantile Boosters by customers set aside, those at stake at every training cut-off.

    Every cut-off brings its season; a row counts half for each window that lies between it and the latest cut-off.
    """
    aside = slice_rows(rows.filter(pl.col("at_stake")), plan)
    if aside.is_empty():
        return ValueRange(scale=scale)
    matrix, z = design.matrix(aside), squeezed(aside["value"].to_numpy(), scale)
    low, high = (Booster.from_text(quantiles[name]).predict(matrix) for name in ("low", "high"))
    ago = (plan.calibration - aside["as_of"].to_numpy()) / (max(window_days, 1) * DAY)
    weights, zero = 0.5**ago, begins_at_zero(low)
    above, below = _group(~zero), _group(zero)
    return ValueRange(
        scale=scale,
        low=-correction((low - z)[above], weights[above]),
        high=correction((z - high)[above], weights[above]),
        high_from_zero=correction((z - high)[below], weights[below]),
    )


def correction(scores: Floats, weights: Floats, level: float = HIGH) -> float:
    """The smallest score (n,) that `level` of the weight does not exceed, one more row of full weight counted above.

    That one row stands for the customer to be predicted (split conformal prediction); the largest score where even
    that is too little.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) / (weights.sum() + weights.max())
    return float(scores[order][min(int(np.searchsorted(reached, level)), len(scores) - 1)])


def _group(members: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return members if members.sum() >= FEW else np.ones(len(members), dtype=bool)


def _stayed(training: pl.DataFrame) -> Floats:
    """1 stayed over the churn horizon, 0 left, NaN not at stake or not known."""
    return 1.0 - training["churned"].cast(pl.Float64).fill_null(np.nan).to_numpy()
