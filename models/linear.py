"""A linear predictor of log-odds: transformed columns, standardised, weighted and added up."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from features.errors import RemoraError
from models.part import Part

Matrix = NDArray[np.float32]
Vector = NDArray[np.float64]
Transform = Literal["identity", "log1p", "logit"]

CLIP: Final = 1e-6
"""Chances nearer to 0 or 1 are taken as this near: float32 hardly tells them apart."""


class LinearError(RemoraError):
    """A matrix lacks what a linear predictor reads."""


class Linear(Part):
    """intercept + Σ weight · (transform(column) − centre) / scale; a missing value counts as the centre."""

    columns: tuple[str, ...] = Field((), strict=False)
    transforms: tuple[Transform, ...] = Field((), strict=False)
    centers: tuple[float, ...] = Field((), strict=False)
    scales: tuple[float, ...] = Field((), strict=False)
    weights: tuple[float, ...] = Field((), strict=False)
    intercept: float

    @model_validator(mode="after")
    def _even(self) -> Self:
        parts = (self.transforms, self.centers, self.scales, self.weights)
        if any(len(part) != len(self.columns) for part in parts) or len(set(self.columns)) < len(self.columns):
            raise ValueError("columns must be distinct, and each needs a transform, centre, scale and weight")
        if any(scale <= 0 for scale in self.scales):
            raise ValueError("scales must be positive")
        return self

    def predict_raw(self, matrix: Matrix, names: Sequence[str]) -> Vector:
        """(n, f) with columns `names` → (n,) log-odds; a row alone gets the same bits as among others.

        Raises LinearError naming the columns that are missing.
        """
        terms = self._terms(matrix, self._places(names))
        started = np.column_stack([np.full(len(matrix), self.intercept), terms])
        return np.asarray(np.cumsum(started, axis=1)[:, -1])  # one after the other: no order of sums to depend on

    def contributions(self, matrix: Matrix, names: Sequence[str]) -> tuple[Vector, float]:
        """(n, f) parts, 0 where a column is not read, and the base: parts.sum(axis=1) + base = `predict_raw`."""
        parts, places = np.zeros(matrix.shape), self._places(names)
        parts[:, places] = self._terms(matrix, places)
        return parts, self.intercept

    def _places(self, names: Sequence[str]) -> list[int]:
        """Where the columns are among `names`."""
        known = {name: place for place, name in enumerate(names)}
        if missing := [name for name in self.columns if name not in known]:
            raise LinearError(
                f"features: {', '.join(missing)} missing, which the model reads; "
                "build the features with the version that trained the model"
            )
        return [known[name] for name in self.columns]

    def _terms(self, matrix: Matrix, places: Sequence[int]) -> Vector:
        """What each column adds, (n, k)."""
        values = matrix[:, places].astype(np.float64)
        for how, mine in self._alike.items():
            values[:, mine] = transformed(values[:, mine], how)
        centers, scales, weights = self._numbers
        terms = weights * ((values - centers) / scales)
        return np.where(np.isnan(terms), 0.0, terms)

    @cached_property
    def _numbers(self) -> tuple[Vector, Vector, Vector]:
        return np.array(self.centers), np.array(self.scales), np.array(self.weights)

    @cached_property
    def _alike(self) -> dict[Transform, list[int]]:
        """Transform → the columns that take it."""
        return {
            how: [k for k, own in enumerate(self.transforms) if own == how] for how in dict.fromkeys(self.transforms)
        }


def transformed(column: Matrix | Vector, how: Transform) -> Vector:
    """Values as a linear predictor takes it: log1p keeps the sign, logit stays finite, NaN stays NaN.

    >>> transformed(np.array([-1.0, 0.0, 1.0], dtype=np.float32), "log1p").round(3).tolist()
    [-0.693, 0.0, 0.693]
    """
    values = column.astype(np.float64)
    if how == "log1p":
        return np.copysign(np.log1p(np.abs(values)), values)
    if how == "logit":
        chance = np.clip(values, CLIP, 1 - CLIP)
        return np.asarray(np.log(chance) - np.log1p(-chance))
    return values
