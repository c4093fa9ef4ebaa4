"""Intervals: of the right width, by customer, paired, repeatable."""

import numpy as np
import pytest

from training.bootstrap import Interval, interval, paired_interval, percentile_interval, replicates
from training.metrics import mae, normalised_gini, roc_auc, spearman


def mean_score(y, p, /, *, weights=None):
    return float(np.average(p, weights=weights))


def sample(n=800, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.2).astype(float)
    return y, y + rng.normal(size=n), 0.5 * y + rng.normal(size=n)


def test_width_for_a_mean_is_the_normal_one():
    _, a, _ = sample()
    found = interval(mean_score, a, a, np.arange(len(a)))
    error = 1.645 * a.std() / np.sqrt(len(a))
    assert (found.low, found.high) == pytest.approx((a.mean() - error, a.mean() + error), abs=0.1 * error)
    assert found.estimate == pytest.approx(a.mean())


def test_rows_of_one_customer_are_drawn_together():
    y, a, _ = sample()
    once = interval(roc_auc, y, a, np.arange(len(y)))
    four_times = interval(roc_auc, np.tile(y, 4), np.tile(a, 4), np.tile(np.arange(len(y)), 4))
    by_row = interval(roc_auc, np.tile(y, 4), np.tile(a, 4), np.arange(4 * len(y)))
    assert (four_times.low, four_times.high) == pytest.approx((once.low, once.high))
    assert by_row.high - by_row.low < 0.6 * (once.high - once.low)


@pytest.mark.parametrize("metric", [roc_auc, normalised_gini, spearman, mae])
def test_a_draw_is_the_metric_of_the_drawn_rows(metric):
    y, a, b = sample(60)
    customers = np.repeat(np.arange(20), 3)
    rng = np.random.default_rng(5)
    for drawn in replicates(metric, y, [a, b], customers, draws=20, seed=5):
        chosen = rng.integers(0, 20, 20)
        rows = np.concatenate([np.flatnonzero(customers == each) for each in chosen])
        assert drawn == pytest.approx([metric(y[rows], a[rows]), metric(y[rows], b[rows])])


def test_pairing_is_sharper_than_two_intervals():
    y, a, _ = sample()
    b = a + np.random.default_rng(1).normal(0, 0.1, len(a))
    gap = paired_interval(roc_auc, y, a, b, np.arange(len(y)))
    single = interval(roc_auc, y, a, np.arange(len(y)))
    assert gap.estimate == pytest.approx(roc_auc(y, a) - roc_auc(y, b))
    assert gap.low < gap.estimate < gap.high
    assert gap.high - gap.low < 0.5 * (single.high - single.low)


def test_a_score_does_not_differ_from_itself():
    y, a, _ = sample(100)
    assert paired_interval(roc_auc, y, a, a, np.arange(100)) == Interval(estimate=0, low=0, high=0)


def test_ninety_percent_of_intervals_hold_the_truth():
    rng = np.random.default_rng(2)
    held = 0
    for seed in range(200):
        a = np.repeat(rng.normal(size=40), 2)  # two equal rows a customer
        found = interval(mean_score, a, a, np.repeat(np.arange(40), 2), draws=200, seed=seed)
        held += found.low <= 0 <= found.high
    assert 165 <= held <= 192


def test_repeatable_by_seed_and_whatever_the_order_of_the_rows():
    y, a, b = sample(300)
    customers = np.char.add("c", (np.arange(300) % 120).astype(str))
    first = paired_interval(roc_auc, y, a, b, customers, draws=100)
    shuffled = np.random.default_rng(3).permutation(300)
    again = paired_interval(roc_auc, y[shuffled], a[shuffled], b[shuffled], customers[shuffled], draws=100)
    assert first == paired_interval(roc_auc, y, a, b, customers, draws=100)
    assert (again.low, again.high) == pytest.approx((first.low, first.high), abs=1e-12)
    assert first != paired_interval(roc_auc, y, a, b, customers, draws=100, seed=1)


def test_level_narrows():
    y, a, _ = sample()
    narrow, wide = (interval(roc_auc, y, a, np.arange(len(y)), level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert (narrow.level, wide.level) == (0.5, 0.99)


def test_unknown_stays_unknown():
    unknown = Interval(estimate=None, low=None, high=None)
    assert interval(roc_auc, [0, 0], [0.1, 0.2], ["a", "b"], draws=10) == unknown
    assert interval(roc_auc, [], [], [], draws=10) == unknown


def test_bounds_are_unknown_when_draws_often_have_one_class():
    found = interval(roc_auc, [1, 0, 0, 0], [0.9, 0.3, 0.2, 0.1], ["a", "b", "c", "d"])
    assert found == Interval(estimate=1.0, low=None, high=None)


def test_a_few_undefined_draws_are_left_out():
    drawn = np.append(np.linspace(0, 1, 95), [np.nan] * 5)
    found = percentile_interval(0.5, drawn)
    assert (found.low, found.high) == pytest.approx((0.05, 0.95))


def test_every_row_needs_its_customer():
    with pytest.raises(ValueError, match="customer"):
        interval(roc_auc, [0, 1], [0.1, 0.9], ["a", "b", "c"])
