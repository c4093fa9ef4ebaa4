"""Fitting the value models: what `models.value_model` averages, what stays with those who stay, the two quantiles.

A net value below zero (more returned than bought) counts as none throughout.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.churn import PARAMETERS, ROUNDS, Matrix, Vector, fit_booster
from models.value_model import BOOSTERS, Trees
from models.value_range import HIGH, LOW, squeezed

AMOUNT = PARAMETERS | {"objective": "tweedie", "tweedie_variance_power": 1.5, "lambda_l2": 1.0}
LOG_AMOUNT = PARAMETERS | {"objective": "regression", "lambda_l2": 1.0}
QUANTILE = PARAMETERS | {"objective": "quantile", "learning_rate": 0.05, "lambda_l2": 0.0}

SCALE_OF_TYPICAL = 0.1
"""The asinh scale as a share of the median value of those who bring any."""


def fit_trees(
    kinds: Sequence[Trees], matrix: Matrix, value: Vector, categories: Sequence[int] = ()
) -> dict[Trees, dict[str, str]]:
    """Kind → Booster name → text, fitted on `matrix` (n, f) and `value` (n,) in money.

    The chance of any value is fitted once for the kinds that share it.
    """
    amounts, some = np.maximum(value, 0.0), value > 0
    shared = _fit_any(matrix, some, categories) if any("any" in BOOSTERS[kind] for kind in kinds) else ""
    found: dict[Trees, dict[str, str]] = {}
    for kind in kinds:
        amount = _AMOUNTS[kind](matrix, amounts, some, categories)
        found[kind] = {"any": shared, "amount": amount} if "any" in BOOSTERS[kind] else {"amount": amount}
    return found


def fit_retained(matrix: Matrix, value: Vector, stayed: Vector, categories: Sequence[int] = ()) -> str:
    """Value of those who stayed: `stayed` (n,) is 1 over the churn horizon, else 0 or NaN; of all where nobody did."""
    kept = stayed == 1.0 if (stayed == 1.0).any() else np.ones(len(value), dtype=bool)
    return _fit_amount(matrix, np.maximum(value, 0.0), kept, categories)


def typical_scale(value: Vector) -> float:
    """The asinh scale that belongs to these values (n,), in money: 1 where nobody brings anything."""
    some = value[value > 0]
    return SCALE_OF_TYPICAL * float(np.median(some)) if len(some) else 1.0


def fit_quantiles(matrix: Matrix, value: Vector, scale: float, categories: Sequence[int] = ()) -> dict[str, str]:
    """The Boosters `low` and `high`: the 10 % and the 90 % quantile of value on the asinh scale."""
    z = squeezed(value, scale)
    return {
        name: fit_booster(QUANTILE | {"alpha": level}, matrix, z, categories, ROUNDS)
        for name, level in (("low", LOW), ("high", HIGH))
    }


def spread_of_logs(value: Vector, log_amount: Vector) -> float:
    """Standard deviation of log(value) around its predicted mean, over those who brought any; 0 where nobody did.

    Of customers who did not train: over those who did it would be too small, and so would the mean that
    exp(mean + sigma² / 2) makes of it.
    """
    some = value > 0
    return float(np.sqrt(np.mean((np.log(value[some]) - log_amount[some]) ** 2))) if some.any() else 0.0


def _fit_any(matrix: Matrix, some: NDArray[np.bool_], categories: Sequence[int]) -> str:
    return fit_booster(PARAMETERS, matrix, some.astype(np.float64), categories, ROUNDS)


def _fit_tweedie(matrix: Matrix, amounts: Vector, some: NDArray[np.bool_], categories: Sequence[int]) -> str:
    return _fit_amount(matrix, amounts, np.ones(len(amounts), dtype=bool), categories)


def _fit_amount(matrix: Matrix, amounts: Vector, rows: NDArray[np.bool_], categories: Sequence[int]) -> str:
    """The amount of the chosen rows; the constant 0 where none of them brought anything."""
    if not amounts[rows].any():
        return _constant_zero(matrix, categories)
    return fit_booster(AMOUNT, matrix[rows], amounts[rows], categories, ROUNDS)


def _fit_log_amount(matrix: Matrix, amounts: Vector, some: NDArray[np.bool_], categories: Sequence[int]) -> str:
    """The mean logarithm of what was brought; the constant 0 where nobody brought anything, times a chance of 0."""
    if not some.any():
        return _constant_zero(matrix, categories)
    return fit_booster(LOG_AMOUNT, matrix[some], np.log(amounts[some]), categories, ROUNDS)


def _constant_zero(matrix: Matrix, categories: Sequence[int]) -> str:
    return fit_booster(PARAMETERS | {"objective": "regression"}, matrix, np.zeros(len(matrix)), categories, 1)


_AMOUNTS: Mapping[Trees, Callable[[Matrix, Vector, NDArray[np.bool_], Sequence[int]], str]] = {
    "tweedie": _fit_tweedie,
    "two_part": _fit_amount,
    "ziln": _fit_log_amount,
}
