"""Realised accuracy: which rows count, what is measured, and when it is said that nothing can be."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from features.settings import Gate
from models.prediction import SCHEMA, TIME
from monitoring.realised import Realised, realised_accuracy

AS_OF = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def company(rows: int = 2000, seed: int = 0, truth: float = 1.0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores whose probabilities are the true ones raised to `truth`, and what came of them."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(1, 6, rows)
    names = [f"c{i}" for i in range(rows)]
    scores = pl.DataFrame(
        {
            "customer_id": names,
            "as_of": AS_OF,
            "at_stake": True,
            "churn_probability": risk**truth,
            "expected_value": 10.0,
            "model_version": "1",
            "scored_at": AS_OF,
        },
        schema_overrides={name: SCHEMA[name] for name in ("as_of", "scored_at")},
    )
    outcomes = pl.DataFrame(
        {
            "customer_id": names,
            "as_of": AS_OF,
            "churned": (rng.random(rows) < risk).astype(np.int8),
            "value": rng.exponential(12, rows),
        },
        schema_overrides={"as_of": TIME},
    )
    return scores, outcomes


def test_measures_equal_scikit_learns() -> None:
    scores, outcomes = company()
    found = realised_accuracy(scores, outcomes.sample(fraction=1, shuffle=True, seed=1))
    y, p = outcomes["churned"].to_numpy(), scores["churn_probability"].to_numpy()
    assert (found.status, found.rows, found.churners) == ("measured", 2000, y.sum())
    assert found.auc.estimate == pytest.approx(roc_auc_score(y, p))
    assert found.auc.low < found.auc.estimate < found.auc.high
    assert found.brier == pytest.approx(brier_score_loss(y, p))
    tenths = np.array_split(np.argsort(p), 10)
    assert found.calibration_error == pytest.approx(np.mean([abs(p[t].mean() - y[t].mean()) for t in tenths]))
    assert (found.predicted_value, found.actual_value) == (20_000, pytest.approx(outcomes["value"].sum()))
    assert not found.below_gate


def test_only_rows_at_stake_with_a_probability_and_a_closed_horizon_count() -> None:
    scores, outcomes = company()
    row = pl.int_range(pl.len())
    scores = scores.with_columns(
        at_stake=row >= 10,
        churn_probability=pl.when(row == 20)
        .then(None)
        .when(row == 21)
        .then(float("nan"))
        .otherwise("churn_probability"),
    )
    outcomes = outcomes.with_columns(churned=pl.when(row == 30).then(None).otherwise("churned"))
    outcomes = outcomes.filter(row != 40)
    later = outcomes.with_columns(as_of=pl.lit(AS_OF + dt.timedelta(days=30), TIME))
    assert realised_accuracy(scores, pl.concat([outcomes, later])).rows == 2000 - 10 - 2 - 1 - 1


def test_rescored_customer_counts_once_by_the_latest_score() -> None:
    scores, outcomes = company()
    worse = scores.with_columns(churn_probability=pl.lit(0.9), scored_at=pl.col("scored_at").dt.offset_by("-1d"))
    assert realised_accuracy(pl.concat([scores, worse]), outcomes) == realised_accuracy(scores, outcomes)


def test_one_model_version_can_be_judged_alone() -> None:
    scores, outcomes = company()
    other = scores.with_columns(
        churn_probability=pl.lit(0.9), model_version=pl.lit("2"), scored_at=pl.col("scored_at").dt.offset_by("1d")
    )
    both = pl.concat([scores, other])
    assert realised_accuracy(both, outcomes, model_version="1") == realised_accuracy(scores, outcomes)
    assert realised_accuracy(both, outcomes).model_versions == ("2",)
    assert realised_accuracy(both, outcomes, model_version="3").status == "not enough closed rows"


@pytest.mark.parametrize("churned", [0, 1])
def test_one_outcome_only_is_not_enough(churned: int) -> None:
    scores, outcomes = company()
    found = realised_accuracy(scores, outcomes.with_columns(churned=pl.lit(churned)), gate=Gate(min_churners=0))
    assert (found.status, found.auc, found.brier) == ("not enough closed rows", None, None)


def test_too_few_churners_is_said_instead_of_a_number() -> None:
    scores, outcomes = company(200)
    found = realised_accuracy(scores, outcomes, promoted_auc=0.99)
    churners = outcomes["churned"].sum()
    assert churners < 50
    assert (found.status, found.auc, found.calibration_error, found.below_gate) == (
        "not enough closed rows", None, None, False,
    )  # fmt: skip
    assert found.text == (
        f"not enough closed rows: 200 scored customers whose horizon has closed, {churners} churned and "
        f"{200 - churners} stayed; 50 of each are needed"
    )
    assert realised_accuracy(scores, outcomes, gate=Gate(min_churners=10)).status == "measured"


def test_nothing_closed_yet() -> None:
    scores, outcomes = company()
    assert realised_accuracy(scores, outcomes.clear()).rows == 0
    assert realised_accuracy(scores.clear(), outcomes).churners == 0


def test_below_the_gate_by_calibration() -> None:
    scores, outcomes = company(truth=0.3)
    found = realised_accuracy(scores, outcomes)
    assert found.below_gate
    assert found.reasons == (f"calibration error {found.calibration_error:.3f} is above the gate's 0.1",)
    assert "below the gate" in found.text
    assert not realised_accuracy(scores, outcomes, gate=Gate(max_calibration_error=0.6)).below_gate


def test_below_the_gate_by_an_auc_surely_lower_than_at_promotion() -> None:
    scores, outcomes = company()
    high = realised_accuracy(scores, outcomes).auc.high
    assert not realised_accuracy(scores, outcomes, promoted_auc=high).below_gate
    found = realised_accuracy(scores, outcomes, promoted_auc=high + 0.01)
    assert found.below_gate
    assert found.reasons == (f"AUC is at most {high:.3f} (90 % interval), it was {high + 0.01:.3f} at promotion",)


def test_value_is_optional() -> None:
    scores, outcomes = company()
    found = realised_accuracy(scores, outcomes.drop("value"))
    assert (found.predicted_value, found.actual_value) == (None, None)
    partly = outcomes.with_columns(value=pl.when(pl.int_range(pl.len()) < 500).then("value"))
    assert realised_accuracy(scores, partly).predicted_value == 5000


def test_reads_back_from_json() -> None:
    found = realised_accuracy(*company())
    assert Realised.model_validate_json(found.model_dump_json()) == found
