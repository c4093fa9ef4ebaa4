"""The value model as it is served: LightGBM Boosters, a simple forecast, or an average of both.

The simple forecast is one column: the spend that BG/NBD with Gamma-Gamma expects or, for subscriptions, what is paid
now, carried on. A third member of the average may be a log-linear regression, exp(linear).

| trees    | Boosters      | expected value                                                                   |
|----------|---------------|----------------------------------------------------------------------------------|
| tweedie  | amount        | amount                                                                           |
| two_part | any, amount   | any · amount: the chance of any value times the value where there is any         |
| ziln     | any, amount   | any · exp(amount + sigma² / 2): amount is the mean of the logarithm, a lognormal |

Beside them a bundle holds the Boosters `retained` (value of those who stay), `low` and `high` (`models.value_range`).

References: Jørgensen, Exponential dispersion models, 1987 (Tweedie); Wang, Liu and Miao, A deep probabilistic model
for customer lifetime value prediction, 2019 (zero-inflated lognormal); Fader, Hardie and Lee, 2005 (BG/NBD).
"""

from collections.abc import Mapping
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.linear import Linear
from models.part import Part

Float64 = NDArray[np.float64]
Trees = Literal["tweedie", "two_part", "ziln"]
Kind = Literal["bg_nbd", "run_rate", "tweedie", "two_part", "ziln", "blend", "mean"]

BOOSTERS: Final[Mapping[Trees, tuple[str, ...]]] = {
    "tweedie": ("amount",),
    "two_part": ("any", "amount"),
    "ziln": ("any", "amount"),
}
"""Which Boosters `expected` needs; a bundle's file is value_NAME.txt."""

ALWAYS: Final = ("retained", "low", "high")
"""Boosters that every value model has beside them."""

RHYTHM: Final = "rhythm_value"
"""The derived column with the expected spend of BG/NBD and Gamma-Gamma over the value horizon."""

_LARGEST_LOG: Final = 60.0  # e^60 = 10^26: no currency has such an amount, and nothing overflows


class ValueMixture(Part):
    """simple_weight · factor · column + linear_weight · exp(linear) + the rest of the weight · trees.

    `why` says in a sentence how it was chosen.
    """

    trees: Trees | None = "two_part"
    sigma: float = Field(0.0, ge=0)
    simple_weight: float = Field(0.0, ge=0, le=1)
    column: str = RHYTHM
    factor: float = Field(1.0, gt=0)
    linear_weight: float = Field(0.0, ge=0, lt=1)
    linear: Linear | None = None
    why: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.trees is None) != (self.simple_weight == 1):
            raise ValueError("simple_weight is 1 exactly where there are no trees")
        if (self.linear is None) != (self.linear_weight == 0):
            raise ValueError("a linear predictor and its weight belong together")
        if self.linear and self.trees_weight <= 0:
            raise ValueError("a linear predictor needs trees beside it, and weights that leave them some")
        if self.sigma and self.trees != "ziln":
            raise ValueError("sigma belongs to the lognormal")
        return self

    @property
    def trees_weight(self) -> float:
        """What the other members leave."""
        return 1 - self.simple_weight - self.linear_weight

    @property
    def kind(self) -> Kind:
        """The name by which reports call it."""
        if self.linear:
            return "mean"
        if self.trees is None:
            return "bg_nbd" if self.column == RHYTHM else "run_rate"
        return "blend" if self.simple_weight else self.trees

    @property
    def boosters(self) -> tuple[str, ...]:
        """The Boosters that a bundle of this kind holds, by name."""
        return (*(BOOSTERS[self.trees] if self.trees else ()), *ALWAYS)


def expected(model: ValueMixture, said: Mapping[str, Float64], column: Float64 | None = None) -> Float64:
    """Expected value in money ≥ 0, shape (n,).

    `said`: Booster name → `Booster.predict` (n,), those of `model.boosters` that `BOOSTERS` names, and `linear` →
    `Linear.predict_raw` (n,) where there is one; `column` (n,), that of the simple forecast, needed where it has a
    weight; NaN, a customer who never bought, counts as 0.
    """
    total = np.zeros(()) if model.trees is None else model.trees_weight * _of_trees(model, said)
    if model.simple_weight:
        total = total + model.simple_weight * simple_forecast(model, column)
    if model.linear:
        total = total + model.linear_weight * _exp(said["linear"])
    return np.maximum(total, 0.0)


def simple_forecast(model: ValueMixture, column: Float64 | None) -> Float64:
    """Money, shape (n,), that the simple member expects from its `column`; NaN there is none."""
    if column is None:
        raise ValueError(f"a value model of kind {model.kind} needs {model.column}")
    return np.asarray(model.factor * np.nan_to_num(column.astype(np.float64), posinf=0.0))


def _of_trees(model: ValueMixture, said: Mapping[str, Float64]) -> Float64:
    amount = said["amount"]
    if model.trees == "tweedie":
        return amount
    if model.trees == "ziln":
        amount = _exp(amount + model.sigma**2 / 2)
    product: Float64 = said["any"] * amount
    return product


def _exp(logarithm: Float64) -> Float64:
    return np.asarray(np.exp(np.minimum(logarithm, _LARGEST_LOG)))
