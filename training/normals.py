"""What is normal in the population: each feature's median, or most common level, for reasons to be told beside."""

from collections.abc import Sequence

import polars as pl

from models.manifest import FeatureColumn

DIGITS = 6
"""Significant digits kept: more would only be read by nobody."""


def normals(rows: pl.DataFrame, columns: Sequence[FeatureColumn]) -> dict[str, float | str]:
    """Feature → its median over `rows` (the training rows), or for a category its most common level.

    A feature that fewer than half of the rows know has no normal value and is left out. Of levels that are equally
    common the first by name counts.
    """
    found = {column.name: _normal(rows[column.name], column) for column in columns}
    return {name: value for name, value in found.items() if value is not None}


def _normal(values: pl.Series, column: FeatureColumn) -> float | str | None:
    known = values.cast(pl.String) if column.kind == "category" else values.cast(pl.Float64).fill_nan(None)
    known = known.drop_nulls()
    if 2 * len(known) < len(values) or known.is_empty():
        return None
    if column.kind == "category":
        return str(known.value_counts().sort("count", known.name, descending=[True, False])[known.name][0])
    middle = pl.select(pl.lit(known.median(), pl.Float64).round_sig_figs(DIGITS)).item()
    return float(middle)
