"""The range of a customer's value, from its 10 % to its 90 % quantile: two quantile models, conformally corrected.

All happens on the scale z = asinh(money / scale): near zero it is linear, far from it a logarithm, so that one
correction is a few coins for a small customer and the same percentage for every large one.

One in ten realised values lies above `high`, and one in ten below `low` where that is above 0. Nothing lies below 0:
where one in ten such customers or more brings nothing, the 10 % quantile is 0 and the range holds 90 %, not 80 %; and
where nine in ten bring nothing it holds more still. That follows from what the two quantiles are, no fit can change
it, and `training.coverage` shows it by decile beside the share that brought nothing. (The same for a sum that most
customers pay exactly.)

References: Romano, Patterson and Candès, Conformalized quantile regression, 2019 (one-sided corrections, their
section 6); Barber, Candès, Ramdas and Tibshirani, Conformal prediction beyond exchangeability, 2023 (weights).
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.part import Part

Float64 = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOW, HIGH = 0.1, 0.9
"""The quantiles that a range begins and ends at."""

NOTHING = 0.5
"""A 10 % quantile below this on the asinh scale, half of `scale`, stands for zero."""

_FARTHEST = 40.0  # on the asinh scale: 10^17 times `scale`; what keeps a range finite whatever a model says


class ValueRange(Part):
    """`scale` in money; the rest are corrections on the asinh scale, added to what the quantile models say.

    `low`, `high` where the range begins above zero, `high_from_zero` where it begins at zero.
    """

    scale: float = Field(gt=0, le=1e200)
    low: float = 0.0
    high: float = 0.0
    high_from_zero: float = 0.0


def squeezed(money: Float64, scale: float) -> Float64:
    """Money on the asinh scale, shape (n,); a net value below zero (more returned than bought) counts as none."""
    return np.asarray(np.arcsinh(np.maximum(money, 0.0) / scale))


def begins_at_zero(low: Float64) -> Flags:
    """Where the quantile model's `low` (n,) says that one in ten or more brings nothing."""
    return np.asarray(low < NOTHING)


def value_range(low: Float64, high: Float64, fitted: ValueRange) -> tuple[Float64, Float64]:
    """Bounds in money from what the two quantile models say on the asinh scale, all of shape (n,).

    0 ≤ low ≤ high and both are finite, whatever the models say.
    """
    zero = begins_at_zero(low)
    bottom = np.where(zero, 0.0, low + fitted.low)
    top = high + np.where(zero, fitted.high_from_zero, fitted.high)
    bottom = np.clip(bottom, 0.0, _FARTHEST)
    top = np.clip(top, bottom, _FARTHEST)
    return fitted.scale * np.sinh(bottom), fitted.scale * np.sinh(top)
