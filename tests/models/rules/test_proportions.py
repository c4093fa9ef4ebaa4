"""The Wilson interval against scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from models.rules.proportions import wilson

counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts=counts, level=st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_wilson_is_scipys(counts: tuple[int, int], level: float) -> None:
    hits, trials = counts
    other = binomtest(hits, trials).proportion_ci(level, method="wilson")
    low, high = wilson(hits, trials, level)
    assert (float(low), float(high)) == pytest.approx((other.low, other.high), abs=1e-9)
    assert 0 <= low <= hits / trials <= high <= 1


def test_many_at_once_and_nothing_tried() -> None:
    low, high = wilson([0, 60, 0, 7], [0, 100, 10, 7], 0.95)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1:] == pytest.approx([0.502003, 0, 0.645670], abs=1e-6)
    assert high[1:] == pytest.approx([0.690599, 0.277533, 1], abs=1e-6)
    assert (low[2], high[3]) == (0, 1)
