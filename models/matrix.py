"""From a frame of features to the matrix a model takes: the order of the manifest, never luck."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from features.errors import raise_all
from models.manifest import BundleError, FeatureColumn

if TYPE_CHECKING:
    import polars as pl  # late, for a bundle's trial needs none, and is waited for

Float32 = NDArray[np.float32]


def to_matrix(frame: "pl.DataFrame", columns: Sequence[FeatureColumn]) -> Float32:
    """(n, f) float32 in the order of `columns`, whatever the order of `frame`; extra columns are left out.

    Nulls and unknown categories become NaN. Raises BundleError naming every column that is missing or of the wrong
    kind.
    """
    schema = frame.schema
    raise_all(BundleError, [problem for column in columns if (problem := _misfit(column, schema))])
    coded = frame.select(_coded(column, schema) for column in columns)
    return np.ascontiguousarray(coded.to_numpy(), dtype=np.float32)


def _misfit(column: FeatureColumn, schema: "pl.Schema") -> str | None:
    """What is wrong with the place of `column` in a frame of `schema`, if anything."""
    import polars as pl

    if column.name not in schema:
        return f"features: column {column.name} is missing; build the features with the version that trained the model"
    kind = schema[column.name]
    number = kind.is_numeric() or kind == pl.Boolean
    text = kind in (pl.String, pl.Categorical, pl.Enum)
    if kind == pl.Null or (text if column.kind == "category" else number):
        return None
    return f"features: column {column.name} holds {kind}, the model takes a {column.kind}"


def _coded(column: FeatureColumn, schema: "pl.Schema") -> "pl.Expr":
    import polars as pl

    values = pl.col(column.name)
    if column.kind == "number" or schema[column.name] == pl.Null:
        return values.cast(pl.Float32)
    codes = [float(code) for code in range(len(column.levels))]
    coded = values.cast(pl.String).replace_strict(list(column.levels), codes, default=None, return_dtype=pl.Float32)
    return coded.alias(column.name)
