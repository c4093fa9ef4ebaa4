"""Test rows of several runs, judged as one."""

import numpy as np
import pytest

from features.clock import DAY
from training.judged_rows import ChurnRows, ValueRows, pooled_churn, pooled_value
from training.judging import churn_report, value_report
from training.reports import COMPOSITE, LATER_PERIOD, RECENCY


def churn(y, p, recency, at, **more):
    ids = np.array([f"C{number}" for number in range(len(y))])
    baselines = {RECENCY: np.array(recency, float), **more}
    return ChurnRows(np.array(y, float), np.array(p), baselines, ids, np.full(len(y), at * DAY))


def test_rows_are_put_below_each_other_with_the_baselines_that_all_have():
    first = churn([0, 1], [0.1, 0.2], [3, 4], 10, **{COMPOSITE: np.array([9.0, 8.0])})
    found = pooled_churn([first, churn([1, 0, 0], [0.5, 0.4, 0.3], [5, 6, 7], 40)])
    assert found.y.tolist() == [0, 1, 1, 0, 0]
    assert found.p.tolist() == [0.1, 0.2, 0.5, 0.4, 0.3]
    assert {name: scores.tolist() for name, scores in found.baselines.items()} == {RECENCY: [3, 4, 5, 6, 7]}
    assert found.customers.tolist() == ["C0", "C1", "C0", "C1", "C2"]
    assert (found.as_of // DAY).tolist() == [10, 10, 40, 40, 40]


def test_value_too():
    one = ValueRows(*(np.array([number]) for number in (5.0, 4.0)), {}, *(np.array([n]) for n in (1.0, 9.0, 7, 10)))
    found = pooled_value([one, one])
    assert [found.actual.tolist(), found.low.tolist(), found.high.tolist()] == [[5, 5], [1, 1], [9, 9]]


def test_the_same_customer_is_drawn_with_all_its_dates():
    """The same rows at four dates say nothing more: the interval of one stays that of all, only their number grows."""
    rng = np.random.default_rng(0)
    risk = rng.beta(1, 4, 300)
    one = churn(rng.random(300) < risk, risk, rng.random(300), 10)
    once, often = churn_report(one, LATER_PERIOD, ""), churn_report(pooled_churn([one] * 4), LATER_PERIOD, "")
    assert (often.rows, often.customers, often.churners) == (1200, 300, 4 * once.churners)
    for bound in ("estimate", "low", "high"):
        pooled, single = getattr(often.model.roc_auc, bound), getattr(once.model.roc_auc, bound)
        assert pooled == pytest.approx(single, abs=1e-9)


def test_each_cut_off_stands_by_itself_beside_the_whole():
    rng = np.random.default_rng(1)
    parts = [churn(rng.integers(0, 2, 50), rng.random(50), rng.random(50), at) for at in (10, 40)]
    report = churn_report(pooled_churn(parts), LATER_PERIOD, "tested on 2 later periods")
    assert [each.rows for each in report.by_cutoff] == [50, 50]
    assert report.split_reason == "tested on 2 later periods"


def test_the_range_is_judged():
    y = np.array([0.0, 5.0, 9.0, 20.0])
    ids, at = np.arange(4), np.zeros(4, dtype=int)
    rows = ValueRows(y, y, {"run rate": y[::-1]}, np.zeros(4), np.full(4, 10.0), ids, at)
    report = value_report(rows, LATER_PERIOD, "", "EUR")
    assert report.covered.estimate == 0.75
    assert report.unit == "EUR"
