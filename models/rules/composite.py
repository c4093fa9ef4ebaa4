"""The composite score of D2: 0 to 100, high is good. A pure function of one customer's row and the fitted values."""

from collections.abc import Iterable, Mapping

import polars as pl

from models.rules.fitted import FittedComposite
from models.rules.measure import cleaned, is_possible, measured, standardised
from models.rules.pack import PackError, RulePack
from models.rules.profiles import by_profile, profile_of
from models.rules.schema.composite import Composite, Indicator
from models.rules.tiers import tier_of

Weights = dict[str, float]

REMEDY = "fit again: train and promote; without a model, remove the folder `rules` under REMORA_HOME"


def composite_score(frame: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> pl.DataFrame:
    """Score each row of `frame` (customer_id and feature columns; a column that is not there is missing for all).

    score = 100 · Σ w·x over the indicators that have data, x standardised to 0..1, w as in `weights` under the row's
    profile.

    Returns one row per row of `frame`: customer_id, composite_score (0..100, null where nothing is known),
    composite_coverage (0..1), tier (its key; null where coverage is below the pack's minimum), profile (the weight
    profile that counted; null: everyone's), then per enabled indicator points_<indicator> (they add up to the score;
    null where absent) and value_<indicator> (as measured; null where missing or removed, the points then rest on the
    fitted mean), and per dimension dimension_<dimension> (0..1; null where absent).
    """
    _require_fitted(fitted, pack)
    indicators, weight = pack.composite.enabled, weights_by_profile(fitted, pack)
    values = frame.select(
        "customer_id",
        *(_value(frame, fitted, *item) for item in indicators.items()),
        profile=profile_of(frame, pack.composite),
    )
    points = values.with_columns(_points(weight, fitted, pack))
    rows = points.with_columns(_score(weight), _coverage(weight, pack), *_dimensions(weight, pack))
    known = pl.col("composite_coverage") > 0
    enough = pl.col("composite_coverage") >= pack.composite.minimum_coverage.value
    score = pl.col("composite_score")
    tier = pl.when(known & enough).then(tier_of(score, pack))
    return rows.with_columns(pl.when(known).then(score), tier=tier).select(
        "customer_id", "composite_score", "composite_coverage", "tier", "profile",
        *(f"points_{name}" for name in indicators), *(f"value_{name}" for name in indicators),
        *(f"dimension_{name}" for name in pack.composite.dimensions),
    )  # fmt: skip


def weights(fitted: FittedComposite, pack: RulePack, profile: str | None = None) -> Weights:
    """Indicator → effective weight under `profile`, of the indicators that have data; they add up to 1 (D2).

    An indicator without data spreads its weight inside its dimension, a dimension without data over the others:
    w = share of the dimension / shares of those with data · weight / weights of the dimension's with data.
    """
    composite = pack.composite.weighted(profile)
    shares = _shares(composite)
    present = {name: entry for name, entry in composite.enabled.items() if name in fitted.indicators}
    inside = _weight_by_dimension(present.values())
    reached = sum(shares[name] for name in inside)
    return {
        name: shares[entry.dimension] / reached * entry.weight.value / inside[entry.dimension]
        for name, entry in present.items()
    }


def weights_by_profile(fitted: FittedComposite, pack: RulePack) -> dict[str | None, Weights]:
    """`weights` of every active profile, and under None of everyone else."""
    return {profile: weights(fitted, pack, profile) for profile in (None, *pack.composite.active_profiles)}


def cleaning_report(frame: pl.DataFrame, fitted: FittedComposite, pack: RulePack) -> pl.DataFrame:
    """Count what cleaning met, one row per enabled indicator: indicator, feature (null: no data), customers, and of
    those missing, removed (logically wrong), clipped (outside the bounds), winsorised (outside its limits).
    """  # fmt: skip
    rows = [_cleaning(frame, fitted, name, entry) for name, entry in pack.composite.enabled.items()]
    counts = dict.fromkeys(("customers", "missing", "removed", "clipped", "winsorised"), pl.Int64)
    return pl.DataFrame(rows, schema={"indicator": pl.String, "feature": pl.String, **counts})


def _require_fitted(fitted: FittedComposite, pack: RulePack) -> None:
    unknown = [name for name in pack.composite.enabled if name not in {*fitted.indicators, *fitted.absent}]
    if unknown:
        raise PackError(
            *(f"composite.indicators.{name}: was not there when the score was fitted; {REMEDY}" for name in unknown)
        )


def _shares(composite: Composite) -> dict[str, float]:
    """Dimension → its share of all; under "points" that is the sum of its weights."""
    shares = {name: dimension.share.value for name, dimension in composite.dimensions.items()}
    if composite.method == "points":
        shares = _weight_by_dimension(composite.enabled.values())
    return {name: share / sum(shares.values()) for name, share in shares.items()}


def _weight_by_dimension(indicators: Iterable[Indicator]) -> dict[str, float]:
    total: dict[str, float] = {}
    for indicator in indicators:
        total[indicator.dimension] = total.get(indicator.dimension, 0) + indicator.weight.value
    return total


def _value(frame: pl.DataFrame, fitted: FittedComposite, name: str, indicator: Indicator) -> pl.Expr:
    fit = fitted.indicators.get(name)
    known = fit is not None and fit.feature in frame.columns
    value = cleaned(fit.feature, indicator) if fit and known else pl.lit(None, pl.Float64)
    return value.alias(f"value_{name}")


def _points(weight: Mapping[str | None, Weights], fitted: FittedComposite, pack: RulePack) -> list[pl.Expr]:
    points = []
    for name, indicator in pack.composite.enabled.items():
        fit = fitted.indicators.get(name)
        worth = standardised(pl.col(f"value_{name}"), fit, indicator) if fit else pl.lit(None, pl.Float64)
        most = by_profile({profile: 100 * each.get(name, 0) for profile, each in weight.items()})
        points.append((most * worth).alias(f"points_{name}"))
    return points


def _score(weight: Mapping[str | None, Weights]) -> pl.Expr:
    """The sum of the points. Rounded to 9 digits: what is 70 by hand must not miss its tier by floating point."""
    points = [pl.col(f"points_{name}") for name in weight[None]]
    return pl.sum_horizontal(pl.lit(0.0), *points).round(9).clip(0, 100).alias("composite_score")


def _coverage(weight: Mapping[str | None, Weights], pack: RulePack) -> pl.Expr:
    """Share of weight that rests on this customer's data.

    Weight spread inside a dimension rests on that dimension's data; a dimension without any counts as not covered.
    """
    reached = {profile: _reached(names, pack.composite.weighted(profile)) for profile, names in weight.items()}
    known = [
        by_profile({profile: reached[profile] * each[name] for profile, each in weight.items()})
        * pl.col(f"value_{name}").is_not_null()
        for name in weight[None]
    ]
    return pl.sum_horizontal(pl.lit(0.0), *known).round(9).clip(0, 1).alias("composite_coverage")


def _reached(names: Iterable[str], composite: Composite) -> float:
    """The share of the dimensions that have data."""
    shares = _shares(composite)
    return sum(shares[dimension] for dimension in dict.fromkeys(composite.indicators[name].dimension for name in names))


def _dimensions(weight: Mapping[str | None, Weights], pack: RulePack) -> list[pl.Expr]:
    """Value of a dimension: its points over the most it can earn."""
    values = []
    for dimension in pack.composite.dimensions:
        names = [name for name in weight[None] if pack.composite.indicators[name].dimension == dimension]
        per_point = {profile: 0.01 / sum(each[name] for name in names) for profile, each in weight.items() if names}
        value = (
            pl.sum_horizontal(f"points_{name}" for name in names) * by_profile(per_point)
            if names
            else pl.lit(None, pl.Float64)
        )
        values.append(value.alias(f"dimension_{dimension}"))
    return values


def _cleaning(frame: pl.DataFrame, fitted: FittedComposite, name: str, indicator: Indicator) -> dict[str, object]:
    fit = fitted.indicators.get(name)
    if fit is None or fit.feature not in frame.columns:
        return {"indicator": name, "customers": frame.height, "missing": frame.height} | dict.fromkeys(
            ("removed", "clipped", "winsorised"), 0
        )
    value, possible = (
        measured(fit.feature, indicator),
        is_possible(measured(fit.feature, indicator), indicator.possible),
    )
    counts = frame.select(
        missing=value.is_null().sum(),
        removed=(~possible).sum(),
        clipped=(possible & ~value.is_between(fit.low, fit.high)).sum(),
        winsorised=(possible & (value != value.clip(fit.winsor_low, fit.winsor_high))).sum(),
    )
    return {"indicator": name, "feature": fit.feature, "customers": frame.height, **counts.row(0, named=True)}
