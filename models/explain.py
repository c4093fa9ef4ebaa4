"""Why a prediction is what it is: exact contributions of the features, told in words beside what is normal.

Churn is explained on the calibrated log-odds, worth on the logarithm of the expected value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features import catalog
from models.booster import Booster
from models.bundle import Bundle
from models.contributions import Contributions, Float64
from models.manifest import FeatureColumn
from models.prediction import REASON, Reason
from models.telling import Cell, Of, Usual, plain, reason_text, told
from models.value_contributions import value_parts
from models.value_model import BOOSTERS

__all__ = ["reason_series", "reason_text", "reasons", "usual_of", "value_reasons"]

Float32 = NDArray[np.float32]

TOP = 3
BATCH = 10_000
"""Rows explained at once: it bounds the memory."""


def churn_contributions(bundle: Bundle, matrix: Float32, threads: int = 0) -> Contributions:
    """(n, f) on the log-odds of the calibrated probability; base is that of an average row."""
    parts, base = bundle.churn.calibrated_contributions(matrix, threads)
    return Contributions(bundle.design.names, parts, np.full(len(parts), base))


def value_contributions(bundle: Bundle, matrix: Float32, threads: int = 0) -> Contributions:
    """(n, f) on the logarithm of the expected value. Raises ValueError without value models."""
    if bundle.manifest.value is None:
        raise ValueError("this bundle has no value models")
    mixture, design = bundle.manifest.value.mixture, bundle.design
    needed = BOOSTERS[mixture.trees] if mixture.trees else ()
    said = {name: _of(bundle.value[name], design.names, matrix, threads) for name in needed}
    if mixture.linear:
        parts, base = mixture.linear.contributions(matrix, design.names)
        said["linear"] = Contributions(design.names, parts, np.full(len(parts), base))
    average = float(normals_of(bundle).get(mixture.column, 1.0)) * mixture.factor
    return value_parts(mixture, design.names, said, design.column(matrix, mixture.column), average)


def reasons(bundle: Bundle, matrix: Float32, top: int = TOP, *, threads: int = 0) -> list[list[Reason]]:
    """For each row of `matrix` the `top` drivers of its risk, largest first; fewer where fewer features matter.

    Features that differ only in their window tell one story: the strongest of them speaks. `size` is the
    feature's share of the row's total absolute contribution.
    """
    return _listed(bundle, matrix, top, threads, "risk")


def value_reasons(bundle: Bundle, matrix: Float32, top: int = TOP, *, threads: int = 0) -> list[list[Reason]]:
    """The same of the expected value. Raises ValueError without value models."""
    return _listed(bundle, matrix, top, threads, "worth")


def reason_series(
    bundle: Bundle, matrix: Float32, top: int = TOP, *, of: Of = "risk", threads: int = 0, batch: int = BATCH
) -> pl.Series:
    """`reasons` or `value_reasons` of many rows as a List of `prediction.REASON`, without an object a reason."""
    empty = pl.Series("reasons", [], pl.List(REASON))
    starts = range(0, len(matrix), batch)
    parts = (_series(_drivers(bundle, matrix[start : start + batch], top, threads, of)) for start in starts)
    return pl.concat([empty, *parts])


def usual_of(bundle: Bundle, row: Float32) -> dict[str, Usual]:
    """Feature → what is normal for the one customer of `row` (1, f); features of which nothing is known are absent."""
    columns, normals = bundle.design.described, normals_of(bundle)
    names = tuple(column.name for column in columns)
    own = _own(names, row, np.arange(len(names))[None])[0]
    found = {name: _usual(normals.get(name), rhythm) for name, rhythm in zip(names, own.tolist(), strict=True)}
    return {name: usual for name, usual in found.items() if usual is not None}


def values_of(bundle: Bundle, row: Float32) -> dict[str, Cell]:
    """Feature → its value in the one row of `row` (1, f): number, level, or None where it is not known."""
    return {
        column.name: plain(column, float(value)) for column, value in zip(bundle.design.described, row[0], strict=True)
    }


def normals_of(bundle: Bundle) -> Mapping[str, float | str]:
    """Feature → what most customers had in training; empty for bundles from before that was kept."""
    kept: Mapping[str, float | str] = bundle.manifest.fitted.get("normals", {})
    return kept


def top_of_groups(sizes: Float64, groups: NDArray[np.intp], top: int) -> NDArray[np.intp]:
    """(n, f) sizes and the group of each column → (n, k) columns, largest first, at most one of each group.

    >>> top_of_groups(np.array([[5.0, 4.0, 3.0]]), np.array([0, 0, 1]), 2).tolist()
    [[0, 2]]
    """
    left = sizes.copy()
    chosen = []
    for _ in range(min(top, len(np.unique(groups)))):
        best = left.argmax(axis=1)
        chosen.append(best)
        left[groups[best][:, None] == groups] = -1.0
    return np.stack(chosen, axis=1)


@dataclass(frozen=True)
class _Drivers:
    """The chosen columns of n rows, all arrays (n, k): their places, contributions, shares, values and own rhythms."""

    columns: tuple[FeatureColumn, ...]
    normals: Mapping[str, float | str]
    of: Of
    chosen: NDArray[np.intp]
    parts: Float64
    sizes: Float64
    values: Float32
    own: Float32

    def each(self) -> Iterator[tuple[str, Cell, str, float, str]]:
        """Feature, value, direction, size and words of each place, row by row."""
        arrays = (self.chosen, self.values, self.own, self.parts, self.sizes)
        for j, number, rhythm, part, size in zip(*(array.ravel().tolist() for array in arrays), strict=True):
            column, direction = self.columns[j], "raises" if part > 0 else "lowers"
            value, usual = plain(column, number), _usual(self.normals.get(column.name), rhythm)
            yield column.name, value, direction, size, told(column.name, value, usual, direction, of=self.of)


def _drivers(bundle: Bundle, matrix: Float32, top: int, threads: int, of: Of) -> _Drivers:
    found = _raw(bundle, matrix, threads) if of == "risk" else value_contributions(bundle, matrix, threads)
    amounts = np.abs(found.parts)
    chosen = top_of_groups(amounts, window_groups(found.names), top)
    total, picked = amounts.sum(axis=1, keepdims=True), np.take_along_axis(found.parts, chosen, axis=1)
    return _Drivers(
        bundle.design.described, normals_of(bundle), of, chosen, picked,
        sizes=np.divide(np.abs(picked), total, out=np.zeros_like(picked), where=total > 0),
        values=np.take_along_axis(matrix, chosen, axis=1),
        own=_own(found.names, matrix, chosen),
    )  # fmt: skip


def _raw(bundle: Bundle, matrix: Float32, threads: int) -> Contributions:
    """Before calibration: directions and shares are the same, and stay where a calibration levels risks off."""
    parts, base = bundle.churn.contributions(matrix, threads)
    return Contributions(bundle.design.names, parts, np.full(len(parts), base))


def _listed(bundle: Bundle, matrix: Float32, top: int, threads: int, of: Of) -> list[list[Reason]]:
    if not len(matrix):
        return []
    drivers = _drivers(bundle, matrix, top, threads, of)
    flat, width = [*drivers.each()], drivers.chosen.shape[1]
    rows = (flat[start : start + width] for start in range(0, len(flat), width))
    return [[_reason(*each) for each in row if each[3] > 0] for row in rows]


def _reason(feature: str, value: Cell, direction: str, size: float, text: str) -> Reason:
    number, level = (None, value) if isinstance(value, str) else (value, None)
    return Reason(feature=feature, direction=direction, size=size, text=text, value=number, level=level)


def _series(drivers: _Drivers) -> pl.Series:
    features, values, directions, sizes, texts = zip(*drivers.each(), strict=True)
    fields: dict[str, Sequence[Cell]] = {
        "feature": features,
        "direction": directions,
        "size": sizes,
        "text": texts,
        "value": [None if isinstance(value, str) else value for value in values],
        "level": [value if isinstance(value, str) else None for value in values],
    }
    kinds = {field.name: field.dtype for field in REASON.fields}
    long = pl.DataFrame({name: pl.Series(fields[name], dtype=kind) for name, kind in kinds.items()})
    matters = long.select(pl.when(pl.col("size") > 0).then(pl.struct(*kinds))).to_series()
    return matters.reshape(drivers.chosen.shape).arr.to_list().list.drop_nulls().alias("reasons")


def _usual(normal: float | str | None, rhythm: float) -> Usual | None:
    """The customer's own rhythm where it is known, else the population's."""
    if rhythm == rhythm:  # not NaN
        return Usual(rhythm, own=True)
    return None if normal is None else Usual(normal, own=False)


def _own(names: tuple[str, ...], matrix: Float32, chosen: NDArray[np.intp]) -> Float32:
    """(n, k): for chosen columns that count days since something, the customer's usual days between two; else NaN."""
    partners = _partners(names)[chosen]
    found = np.take_along_axis(matrix, np.maximum(partners, 0), axis=1)
    return np.where(partners < 0, np.float32(np.nan), found)


@cache
def _partners(names: tuple[str, ...]) -> NDArray[np.intp]:
    """For each column the place of its own rhythm, −1 without one."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(catalog.RHYTHMS.get(name, ""), -1) for name in names])


@cache
def window_groups(names: tuple[str, ...]) -> NDArray[np.intp]:
    """One number for all windows of a feature: rfm_orders_count_30d and rfm_orders_count_90d share theirs."""
    return np.unique([catalog.split_window(name)[0] for name in names], return_inverse=True)[1]


def _of(booster: Booster, names: tuple[str, ...], matrix: Float32, threads: int) -> Contributions:
    """TreeSHAP on the Booster's raw scale; one row takes the single-row path."""
    found = booster.contributions_one(matrix)[None] if len(matrix) == 1 else booster.contributions(matrix, threads)
    return Contributions(names, found[:, :-1], found[:, -1])
