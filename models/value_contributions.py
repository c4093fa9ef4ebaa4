"""What each column adds to the logarithm of the expected value, for every kind of value model."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from models.contributions import Contributions, Float64, log_chance, mixed, rescaled
from models.value_model import ValueMixture, simple_forecast

LEAST = 1e-6
"""Money: an expected spend by the rhythm of purchases below it is taken for it, or its logarithm would be −∞."""


def value_parts(
    model: ValueMixture,
    names: tuple[str, ...],
    said: Mapping[str, Contributions],
    column: Float64 | None = None,
    average: float = 1.0,
) -> Contributions:
    """On ln(expected value): base + parts.sum(axis=1) is the logarithm of `value_model.expected`.

    `names`: the columns of the matrix. `said`: Booster name → its contributions on the raw scale (log-odds of any,
    logarithm of the amount), those of `value_model.BOOSTERS`, and `linear` → those of the log-linear member where there
    is one. `column` (n,), that of the simple forecast, and the `average` of the forecast over customers, in money, are
    needed where it has a weight; what it says is all the part of that column.

    The chance of any value is taken to its own logarithm by the rescale rule, and an average of members is split by
    LMDI, both without a remainder. Raises ValueError where `column` is wanting.
    """
    logs, weights = [], []
    if model.trees is not None:
        logs.append(_of_trees(model, said))
        weights.append(model.trees_weight)
    if model.simple_weight:
        logs.append(_of_simple(names, names.index(model.column), simple_forecast(model, column), average))
        weights.append(model.simple_weight)
    if model.linear:
        logs.append(said["linear"])
        weights.append(model.linear_weight)
    return mixed(weights, logs) if len(logs) > 1 else logs[0]


def _of_trees(model: ValueMixture, said: Mapping[str, Contributions]) -> Contributions:
    amount = said["amount"]
    if model.trees == "tweedie":
        return amount
    whole = rescaled(said["any"], log_chance) + amount
    return replace(whole, base=whole.base + model.sigma**2 / 2)


def _of_simple(names: tuple[str, ...], place: int, forecast: Float64, average: float) -> Contributions:
    spend = np.maximum(forecast, LEAST)
    base = np.full(len(spend), np.log(max(average, LEAST)))
    parts = np.zeros((len(spend), len(names)))
    parts[:, place] = np.log(spend) - base
    return Contributions(names, parts, base)
