"""Columns that a model of purchase rhythm makes of a customer's own features: derived, never measured."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from features.errors import RemoraError
from models.bg_nbd import BgNbd
from models.gamma_gamma import GammaGamma
from models.part import Part

Float32 = NDArray[np.float32]
Vector = NDArray[np.float64]

BASE: Final = ("rfm_orders_count", "rfm_recency_days", "rfm_tenure_days", "rfm_amount_mean")
"""What is read: all orders so far, days since the last and the first, and what one was worth on average."""
DERIVED: Final = ("rhythm_alive", "rhythm_no_purchase", "rhythm_purchases", "rhythm_value")
"""The chance to be still a customer, that of no purchase over the churn horizon, and the purchases and the spend to
expect over the value horizon."""


class DerivedError(RemoraError):
    """A matrix lacks what the rhythm is read from."""


class Rhythm(Part):
    """`process` in days, `amounts` in the data's currency; without amounts there is no expected spend."""

    process: BgNbd
    amounts: GammaGamma | None = None
    churn_days: int = Field(ge=1)
    value_days: int = Field(ge=1)


def derived_names(rhythm: Rhythm) -> tuple[str, ...]:
    """The names of the columns of `derived`, in its order."""
    return DERIVED if rhythm.amounts else DERIVED[:-1]


def derived(rhythm: Rhythm, matrix: Float32, names: Sequence[str]) -> Float32:
    """(n, f) with columns `names` → (n, k): `derived_names`, NaN for those who never bought.

    A row alone gets the same bits as among others. Raises DerivedError naming the columns that are missing.
    """
    orders, last, age, mean = histories(matrix, names)
    found = np.full((len(matrix), len(derived_names(rhythm))), np.nan, dtype=np.float32)
    known = np.isfinite(orders)
    found[known] = _columns(rhythm, orders[known], last[known], age[known], mean[known])
    return found


def histories(matrix: Float32, names: Sequence[str]) -> tuple[Vector, Vector, Vector, Vector]:
    """(n,) each: orders (≥ 1), days from the first to the last and to the cut-off, and the mean amount.

    All NaN for those who never bought; days are those that the float32 of the matrix still tells. Raises
    DerivedError naming the columns that are missing.
    """
    if missing := [name for name in BASE if name not in names]:
        raise DerivedError(
            f"features: {', '.join(missing)} missing, which the rhythm of purchases is read from; "
            "build the features with the version that trained the model"
        )
    orders, silent, age, mean = (matrix[:, names.index(name)].astype(np.float64) for name in BASE)
    bought = (orders >= 1) & np.isfinite(silent) & np.isfinite(age)
    last = np.where(orders > 1, np.clip(age - silent, 0.0, np.maximum(age, 0.0)), 0.0)
    columns = (orders, last, np.maximum(age, 0.0), mean)
    orders, last, age, mean = (np.where(bought, column, np.nan) for column in columns)
    return orders, last, age, mean


def _columns(rhythm: Rhythm, orders: Vector, last: Vector, age: Vector, mean: Vector) -> Vector:
    """(n, k) of those who bought."""
    process, history = rhythm.process, (orders - 1.0, last, age)
    purchases = process.expected_purchases(*history, float(rhythm.value_days))
    columns = [process.alive(*history), process.no_purchase(*history, float(rhythm.churn_days)), purchases]
    if rhythm.amounts:
        known = np.where(np.isfinite(mean), orders, 0.0)
        columns.append(purchases * rhythm.amounts.expected_amount(known, np.maximum(mean, 0.0)))
    return np.column_stack(columns)
