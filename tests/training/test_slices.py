"""Four slices: who and what the model has seen."""

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from training.metrics import calibration_error, normalised_gini, roc_auc
from training.slices import four_way, thinned
from training.split import Plan

LATER = Plan(test=300 * DAY, training=(100 * DAY, 200 * DAY), later_period=True)
PERIODS, WHO = ("same period", "later period"), ("same customers", "new customers")
NAMES = [f"{who}, {period}" for period in PERIODS for who in WHO]


def rows(cutoffs=(100, 200, 250, 300), customers=150):
    rng = np.random.default_rng(0)
    n = len(cutoffs) * customers
    p = rng.beta(1, 3, n)
    return pl.DataFrame(
        {
            "customer_id": [f"C{i}" for i in range(customers)] * len(cutoffs),
            "as_of": np.repeat(np.array(cutoffs) * DAY, customers),
            "fold": [i % 5 for i in range(customers)] * len(cutoffs),
            "churned": (rng.random(n) < p).astype(float),
            "churn_probability": p,
            "value": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(9, n)),
            "expected_value": rng.exponential(9, n),
        }
    ).with_columns(pl.col("value").fill_nan(None))


def test_rows_fall_where_they_belong_and_the_embargo_nowhere():
    found = four_way(rows(), LATER, draws=10)
    assert [each.name for each in found] == NAMES
    assert [each.rows for each in found] == [240, 60, 120, 30]
    assert [each.customers for each in found] == [120, 30, 120, 30]


def test_numbers_are_those_of_the_slice():
    last = four_way(rows(), LATER, draws=10)[-1]
    part = rows().filter((pl.col("fold") == 0) & (pl.col("as_of") == 300 * DAY))
    y, p = part["churned"].to_numpy(), part["churn_probability"].to_numpy()
    valued = part.drop_nulls()
    assert last.churners == y.sum()
    assert last.roc_auc.estimate == roc_auc(y, p)
    assert last.roc_auc.low < last.roc_auc.estimate < last.roc_auc.high
    assert last.calibration_error.estimate == calibration_error(y, p)
    gini = normalised_gini(valued["value"].to_numpy(), valued["expected_value"].to_numpy())
    assert last.normalised_gini.estimate == gini


def test_without_value_there_is_no_gini():
    none = four_way(rows().drop("value", "expected_value"), LATER, draws=10)
    open_ = four_way(rows().with_columns(value=pl.lit(None, pl.Float64)), LATER, draws=10)
    assert {each.normalised_gini for each in (*none, *open_)} == {None}


def test_several_test_cutoffs_are_one_later_period():
    found = four_way(rows(), LATER, tests=(250 * DAY, 300 * DAY), draws=10)
    assert [each.rows for each in found] == [240, 60, 240, 60]


def test_without_a_later_period_two_slices_are_left():
    short = Plan(test=300 * DAY, training=(200 * DAY, 300 * DAY), later_period=False)
    assert [each.name for each in four_way(rows(), short, draws=10)] == NAMES[:2]


def test_thinning_keeps_customers_whole_and_the_same_ones():
    kept = thinned(rows(), most=200)
    assert kept.height == 200
    assert set(kept.group_by("customer_id").len()["len"]) == {4}
    assert set(thinned(rows().reverse(), most=200)["customer_id"]) == set(kept["customer_id"])
    assert thinned(rows(), most=600).height == 600


def test_a_model_that_knows_its_own_customers_is_found_out():
    told = rows().with_columns(
        churn_probability=pl.when(pl.col("fold") != 0).then(0.1 + 0.8 * pl.col("churned")).otherwise(0.5)
    )
    aucs = [each.roc_auc.estimate for each in four_way(told, LATER, draws=10)]
    assert aucs == pytest.approx([1, 0.5, 1, 0.5])
