"""What a model may learn from, and what is left out and why."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from features.build import Fitted
from features.clock import DAY, micros
from features.settings import Churn, Features, Profile, Settings, Snapshots, Value
from models.manifest import FeatureColumn
from tests.company import MLFLOW, Trained, shop
from tests.literal import source
from training import snapshots
from training.fit import roles
from training.targets import targets

pytestmark = pytest.mark.filterwarnings(MLFLOW)

END = dt.datetime(2026, 7, 1)
AS_OF = micros(END.replace(tzinfo=dt.UTC))
BASE: dict[str, Any] = {
    "churn": Churn(horizon_days=60), "value": Value(), "snapshots": Snapshots(every_days=30, count=2),
    "features": Features(exclude=("rfm_recency_days", "rfm_gap_mean", "region")),
    "profile": Profile(static=("industry", "region", "mother")),
}  # fmt: skip


def customers(number: int = 160) -> pl.DataFrame:
    ids = [f"S{n:03}" for n in range(number)]
    rng = np.random.default_rng(6)
    return pl.DataFrame(
        {
            "customer_id": ids,
            "industry": rng.choice(["steel", "glass", None], number).tolist(),
            "region": rng.choice(["north", "south"], number).tolist(),
            "mother": [f"M{n}" for n in range(number)],
            "employees": rng.integers(1, 500, number).astype(float),
            "undeclared": rng.choice(["a", "b"], number).tolist(),
        }
    )


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> snapshots.Snapshots:
    """Two cut-offs of a shop with a history of 260 days, so that windows of a year reach before it."""
    tables = {"transactions": shop(160, days=260), "customers": customers()}
    opened = source(tmp_path_factory.mktemp("shop"), "polars", tables)
    wanted = Settings.model_construct(**BASE)
    aims = targets(opened, AS_OF, wanted)
    return snapshots.take(opened, aims, Fitted((), BASE["profile"].static), wanted)


def test_rows_are_of_every_cut_off_and_hold_outcomes_and_folds(taken: snapshots.Snapshots) -> None:
    rows = taken.rows
    assert [(AS_OF - day) // DAY for day in sorted(set(rows["as_of"]))] == [150, 120, 60]
    assert rows.select("customer_id", "as_of").is_unique().all()
    assert rows.group_by("customer_id").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert (rows["at_stake"] == rows["churned"].is_not_null()).all()
    assert rows.filter(pl.col("churned") == 0)["value"].min() > 0  # who bought brought something


def test_a_window_that_begins_before_its_table_is_dropped_and_listed(taken: snapshots.Snapshots) -> None:
    assert "unknown for everyone" in taken.left_out["rfm_amount_sum_365d"]
    assert taken.rows["rfm_amount_sum_365d"].null_count() == taken.rows.height


def test_null_at_one_training_cut_off_is_enough(taken: snapshots.Snapshots) -> None:
    """The first training cut-off has 110 days behind it, the second 140: a window of 60 before 60 fits the second."""
    rows = taken.rows.with_columns(
        rfm_orders_count_90d=pl.when(pl.col("as_of") > pl.col("as_of").min()).then("rfm_orders_count_90d")
    )
    training = sorted(set(rows["as_of"]))[:2]
    columns, left_out = snapshots.choose(rows, training, Settings.model_construct(**BASE), ("industry",))
    assert "one training cut-off or more" in left_out["rfm_orders_count_90d"]
    assert "rfm_orders_count_90d" not in {column.name for column in columns}
    later, _ = snapshots.choose(rows, training[1:], Settings.model_construct(**BASE), ("industry",))
    assert "rfm_orders_count_90d" in {column.name for column in later}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("rfm_recency_days", "excluded by"),
        ("profile_region", "excluded by"),
        ("profile_employees", "describes today; declare it in [profile] static"),
        ("profile_mother", "a key rather than a category"),
    ],
)
def test_what_may_not_train_is_listed_with_its_reason(taken: snapshots.Snapshots, name: str, why: str) -> None:
    assert why in taken.left_out[name]
    assert name not in {column.name for column in taken.columns}


def test_every_feature_either_trains_or_is_listed(taken: snapshots.Snapshots) -> None:
    keys = {"customer_id", "as_of", "fold", "at_stake", "churned", "value"}
    named = [column.name for column in taken.columns]
    assert sorted([*named, *taken.left_out]) == sorted(set(taken.rows.columns) - keys)
    assert "profile_undeclared" not in taken.rows.columns


def test_a_constant_does_not_train(taken: snapshots.Snapshots) -> None:
    rows = taken.rows.with_columns(rfm_orders_count_90d=pl.lit(3.0))
    training = sorted(set(rows["as_of"]))[:2]
    left_out = snapshots.choose(rows, training, Settings.model_construct(**BASE), ())[1]
    assert left_out["rfm_orders_count_90d"] == "the same for everyone"


def test_a_declared_text_is_a_category_with_its_levels(taken: snapshots.Snapshots) -> None:
    assert FeatureColumn(name="profile_industry", kind="category", levels=("glass", "steel")) in taken.columns


def test_a_rules_column_trains_where_it_is_declared(taken: snapshots.Snapshots) -> None:
    training = sorted(set(taken.rows["as_of"]))[:2]
    columns, _ = snapshots.choose(taken.rows, training, Settings.model_construct(**BASE), ("employees",))
    assert FeatureColumn(name="profile_employees") in columns


def test_levels_come_from_training_cut_offs_alone(taken: snapshots.Snapshots) -> None:
    """A country first seen in the test period is unknown to the model."""
    last = max(taken.rows["as_of"])
    rows = taken.rows.with_columns(
        profile_industry=pl.when(pl.col("as_of") == last).then(pl.lit("new")).otherwise("profile_industry")
    )
    training = sorted(set(rows["as_of"]))[:2]
    columns, _ = snapshots.choose(rows, training, Settings.model_construct(**BASE), ("industry",))
    assert next(c.levels for c in columns if c.name == "profile_industry") == ("glass", "steel")


def test_core_features_are_learnt_from_what_was_known(tmp_path: Path) -> None:
    def used(feature: str, back: int) -> list[dict[str, object]]:
        return [
            {"customer_id": f"U{n}", "occurred_at": END - dt.timedelta(days=back + n % 5), "feature": feature}
            for n in range(40)
        ]

    opened = source(tmp_path, "polars", {"usage_events": used("old", 100) + used("new", 10)})
    wanted = Settings.model_construct(**BASE)
    then = snapshots.fit_population(opened, AS_OF - 60 * DAY, "inactive", wanted)
    assert then.core_features == ("old",)
    assert set(snapshots.fit_population(opened, AS_OF, "inactive", wanted).core_features) <= {"old", "new"}
    assert then.static == ("industry", "mother")  # region is excluded


def test_the_embargo_holds_in_a_real_training(trained: Trained) -> None:
    """No outcome that trains or calibrates closes after the test cut-off, none at all after the date."""
    found, churn = trained.candidate, trained.settings.churn
    window = (churn.horizon_days + churn.grace_days) * DAY
    dealt = roles(found.snapshots.rows.filter("at_stake"), found.targets.churn)
    assert found.targets.churn.later_period
    assert max(dealt.training["as_of"].max(), dealt.calibration["as_of"].max()) + window <= min(dealt.test["as_of"])  # type: ignore[type-var,operator]
    assert max(dealt.test["as_of"]) + window <= trained.as_of


def test_a_feature_unknown_at_a_value_cut_off_does_not_train(tmp_path: Path) -> None:
    """A value horizon longer than the churn window trains at earlier cut-offs, where more windows are too long."""
    opened = source(tmp_path, "polars", {"transactions": shop(120, days=420)})
    wanted = Settings.model_construct(**{**BASE, "value": Value(horizon_days=120), "features": Features()})
    aims = targets(opened, AS_OF, wanted)
    assert aims.value is not None
    found = snapshots.take(opened, aims, Fitted(), wanted)
    dealt = roles(found.rows.filter(pl.col("value").is_not_null()), aims.value)
    for column in found.columns:
        known = dealt.training.group_by("as_of").agg(pl.col(column.name).is_not_null().any())[column.name]
        assert known.all(), column.name
