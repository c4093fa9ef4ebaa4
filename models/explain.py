"""Reasons: TreeSHAP contributions to the log-odds of churn, turned into words by the feature catalog.

Reference: Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees".
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from features import catalog
from features.language import Lang, translator
from models.bundle import Bundle
from models.manifest import FeatureColumn
from models.prediction import Reason

Phrase = Callable[[str, float | str | None], str]
"""(feature, value) → words, e.g. ("rfm_recency_days", 74.0) → "last purchase 74 days ago"."""


def reasons(
    bundle: Bundle,
    matrix: NDArray[np.float32],
    top: int = 3,
    *,
    batch: int = 10_000,
    threads: int = 0,
    phrase: Phrase = catalog.phrase,
) -> list[list[Reason]]:
    """For each row of `matrix` its `top` drivers, largest first; fewer where fewer features matter.

    Features that differ only in their window tell one story: the strongest of them speaks. `size` is the
    feature's share of the row's total absolute contribution. TreeSHAP takes nearly all of the time.
    """
    told: list[list[Reason]] = []
    for start in range(0, len(matrix), batch):
        told += _told(bundle, matrix[start : start + batch], top, threads, phrase)
    return told


def _told(bundle: Bundle, matrix: NDArray[np.float32], top: int, threads: int, phrase: Phrase) -> list[list[Reason]]:
    parts = _contributions(bundle, matrix, threads)
    columns = bundle.manifest.features
    chosen = top_of_groups(np.abs(parts), _groups(tuple(column.name for column in columns)), top)
    total = np.abs(parts).sum(axis=1, keepdims=True)
    picked = np.take_along_axis(parts, chosen, axis=1)
    sizes = np.divide(np.abs(picked), total, out=np.zeros_like(picked), where=total > 0)
    values = np.take_along_axis(matrix, chosen, axis=1)
    rows = zip(chosen.tolist(), values.tolist(), picked.tolist(), sizes.tolist(), strict=True)
    return [list(_row(columns, phrase, *row)) for row in rows]


def _contributions(bundle: Bundle, matrix: NDArray[np.float32], threads: int) -> NDArray[np.float64]:
    """(n, f) on the calibrated log-odds scale, without the expected value."""
    one = len(matrix) == 1
    parts = bundle.churn.contributions_one(matrix)[None] if one else bundle.churn.contributions(matrix, threads)
    return parts[:, :-1] * bundle.manifest.churn.calibration.slope


def _row(
    columns: tuple[FeatureColumn, ...],
    phrase: Phrase,
    chosen: list[int],
    values: list[float],
    parts: list[float],
    sizes: list[float],
) -> Iterator[Reason]:
    for j, value, part, size in zip(chosen, values, parts, sizes, strict=True):
        if part:
            direction = "raises" if part > 0 else "lowers"
            name, found = columns[j].name, _plain(columns[j], value)
            number, level = (None, found) if isinstance(found, str) else (found, None)
            text = directed(phrase(name, found), direction, "en")
            yield Reason(feature=name, direction=direction, size=size, text=text, value=number, level=level)


def reason_text(reason: Reason, lang: Lang) -> str:
    """A reason of `reasons` as kept in a row, told again in `lang`."""
    found = reason.level if reason.level is not None else reason.value
    return directed(catalog.phrase(reason.feature, found, lang), reason.direction, lang)


def directed(what: str, direction: str, lang: Lang) -> str:
    """What raises or lowers the risk, as a whole sentence."""
    _ = translator(lang).gettext
    told = _("{what} (raises the risk)") if direction == "raises" else _("{what} (lowers the risk)")
    return told.format(what=what)


def _plain(column: FeatureColumn, value: float) -> float | str | None:
    """What a matrix cell stands for: a number, the level of a category, or nothing known."""
    if value != value:  # NaN
        return None
    return column.levels[int(value)] if column.kind == "category" else value


def top_of_groups(sizes: NDArray[np.float64], groups: NDArray[np.intp], top: int) -> NDArray[np.intp]:
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


@cache
def _groups(names: tuple[str, ...]) -> NDArray[np.intp]:
    """One number for all windows of a feature: rfm_orders_count_30d and rfm_orders_count_90d share theirs."""
    return np.unique([catalog.split_window(name)[0] for name in names], return_inverse=True)[1]
