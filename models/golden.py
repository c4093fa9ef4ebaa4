"""golden.json: rows of features with the predictions they must give, wherever and whenever the bundle is loaded.

The rows are chosen so that between them they end in as many leaves of as many trees as possible: a leaf or a split
that was changed changes what they give. What changes no prediction of theirs, a digit between two customers or a field
that LightGBM never reads, is told by the sha256 of every file, taken of what was to be written and not of what the
disk then held.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from features.errors import RemoraError
from models.manifest import GOLDEN
from models.matrix import Float32

if TYPE_CHECKING:
    import polars as pl

    from models.bundle import Bundle

OTHER: Final = "is not what was written with the golden rows"
"""Said of a file, though its hash fits the manifest and all predictions are as recorded."""
FIRST: Final = 20
MOST: Final = 100
"""Golden rows: the first of those there are, then those that reach what no other has."""
_AMONG: Final = 1000
"""Rows from which they are chosen."""


def golden(bundle: "Bundle", frame: "pl.DataFrame") -> str:
    """golden.json: up to `MOST` rows of `frame`, what the bundle predicts for them, and what it is made of."""
    import polars as pl

    among = frame.head(_AMONG)
    chosen = among[_reaching(_leaves(bundle, bundle.matrix(among)))]
    numbers = [pl.col(c.name).cast(pl.Float64).fill_nan(None) for c in bundle.manifest.features if c.kind == "number"]
    rows = chosen.with_columns(numbers).select(bundle.manifest.names).to_dicts()
    return _sealed({"rows": rows, "expected": _predictions(bundle, rows), "made_of": bundle.manifest.made_of()})


def golden_problem(bundle: "Bundle") -> str | None:
    """What differs from what the bundle's golden.json records; None where nothing does."""
    try:
        text = (bundle.folder / GOLDEN).read_text(encoding="utf-8")
        told = json.loads(text)
        del told["seal"]
        if text != _sealed(told):
            return "golden.json was changed after it was written"
        return next(_differences(bundle, told), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RemoraError) as error:
        return f"golden.json does not fit the models ({type(error).__name__}: {error})"


def _sealed(content: dict[str, Any]) -> str:
    """The one text of this content: it ends in the sha256 of all else, so no byte of it can change unseen."""
    text = json.dumps(content, allow_nan=False)
    return json.dumps(content | {"seal": hashlib.sha256(text.encode()).hexdigest()}) + "\n"


def _differences(bundle: "Bundle", told: dict[str, Any]) -> Iterator[str]:
    """The predictions that are not those recorded, then the files: a prediction says more of what is wrong."""
    expected, files = told["expected"], told["made_of"]
    found, made_of = _predictions(bundle, told["rows"]), bundle.manifest.made_of()
    if not told["rows"] or found.keys() != expected.keys():
        yield "golden.json does not hold the predictions of these models"
        return
    yield from (f"{name} differs from what it was" for name in expected if not _same(found[name], expected[name]))
    names = sorted(made_of.keys() | files.keys())
    yield from (f"{name} {OTHER}" for name in names if made_of.get(name) != files.get(name))


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
