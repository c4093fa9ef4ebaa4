"""Fitting the log-linear member of expected value: a Tweedie regression with an L2 penalty, columns on a log scale.

Reference: Jørgensen, Exponential dispersion models, 1987. Between 1 and 2 the variance power is that of a sum of gamma
amounts that may be empty; near 2 a customer counts by the share that a forecast is off, hardly by the money.
"""

from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from models.design import Design
from models.linear import Linear, transformed
from models.matrix import Float32
from training.metrics import Floats

POWER: Final = 1.9
PENALTY: Final = 0.1
"""Of half the squared weights of the standardised columns, against half the mean deviance."""
FEWEST_BUYERS: Final = 100
"""Rows that brought anything; with fewer there is no regression."""
SAME: Final = 1e-6
"""A column whose spread is no larger than this, against its mean, is the same for everyone."""


def fit_log_linear(matrix: Float32, value: Floats, design: Design) -> Linear | None:
    """ln(expected value) from the numbers of `matrix` (n, f), the columns of which are those of `design`.

    `value` (n,) in money; less than nothing counts as nothing. None where too few brought anything or no number varies.
    """
    amounts = np.maximum(value, 0.0)
    names, logs = _on_log_scale(matrix, design)
    if (amounts > 0).sum() < FEWEST_BUYERS or not names:
        return None
    centers, scales = _steady(np.nanmean(logs, axis=0)), _steady(np.nanstd(logs, axis=0))
    weights, intercept = _regression(np.nan_to_num((logs - centers) / scales), amounts)
    return Linear(
        columns=names,
        transforms=("log1p",) * len(names),
        centers=tuple(centers.tolist()),
        scales=tuple(scales.tolist()),
        weights=tuple(_steady(weights).tolist()),
        intercept=_steady(np.array([intercept])).item(),
    )


def _on_log_scale(matrix: Float32, design: Design) -> tuple[tuple[str, ...], Floats]:
    """The k numbers that are not the same for everyone who has them: names and (n, k) values, NaN where unknown."""
    kept = {}
    for place, name in enumerate(design.names):
        column = transformed(matrix[:, place], "log1p")
        column[~np.isfinite(column)] = np.nan
        known = column[~np.isnan(column)]
        if place not in design.categories and len(known) and known.std() > SAME * max(1.0, abs(known.mean())):
            kept[name] = column
    return tuple(kept), np.column_stack([*kept.values()]) if kept else np.empty((len(matrix), 0))


def _regression(rows: Floats, amounts: Floats) -> tuple[Floats, float]:
    """Weights (k,) of `rows` (n, k) and the intercept."""
    from sklearn.linear_model import TweedieRegressor

    model = TweedieRegressor(power=POWER, alpha=PENALTY, link="log", solver="newton-cholesky", tol=1e-8)
    with threadpool_limits(1):  # products this small wait for other threads longer than they compute
        fitted = model.fit(rows, amounts)
    weights: Floats = fitted.coef_
    return weights, float(fitted.intercept_)


def _steady(numbers: Floats) -> Floats:
    """Nine digits: further ones depend on the order of rows and on how many threads added them up."""
    return np.array([float(f"{number:.9g}") for number in numbers.tolist()])
