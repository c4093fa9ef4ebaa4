"""The analytic hierarchy process: weights from pairwise comparisons (D2), and whether they agree with themselves.

T. L. Saaty, The Analytic Hierarchy Process, McGraw-Hill 1980.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import RemoraError, raise_all

RANDOM_INDEX = (0.0, 0.0, 0.58, 0.90, 1.12, 1.24, 1.32, 1.41, 1.45, 1.49, 1.51, 1.48, 1.56, 1.57, 1.59)
"""Saaty's mean consistency index of random matrices of size 1 to 15."""

SCALE = 9.0
"""Saaty's scale: from 1/9 to 9."""

_DIGITS = 1e-6

Floats = NDArray[np.float64]


class AhpError(RemoraError):
    """Comparisons that are no pairwise comparison matrix, or that contradict each other too much."""


@dataclass(frozen=True)
class Pair:
    """One comparison: `first` over `second` was judged `given`; the other comparisons together say `consistent`."""

    first: str
    second: str
    given: float
    consistent: float


@dataclass(frozen=True)
class Ahp:
    """Weights (name → weight, they add up to 1) and their consistency; `worst_pair` is None below three names."""

    weights: dict[str, float]
    lambda_max: float
    consistency_index: float
    consistency_ratio: float
    worst_pair: Pair | None

    def require_consistent(self, limit: float) -> None:
        """Raise AhpError, naming the most inconsistent pair, where the consistency ratio is `limit` or above."""
        pair = self.worst_pair
        if pair is None or self.consistency_ratio < limit:
            return
        raise AhpError(
            f"consistency ratio {self.consistency_ratio:.3f}: it must be below {limit:g}; the most inconsistent pair "
            f"is {pair.first} over {pair.second} = {fraction(pair.given)}, the other comparisons say "
            f"{fraction(pair.consistent)}; judge it again"
        )


def ahp(matrix: ArrayLike, names: Sequence[str]) -> Ahp:
    """Weights of `names` from `matrix` (n × n, matrix[i][j]: how many times i counts more than j), n up to 15.

    weights: the principal eigenvector; consistency index = (λmax - n) / (n - 1); ratio = index / random index (0 for
    n < 3). Raises AhpError with everything that is wrong with the matrix; `Ahp.require_consistent` judges the ratio.

    >>> ahp([[1, 3], [1 / 3, 1]], ["price", "service"]).weights
    {'price': 0.75, 'service': 0.25}
    """
    values = _checked(matrix, names)
    n = len(names)
    largest, weights = _principal(values)
    index = max(0.0, (largest - n) / (n - 1)) if n > 1 else 0.0
    return Ahp(
        weights=dict(zip(names, weights.round(12).tolist(), strict=True)),
        lambda_max=largest,
        consistency_index=index,
        consistency_ratio=index / RANDOM_INDEX[n - 1] if n > 2 else 0.0,
        worst_pair=_worst(values, names) if n > 2 else None,
    )


def fraction(value: float) -> str:
    """A comparison as people write it: 3, 2.45, or 1/3 below one.

    >>> fraction(0.2), fraction(2.449), fraction(0.4)
    ('1/5', '2.45', '1/2.5')
    """
    return f"{value:.3g}" if value >= 1 else f"1/{1 / value:.3g}"


def _principal(values: Floats) -> tuple[float, Floats]:
    """λmax and its eigenvector, scaled to a sum of 1; real and positive for a positive matrix (Perron)."""
    numbers, vectors = np.linalg.eig(values)
    largest = int(np.argmax(numbers.real))
    vector = np.abs(vectors[:, largest].real)
    return float(numbers[largest].real), vector / vector.sum()


def _worst(values: Floats, names: Sequence[str]) -> Pair:
    """The comparison farthest from what the others say: the geometric mean over k of a_ik · a_kj, k neither i nor j."""
    logs, n, most = np.log(values), len(names), np.log(SCALE)
    pairs = list(combinations(range(n), 2))
    others = [float(np.mean([logs[i, k] + logs[k, j] for k in range(n) if k not in (i, j)])) for i, j in pairs]
    sayable = np.clip(others, -most, most)
    # rounded: where all pairs are as far (always so for n = 3), the first is named
    far = [round(abs(logs[pair] - said), 9) for pair, said in zip(pairs, sayable.tolist(), strict=True)]
    worst = int(np.argmax(far))
    (i, j), consistent = pairs[worst], float(np.exp(sayable[worst]))
    if values[i, j] < 1:
        i, j, consistent = j, i, 1 / consistent
    return Pair(names[i], names[j], float(values[i, j]), consistent)


def _checked(matrix: ArrayLike, names: Sequence[str]) -> Floats:
    n = len(names)
    try:
        values = np.array(matrix, np.float64)
    except (TypeError, ValueError):
        raise AhpError("matrix: expected numbers, as many in each row; correct it") from None
    if not 1 <= n < len(RANDOM_INDEX) + 1:
        raise AhpError(f"matrix: {n} names; between 1 and {len(RANDOM_INDEX)} can be compared")
    if len(set(names)) < n:
        raise AhpError("matrix: a name stands twice; name each once")
    if values.shape != (n, n):
        shape = " × ".join(map(str, values.shape))
        raise AhpError(f"matrix: expected {n} × {n} for {', '.join(names)}, but it is {shape}")
    raise_all(AhpError, [*_wrong_alone(values, names), *_wrong_together(values, names)])
    return values


def _wrong_alone(values: Floats, names: Sequence[str]) -> list[str]:
    problems = [
        f"{name} over itself = {values[i, i]:g}; it must be 1"
        for i, name in enumerate(names)
        if not abs(values[i, i] - 1) <= _DIGITS
    ]
    for (i, j), value in np.ndenumerate(values):
        if i != j and not 1 / SCALE - _DIGITS <= value <= SCALE + _DIGITS:
            problems.append(f"{names[i]} over {names[j]} = {value:g}; use Saaty's scale, from 1/9 to 9")
    return problems


def _wrong_together(values: Floats, names: Sequence[str]) -> list[str]:
    """Both ways of a pair must be each other's reciprocal."""
    return [
        f"{names[i]} over {names[j]} = {values[i, j]:g}, but {names[j]} over {names[i]} = {values[j, i]:g}; "
        "one must be 1 / the other"
        for i, j in combinations(range(len(names)), 2)
        if min(values[i, j], values[j, i]) > 0 and not abs(values[i, j] * values[j, i] - 1) <= _DIGITS
    ]
