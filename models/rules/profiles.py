"""Weight profiles by business or segment (D2): whose shares and weights count for a customer."""

from collections.abc import Mapping

import polars as pl

from models.rules.rows import column
from models.rules.schema.composite import Composite, When


def profile_of(frame: pl.DataFrame, composite: Composite) -> pl.Expr:
    """The key of the first active profile that fits a row; null: the shares and weights of everyone.

    A column that is absent or null fits no profile.
    """
    name = pl.lit(None, pl.String)
    for key, profile in reversed(composite.active_profiles.items()):
        name = pl.when(_fits(frame, profile.when)).then(pl.lit(key)).otherwise(name)
    return name


def by_profile(values: Mapping[str | None, float]) -> pl.Expr:
    """Each row's own of `values` (profile, None for everyone → number), by its column `profile`."""
    value = pl.lit(values[None])
    for profile, other in values.items():
        if other != values[None]:
            value = pl.when(pl.col("profile") == profile).then(pl.lit(other)).otherwise(value)
    return value


def _fits(frame: pl.DataFrame, when: When) -> pl.Expr:
    if when.is_in is not None:
        return column(frame, when.column, pl.String).is_in(when.is_in)
    value, fits = column(frame, when.column).fill_nan(None), pl.lit(True)
    if when.low is not None:
        fits &= value >= when.low
    if when.high is not None:
        fits &= value < when.high
    return fits
