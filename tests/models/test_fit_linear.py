"""Fitting the linear predictor: planted weights, the penalty that customers left out ask for, few and odd rows."""

import math

import numpy as np
import pytest

from models.fit_linear import FOLDS, fit_logistic, linear_of
from models.linear import Linear

NAMES = ("rfm_orders_trend_90d", "rfm_recency_days", "rfm_orders_count", "rhythm_no_purchase")


def planted(n: int, seed: int, weights: tuple[float, float] = (1.5, -1.0)) -> tuple[np.ndarray, np.ndarray]:
    """log-odds = w₀ · trend + w₁ · (log1p(recency) − 3); the other columns are constant or noise."""
    rng = np.random.default_rng(seed)
    trend, recency = rng.uniform(-1, 1, n), np.expm1(rng.normal(3.0, 1.0, n).clip(0, 8))
    odds = weights[0] * trend + weights[1] * (np.log1p(recency) - 3)
    churned = (rng.uniform(size=n) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    return np.column_stack([trend, recency, np.full(n, 5.0), rng.uniform(size=n)]).astype(np.float32), churned


def slope(model: Linear, column: str) -> float:
    place = model.columns.index(column)
    return model.weights[place] / model.scales[place]


def test_planted_weights_are_found() -> None:
    matrix, churned = planted(8_000, 1)
    model = fit_logistic(matrix, NAMES, churned, NAMES, np.arange(8_000), seed=0)
    assert model.columns == ("rfm_orders_trend_90d", "rfm_recency_days", "rhythm_no_purchase")  # one was constant
    assert model.transforms == ("identity", "log1p", "logit")
    assert slope(model, "rfm_orders_trend_90d") == pytest.approx(1.5, abs=0.12)
    assert slope(model, "rfm_recency_days") == pytest.approx(-1.0, abs=0.09)
    assert slope(model, "rhythm_no_purchase") == pytest.approx(0, abs=0.04)
    mean = 1 / (1 + np.exp(-model.predict_raw(matrix, NAMES)))
    assert mean.mean() == pytest.approx(churned.mean(), abs=1e-6)


def test_the_order_of_rows_does_not_matter() -> None:
    matrix, churned = planted(500, 2)
    customers, order = np.array([f"c{i // 3}" for i in range(500)]), np.random.default_rng(0).permutation(500)
    first = fit_logistic(matrix, NAMES, churned, NAMES, customers, seed=0)
    again = fit_logistic(matrix[order], NAMES, churned[order], NAMES, customers[order], seed=0)
    assert first == again


def test_noise_is_shrunk_and_signal_is_not() -> None:
    """Among 200 rows weights of noise are 0.14 by chance; those of the signal are 0.9 and 1."""
    matrix, churned = planted(200, 3)
    sizes = []
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 2, 200).astype(np.float64)
        sizes.append(np.square(fit_logistic(matrix, NAMES, noise, NAMES, np.arange(200), seed=0).weights).mean())
    signal = fit_logistic(matrix, NAMES, churned, NAMES, np.arange(200), seed=0)
    assert math.sqrt(np.mean(sizes)) < 0.1
    assert max(map(abs, signal.weights)) > 0.6


def test_copies_of_a_customer_do_not_pass_for_others() -> None:
    """Random labels, forty random columns, each customer five times: rows at random would let it learn by heart."""
    rng = np.random.default_rng(6)
    own, labels = rng.normal(size=(60, 40)).astype(np.float32), rng.integers(0, 2, 60).astype(np.float64)
    names = [f"profile_{i}" for i in range(40)]
    matrix, churned = np.repeat(own, 5, axis=0), np.repeat(labels, 5)
    honest = fit_logistic(matrix, names, churned, names, np.repeat(np.arange(60), 5), seed=0)
    fooled = fit_logistic(matrix, names, churned, names, np.arange(300), seed=0)
    assert np.abs(honest.weights).max() < 0.3 * np.abs(fooled.weights).max()


@pytest.mark.parametrize("churners", [1, 3, 20, 39])
def test_forty_customers_are_enough_for_an_answer(churners: int) -> None:
    matrix, _ = planted(40, 4)
    churned = (np.arange(40) < churners).astype(np.float64)
    model = fit_logistic(matrix, NAMES, churned, NAMES, np.arange(40) // 2, seed=0)
    assert np.isfinite(model.predict_raw(matrix, NAMES)).all()


def test_perfectly_told_apart() -> None:
    matrix, _ = planted(100, 4)
    model = fit_logistic(matrix, NAMES, (matrix[:, 0] > 0).astype(np.float64), NAMES, np.arange(100), seed=0)
    assert slope(model, "rfm_orders_trend_90d") > 3


@pytest.mark.parametrize(("churned", "rate"), [(np.zeros(40), 0.5 / 41), (np.ones(40), 40.5 / 41)])
def test_a_single_class_gives_the_intercept_alone(churned: np.ndarray, rate: float) -> None:
    matrix, _ = planted(40, 4)
    model = fit_logistic(matrix, NAMES, churned, NAMES, np.arange(40), seed=0)
    assert model.columns == ()
    assert model.intercept == pytest.approx(math.log(rate / (1 - rate)))


def test_nothing_to_read_gives_the_base_rate() -> None:
    matrix, churned = planted(40, 4)
    matrix[:, 0] = np.nan
    model = fit_logistic(matrix, NAMES, churned, ["rfm_orders_trend_90d", "rfm_orders_count"], np.arange(40), seed=0)
    assert model.columns == ()
    assert model.predict_raw(matrix, NAMES).std() == 0


def test_missing_values_neither_train_nor_move() -> None:
    matrix, churned = planted(4000, 7)
    matrix[::4, 1] = np.nan
    model = fit_logistic(matrix, NAMES, churned, NAMES, np.arange(4000), seed=0)
    parts, _ = model.contributions(matrix, NAMES)
    assert not parts[::4, 1].any()
    assert slope(model, "rfm_recency_days") == pytest.approx(-1.0, abs=0.15)


def test_one_customer_is_no_fold() -> None:
    matrix, churned = planted(FOLDS, 8)
    churned[:2] = [0, 1]
    model = fit_logistic(matrix, NAMES, churned, NAMES, np.zeros(FOLDS, dtype=np.int64), seed=0)
    assert np.isfinite(model.predict_raw(matrix, NAMES)).all()


def test_the_predictor_of_one_column_is_that_column() -> None:
    matrix = np.array([[0.0, 0.0, 0.0, 0.8], [0.0, 0.0, 0.0, np.nan]], dtype=np.float32)
    model = linear_of("rhythm_no_purchase", "logit", center=-0.4)
    raw = model.predict_raw(matrix, NAMES)
    assert raw.tolist() == pytest.approx([math.log(4), -0.4], rel=1e-6)
    parts, base = model.contributions(matrix, NAMES)
    assert base == -0.4
    assert parts[0].tolist() == pytest.approx([0, 0, 0, math.log(4) + 0.4], rel=1e-6)
