"""The churn classifier: a LightGBM Booster in text format, and its calibration as two numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.manifest import Calibration

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]

SEED = 20_111
SMALL = 50_000
"""Rows below which one thread is faster than two."""

PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 7,
    "max_depth": 3,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "cat_smooth": 20.0,
    "seed": SEED,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""Chosen on windows that end before the test periods of `make bench-quality` begin: deeper trees were never better."""

ROUNDS = 250

ENOUGH_FOR_A_SLOPE = 20
"""Rows of either class below which only the level is calibrated."""


def fit_churn(matrix: Matrix, churned: Vector, categories: Sequence[int] = ()) -> str:
    """Fit on `matrix` (n, f) and `churned` (n,) of 0 and 1; `categories` are column indices. Returns text.

    Small trees keep both over-fitting and the cost of TreeSHAP (trees × leaves × depth²) low.
    """
    return fit_booster(PARAMETERS, matrix, churned, categories, ROUNDS)


def fit_booster(
    parameters: dict[str, object], matrix: Matrix, target: Vector, categories: Sequence[int], rounds: int
) -> str:
    """A LightGBM Booster as text: the same for the same rows, whatever their order or the number of threads."""
    import lightgbm

    threads = 1 if len(target) < SMALL else 0
    smallest_leaf = int(np.clip(len(target) / 150, 20, 100))
    data = lightgbm.Dataset(matrix, label=target, categorical_feature=list(categories), free_raw_data=True)
    extra = {"num_threads": threads, "min_data_in_leaf": smallest_leaf}
    booster = lightgbm.train(parameters | extra, data, num_boost_round=rounds)
    text: str = booster.model_to_string()
    return text


def fit_calibration(raw: Vector, churned: Vector) -> Calibration:
    """Platt scaling on log-odds: p = sigmoid(slope · logit(raw) + intercept), by maximum likelihood.

    With fewer than 20 rows of either class only the level is fitted; with a single class nothing is.
    """
    fewest = int(min(churned.sum(), len(churned) - churned.sum()))
    if fewest == 0:
        return Calibration()
    odds = _logit(raw)
    slope, intercept = _line(odds, churned) if fewest >= ENOUGH_FOR_A_SLOPE else (0.0, 0.0)
    if slope <= 0:  # too few rows for a slope, or none that keeps the order of the scores
        slope, intercept = 1.0, _level(odds, churned)
    return Calibration(slope=slope, intercept=intercept)


def _line(odds: Vector, churned: Vector) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `churned` on `odds`, without a penalty."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(odds[:, None], churned)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _level(odds: Vector, churned: Vector) -> float:
    """The shift of all odds after which as many churn as did."""
    from scipy.optimize import brentq

    def excess(shift: float) -> float:
        return float((1 / (1 + np.exp(-(odds + shift)))).mean() - churned.mean())

    return float(brentq(excess, -100.0, 100.0))


def _logit(p: Vector) -> Vector:
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    return np.log(clipped / (1 - clipped))
