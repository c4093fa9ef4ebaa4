"""The range of value: in order, finite, and at zero where one in ten brings nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.value_range import NOTHING, ValueRange, begins_at_zero, squeezed, value_range

ANY = st.floats(-1e6, 1e6)
CORRECTION = st.floats(-50, 50)


def bounds(low: float, high: float, fitted: ValueRange) -> tuple[float, float]:
    bottom, top = value_range(np.array([low]), np.array([high]), fitted)
    return float(bottom[0]), float(top[0])


def test_money_comes_back_from_the_asinh_scale() -> None:
    money = np.array([0.0, 3.0, 1e6])
    z = squeezed(money, 20.0)
    np.testing.assert_allclose(z, np.log(money / 20 + np.sqrt((money / 20) ** 2 + 1)))
    assert value_range(z, z, ValueRange(scale=20.0))[1] == pytest.approx(money)


def test_a_net_return_counts_as_none() -> None:
    assert squeezed(np.array([-5.0]), 20.0).tolist() == [0.0]


def test_each_bound_has_its_own_correction() -> None:
    fitted = ValueRange(scale=10.0, low=0.3, high=0.5, high_from_zero=2.0)
    assert bounds(3.0, 4.0, fitted) == pytest.approx((10 * np.sinh(3.3), 10 * np.sinh(4.5)))
    assert bounds(0.1, 1.0, fitted) == pytest.approx((0.0, 10 * np.sinh(3.0)))


def test_far_from_zero_a_correction_is_a_percentage() -> None:
    corrected, plain = ValueRange(scale=1.0, high=0.1), ValueRange(scale=1.0)
    for z in (8.0, 12.0):
        assert bounds(z, z, corrected)[1] / bounds(z, z, plain)[1] == pytest.approx(np.exp(0.1), rel=1e-6)


def test_where_one_in_ten_brings_nothing_the_range_begins_at_zero() -> None:
    assert begins_at_zero(np.array([-0.2, 0.0, NOTHING - 1e-9, NOTHING, 5.0])).tolist() == [True] * 3 + [False] * 2


@given(low=ANY, high=ANY, a=CORRECTION, b=CORRECTION, c=CORRECTION, scale=st.floats(1e-6, 1e9))
def test_low_never_exceeds_high_and_both_are_finite_amounts(
    low: float, high: float, a: float, b: float, c: float, scale: float
) -> None:
    bottom, top = bounds(low, high, ValueRange(scale=scale, low=a, high=b, high_from_zero=c))
    assert 0 <= bottom <= top < np.inf
