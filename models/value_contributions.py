"""What each column adds to the logarithm of the expected value, for every kind of value model."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.contributions import Contributions, Float64, log_chance, mixed, rescaled
from models.value_model import RHYTHM, ValueMixture

LEAST = 1e-6
"""Money: an expected spend by the rhythm of purchases below it is taken for it, or its logarithm would be −∞."""


def value_parts(
    model: ValueMixture,
    names: tuple[str, ...],
    said: Mapping[str, Contributions],
    rhythm_value: Float64 | None = None,
    average: float = 1.0,
) -> Contributions:
    """On ln(expected value): base + parts.sum(axis=1) is the logarithm of `value_model.expected`.

    `names`: the columns of the matrix. `said`: Booster name → its contributions on the raw scale (log-odds of any,
    logarithm of the amount), those of `value_model.BOOSTERS`. `rhythm_value` (n,) and its `average` over customers, in
    money, are needed where the rhythm has a weight; what it says is all the part of the column `rhythm_value`.

    The chance of any value is taken to its own logarithm by the rescale rule, and an average of trees and rhythm is
    split by LMDI, both without a remainder. Raises ValueError where `rhythm_value` is wanting.
    """
    logs, weights = [], []
    if model.trees is not None:
        logs.append(_of_trees(model, said))
        weights.append(1 - model.rhythm_weight)
    if model.rhythm_weight:
        if rhythm_value is None:
            raise ValueError(f"a value model of kind {model.kind} needs {RHYTHM}")
        logs.append(_of_rhythm(names, rhythm_value, average))
        weights.append(model.rhythm_weight)
    return mixed(weights, logs) if len(logs) > 1 else logs[0]


def _of_trees(model: ValueMixture, said: Mapping[str, Contributions]) -> Contributions:
    amount = said["amount"]
    if model.trees == "tweedie":
        return amount
    whole = rescaled(said["any"], log_chance) + amount
    return replace(whole, base=whole.base + model.sigma**2 / 2)


def _of_rhythm(names: tuple[str, ...], rhythm_value: Float64, average: float) -> Contributions:
    spend = np.maximum(np.nan_to_num(rhythm_value.astype(np.float64), posinf=0.0), LEAST)
    base = np.full(len(spend), np.log(max(average, LEAST)))
    parts = np.zeros((len(spend), len(names)))
    parts[:, names.index(RHYTHM)] = np.log(spend) - base
    return Contributions(names, parts, base)
