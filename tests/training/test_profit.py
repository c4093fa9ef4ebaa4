"""Profit of acting on the list, expected and realised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.settings import Action
from models.action import ActionError
from training.profit import ProfitReport, profit_report
from training.reports import LATER_PERIOD

ACTION = Action(cost=10, success_rate=0.5, value_saved=100)
OWN = Action(cost=10, success_rate=0.5)


def report(churned, p, value=None, customers=None, action=ACTION, draws=20, seed=0):
    ids = np.arange(len(churned)) if customers is None else np.asarray(customers)
    return profit_report(churned, p, value, ids, action, LATER_PERIOD, unit="EUR", draws=draws, seed=seed)


def test_a_list_of_four_by_hand():
    found = report([1, 0, 1, 0], [0.9, 0.4, 0.1, 0.2])
    # expected profits 35, 10, -5, 0; realised 40, -10, 40, -10; ranked: first, second, fourth, third
    assert (found.threshold, found.rows, found.churners, found.left_out) == (0.2, 4, 2, 0)
    assert (found.best.accounts, found.best.share, found.best.expected) == (2, 0.5, 45)
    assert found.best.realised.estimate == 30
    at = {point.accounts: (point.expected, point.realised.estimate) for point in found.curve}
    assert at == {0: (0, 0), 1: (35, 40), 2: (45, 30), 3: (45, 20), 4: (40, 60)}
    assert [point.share for point in found.curve] == [round(share * 4 / 50) / 4 for share in range(51)]
    assert found.everyone.accounts == 4


def test_each_row_by_its_own_value_and_those_without_one_left_out():
    found = report([1, 1, 1], [0.5, 0.5, 0.5], [20.0, np.nan, 100.0], action=OWN)
    assert (found.rows, found.left_out, found.threshold) == (2, 1, None)
    assert (found.best.accounts, found.best.expected, found.best.realised.estimate) == (1, 15, 40)
    assert found.everyone.realised.estimate == 40  # the second earns 0.5 · 20 − 10 = 0


def test_no_price_no_report_and_half_a_price_is_a_mistake():
    assert report([1, 0], [0.5, 0.5], action=Action()) is None
    with pytest.raises(ActionError):
        report([1, 0], [0.5, 0.5], action=Action(cost=1))


def test_no_value_no_report():
    assert report([1, 0], [0.5, 0.5], action=OWN) is None
    assert report([1, 0], [0.5, 0.5], [np.nan, np.nan], action=OWN) is None


def test_nobody_is_worth_it():
    found = report([1, 0], [0.1, 0.1])
    assert (found.best.accounts, found.best.expected) == (0, 0)
    assert (found.best.realised.estimate, found.best.realised.low, found.best.realised.high) == (0, 0, 0)


def test_the_interval_is_that_of_customers_drawn_with_replacement():
    rng = np.random.default_rng(4)
    churned, p = (rng.random(300) < 0.3).astype(float), rng.uniform(0.2, 0.9, 300)
    found = report(churned, p, draws=3000)
    # acting on everyone: a sum of n independent rows, so the central limit theorem gives the bounds
    earned = 0.5 * churned * 100 - 10
    half = 1.645 * earned.std() * np.sqrt(300)
    seen = found.everyone.realised
    assert (seen.low, seen.high) == pytest.approx((earned.sum() - half, earned.sum() + half), abs=0.1 * half)


def test_rows_of_one_customer_are_drawn_together():
    rng = np.random.default_rng(4)
    churned, p = (rng.random(200) < 0.3).astype(float), rng.uniform(0.2, 0.9, 200)
    apart = report(np.repeat(churned, 4), np.repeat(p, 4), draws=400).everyone.realised
    together = report(np.repeat(churned, 4), np.repeat(p, 4), customers=np.repeat(np.arange(200), 4), draws=400)
    wide, narrow = together.everyone.realised, apart
    assert wide.high - wide.low == pytest.approx(2 * (narrow.high - narrow.low), rel=0.2)
    assert together.customers == 200


rows = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), st.floats(-50, 500)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=50)
@given(rows)
def test_best_is_the_top_of_the_expected_curve(rows):
    y, p, value = (np.array(column) for column in zip(*rows, strict=True))
    found = report(y, p, value, action=OWN, draws=2)
    one_by_one = sorted(0.5 * q * v - 10 for q, v in zip(p, value, strict=True))
    assert found.best.expected == pytest.approx(sum(e for e in one_by_one if e > 0))
    assert all(point.expected <= found.best.expected + 1e-9 for point in found.curve)
    assert found.everyone.expected == pytest.approx(sum(one_by_one))
    assert found.everyone.realised.estimate == pytest.approx(float((0.5 * y * value - 10).sum()))


@settings(max_examples=30)
@given(rows, st.randoms())
def test_the_order_of_rows_does_not_matter(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    y, p, value = (np.array(column) for column in zip(*rows, strict=True))
    ids = np.array([f"C{i:02d}" for i in range(len(rows))])
    first = report(y, p, value, ids, OWN, draws=5)
    assert report(y[order], p[order], value[order], ids[order], OWN, draws=5) == first


def test_calibrated_probabilities_promise_what_comes():
    rng = np.random.default_rng(0)
    p = rng.beta(2, 6, 20_000)
    found = report((rng.random(20_000) < p).astype(float), p, draws=100)
    assert found.best.realised.low < found.best.expected < found.best.realised.high


def test_it_goes_through_json_unchanged():
    found = report([1, 0, 1, 0], [0.9, 0.4, 0.1, 0.2])
    assert ProfitReport.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(("y", "p"), [([1, 2], [0.5, 0.5]), ([1, 0], [0.5, 1.5]), ([1, 0], [0.5, np.nan])])
def test_labels_and_probabilities_must_be_some(y, p):
    with pytest.raises(ValueError, match="labels of 0 and 1"):
        report(y, p)
