"""The log-linear member of expected value: what is fitted, out of which columns, and where there is none."""

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from models.design import Design
from models.manifest import FeatureColumn
from training.fit_value_linear import FEWEST_BUYERS, PENALTY, POWER, fit_log_linear
from training.metrics import Floats

DESIGN = Design((
    FeatureColumn(name="rfm_amount_sum"), FeatureColumn(name="profile_region", kind="category", levels=("a", "b")),
    FeatureColumn(name="rfm_orders_count"), FeatureColumn(name="rfm_recency_days"),
))  # fmt: skip


def customers(count: int = 600, seed: int = 4) -> tuple[pl.DataFrame, Floats]:
    """Half of them bring nothing; recency is the same for all, the amount unknown for some."""
    rng = np.random.default_rng(seed)
    spent, orders = rng.lognormal(5, 1, count), rng.poisson(4, count) + 1.0
    value = rng.binomial(1, 0.5, count) * rng.gamma(2, 0.5, count) * spent**0.7
    frame = pl.DataFrame({
        "rfm_amount_sum": spent, "profile_region": ["a", "b"] * (count // 2), "rfm_orders_count": orders,
        "rfm_recency_days": 30.0,
    })  # fmt: skip
    return frame.with_columns(rfm_amount_sum=pl.when(orders > 8).then(None).otherwise("rfm_amount_sum")), value


def test_it_minimises_the_penalised_deviance() -> None:
    """Against the formula of the deviance of a sum of gammas, minimised by another method."""
    frame, value = customers()
    matrix = DESIGN.matrix(frame)
    fitted = fit_log_linear(matrix, value, DESIGN)
    assert fitted is not None
    assert fitted.columns == ("rfm_amount_sum", "rfm_orders_count")
    logs = np.log1p(matrix[:, [0, 2]].astype(float))
    rows = np.nan_to_num((logs - np.nanmean(logs, axis=0)) / np.nanstd(logs, axis=0))

    def loss(numbers: Floats) -> float:
        mean = np.exp(numbers[0] + rows @ numbers[1:])
        half = -value * mean ** (1 - POWER) / (1 - POWER) + mean ** (2 - POWER) / (2 - POWER)
        return float(half.mean() + PENALTY / 2 * (numbers[1:] ** 2).sum())

    found = minimize(loss, np.array([np.log(value.mean()), 0.0, 0.0]), method="Nelder-Mead", options={"xatol": 1e-8})
    assert (fitted.intercept, *fitted.weights) == pytest.approx(found.x, abs=1e-5)
    assert fitted.weights[0] > 0.3


def test_it_is_the_same_again_and_in_whatever_order_of_rows() -> None:
    frame, value = customers()
    matrix, turned = DESIGN.matrix(frame), np.arange(len(value))[::-1]
    fitted = fit_log_linear(matrix, value, DESIGN)
    assert fitted == fit_log_linear(matrix, value, DESIGN)
    again = fit_log_linear(matrix[turned], value[turned], DESIGN)
    assert fitted is not None
    assert again is not None
    assert again.weights == pytest.approx(fitted.weights, rel=1e-7)


def test_returns_count_as_nothing_and_the_unknown_as_the_average() -> None:
    frame, value = customers()
    matrix = DESIGN.matrix(frame)
    assert fit_log_linear(matrix, np.where(value > 0, value, -50.0), DESIGN) == fit_log_linear(matrix, value, DESIGN)
    fitted = fit_log_linear(matrix, value, DESIGN)
    assert fitted is not None
    assert fitted.predict_raw(np.full((1, 4), np.nan, dtype=np.float32), DESIGN.names) == [fitted.intercept]


def test_too_few_buyers_or_nothing_that_varies_have_none() -> None:
    frame, value = customers()
    matrix = DESIGN.matrix(frame)
    buyers = np.flatnonzero(value > 0)
    few = np.zeros(len(value))
    few[buyers[: FEWEST_BUYERS - 1]] = 10.0
    assert fit_log_linear(matrix, few, DESIGN) is None
    few[buyers[FEWEST_BUYERS - 1]] = 10.0
    assert fit_log_linear(matrix, few, DESIGN) is not None
    assert fit_log_linear(np.ones_like(matrix), value, DESIGN) is None
    assert fit_log_linear(np.full_like(matrix, np.nan), value, DESIGN) is None
