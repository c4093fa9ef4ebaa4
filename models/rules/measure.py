"""From a feature column to an indicator's value: measured, cleaned, standardised. Each looks at one row.

Factors, not divisors: Polars divides one row and many rows differently in the last digit.
"""

from sys import float_info

import polars as pl

from models.rules.fitted import FittedIndicator
from models.rules.schema.composite import Band, Indicator
from models.rules.schema.entries import Interval


def measured(feature: str, indicator: Indicator) -> pl.Expr:
    """The value as the rules mean it: the column itself, or its fit to the target band. NaN is missing."""
    value = pl.col(feature).cast(pl.Float64).fill_nan(None)
    if indicator.band and feature in indicator.band.features:
        return band_fit(value, indicator.band)
    return value


def band_fit(size: pl.Expr, band: Band) -> pl.Expr:
    """RULES §1, fit of the company's size: 1 inside the band, falling linearly outside.

    fit = clip(min((size - zero_below) / (low - zero_below), (zero_above - size) / (zero_above - high)), 0, 1)
    """
    rising = (size - band.zero_below) * (1 / (band.low - band.zero_below))
    falling = (band.zero_above - size) * (1 / (band.zero_above - band.high))
    return pl.when(size.is_not_null()).then(pl.min_horizontal(rising, falling).clip(0, 1))


def is_possible(value: pl.Expr, limits: Interval | None) -> pl.Expr:
    """Whether a value is logically right (D2: a negative tenure or a rate above 1 is not)."""
    possible = value.is_finite()
    if limits and limits.low is not None:
        possible &= value >= limits.low
    if limits and limits.high is not None:
        possible &= value <= limits.high
    return possible


def cleaned(feature: str, indicator: Indicator) -> pl.Expr:
    """The measured value; what is logically wrong is removed, that is, null (D2)."""
    value = measured(feature, indicator)
    return pl.when(is_possible(value, indicator.possible)).then(value)


def standardised(value: pl.Expr, fit: FittedIndicator, indicator: Indicator) -> pl.Expr:
    """0..1, high is good: the value between its bounds, clipped; a missing one is filled with the fitted mean (D2)."""
    filled = value.fill_null(fit.mean)
    width = fit.high - fit.low
    if width > float_info.min:
        share = ((filled - fit.low) * (1 / width)).clip(0, 1)
    else:  # no width: a step, so that the score stays monotone
        share = pl.when(filled < fit.low).then(0.0).when(filled > fit.low).then(1.0).otherwise(fit.at_bound)
    return 1 - share if indicator.direction == "lower" else share
