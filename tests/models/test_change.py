"""A change is split without a remainder: the model's part, and each feature's, on either scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.change import Change
from models.contributions import Contributions

numbers = st.floats(-6, 6, allow_subnormal=False)
parts = arrays(np.float64, (3, 4), elements=numbers)
NAMES = ("a", "b", "c", "d")


def of(given: np.ndarray, base: float) -> Contributions:
    return Contributions(NAMES, given, np.full(len(given), base))


def sigmoid(z: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-z)))


@given(parts, parts, numbers)
def test_the_same_model(then: np.ndarray, now: np.ndarray, base: float) -> None:
    change = Change.between(of(then, base).total, of(then, base), of(now, base))
    assert change.model.tolist() == [0, 0, 0]
    assert change.moved == pytest.approx(now - then)
    assert change.moved.sum(axis=1) == pytest.approx(now.sum(axis=1) - then.sum(axis=1), abs=1e-9)
    assert change.after == pytest.approx(base + now.sum(axis=1), abs=1e-9)


@given(arrays(np.float64, 3, elements=numbers), parts, parts, numbers)
def test_another_model(before: np.ndarray, then: np.ndarray, now: np.ndarray, base: float) -> None:
    change = Change.between(before, of(then, base), of(now, base))
    after = base + now.sum(axis=1)
    assert change.model == pytest.approx(base + then.sum(axis=1) - before)
    assert change.model + change.moved.sum(axis=1) == pytest.approx(after - before, abs=1e-9)
    chance = change.on(sigmoid)
    assert chance.before == pytest.approx(sigmoid(before))
    assert chance.model + chance.moved.sum(axis=1) == pytest.approx(sigmoid(after) - sigmoid(before), abs=1e-8)
    assert (np.sign(chance.moved) == np.sign(change.moved)).all()


def test_in_probability_by_hand() -> None:
    """0 → 1 by the model: 50 % → 73.1 %; then +2 and −1, a net 1 → 2 or 73.1 % → 88.1 %, split as 2 to −1."""
    change = Change.between(np.array([0.0]), of(np.array([[1.0, 0, 0, 0]]), 0.0), of(np.array([[3.0, -1, 0, 0]]), 0.0))
    chance = change.on(sigmoid)
    net = sigmoid(np.array(2.0)) - sigmoid(np.array(1.0))
    assert chance.model.tolist() == pytest.approx([sigmoid(np.array(1.0)) - 0.5])
    assert chance.moved[0].tolist() == pytest.approx([2 * net, -net, 0, 0])


def test_two_models_are_refused() -> None:
    one, other = of(np.zeros((1, 4)), 0.0), of(np.zeros((1, 4)), 1.0)
    with pytest.raises(ValueError, match="one model"):
        Change.between(one.total, one, other)


def test_columns_of_a_group_tell_one_story() -> None:
    """a and b are windows of one feature: b speaks, being larger; d did not move and is not told."""
    change = Change(NAMES, np.zeros(1), np.zeros(1), np.array([[0.2, 0.5, -0.9, 3.0]]))
    stories = change.stories(np.array([0, 0, 1, 2]), np.array([True, True, True, False]))
    assert [places.tolist() for places in stories] == [[2], [1, 0]]
