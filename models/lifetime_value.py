"""Value over the horizon in two parts: will there be any, and how much; and what stays if the customer stays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    some, kept = value > 0, stayed == 1.0
    amounts = np.where(some, value, 0.0)
    return ValueModel(
        any=fit_booster(PARAMETERS, matrix, some.astype(np.float64), categories, ROUNDS),
        amount=_fit_amount(matrix[some], amounts[some], categories),
        retained=_fit_amount(matrix[kept], amounts[kept], categories),
    )


def fit_interval(expected: Vector, value: Vector) -> Interval:
    """Knots of the 10 % and 90 % quantiles of the realised `value` along the `expected` one, both of shape (n,)."""
    order = np.argsort(expected, kind="stable")
    groups = np.array_split(order, min(KNOTS, max(1, len(order) // 30)))
    rows = [(float(expected[g].mean()), *(float(q) for q in np.quantile(value[g], [LOW, HIGH]))) for g in groups]
    distinct = {knot: (low, high) for knot, low, high in rows}
    knots = sorted(distinct)
    return Interval(
        expected=tuple(knots), low=tuple(distinct[k][0] for k in knots), high=tuple(distinct[k][1] for k in knots)
    )


def _fit_amount(matrix: Matrix, amounts: Vector, categories: Sequence[int]) -> str:
    return fit_booster(AMOUNT, matrix, amounts, categories, ROUNDS)
