"""Value in two parts, what stays with those who stay, and the interval around it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.booster import Booster
from models.lifetime_value import ValueModel, fit_interval, fit_value
from models.manifest import Interval
from models.predicted import interval

ROWS = 600
RNG = np.random.default_rng(8)
MATRIX = RNG.normal(size=(ROWS, 3)).astype(np.float32)
STAYED = (np.arange(ROWS) % 2).astype(np.float64)
VALUE = np.where(STAYED == 1, 100.0, 10.0)


def ran(text: str, matrix: np.ndarray = MATRIX) -> np.ndarray:
    return Booster.from_text(text).predict(matrix)


@pytest.fixture(scope="module")
def planted() -> ValueModel:
    """Those who stay bring 100, those who leave 10, and nothing tells them apart; a tenth brings nothing."""
    value, stayed = VALUE.copy(), STAYED.copy()
    value[::10] = -5.0  # more returned than bought
    value[1::20] = 0.0
    stayed[2::30] = np.nan  # not at stake: nobody knows
    value[2::30] = 5000.0
    return fit_value(MATRIX, value, stayed)


def test_value_if_retained_is_learnt_from_those_who_stayed(planted: ValueModel) -> None:
    kept = 100 * (1 - 30 / 300)  # 30 of the 300 who stayed brought nothing
    assert ran(planted.retained).mean() == pytest.approx(kept, rel=0.05)


def test_a_customer_of_whom_nothing_is_known_does_not_count_as_stayed() -> None:
    stayed = np.where(np.arange(ROWS) % 3 == 0, np.nan, 1.0)
    value = np.where(np.isnan(stayed), 10_000.0, 100.0)
    assert ran(fit_value(MATRIX, value, stayed).retained).mean() == pytest.approx(100, rel=0.01)


def test_value_comes_in_two_parts() -> None:
    some = MATRIX[:, 0] > 0
    value = np.where(some, np.where(MATRIX[:, 1] > 0, 300.0, 100.0), 0.0)
    model = fit_value(MATRIX, value, np.ones(ROWS))
    some_found, amount = ran(model.any), ran(model.amount)
    assert some_found[some].min() > 0.8
    assert some_found[~some].max() < 0.2
    assert amount[MATRIX[:, 1] > 0.2].mean() == pytest.approx(300, rel=0.05)
    assert (some_found * amount).sum() == pytest.approx(value.sum(), rel=0.05)


def test_a_negative_value_counts_as_none(planted: ValueModel) -> None:
    assert (ran(planted.amount) > 0).all()
    assert ran(planted.any).mean() == pytest.approx(0.85, abs=0.03)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 900), ties=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_knots_are_ordered_whatever_the_values(seed: int, rows: int, ties: int) -> None:
    """`Interval` itself refuses knots out of order; what is read off them holds the quantiles in order."""
    rng = np.random.default_rng(seed)
    expected = np.round(rng.gamma(1, 50, rows), 1) if ties > 20 else rng.integers(0, ties, rows).astype(float)
    value = rng.normal(50, 100, rows)
    found = fit_interval(expected, value)
    assert list(found.expected) == sorted(set(found.expected))
    low, high = interval(np.linspace(0, 400, 50), found)
    assert (low <= high).all()


def test_eight_of_ten_lie_inside() -> None:
    rng = np.random.default_rng(4)
    expected = rng.gamma(2, 100, 4000)
    value = expected * rng.gamma(3, 1 / 3, 4000)
    low, high = interval(expected, fit_interval(expected, value))
    assert ((low <= value) & (value <= high)).mean() == pytest.approx(0.8, abs=0.02)
    assert (value < low).mean() == pytest.approx(0.1, abs=0.02)


def test_few_rows_make_one_knot() -> None:
    assert fit_interval(np.array([1.0, 3.0]), np.array([0.0, 10.0])) == Interval(
        expected=(2.0,), low=(1.0,), high=(9.0,)
    )


def test_equal_expectations_make_one_knot_of_all_their_values() -> None:
    """A run of ties longer than a group must not be told by its last rows alone."""
    value = np.concatenate([np.full(300, 100.0), np.zeros(300)])
    found = fit_interval(np.full(600, 50.0), value)
    assert (found.low, found.high) == ((0.0,), (100.0,))


@pytest.mark.parametrize(
    ("value", "stayed"),
    [
        (np.zeros(60), np.ones(60)),
        (np.full(60, 20.0), np.zeros(60)),
        (np.where(np.arange(60) < 30, 0.0, 20.0), np.where(np.arange(60) < 30, 1.0, 0.0)),
    ],
    ids=["nobody brought anything", "nobody stayed", "those who stayed brought nothing"],
)
def test_one_sided_data_gives_a_model_and_not_a_crash(value: np.ndarray, stayed: np.ndarray) -> None:
    model = fit_value(MATRIX[:60], value, stayed)
    expected = ran(model.any, MATRIX[:60]) * ran(model.amount, MATRIX[:60])
    assert np.isfinite(expected).all()
    assert expected.mean() == pytest.approx(value.mean(), abs=0.5)
