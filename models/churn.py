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
    slope_too = fewest >= 20
    slope, intercept = _newton(_logit(raw), churned, slope_too)
    return Calibration(slope=slope, intercept=intercept) if slope > 0 else Calibration()


def _newton(x: Vector, y: Vector, slope_too: bool, steps: int = 50) -> tuple[float, float]:
    """Logistic regression of y on x, and a constant, by Newton's method."""
    slope, intercept = 1.0, 0.0
    design = np.column_stack([x, np.ones_like(x)]) if slope_too else np.ones((len(x), 1))
    for _ in range(steps):
        p = 1 / (1 + np.exp(-(slope * x + intercept)))
        weight = np.maximum(p * (1 - p), 1e-9)
        hessian = design.T @ (design * weight[:, None]) + 1e-9 * np.eye(design.shape[1])
        step = np.linalg.solve(hessian, design.T @ (y - p))
        slope, intercept = (slope + float(step[0]) if slope_too else slope), intercept + float(step[-1])
    return slope, intercept


def _logit(p: Vector) -> Vector:
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    return np.log(clipped / (1 - clipped))
