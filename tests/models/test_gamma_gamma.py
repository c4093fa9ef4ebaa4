"""What the next purchase is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.gamma_gamma import GammaGamma

CDNOW = GammaGamma(p=6.25, q=3.74, gamma=15.44)


def test_who_has_no_amount_yet_gets_the_average_of_everyone() -> None:
    average = 6.25 * 15.44 / 2.74
    assert CDNOW.expected_amount(np.array([0.0]), np.array([np.nan]))[0] == pytest.approx(average)


@given(st.integers(1, 1000), st.floats(0.01, 1e5))
def test_the_expected_amount_is_a_weighted_average_of_the_own_and_everyones(x: int, mean: float) -> None:
    weight = 6.25 * x / (6.25 * x + 2.74)  # Eq 5 of [1], written the other way
    expected = weight * mean + (1 - weight) * 6.25 * 15.44 / 2.74
    assert CDNOW.expected_amount(np.array([float(x)]), np.array([mean]))[0] == pytest.approx(expected, rel=1e-9)
