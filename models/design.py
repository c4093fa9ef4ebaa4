"""How a customer's features become a row of the matrix: the manifest's columns, then those derived from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.derived import Rhythm, derived, derived_names
from models.manifest import FeatureColumn
from models.matrix import Float32, to_matrix

if TYPE_CHECKING:
    import polars as pl

Cell = float | str | bool | None


@dataclass(frozen=True)
class Design:
    """`columns` come from the features, `rhythm` adds what a model of purchase rhythm makes of some of them."""

    columns: tuple[FeatureColumn, ...]
    rhythm: Rhythm | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix, in its order."""
        given = tuple(column.name for column in self.columns)
        return given + (derived_names(self.rhythm) if self.rhythm else ())

    @cached_property
    def categories(self) -> tuple[int, ...]:
        """Places of the columns that hold codes of categories."""
        return tuple(place for place, column in enumerate(self.columns) if column.kind == "category")

    @cached_property
    def described(self) -> tuple[FeatureColumn, ...]:
        """Name and kind of every column of the matrix, in its order."""
        return self.columns + tuple(FeatureColumn(name=name) for name in self.names[len(self.columns) :])

    def column(self, matrix: Float32, name: str) -> NDArray[np.float64] | None:
        """(n, f + k) → the column `name`, (n,); None where there is none."""
        return matrix[:, self.names.index(name)].astype(np.float64) if name in self.names else None

    def matrix(self, frame: "pl.DataFrame") -> Float32:
        """(n, f + k) float32, whatever the order of `frame`; extra columns are left out.

        Nulls and unknown categories become NaN. Raises BundleError naming every column that is missing or of the
        wrong kind.
        """
        return self.completed(to_matrix(frame, self.columns))

    def rows(self, customers: Sequence[Mapping[str, Cell]]) -> Float32:
        """The same from mappings of feature to value, for the few customers of one request. All names must be there."""
        out = np.empty((len(customers), len(self.codes)), dtype=np.float32)
        for i, values in enumerate(customers):
            for j, (name, codes) in enumerate(self.codes):
                value = values[name]
                out[i, j] = np.nan if value is None else value if codes is None else codes.get(value, np.nan)
        return self.completed(out)

    def completed(self, given: Float32) -> Float32:
        """(n, f) of the given columns → (n, f + k), with those derived from them."""
        if self.rhythm is None:
            return given
        added = derived(self.rhythm, given, [column.name for column in self.columns])
        return np.ascontiguousarray(np.hstack([given, added]))

    @cached_property
    def codes(self) -> list[tuple[str, dict[Any, int] | None]]:
        """Per feature its name, and for a category the code of each level."""
        return [
            (c.name, {level: i for i, level in enumerate(c.levels)} if c.kind == "category" else None)
            for c in self.columns
        ]
