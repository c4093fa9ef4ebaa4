"""The churn curve: churn probabilities at several horizons that never cross, from one discrete-time hazard model.

Time after a cut-off is cut at `edges` (days). A Booster reads a customer's row and, in one more column, the day at
which an interval ends, and says how likely the event is within that interval for who has not had it before. With
z[k] the calibrated log-odds of interval k, the chance that the event has not come by edge k is

    survival[k] = Π (1 − sigmoid(z[j])), j ≤ k,   which can only fall.

What the event is depends on the definition of churn. `cancelled`: it is leaving, and the churn probability
1 − survival rises with the horizon. `no_purchase`, `inactive`: churned over h days means nothing was bought (used) in
them, so the event is the *return*; the churn probability is survival itself and falls with the horizon.

References: Cox 1972, "Regression models and life-tables" (section 6, discrete time); Singer and Willett 1993, "It's
about time: using discrete-time survival analysis" (person-period rows); Royston and Parmar 2013, "Restricted mean
survival time".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from models.booster import Booster
from models.calibration import LIMIT, Calibration, calibrated_logodds
from models.part import Part

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

RESTRICTED_DAYS: Final = 180
"""Beyond these days expected time is not counted: nobody's is longer."""

_MOST, _LEAST = 50.0, 1e-15
"""Of −ln survival: 2e-22 is as good as nobody; below the least there is nothing to scale."""


class ChurnCurve(Part):
    """`edges` in days, increasing; `horizon_days` is the one of them that churn_probability stands for.

    `rising`: the event is leaving, the churn probability rises with the horizon; otherwise the event is the return
    and it falls. `calibration` turns the Booster's raw scores into log-odds.
    """

    edges: tuple[int, ...] = Field(min_length=2, strict=False)
    horizon_days: int = Field(ge=1)
    rising: bool
    calibration: Calibration = Calibration()
    why: str = ""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.edges[0] < 1 or any(late <= early for early, late in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must be days of 1 or more that increase strictly")
        if self.horizon_days not in self.edges:
            raise ValueError(f"the churn horizon of {self.horizon_days} days must be one of the edges")
        return self

    @property
    def restricted_days(self) -> int:
        """Days over which expected time is counted: the last edge up to 180, else the first."""
        return restricted_days(self.edges)

    def probabilities(self, raw: Float64, churn_probability: Float64) -> Float64:
        """Churn probability at each edge, (n, K), from the Booster's raw scores (n, K); see `anchored`."""
        return anchored(survival_losses(raw, self.calibration), churn_probability, self)

    def expected_days(self, probabilities: Float64) -> Float64:
        """Expected days, (n,), until the customer leaves (`rising`) or returns (otherwise), of `probabilities` (n, K).

        The restricted mean: who has not by `restricted_days` counts as that many days. It is the area below the
        survival curve, events spread evenly within an interval.
        """
        count = self.edges.index(self.restricted_days) + 1
        waiting = 1.0 - probabilities[:, :count] if self.rising else probabilities[:, :count]
        total, before = np.zeros(len(waiting)), np.ones(len(waiting))
        for k, width in enumerate(np.diff([0, *self.edges[:count]])):
            total, before = total + width * (before + waiting[:, k]) / 2, waiting[:, k]
        return total


def restricted_days(edges: Sequence[int]) -> int:
    """Days over which expected time is counted: the last of `edges` (increasing) up to 180, else the first.

    >>> restricted_days((30, 90, 180, 365)), restricted_days((365, 730))
    (180, 365)
    """
    return max((edge for edge in edges if edge <= RESTRICTED_DAYS), default=edges[0])


@dataclass(frozen=True)
class CurveModel:
    """The curve as it is served: `trees` read the churn model's matrix and the day at which an interval ends."""

    fitted: ChurnCurve
    trees: Booster

    def raw(self, matrix: Float32, threads: int = 0) -> Float64:
        """(n, f) → (n, K) log-odds of the event in each interval, before calibration."""
        wide = np.empty((len(matrix), matrix.shape[1] + 1), dtype=np.float32)
        wide[:, :-1] = matrix
        raw = np.empty((len(matrix), len(self.fitted.edges)))
        for k, edge in enumerate(self.fitted.edges):
            wide[:, -1] = edge
            raw[:, k] = self.trees.predict_raw_one(wide) if len(matrix) == 1 else self.trees.predict_raw(wide, threads)
        return raw

    def probabilities(self, matrix: Float32, churn_probability: Float64, threads: int = 0) -> Float64:
        """(n, f) and the calibrated probabilities (n,) at the churn horizon → (n, K) at every edge."""
        return self.fitted.probabilities(self.raw(matrix, threads), churn_probability)


def survival_losses(raw: Float64, calibration: Calibration) -> Float64:
    """(n, K) raw log-odds of the event in each interval → (n, K) of −ln survival at each edge: it never falls.

    >>> survival_losses(np.array([[0.0, 0.0]]), Calibration()).round(6).tolist()
    [[0.693147, 1.386294]]
    """
    z = np.clip(calibrated_logodds(raw.ravel(), calibration), -LIMIT, LIMIT).reshape(raw.shape)
    return np.asarray(np.cumsum(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))), axis=1))


def anchored(losses: Float64, churn_probability: Float64, fitted: ChurnCurve) -> Float64:
    """Churn probabilities (n, K) from −ln survival (n, K), exactly `churn_probability` (n,) at the churn horizon H.

    With θ the factor that makes the horizon fit, the loss Λ(t) = −ln survival(t) becomes Λ(t) · θ ** min(t / H, 1):
    from the horizon on hazards are in proportion, before it the churn model, which knows no shorter time, counts the
    less the shorter it is. (θ throughout, proportional hazards, was worse at 30 and 60 days in all six comparisons on
    windows of online_retail_2 that end before its test period, by up to 0.005 nats.) Where there is no loss by the
    horizon to scale, it is spread evenly over the days. Within [0, 1] and never crossing, whatever comes in.
    """
    at, p = fitted.edges.index(fitted.horizon_days), np.asarray(churn_probability, dtype=np.float64)
    with np.errstate(divide="ignore"):
        wanted = np.minimum(-np.log1p(-p) if fitted.rising else -np.log(p), _MOST)[:, None]
    by_horizon = losses[:, at : at + 1]
    known, evenly = by_horizon > _LEAST, np.array(fitted.edges) / fitted.horizon_days
    theta = wanted / np.where(known, by_horizon, 1.0)
    loss = np.where(known, losses * theta ** np.minimum(evenly, 1.0), wanted * evenly)
    loss[:, :at] = np.minimum(loss[:, :at], wanted)
    loss = np.maximum.accumulate(np.minimum(loss, _MOST), axis=1)
    return _through(-np.expm1(-loss) if fitted.rising else np.exp(-loss), p, at, fitted.rising)


def _through(curve: Float64, p: Float64, at: int, rising: bool) -> Float64:
    """`curve` (n, K) with exactly `p` (n,) at column `at`: rounding may not make its neighbours cross it."""
    lower, upper = (np.s_[:, :at], np.s_[:, at + 1 :]) if rising else (np.s_[:, at + 1 :], np.s_[:, :at])
    curve[:, at] = p
    curve[lower] = np.minimum(curve[lower], p[:, None])
    curve[upper] = np.maximum(curve[upper], p[:, None])
    return curve
