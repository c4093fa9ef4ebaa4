"""Every metric with its interval: the same draws for all, unknown where it must be."""

import numpy as np
import pytest

from training.bootstrap import Interval, draws_for, paired_interval, replicates, weight_blocks
from training.intervals import PROBABILITY, RANKING, VALUE, judge
from training.metrics import average_precision, spearman

N = 300
UNKNOWN = Interval(estimate=None, low=None, high=None)


def case():
    rng = np.random.default_rng(0)
    p = rng.beta(1, 3, N)
    return (rng.random(N) < p).astype(float), p, np.clip(p + rng.normal(0, 0.2, N), 0, 1), np.arange(N) % 170


def test_differences_are_paired_and_intervals_those_of_the_bootstrap():
    y, a, b, customers = case()
    wanted = {"a": RANKING, "b": RANKING}
    found = judge(y, {"a": a, "b": b}, wanted, customers, "a", draws=90)
    again = paired_interval(average_precision, y, a, b, customers, draws=90)
    assert found["b"].differences["average_precision"].model_dump() == pytest.approx(again.model_dump())
    assert found["a"].differences == {}
    swapped = judge(y, {"a": a, "b": b}, wanted, customers, "b", draws=90)["a"].differences["average_precision"]
    assert (swapped.low, swapped.high) == pytest.approx((-again.high, -again.low))


def test_value_metrics_see_the_same_truth_for_every_score():
    _, a, b, customers = case()
    money = a * 100 + np.random.default_rng(1).exponential(40, N)
    found = judge(money, {"a": a, "b": b}, {"a": VALUE, "b": VALUE}, customers, "a", draws=90)
    again = paired_interval(spearman, money, a, b, customers, draws=90)
    assert found["b"].differences["spearman"].model_dump() == pytest.approx(again.model_dump())


def test_a_score_asked_for_fewer_metrics_is_compared_only_in_those():
    y, a, b, customers = case()
    wanted = {"a": {**RANKING, **PROBABILITY}, "b": RANKING}
    found = judge(y, {"a": a, "b": b}, wanted, customers, "a", draws=20)
    assert set(found["b"].differences) == set(RANKING)
    assert set(found["a"].intervals) == {*RANKING, *PROBABILITY}


def test_unknown_stays_unknown():
    y, a, b, customers = case()
    both = {"a": {**RANKING, **PROBABILITY}, "b": RANKING}
    holey = np.where(np.arange(N) == 7, np.nan, b)
    found = judge(y, {"a": a, "b": holey}, both, customers, "a", draws=20)
    assert found["b"].intervals["roc_auc"] == found["b"].differences["roc_auc"] == UNKNOWN
    assert found["a"].intervals["roc_auc"].low is not None
    nobody = judge([], {"a": []}, {"a": RANKING}, [], draws=20)
    assert nobody["a"].intervals["roc_auc"] == UNKNOWN
    outside = judge(y, {"a": a * 3}, {"a": PROBABILITY}, customers, draws=20)
    assert outside["a"].intervals["brier_score"] == UNKNOWN


def test_blocks_hold_the_draws_of_the_plain_bootstrap():
    y, a, _, customers = case()
    blocks = np.concatenate(list(weight_blocks(customers, draws=700, seed=3)))
    assert blocks.shape == (700, N)

    def rows(y, p, /, *, weights=None):
        return float(weights @ p)

    # replicates hands rows over in the order of the score; the weighted sum does not mind
    assert blocks @ a == pytest.approx(replicates(rows, y, [a], customers, draws=700, seed=3)[:, 0])


def test_fewer_draws_for_many_rows():
    assert [draws_for(rows) for rows in (0, 50_000, 100_000, 10**7)] == [1000, 1000, 500, 200]


def test_shapes_are_checked():
    y, a, _, customers = case()
    with pytest.raises(ValueError, match="customer"):
        judge(y, {"a": a}, {"a": RANKING}, customers[1:])
    with pytest.raises(ValueError, match="not so: a"):
        judge(y, {"a": a[1:]}, {"a": RANKING}, customers)
