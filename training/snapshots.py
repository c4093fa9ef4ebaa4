"""Features and outcomes at every cut-off, in one frame: what a model learns from and is tested on."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import polars as pl

from features.build import Fitted, build_many, steady
from features.catalog import kinds, split_window
from features.clock import moment
from features.engines import Source
from features.profile import RULES, learnable
from features.settings import Definition, Settings
from models.manifest import FeatureColumn
from models.rules import load_pack
from models.rules.fact_rows import core_features
from training.labels import realised_value
from training.split import folds
from training.targets import Targets

MOST_LEVELS = 100
"""Text columns with more levels than this are keys rather than categories."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Snapshots:
    """`rows`: customer_id, as_of (Int64 µs), fold, at_stake, churned, value, then every feature.

    `churned` is null off stake and where the window is open, `value` where its window is open. `columns` are the
    features a model may use, `left_out` says why others are not.
    """

    rows: pl.DataFrame
    columns: tuple[FeatureColumn, ...]
    left_out: Mapping[str, str]
    fitted: Fitted


def fit_population(source: Source, as_of: int, definition: Definition, settings: Settings) -> Fitted:
    """What the features need to know of the population, learnt from what was known at `as_of`."""
    static = learnable(source.tables) if definition == "labelled" else settings.profile.static
    excluded = settings.features.exclude
    return Fitted(
        core_features=core_features(source.until(as_of).tables, as_of, load_pack(settings.rules.pack)),
        static=tuple(name for name in static if name not in excluded),
    )


def take(
    source: Source, targets: Targets, fitted: Fitted, settings: Settings, progress: Progress = lambda step: None
) -> Snapshots:
    """Snapshots at every cut-off of `targets`, from a source that ends at the run's as-of date."""
    frames = []
    for as_of, wide in zip(targets.cutoffs, build_many(source.tables, targets.cutoffs, fitted), strict=True):
        frames.append(_with_outcomes(wide, source, as_of, targets, settings))
        progress(f"{moment(as_of):%Y-%m-%d}: {wide.height:,} customers")
    rows = steady(pl.concat(frames, how="diagonal")).with_columns(fold=pl.lit(0, pl.Int64))
    rows = rows.with_columns(pl.Series("fold", folds(rows["customer_id"])))
    training = {*targets.churn.training, *(targets.value.training if targets.value else ())}
    columns, left_out = choose(rows, training, settings, fitted.static)
    return Snapshots(rows, columns, left_out, fitted)


def choose(
    rows: pl.DataFrame, training: Collection[int], settings: Settings, static: Collection[str]
) -> tuple[tuple[FeatureColumn, ...], dict[str, str]]:
    """Features that may train, with the levels of categories; and the others, each with the reason."""
    seen = rows.filter(pl.col("as_of").is_in(training) & pl.col("at_stake"))
    wide = seen.select(pl.exclude("as_of", "fold", "at_stake", "churned", "value"))
    left_out = {
        name: why
        for name in wide.columns
        if name != "customer_id"
        if (why := _unfit(name, seen, settings.features.exclude, static))
    }
    return tuple(_column(name, kind, seen) for name, kind in kinds(wide).items() if name not in left_out), left_out


def _with_outcomes(
    wide: pl.DataFrame, source: Source, as_of: int, targets: Targets, settings: Settings
) -> pl.DataFrame:
    rows = wide.with_columns(as_of=pl.lit(as_of, pl.Int64))
    rows = rows.join(targets.outcomes[as_of], on="customer_id", how="left").with_columns(
        at_stake=pl.col("churned").is_not_null()
    )
    if targets.value is None or targets.value_source is None or as_of > targets.value.test:
        return rows.with_columns(value=pl.lit(None, pl.Float64))
    counted, horizon = settings.value, settings.value_horizon_days
    value = realised_value(
        source.tables, as_of, targets.value_source, horizon, counted.measure, counted.annual_discount_rate
    )
    return rows.join(value, on="customer_id", how="left").with_columns(pl.col("value").fill_null(0.0))


def _unfit(name: str, seen: pl.DataFrame, exclude: Collection[str], static: Collection[str]) -> str | None:
    column = name.removeprefix("profile_")
    if {name, column, split_window(name)[0]} & set(exclude):
        return "excluded by [features] exclude"
    if name.startswith("profile_") and column in RULES and column not in static:
        return "describes today; declare it in [profile] static to let the models use it"
    known = seen.group_by("as_of").agg(pl.col(name).is_not_null().any())[name]
    if not known.all():
        return "unknown for everyone at one training cut-off or more (its window begins before its table)"
    levels = seen[name].n_unique()
    if levels == 1:
        return "the same for everyone"
    if seen.schema[name] == pl.String and levels > MOST_LEVELS:
        return f"{levels} different texts: a key rather than a category"
    return None


def _column(name: str, kind: str, seen: pl.DataFrame) -> FeatureColumn:
    if kind == "number":
        return FeatureColumn(name=name, kind="number")
    return FeatureColumn(name=name, kind="category", levels=tuple(seen[name].drop_nulls().unique().sort().to_list()))
