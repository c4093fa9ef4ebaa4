"""Which rows train, calibrate and test."""

import numpy as np
import polars as pl
import pytest

from features.clock import DAY
from tests.company import MLFLOW, Trained
from training.fit import roles
from training.split import FOLDS, Plan, folds

pytestmark = pytest.mark.filterwarnings(MLFLOW)

LATER = Plan(test=300 * DAY, training=(100 * DAY, 200 * DAY), later_period=True)
SHORT = Plan(test=300 * DAY, training=(200 * DAY, 300 * DAY), later_period=False)


def snapshots() -> pl.DataFrame:
    ids = [f"C{number}" for number in range(200)]
    rows = pl.DataFrame({"customer_id": ids, "fold": folds(ids)})
    return pl.concat([rows.with_columns(as_of=pl.lit(day * DAY, pl.Int64)) for day in (100, 200, 250, 300)])


def test_with_a_later_period_everyone_is_tested_later() -> None:
    dealt = roles(snapshots(), LATER)
    assert set(dealt.training["as_of"]) == {100 * DAY, 200 * DAY}
    assert set(dealt.calibration["as_of"]) == {100 * DAY, 200 * DAY}
    assert set(dealt.test["as_of"]) == {300 * DAY}
    assert dealt.test.height == 200


def test_without_one_the_test_is_the_customers_set_aside() -> None:
    dealt = roles(snapshots(), SHORT)
    assert set(dealt.training["as_of"]) == {200 * DAY, 300 * DAY}
    assert set(dealt.calibration["as_of"]) == {200 * DAY, 300 * DAY}
    assert set(dealt.test["as_of"]) == {300 * DAY}
    assert dealt.test.height == pytest.approx(200 / FOLDS, abs=15)
    assert not set(dealt.test["customer_id"]) & {*dealt.training["customer_id"], *dealt.calibration["customer_id"]}


@pytest.mark.parametrize("plan", [LATER, SHORT])
def test_no_customer_of_calibration_trains(plan: Plan) -> None:
    dealt = roles(snapshots(), plan)
    assert dealt.training.height
    assert dealt.calibration.height
    assert not set(dealt.calibration["customer_id"]) & set(dealt.training["customer_id"])


def test_nor_in_a_real_training(trained: Trained) -> None:
    found = trained.candidate
    dealt = roles(found.snapshots.rows.filter("at_stake"), found.targets.churn)
    assert dealt.training.height == found.training_rows
    assert dealt.training["churned"].sum() == found.training_churners
    assert dealt.test.height == found.churn.rows
    assert not set(dealt.calibration["customer_id"]) & set(dealt.training["customer_id"])
    assert dealt.training["churned"].null_count() == 0


def test_the_base_rate_is_that_of_the_rows_that_train(trained: Trained) -> None:
    found = trained.candidate
    assert found.bundle.manifest.churn.base_rate == found.training_churners / found.training_rows


def test_the_bundle_predicts_what_was_judged(trained: Trained) -> None:
    """The evaluated models are the registered ones: its predictions give the report's numbers again."""
    found = trained.candidate
    test = roles(found.snapshots.rows.filter("at_stake"), found.targets.churn).test
    predicted = found.bundle.predict(found.bundle.matrix(test))
    assert np.square(predicted.churn_probability - test["churned"].to_numpy()).mean() == pytest.approx(
        found.churn.model.brier_score, rel=1e-9
    )
    assert found.value is not None
    assert predicted.expected_value is not None
    assert np.abs(predicted.expected_value - test["value"].to_numpy()).mean() == pytest.approx(
        found.value.model.mae, rel=1e-9
    )


def test_importance_is_a_share_and_names_every_feature(trained: Trained) -> None:
    for model in ("churn", "value"):
        shares = trained.candidate.importance[model]
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) == {column.name for column in trained.candidate.snapshots.columns}
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
