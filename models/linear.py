"""A linear predictor of log-odds: transformed columns, standardised, weighted and added up."""

from collections.abc import Iterator, Sequence
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
        total = np.full(len(matrix), self.intercept)
        for _, term in self._terms(matrix, names):
            total = total + term
        return total

    def contributions(self, matrix: Matrix, names: Sequence[str]) -> tuple[Vector, float]:
        """(n, f) parts, 0 where a column is not read, and the base: parts.sum(axis=1) + base = `predict_raw`."""
        parts = np.zeros(matrix.shape)
        for place, term in self._terms(matrix, names):
            parts[:, place] = term
        return parts, self.intercept

    def _terms(self, matrix: Matrix, names: Sequence[str]) -> Iterator[tuple[int, Vector]]:
        """(place in the matrix, what the column adds, (n,)) of each column."""
        if missing := [name for name in self.columns if name not in names]:
            raise LinearError(
                f"features: {', '.join(missing)} missing, which the model reads; "
                "build the features with the version that trained the model"
            )
        places = [list(names).index(name) for name in self.columns]
        for place, how, *numbers in zip(places, self.transforms, self.centers, self.scales, self.weights, strict=True):
            center, scale, weight = numbers
            standardised = (transformed(matrix[:, place], how) - center) / scale
            yield place, np.where(np.isnan(standardised), 0.0, weight * standardised)


def transformed(column: NDArray[np.float32], how: Transform) -> Vector:
    """(n,) as a linear predictor takes it: log1p keeps the sign, logit stays finite, NaN stays NaN.

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
