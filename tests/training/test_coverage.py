"""Coverage of the range of value."""

import numpy as np
import pytest

from training.coverage import CoverageRow, coverage, coverage_interval, coverage_table


def test_what_lies_on_a_bound_lies_inside() -> None:
    assert coverage([1.0, 2.0, 3.0, 4.0], [1.0, 2.5, 3.0, 0.0], [1.0, 9.0, 9.0, 3.9]) == 0.5
    assert coverage([0.3, 0.1 + 0.2], [0.1 + 0.2, 0.0], [1.0, 0.3]) == 1.0  # 0.3 < 0.30000000000000004


def test_a_net_return_counts_as_nothing() -> None:
    assert coverage([-5.0, -5.0], [0.0, 0.1], [10.0, 10.0]) == 0.5


def test_nothing_is_known_of_no_rows() -> None:
    assert np.isnan(coverage([], [], []))
    assert coverage_table([], [], [], []) == []


def test_the_interval_draws_customers_not_rows() -> None:
    """A hundred customers, half of them inside with all their rows: the share of a hundred, however many rows."""
    inside = np.repeat(np.arange(100) % 2, 50)
    found = coverage_interval(inside, np.ones(5000), np.ones(5000), np.repeat(np.arange(100), 50))
    assert found.estimate == 0.5
    assert (found.high - found.low) / 2 == pytest.approx(1.645 * 0.05, rel=0.1)


def test_by_half_of_expected_value_highest_first() -> None:
    actual, expected = [0.0, 0.0, 50.0, 200.0], [5.0, 1.0, 60.0, 40.0]
    table = coverage_table(actual, expected, [0.0, 0.0, 40.0, 20.0], [10.0, 4.0, 90.0, 60.0], bins=2)
    assert table == [
        CoverageRow(decile=1, rows=2, coverage=0.5, aim=0.8, above=0.5, zeros=0.0, mean_width=45.0),
        CoverageRow(decile=2, rows=2, coverage=1.0, aim=1.0, above=0.0, zeros=1.0, mean_width=7.0),
    ]


def test_the_rows_together_are_the_whole() -> None:
    rng = np.random.default_rng(1)
    actual, expected = rng.gamma(1, 50, 997), rng.gamma(1, 50, 997)
    low, high = expected * 0.2, expected * 3
    table = coverage_table(actual, expected, low, high)
    assert sum(row.rows for row in table) == 997
    assert sum(row.rows * row.coverage for row in table) / 997 == pytest.approx(coverage(actual, low, high))


@pytest.mark.parametrize(("nothing", "aim"), [(0, 0.8), (1, 0.8), (2, 0.9), (9, 0.9), (10, 1.0)])
def test_what_a_perfect_range_would_hold(nothing: int, aim: float) -> None:
    """Of ten: from a tenth that brings nothing on, low is 0 and only the tenth above high lies outside."""
    actual = [0.0] * nothing + [5.0] * (10 - nothing)
    assert coverage_table(actual, [1.0] * 10, [0.0] * 10, [9.0] * 10)[0].aim == pytest.approx(aim)
