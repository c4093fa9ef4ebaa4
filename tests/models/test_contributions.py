"""Contributions stay exact from scale to scale, in sums, in mixtures and by family."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.calibration import Calibration, calibrated_logodds, sigmoid
from models.contributions import Contributions, by_family, chances, log_chance, mixed, rescaled, slope_between

NAMES = ("rfm_recency_days", "rfm_orders_count_90d", "nps_score_last", "rhythm_alive")
numbers = st.floats(-8, 8, allow_subnormal=False)
some = st.builds(
    lambda parts, base: Contributions(NAMES, parts, np.full(len(parts), base)),
    arrays(np.float64, (5, 4), elements=numbers),
    numbers,
)


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


@given(some)
def test_on_another_scale_they_add_up_there(found: Contributions) -> None:
    told = chances(found)
    assert told.base == pytest.approx(1 / (1 + np.exp(-found.base)))
    assert told.total == pytest.approx(1 / (1 + np.exp(-found.total)), abs=1e-9)
    assert rescaled(found, log_chance).total == pytest.approx(np.log(1 / (1 + np.exp(-found.total))), abs=1e-7)


@given(some)
def test_a_rising_scale_keeps_order_and_direction(found: Contributions) -> None:
    told = chances(found)
    assert (np.sign(told.parts) == np.sign(found.parts)).all()
    assert (np.argsort(told.parts, axis=1, kind="stable") == np.argsort(found.parts, axis=1, kind="stable")).all()


@given(some)
def test_a_calibration_is_such_a_scale(found: Contributions) -> None:
    beta = Calibration(method="beta", slope_low=0.7, slope_high=1.4, intercept=-0.3)
    told = rescaled(found, lambda raw: calibrated_logodds(raw, beta))
    assert told.total == pytest.approx(calibrated_logodds(found.total, beta), abs=1e-6)


def test_the_factor_of_the_chance_of_any_by_hand() -> None:
    """(ln p − ln p0) / (logit p − logit p0), with p0 = 0.5 and p = 0.8."""
    odds = logit(np.array([0.8]))
    found = rescaled(
        Contributions(("a", "b"), np.array([[odds[0] * 0.75, odds[0] * 0.25]]), np.array([0.0])), log_chance
    )
    assert found.base == pytest.approx(np.log(0.5))
    assert found.parts[0].tolist() == pytest.approx([0.75 * np.log(1.6), 0.25 * np.log(1.6)])


def test_where_parts_cancel_the_slope_is_the_derivative() -> None:
    assert slope_between(np.array([0.0]), np.array([0.0]), sigmoid) == pytest.approx([0.25])
    told = chances(Contributions(("a", "b"), np.array([[2.0, -2.0]]), np.array([0.0])))
    assert told.parts[0].tolist() == pytest.approx([0.5, -0.5])


@given(some, some, st.floats(0.05, 0.95))
def test_a_mixture_of_two_models_of_value_is_split_without_a_remainder(
    first: Contributions, second: Contributions, weight: float
) -> None:
    found = mixed((weight, 1 - weight), (first, second))
    amount = weight * np.exp(first.total) + (1 - weight) * np.exp(second.total)
    middle = weight * np.exp(first.base) + (1 - weight) * np.exp(second.base)
    assert found.base == pytest.approx(np.log(middle))
    assert found.total == pytest.approx(np.log(amount), abs=1e-8)


def test_a_mixture_of_a_model_with_itself_is_that_model() -> None:
    one = Contributions(("a", "b"), np.array([[0.3, -1.2], [0.0, 0.0]]), np.array([2.0, 2.0]))
    assert mixed((0.4, 0.6), (one, one)).parts == pytest.approx(one.parts)


def test_a_mixture_by_hand() -> None:
    """V = 0.5 · 4 + 0.5 · 2 = 3 from 0.5 · 1 + 0.5 · 2 = 1.5: all of it comes from what moved the first model."""
    first = Contributions(("a", "b"), np.array([[np.log(4), 0.0]]), np.array([0.0]))
    second = Contributions(("a", "b"), np.array([[0.0, 0.0]]), np.array([np.log(2)]))
    assert mixed((0.5, 0.5), (first, second)).parts[0].tolist() == pytest.approx([np.log(2), 0.0])


@given(some)
def test_families_add_up(found: Contributions) -> None:
    families = by_family(found)
    assert list(families) == ["rfm", "nps", "rhythm"]
    assert families["rfm"] == pytest.approx(found.parts[:, 0] + found.parts[:, 1])
    assert found.base + sum(families.values()) == pytest.approx(found.total)


def test_sums() -> None:
    one = Contributions(("a",), np.array([[1.0]]), np.array([2.0]))
    assert (one + one).total.tolist() == [6.0]
