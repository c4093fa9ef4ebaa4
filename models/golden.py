"""The golden rows of a bundle: features with the predictions they must give, wherever and whenever it is loaded.

They are chosen so that between them they end in as many leaves of as many trees as possible: a leaf or a split that
was changed changes what they give.
"""

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from features.errors import RemoraError
from models.matrix import Float32

if TYPE_CHECKING:
    import polars as pl

    from models.bundle import Bundle

FIRST: Final = 20
MOST: Final = 100
"""Golden rows: the first of those there are, then those that reach what no other has."""
_AMONG: Final = 1000
"""Rows from which they are chosen."""


def golden(bundle: "Bundle", frame: "pl.DataFrame") -> dict[str, Any]:
    """Up to `MOST` rows of `frame` as plain values, and what the bundle predicts for them."""
    import polars as pl

    among = frame.head(_AMONG)
    chosen = among[_reaching(_leaves(bundle, bundle.matrix(among)))]
    numbers = [pl.col(c.name).cast(pl.Float64).fill_nan(None) for c in bundle.manifest.features if c.kind == "number"]
    rows = chosen.with_columns(numbers).select(bundle.manifest.names).to_dicts()
    return {"rows": rows, "expected": _predictions(bundle, rows)}


def golden_problem(bundle: "Bundle") -> str | None:
    """What differs from the predictions recorded in the bundle's golden.json; None where nothing does."""
    try:
        told = json.loads((bundle.folder / "golden.json").read_text(encoding="utf-8"))
        expected: dict[str, Any] = told["expected"]
        found = _predictions(bundle, told["rows"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RemoraError) as error:
        return f"golden.json does not fit the models ({type(error).__name__}: {error})"
    if not told["rows"] or found.keys() != expected.keys():
        return "golden.json does not hold the predictions of these models"
    for name, recorded in expected.items():
        if not _same(found[name], recorded):
            return f"{name} differs from what it was"
    return None


def _predictions(bundle: "Bundle", rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """What the bundle predicts and, by the name of its file, what each Booster says before any of it is put together:

    a product does not tell its factors apart, and a bound hides what lies beyond it.
    """
    matrix = bundle.rows(rows)
    predicted = bundle.predict(matrix)
    arrays = predicted._asdict()
    for file, booster in bundle.trees.items():
        of_curve = bundle.curve if bundle.curve and booster is bundle.curve.trees else None
        arrays[file] = of_curve.raw(matrix) if of_curve else booster.predict_raw(matrix)
    return {name: array.tolist() for name, array in arrays.items() if array is not None}


def _same(found: list[Any], recorded: Any) -> bool:
    """Equal but for the last digits, in which processors differ."""
    now, then = np.array(found), np.array(recorded)
    return now.shape == then.shape and then.dtype == np.float64 and np.allclose(now, then, rtol=1e-9, atol=1e-12)


def _leaves(bundle: "Bundle", matrix: Float32) -> NDArray[np.int64]:
    """(n, f) → (n, trees of all Boosters) of numbers that no two leaves share."""
    edges = bundle.curve.fitted.edges if bundle.curve else ()
    at_edges = [np.hstack([matrix, np.full((len(matrix), 1), edge, dtype=np.float32)]) for edge in edges]
    columns = [
        column
        for booster in bundle.trees.values()
        for rows in (at_edges if bundle.curve and booster is bundle.curve.trees else [matrix])
        for column in booster.leaves(rows).T
    ]
    starts = np.cumsum([0, *(column.max(initial=0) + 1 for column in columns)])
    out = np.empty((len(matrix), len(columns)), dtype=np.int64)
    for place, column in enumerate(columns):
        out[:, place] = column + starts[place]
    return out


def _reaching(leaves: NDArray[np.int64]) -> list[int]:
    """The first rows of `leaves`, then each time the one that reaches the most of what none has reached."""
    wanted, chosen = np.ones(leaves.max(initial=0) + 1, dtype=bool), [*range(min(FIRST, len(leaves)))]
    while len(chosen) < min(MOST, len(leaves)):
        wanted[leaves[chosen]] = False
        adds = wanted[leaves].sum(axis=1)
        if not adds.any():
            break
        chosen.append(int(adds.argmax()))
    return sorted(chosen)
