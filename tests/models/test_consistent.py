"""Value and churn cannot contradict each other."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.consistent import MOST, retained

CHANCE = st.floats(0, 1)
MONEY = st.floats(0, 1e9)


def one(p: float, expected: float, value: float) -> float:
    return float(retained(np.array([p]), np.array([expected]), np.array([value]))[0])


@given(p=CHANCE, expected=MONEY, value=MONEY)
@example(p=0.0, expected=7.0, value=900.0)
@example(p=1.0, expected=7.0, value=0.0)
@example(p=1.0, expected=0.0, value=5.0)
@example(p=0.3, expected=0.0, value=5.0)
@example(p=1 - 2**-53, expected=1e9, value=1e9)
def test_those_who_leave_have_a_value_that_adds_up(p: float, expected: float, value: float) -> None:
    """In words: some value of leaving, nothing at least and that of staying at most, makes the average the expected."""
    stays = one(p, expected, value)
    assert np.isfinite(stays)
    if p == 0:
        assert stays == expected
        return
    leaves = (expected - (1 - p) * stays) / p
    rounding = 1e-9 * max(expected, (1 - p) * stays, 1e-300) / p
    assert -rounding <= leaves <= stays + rounding


@given(p=CHANCE, expected=MONEY, value=MONEY)
@example(p=1 - 2**-53, expected=1e9, value=1e17)
@example(p=1e-5, expected=1e-5, value=1048577.0)
def test_it_is_the_nearest_such_value(p: float, expected: float, value: float) -> None:
    stays, most = one(p, expected, value), min(expected / (1 - p), MOST) if p < 1 else MOST
    if expected <= value <= most:
        assert stays == value
    else:
        assert stays == pytest.approx(expected if value < expected else max(most, expected))


@given(expected=MONEY, value=MONEY)
def test_off_stake_to_stay_is_worth_no_less_than_the_average(expected: float, value: float) -> None:
    assert one(np.nan, expected, value) == max(expected, value)


@pytest.mark.filterwarnings("error")
def test_who_is_sure_to_leave_has_a_bound_that_is_a_number() -> None:
    assert one(1.0, 7.0, 1e300) == MOST
    assert one(1.0, 2 * MOST, 5.0) == 2 * MOST


def test_each_row_for_itself() -> None:
    found = retained(np.array([0.5, np.nan, 0.0]), np.array([10.0, 10.0, 10.0]), np.array([90.0, 90.0, 90.0]))
    assert found.tolist() == [20.0, 90.0, 10.0]
