"""From a raw score on the log-odds scale to a probability: the calibration of a bundle, and what it does to reasons.

Every method is monotone: a customer with a higher score never gets a lower probability (up to rounding).

References: Platt 1999, "Probabilistic outputs for support vector machines"; Kull, Silva Filho and Flach 2017, "Beta
calibration: a well-founded and easily implemented improvement on logistic calibration for binary classifiers";
Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates" (isotonic);
Shrikumar, Greenside and Kundaje 2017, "Learning important features through propagating activation differences"
(the rescale rule).
"""

from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.part import Part

Float64 = NDArray[np.float64]
Method = Literal["none", "platt", "beta", "isotonic"]

LIMIT: Final = 30.0
"""Log-odds beyond which probabilities no longer move: nobody gets exactly 0 or 1 (1e-13 is the least)."""
_CLOSE: Final = 1e-6
_FIELDS: Final[dict[Method, frozenset[str]]] = {
    "none": frozenset(),
    "platt": frozenset({"slope", "intercept"}),
    "beta": frozenset({"slope_low", "slope_high", "intercept"}),
    "isotonic": frozenset({"raw", "probability"}),
}


class Calibration(Part):
    """With z the raw log-odds and s = sigmoid(z), the calibrated log-odds are

    - none: z
    - platt: slope · z + intercept
    - beta: slope_low · ln s − slope_high · ln(1 − s) + intercept: the slope is slope_low for very negative z and
      slope_high for very positive z (a, b and c in the paper); equal slopes are Platt
    - isotonic: logit of `probability` at s, linear between the knots `raw`, constant beyond them
    """

    method: Method = "none"
    slope: float = Field(1.0, ge=0)
    slope_low: float = Field(1.0, ge=0)
    slope_high: float = Field(1.0, ge=0)
    intercept: float = 0.0
    raw: tuple[float, ...] = Field((), strict=False)
    probability: tuple[float, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _of_its_method(self) -> Self:
        foreign = sorted(
            name
            for name, field in type(self).model_fields.items()
            if name not in {"method", *_FIELDS[self.method]} and getattr(self, name) != field.default
        )
        if foreign:
            raise ValueError(f"calibration {self.method} has no {', '.join(foreign)}")
        if self.method == "isotonic":
            self._check_knots()
        return self

    def _check_knots(self) -> None:
        raw, probability = np.array(self.raw), np.array(self.probability)
        if not len(raw) or len(raw) != len(probability):
            raise ValueError("raw and probability must be of one length, at least 1")
        if (np.diff(raw) <= 0).any() or raw[0] < 0 or raw[-1] > 1:
            raise ValueError("raw must increase strictly within [0, 1]")
        if (np.diff(probability) < 0).any() or probability[0] <= 0 or probability[-1] >= 1:
            raise ValueError("probability must not decrease and lie inside (0, 1)")


def calibrate(raw: Float64, calibration: Calibration) -> Float64:
    """Probabilities, shape (n,), strictly between 0 and 1, of raw log-odds, shape (n,).

    >>> calibrate(np.array([0.0, 1000.0]), Calibration(method="platt", slope=2.0)).round(9).tolist()
    [0.5, 1.0]
    """
    if len(raw) == 1 and calibration.method == "platt":  # the same bits for one number, in a quarter of the time
        return np.array([_platt(float(raw[0]), calibration)])
    return sigmoid(np.maximum(np.minimum(calibrated_logodds(raw, calibration), LIMIT), -LIMIT))  # np.clip is slow


def _platt(raw: float, calibration: Calibration) -> float:
    z = max(min(calibration.slope * raw + calibration.intercept, LIMIT), -LIMIT)
    small = float(np.exp(-abs(z)))
    return (small if z < 0 else 1.0) / (1.0 + small)


def calibrated_logodds(raw: Float64, calibration: Calibration) -> Float64:
    """The calibrated log-odds, shape (n,), of raw log-odds, shape (n,); not limited, so that differences add up."""
    z = np.asarray(raw, dtype=np.float64)
    if calibration.method == "platt":
        return np.asarray(calibration.slope * z + calibration.intercept)
    if calibration.method == "beta":
        log_s, log_rest = beta_columns(z)
        return np.asarray(calibration.slope_low * log_s + calibration.slope_high * log_rest + calibration.intercept)
    if calibration.method == "isotonic":
        y = _interpolated(sigmoid(z), calibration)[0]
        return np.asarray(np.log(y) - np.log1p(-y))
    return z


def beta_columns(raw: Float64) -> tuple[Float64, Float64]:
    """ln s and −ln(1 − s) of s = sigmoid(raw), shape (n,) each, exact also where s rounds to 0 or 1."""
    tail = np.log1p(np.exp(-np.abs(raw)))
    return np.minimum(raw, 0.0) - tail, np.maximum(raw, 0.0) + tail


def rescale(raw: Float64, base_raw: float | Float64, calibration: Calibration) -> Float64:
    """Factor, shape (n,), that turns contributions to the raw log-odds into contributions to the calibrated ones.

    (calibrated(raw) − calibrated(base)) / (raw − base), and the slope at `base_raw` where the two meet. Contributions
    of a row that add up to raw − base, times this factor, add up to the calibrated difference. It is the same for all
    of a row's contributions and never negative: their order, their directions and their shares of the row's total
    stay as they are. 0 where an isotonic calibration does not tell raw and base apart.
    """
    raw = np.asarray(raw, dtype=np.float64)
    if calibration.method in {"none", "platt"}:
        return np.full(raw.shape, calibration.slope)
    base = np.broadcast_to(np.asarray(base_raw, dtype=np.float64), raw.shape)
    step = raw - base
    meet = np.abs(step) < _CLOSE
    rise = calibrated_logodds(raw, calibration) - calibrated_logodds(base, calibration)
    return np.where(meet, _slope_at(base, calibration), rise / np.where(meet, 1.0, step))


def sigmoid(z: Float64) -> Float64:
    """1 / (1 + exp(−z)), exact and without overflow on both sides.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = np.exp(-np.abs(z))
    return np.asarray(np.where(z < 0, small, 1.0) / (1.0 + small))


def _slope_at(z: Float64, calibration: Calibration) -> Float64:
    """The derivative of the calibrated log-odds, from the right at a knot; shape (n,)."""
    s = sigmoid(z)
    if calibration.method == "beta":
        return np.asarray(calibration.slope_low * sigmoid(-z) + calibration.slope_high * s)
    y, slope = _interpolated(s, calibration)
    return np.asarray(slope * s * sigmoid(-z) / (y * (1.0 - y)))


def _interpolated(s: Float64, calibration: Calibration) -> tuple[Float64, Float64]:
    """The calibrated probability at raw probabilities `s` and its slope there, both (n,).

    Not np.interp: that may overshoot the upper knot by a rounding error, which would not be monotone.
    """
    at, value = np.array(calibration.raw), np.array(calibration.probability)
    left = np.searchsorted(at, s, side="right") - 1
    outside = (left < 0) | (left == len(at) - 1)
    left, right = np.clip(left, 0, len(at) - 1), np.clip(left + 1, 0, len(at) - 1)
    width = np.where(outside, 1.0, at[right] - at[left])
    slope = np.where(outside, 0.0, (value[right] - value[left]) / width)
    y = np.where(outside, value[left], np.minimum(value[left] + slope * (s - at[left]), value[right]))
    return y, slope
