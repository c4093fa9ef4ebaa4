"""From what the models say to what is predicted: calibration and the value interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.manifest import Calibration, Interval

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """Arrays of length n; money is in the data's currency. A bundle without a value model leaves its fields None."""

    churn_probability: Float64
    expected_value: Float64 | None = None
    value_low: Float64 | None = None
    value_high: Float64 | None = None
    value_if_retained: Float64 | None = None


def calibrate(raw: Float64, calibration: Calibration) -> Float64:
    """p = sigmoid(slope · logit(raw) + intercept): Platt scaling on the log-odds.

    >>> calibrate(np.array([0.5]), Calibration(slope=2.0, intercept=0.0)).tolist()
    [0.5]
    """
    raw = np.clip(raw, 1e-15, 1 - 1e-15)
    odds = calibration.slope * (np.log(raw) - np.log1p(-raw)) + calibration.intercept
    return np.asarray(1 / (1 + np.exp(-odds)))


def interval(expected: Float64, knots: Interval) -> tuple[Float64, Float64]:
    """The 10 % and 90 % quantiles that belong to expected values: linear between knots, proportional beyond them.

    >>> low, high = interval(np.array([5.0, 30.0]), Interval(expected=[0, 10, 20], low=[0, 2, 8], high=[1, 20, 30]))
    >>> low.tolist(), high.tolist()
    ([1.0, 12.0], [10.5, 45.0])
    """
    return _between(expected, knots.expected, knots.low), _between(expected, knots.expected, knots.high)


def _between(expected: Float64, at: Sequence[float], bound: Sequence[float]) -> Float64:
    inside = np.interp(expected, at, bound)
    first = bound[0] / at[0] * expected if at[0] else inside
    last = bound[-1] / at[-1] * expected if at[-1] else inside
    return np.where(expected < at[0], first, np.where(expected > at[-1], last, inside))
