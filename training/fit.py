"""Fitting on snapshots: which rows train, calibrate and test, and the models that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.booster import Booster
from models.churn import Matrix, Vector, fit_calibration, fit_churn
from models.lifetime_value import ValueModel, fit_interval, fit_value
from models.manifest import Calibration, FeatureColumn, Interval
from models.matrix import to_matrix
from training.snapshots import Snapshots
from training.split import Plan, folds
from training.targets import Targets


@dataclass(frozen=True)
class Roles:
    """Rows by what they are for. No customer of `calibration` or, without a later period, of `test` trains."""

    training: pl.DataFrame
    calibration: pl.DataFrame
    test: pl.DataFrame


@dataclass(frozen=True)
class Fits:
    """Fitted models as text, their calibration, and the base rate of the churn model's training rows."""

    churn: str
    calibration: Calibration
    base_rate: float
    value: ValueModel | None = None
    interval: Interval | None = None


def roles(rows: pl.DataFrame, plan: Plan) -> Roles:
    """Deal `rows` out by cut-off and fold.

    With a later period fold 0 calibrates at the latest training cut-off and everyone is tested later. Without one,
    fold 0 is the test and fold 1 calibrates.
    """
    trains, calibrates = pl.col("as_of").is_in(plan.training), pl.col("as_of") == plan.calibration
    tests, fold = pl.col("as_of") == plan.test, pl.col("fold")
    if plan.later_period:
        return Roles(rows.filter(trains & (fold != 0)), rows.filter(calibrates & (fold == 0)), rows.filter(tests))
    return Roles(
        rows.filter(trains & (fold > 1)), rows.filter(calibrates & (fold == 1)), rows.filter(tests & (fold == 0))
    )


def training_counts(outcomes: Mapping[int, pl.DataFrame], plan: Plan) -> tuple[int, int]:
    """Churners and stayers among the rows that will train, from `outcomes` (cut-off → customer_id, churned)."""
    labels = pl.concat([outcomes[cutoff].with_columns(as_of=pl.lit(cutoff, pl.Int64)) for cutoff in plan.training])
    training = roles(labels.with_columns(pl.Series("fold", folds(labels["customer_id"]))), plan).training
    churners = int(training["churned"].sum())
    return churners, training.height - churners


def fit(snapshots: Snapshots, targets: Targets) -> Fits:
    """Fit churn on those at stake and value on everyone known."""
    churn = roles(snapshots.rows.filter(pl.col("at_stake")), targets.churn)
    columns = snapshots.columns
    text = fit_churn(to_matrix(churn.training, columns), _vector(churn.training, "churned"), _categories(columns))
    raw = Booster.from_text(text).predict(to_matrix(churn.calibration, columns))
    calibration = fit_calibration(raw, _vector(churn.calibration, "churned"))
    fits = Fits(text, calibration, float(_vector(churn.training, "churned").mean()))
    return _with_value(fits, snapshots, targets.value) if targets.value else fits


def importance(text: str, columns: tuple[FeatureColumn, ...]) -> dict[str, float]:
    """Feature → share of the Booster's total gain, largest first."""
    import lightgbm

    gains = lightgbm.Booster(model_str=text).feature_importance("gain")
    total = float(gains.sum()) or 1.0
    shares = {column.name: float(gain) / total for column, gain in zip(columns, gains, strict=True)}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _with_value(fits: Fits, snapshots: Snapshots, plan: Plan) -> Fits:
    dealt = roles(snapshots.rows.filter(pl.col("value").is_not_null()), plan)
    columns, training = snapshots.columns, dealt.training
    matrix, stayed = to_matrix(training, columns), 1.0 - _vector(training, "churned")
    model = fit_value(matrix, _vector(training, "value"), stayed, _categories(columns))
    expected = expected_value(model, to_matrix(dealt.calibration, columns))
    interval = fit_interval(expected, _vector(dealt.calibration, "value"))
    return Fits(fits.churn, fits.calibration, fits.base_rate, model, interval)


def expected_value(model: ValueModel, matrix: Matrix) -> Vector:
    """P(any) · amount, shape (n,), in money."""
    some, amount = (Booster.from_text(text).predict(matrix) for text in (model.any, model.amount))
    product: Vector = some * amount
    return product


def _vector(rows: pl.DataFrame, name: str) -> Vector:
    return rows[name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _categories(columns: tuple[FeatureColumn, ...]) -> list[int]:
    return [index for index, column in enumerate(columns) if column.kind == "category"]
