"""Fitting the trees of the churn model: a LightGBM Booster in text format."""

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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
MOST_ROUNDS, PATIENCE = 1500, 50
"""Of early stopping."""


def fit_churn(
    matrix: Matrix,
    churned: Vector,
    categories: Sequence[int] = (),
    tuned: Mapping[str, int | float] | None = None,
) -> str:
    """Fit on `matrix` (n, f) and `churned` (n,) of 0 and 1; `categories` are column indices. Returns text.

    `tuned` are LightGBM parameters to use instead of those of PARAMETERS (see `training.tune`), and "rounds" instead of
    ROUNDS. Small trees keep both over-fitting and the cost of TreeSHAP (trees × leaves × depth²) low.
    """
    given = dict(tuned or {})
    rounds = int(given.pop("rounds", ROUNDS))
    return fit_booster({**PARAMETERS, **given}, matrix, churned, categories, rounds)


def fit_booster(
    parameters: Mapping[str, object],
    matrix: Matrix,
    target: Vector,
    categories: Sequence[int],
    rounds: int,
    validation: tuple[Matrix, Vector] | None = None,
) -> str:
    """A LightGBM Booster as text: the same bytes for the same rows, whatever the number of threads.

    With `validation`, a matrix and its target, growth ends PATIENCE rounds after the last one that was better on it,
    `rounds` at most, and the text holds the trees up to the best one.
    """
    import lightgbm

    extra = {"num_threads": 1 if len(target) < SMALL else 0, "min_data_in_leaf": smallest_leaf(len(target))}
    data = lightgbm.Dataset(matrix, label=target, categorical_feature=list(categories), free_raw_data=True)
    held: list[lightgbm.Dataset] | None = None
    watching: list[Callable[..., object]] = []
    if validation is not None:
        held = [lightgbm.Dataset(validation[0], label=validation[1], reference=data)]
        watching = [lightgbm.early_stopping(PATIENCE, verbose=False)]
    booster = lightgbm.train({**extra, **parameters}, data, rounds, valid_sets=held, callbacks=watching)
    text: str = booster.model_to_string()  # of the best round, where there is one
    return re.sub(r"(?m)^\[num_threads: \d+\]$", "[num_threads: 0]", text)


def early_rounds(
    matrix: Matrix,
    churned: Vector,
    later: tuple[Matrix, Vector],
    categories: Sequence[int] = (),
    tuned: Mapping[str, int | float] | None = None,
) -> int:
    """How many rounds early stopping would grow: fitted on `matrix`, stopped by `later`, rows of a later cut-off.

    No default for `fit_churn`: over eight earlier windows of three data sets these rounds were never surely better
    than ROUNDS (log loss at the right level on average 0.0004 worse), though they cost customers set aside.
    """
    given = {name: value for name, value in (tuned or {}).items() if name != "rounds"}
    parameters = {**PARAMETERS, **given, "metric": "binary_logloss"}
    text = fit_booster(parameters, matrix, churned, categories, MOST_ROUNDS, later)
    return max(text.count("\nTree="), 1)


def smallest_leaf(rows: int) -> int:
    """Rows that a leaf must hold when `rows` train, unless tuned."""
    return int(np.clip(rows / 150, 20, 100))
