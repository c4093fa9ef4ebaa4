"""The churn curves of a bundle as the output contract has them: for many rows at once, and for one."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.prediction import CURVE

Float64 = NDArray[np.float64]


def curve_series(edges: Sequence[int], probabilities: Float64) -> pl.Series:
    """Days (K) and churn probabilities (n, K) → (n,) of the contract's list of points, without an object a point."""
    n, width = probabilities.shape
    long = pl.DataFrame({"days": np.tile(np.array(edges, dtype=np.int32), n), "probability": probabilities.ravel()})
    if not n:
        return pl.Series("churn_curve", [], CURVE)
    return long.to_struct().reshape((n, width)).arr.to_list().cast(CURVE).alias("churn_curve")


def curve_points(edges: Sequence[int], probabilities: Float64) -> list[dict[str, float]]:
    """The same of one row, (K,), as plain data."""
    pairs = zip(edges, probabilities.tolist(), strict=True)
    return [{"days": days, "probability": probability} for days, probability in pairs]
