"""What each column adds to a prediction: exact parts on one scale, carried to other scales, summed by family.

References: Lundberg et al. 2020, "From local explanations to global understanding with explainable AI for trees"
(TreeSHAP); Shrikumar, Greenside and Kundaje 2017, "Learning important features through propagating activation
differences" (the rescale rule); Ang 2005, "The LMDI approach to decomposition analysis" (parts of a sum on log scale).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.catalog import FAMILIES, family_of
from models.calibration import sigmoid

Float64 = NDArray[np.float64]
Scale = Callable[[Float64], Float64]
"""A smooth rising function, of each number by itself."""

_CLOSE = 1e-6


@dataclass(frozen=True)
class Contributions:
    """`parts` (n, f), one column a name, and `base` (n,): base + parts.sum(axis=1) is the prediction of each row."""

    names: tuple[str, ...]
    parts: Float64
    base: Float64

    @property
    def total(self) -> Float64:
        """(n,) predictions."""
        return np.asarray(self.base + self.parts.sum(axis=1))

    def __add__(self, other: "Contributions") -> "Contributions":
        """Of the sum of two predictions on one scale; both must have the same names."""
        return replace(self, parts=self.parts + other.parts, base=self.base + other.base)


def rescaled(given: Contributions, scale: Scale) -> Contributions:
    """Of the same predictions on another scale: all parts of a row times (scale(total) − scale(base)) / (total − base).

    >>> chance = rescaled(Contributions(("a", "b"), np.array([[1.0, 2.0]]), np.array([-3.0])), sigmoid)
    >>> chance.total.round(9).tolist()
    [0.5]
    """
    factor = slope_between(given.base, given.total, scale)
    return replace(given, parts=given.parts * factor[:, None], base=scale(given.base))


def slope_between(start: Float64, end: Float64, scale: Scale) -> Float64:
    """(scale(end) − scale(start)) / (end − start), shape (n,); where the two meet, the slope there."""
    step = np.asarray(end - start)
    meet = np.abs(step) < _CLOSE
    low, high = np.where(meet, start - _CLOSE, start), np.where(meet, start + _CLOSE, end)
    return np.asarray((scale(high) - scale(low)) / (high - low))


def log_chance(odds: Float64) -> Float64:
    """ln p of log-odds, shape (n,), without overflow.

    >>> np.exp(log_chance(np.array([0.0, -800.0]))).tolist()
    [0.5, 0.0]
    """
    return np.asarray(-np.logaddexp(0.0, -odds))


def mixed(weights: Sequence[float], logs: Sequence[Contributions]) -> Contributions:
    """Of ln Σ wᵢ Vᵢ, from contributions to each ln Vᵢ of the same names; weights above 0.

    Each model's parts count by wᵢ L(Vᵢ, Vᵢ base) / L(V, V base), L(a, b) = (a − b) / (ln a − ln b): what the models add
    to V is then split without a remainder (LMDI).
    """
    shares = [np.log(weight) for weight in weights]
    base = np.logaddexp.reduce([share + each.base for share, each in zip(shares, logs, strict=True)])
    total = np.logaddexp.reduce([share + each.total for share, each in zip(shares, logs, strict=True)])
    whole = _growth(total - base)
    parts = np.zeros_like(logs[0].parts)
    for share, each in zip(shares, logs, strict=True):
        weight = np.exp(share + each.base - base) * _growth(each.total - each.base) / whole
        parts += weight[:, None] * each.parts
    return Contributions(logs[0].names, parts, np.asarray(base))


def by_family(given: Contributions) -> dict[str, Float64]:
    """Family → sum of its parts, shape (n,); families without a column are left out. They add up to total − base."""
    families = [family_of(name) for name in given.names]
    columns = {family: [j for j, own in enumerate(families) if own == family] for family in FAMILIES}
    return {family: given.parts[:, places].sum(axis=1) for family, places in columns.items() if places}


def chances(given: Contributions) -> Contributions:
    """From log-odds to probabilities: what each column adds to the probability (times 100: points)."""
    return rescaled(given, sigmoid)


def _growth(log_ratio: Float64) -> Float64:
    """(eˣ − 1) / x, 1 at 0."""
    safe = np.where(log_ratio == 0, 1.0, log_ratio)
    return np.where(log_ratio == 0, 1.0, np.expm1(safe) / safe)
