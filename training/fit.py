"""Fitting on snapshots: which rows train, calibrate and test, and the models that come of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from models.booster import Booster
from models.calibration import Calibration
from models.churn import Vector, early_rounds
from models.churn_model import ChurnModel
from models.design import Design
from models.fit_bg_nbd import fit_rhythm
from models.mixture import Mixture
from training.calibration import Compared, fit_calibration, slice_rows
from training.churn_choice import Members, Recipe, Tuned, choose, fit_members
from training.churn_curve import FittedCurve
from training.fit_value import FittedValue, fit_value
from training.inner import inner_plan
from training.snapshots import Snapshots
from training.split import Plan, folds
from training.targets import Targets
from training.value_choice import SimpleForecast


@dataclass(frozen=True)
class Roles:
    """Rows by what they are for. No customer of `calibration` or, without a later period, of `test` trains."""

    training: pl.DataFrame
    calibration: pl.DataFrame
    test: pl.DataFrame


@dataclass(frozen=True)
class Horizons:
    """Days: of the churn window (grace included), of churn, and of value."""

    window: int
    churn: int
    value: int


@dataclass(frozen=True)
class FittedChurn:
    """The members, how they are mixed and calibrated, and how that was chosen."""

    members: Members
    mixture: Mixture
    calibration: Calibration
    base_rate: float
    recipe: Recipe
    calibrations: tuple[Compared, ...]

    @property
    def trees(self) -> str | None:
        """The text of the trees; None where they have no weight."""
        return self.members.trees if self.mixture.trees_weight else None

    def model(self, design: Design) -> ChurnModel:
        """As it will be served, on the matrices of `design`."""
        grown = Booster.from_text(self.trees) if self.trees else None
        return ChurnModel(self.mixture, self.calibration, grown, design.names)


@dataclass(frozen=True)
class Fits:
    """Everything that was fitted for one bundle."""

    design: Design
    churn: FittedChurn
    value: FittedValue | None = None
    curve: FittedCurve | None = None


def roles(rows: pl.DataFrame, plan: Plan) -> Roles:
    """Deal `rows` out by cut-off and fold.

    With a later period fold 0 calibrates, at every training cut-off, and everyone is tested later. Without one, fold 0
    is the test and fold 1 calibrates.
    """
    trains, tests, fold = pl.col("as_of").is_in(plan.training), pl.col("as_of") == plan.test, pl.col("fold")
    if plan.later_period:
        return Roles(rows.filter(trains & (fold != 0)), slice_rows(rows, plan), rows.filter(tests))
    return Roles(rows.filter(trains & (fold > 1)), slice_rows(rows, plan), rows.filter(tests & (fold == 0)))


def training_counts(outcomes: Mapping[int, pl.DataFrame], plan: Plan) -> tuple[int, int, int]:
    """Churners and stayers among the rows that will train, and their customers, from `outcomes` (see `Targets`)."""
    labels = pl.concat([outcomes[cutoff].with_columns(as_of=pl.lit(cutoff, pl.Int64)) for cutoff in plan.training])
    training = roles(labels.with_columns(pl.Series("fold", folds(labels["customer_id"]))), plan).training
    churners = int(training["churned"].sum())
    return churners, training.height - churners, training["customer_id"].n_unique()


def fit(
    snapshots: Snapshots, targets: Targets, horizons: Horizons, trees: bool = True, tuned: Tuned | None = None,
    simple: SimpleForecast | None = None,
) -> Fits:  # fmt: skip
    """Fit churn on those at stake and value on everyone known.

    Without `trees` only simple members are fitted; `tuned` replaces parameters of the trees. `simple` is the
    column that counts the same money as the value does, where one does.
    """
    design = fit_design(snapshots, targets.churn, targets.churn.calibration, horizons)
    churn = fit_churn_model(snapshots, targets, design, horizons, trees, tuned)
    if targets.value is None:
        return Fits(design, churn)
    return Fits(design, churn, fit_value(snapshots.rows, targets.value, design, horizons.value, simple))


def fit_design(snapshots: Snapshots, plan: Plan, cutoff: int, horizons: Horizons) -> Design:
    """The columns, and the rhythm of purchases of all who train and were known at `cutoff`, once each."""
    plain = Design(snapshots.columns)
    rows = snapshots.rows.filter((pl.col("as_of") == cutoff) & (pl.col("fold") > (0 if plan.later_period else 1)))
    return Design(snapshots.columns, fit_rhythm(plain.matrix(rows), plain.names, horizons.churn, horizons.value))


def fit_churn_model(
    snapshots: Snapshots, targets: Targets, design: Design, horizons: Horizons, trees: bool, tuned: Tuned | None
) -> FittedChurn:
    """Choose on an earlier period, then fit what was chosen on all training rows."""
    plan, rows = targets.churn, snapshots.rows.filter(pl.col("at_stake"))
    inner = inner_plan(plan, horizons.window)
    earlier = fit_design(snapshots, plan, inner.training[-1], horizons) if inner else design
    recipe = choose(rows, plan, horizons.window, earlier, targets.definition, trees, tuned)
    return fit_recipe(rows, targets, design, recipe, tuned)


def with_rounds(snapshots: Snapshots, plan: Plan, design: Design, tuned: Tuned | None) -> Tuned:
    """`tuned` with the rounds that early stopping finds: grown without fold 1, stopped by it at the latest cut-off.

    Without a later period fold 1 calibrates, and fold 2 takes its place. As `tuned` it is where there is nothing to
    stop on.
    """
    training = roles(snapshots.rows.filter(pl.col("at_stake")), plan).training
    stops = pl.col("fold") == (1 if plan.later_period else 2)
    grows, later = training.filter(~stops), training.filter(stops & (pl.col("as_of") == plan.calibration))
    if min(grows["churned"].n_unique(), later["churned"].n_unique()) < 2:
        return dict(tuned or {})
    held = design.matrix(later), _churned(later)
    rounds = early_rounds(design.matrix(grows), _churned(grows), held, design.categories, tuned)
    return {**(tuned or {}), "rounds": rounds}


def refitted(fits: Fits, snapshots: Snapshots, targets: Targets, tuned: Tuned | None = None) -> Fits:
    """The churn model of the same recipe on the same columns, learnt from other cut-offs; value as it is."""
    rows = snapshots.rows.filter(pl.col("at_stake"))
    return replace(fits, churn=fit_recipe(rows, targets, fits.design, fits.churn.recipe, tuned))


def fit_recipe(
    rows: pl.DataFrame, targets: Targets, design: Design, recipe: Recipe, tuned: Tuned | None
) -> FittedChurn:
    """Fit every member on the training rows, mix them by `recipe`, calibrate on customers set aside."""
    dealt = roles(rows, targets.churn)
    members = fit_members(dealt.training, design, targets.definition, recipe.trees_weight > 0, tuned)
    base_rate = float(_churned(dealt.training).mean())
    fitted = FittedChurn(members, members.mixture(recipe), Calibration(), base_rate, recipe, ())
    aside = dealt.calibration
    raw = fitted.model(design).raw(design.matrix(aside))
    calibration, compared = fit_calibration(raw, _churned(aside), aside["customer_id"].to_numpy())
    return replace(fitted, calibration=calibration, calibrations=compared)


def _churned(rows: pl.DataFrame) -> Vector:
    return rows["churned"].cast(pl.Float64).fill_null(np.nan).to_numpy()
