"""Value over the horizon in two parts: will there be any, and how much; and what stays if the customer stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.churn import PARAMETERS, ROUNDS, Matrix, Vector, fit_booster
from models.manifest import Interval

AMOUNT = PARAMETERS | {"objective": "tweedie", "tweedie_variance_power": 1.5, "lambda_l2": 1.0}
KNOTS = 20
LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class ValueModel:
    """Texts of the three Boosters: P(value > 0), value where there is any, value of those who stayed."""

    any: str
    amount: str
    retained: str


def fit_value(matrix: Matrix, value: Vector, stayed: Vector, categories: Sequence[int] = ()) -> ValueModel:
    """Fit on `matrix` (n, f), `value` (n,) in money and `stayed` (n,): 1 stayed over the churn horizon, else 0 or NaN.

    A net value below zero (more returned than bought) counts as none.
    """
    some = value > 0
    kept = stayed == 1.0 if (stayed == 1.0).any() else np.ones(len(value), dtype=bool)
    amounts = np.where(some, value, 0.0)
    return ValueModel(
        any=fit_booster(PARAMETERS, matrix, some.astype(np.float64), categories, ROUNDS),
        amount=_fit_amount(matrix, amounts, some, categories),
        retained=_fit_amount(matrix, amounts, kept, categories),
    )


def fit_interval(expected: Vector, value: Vector) -> Interval:
    """Knots of the 10 % and 90 % quantiles of the realised `value` along the `expected` one, both of shape (n,)."""
    count = min(KNOTS, max(1, len(expected) // 30))
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, count + 1)))  # equal expectations share a knot
    group = np.searchsorted(edges[1:-1], expected, side="right")
    rows = [(expected[group == g].mean(), *np.quantile(value[group == g], [LOW, HIGH])) for g in np.unique(group)]
    return Interval(
        expected=tuple(float(row[0]) for row in rows),
        low=tuple(float(row[1]) for row in rows),
        high=tuple(float(row[2]) for row in rows),
    )


def _fit_amount(matrix: Matrix, amounts: Vector, rows: NDArray[np.bool_], categories: Sequence[int]) -> str:
    """The amount of the chosen rows; the constant 0 where none of them brought anything."""
    if not amounts[rows].any():
        return fit_booster(PARAMETERS | {"objective": "regression"}, matrix, np.zeros(len(amounts)), categories, 1)
    return fit_booster(AMOUNT, matrix[rows], amounts[rows], categories, ROUNDS)
