"""The churn model as it is served: a LightGBM Booster, a linear predictor or both, then a calibration.

Every kind has one form on the scale of log-odds, so that all are served by the same few lines and explained exactly:

    raw = trees_weight · Booster + linear_weight · linear predictor,    probability = calibration(raw)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.booster import Booster
from models.calibration import Calibration, calibrate, calibrated_logodds, rescale
from models.mixture import Mixture

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class ChurnModel:
    """`names` are the columns of the matrices, derived ones included; `trees` is None where their weight is 0."""

    mixture: Mixture
    calibration: Calibration
    trees: Booster | None
    names: tuple[str, ...]

    def raw(self, matrix: Float32, threads: int = 0) -> Float64:
        """(n, f) → (n,) log-odds before calibration."""
        mixture, trees = self.mixture, self.trees
        total = np.zeros(len(matrix)) if trees is None else mixture.trees_weight * _trees_raw(trees, matrix, threads)
        if mixture.linear is not None:
            total = total + mixture.linear_weight * mixture.linear.predict_raw(matrix, self.names)
        return total

    def probability(self, matrix: Float32, threads: int = 0) -> Float64:
        """(n, f) → (n,) calibrated probabilities of churn."""
        return calibrate(self.raw(matrix, threads), self.calibration)

    def contributions(self, matrix: Float32, threads: int = 0) -> tuple[Float64, float]:
        """(n, f) parts and what an average row has: parts.sum(axis=1) + base = `raw`, exactly but for rounding.

        Trees by TreeSHAP (Lundberg et al. 2020), the linear predictor by its terms around their centres.
        """
        parts, base = np.zeros(matrix.shape), 0.0
        if self.trees is not None:
            found = _trees_contributions(self.trees, matrix, threads)
            parts, base = self.mixture.trees_weight * found[:, :-1], self.mixture.trees_weight * float(found[0, -1])
        if self.mixture.linear is not None:
            terms, centre = self.mixture.linear.contributions(matrix, self.names)
            weight = self.mixture.linear_weight
            parts, base = parts + weight * terms, base + weight * centre
        return parts, base

    def calibrated_contributions(self, matrix: Float32, threads: int = 0) -> tuple[Float64, float]:
        """The same on the log-odds of the calibrated probability: parts add up to it, less that of an average row."""
        if not len(matrix):
            return np.zeros(matrix.shape), 0.0
        parts, base = self.contributions(matrix, threads)
        factor = rescale(base + parts.sum(axis=1), np.full(len(parts), base), self.calibration)
        return parts * factor[:, None], float(calibrated_logodds(np.array([base]), self.calibration)[0])


def _trees_raw(trees: Booster, matrix: Float32, threads: int) -> Float64:
    """One row takes the single-row path: a third of the time, the same result."""
    return np.array([trees.predict_raw_one(matrix)]) if len(matrix) == 1 else trees.predict_raw(matrix, threads)


def _trees_contributions(trees: Booster, matrix: Float32, threads: int) -> Float64:
    if len(matrix) == 1:
        return trees.contributions_one(matrix)[None]
    return trees.contributions(matrix, threads)
