"""Fitting the composite score: bounds and fill means per indicator."""

from typing import NamedTuple

import polars as pl

from models.rules.fitted import Basis, FittedComposite, FittedIndicator
from models.rules.measure import cleaned
from models.rules.pack import RulePack
from models.rules.schema.composite import Bounds, Composite, Indicator, Percentiles


def fit_composite(frame: pl.DataFrame, pack: RulePack, currency: str | None = None) -> FittedComposite:
    """Learn bounds and fill means from `frame` (one row per customer, feature columns).

    An indicator uses the first of its `features` that has a possible value for anyone; without one it is `absent`.
    Bounds in money count only where `currency` (ISO 4217) is theirs; otherwise they are fitted, and marked so.
    """
    fits = {
        name: _fit(frame, indicator, pack.composite, currency) for name, indicator in pack.composite.enabled.items()
    }
    return FittedComposite(
        rules_version=pack.rules_version,
        indicators={name: fit for name, fit in fits.items() if fit},
        absent=tuple(name for name, fit in fits.items() if not fit),
    )


class _Bounds(NamedTuple):
    low: float
    high: float
    at_bound: float
    basis: Basis


def _fit(
    frame: pl.DataFrame, indicator: Indicator, composite: Composite, currency: str | None
) -> FittedIndicator | None:
    for feature in indicator.features:
        if feature in frame.columns:
            values = frame.select(cleaned(feature, indicator)).to_series().drop_nulls()
            if len(values):
                return _fitted(feature, values, indicator, composite, currency)
    return None


def _fitted(
    feature: str, values: pl.Series, indicator: Indicator, composite: Composite, currency: str | None
) -> FittedIndicator:
    given = indicator.bounds
    currency_off = given is not None and given.currency not in (None, currency)
    bounds = _bounds(values, None if currency_off else given, composite)
    winsor_low, winsor_high = _winsor_limits(values, indicator.winsorise)
    return FittedIndicator(
        feature=feature,
        mean=_mean(values.clip(winsor_low, winsor_high)),
        winsor_low=winsor_low,
        winsor_high=winsor_high,
        currency_off=currency_off,
        **bounds._asdict(),
    )


def _bounds(values: pl.Series, given: Bounds | None, composite: Composite) -> _Bounds:
    """Given ends stay; the others are percentiles. Where both ends coincide, a given end keeps its worth."""
    low, high = (given.low, given.high) if given else (None, None)
    fitted_low = _percentile(values, composite.lower_percentile.value)
    fitted_high = _percentile(values, composite.upper_percentile.value)
    if low is not None and high is not None:
        return _Bounds(low, high, 0.5, "pack")
    if low is not None:
        return _Bounds(low, max(low, fitted_high), 0.0, "pack and data")
    if high is not None:
        return _Bounds(min(fitted_low, high), high, 1.0, "pack and data")
    return _Bounds(fitted_low, fitted_high, 0.5, "data")


def _winsor_limits(values: pl.Series, limits: Percentiles | None) -> tuple[float | None, float | None]:
    """D2: extreme spends are winsorised. It protects the mean; at scoring, the bounds clip."""
    if limits is None:
        return None, None
    return _percentile(values, limits.low), _percentile(values, limits.high)


def _percentile(values: pl.Series, percent: float) -> float:
    found = values.quantile(percent / 100, interpolation="linear")
    assert found is not None  # `values` is never empty
    return found


def _mean(values: pl.Series) -> float:
    """The mean, kept inside the values' range: that of a constant must not differ from it in the last digit."""
    numbers = values.to_numpy()
    return float(min(max(numbers.mean(), numbers.min()), numbers.max()))
