"""A share and how sure it is."""

from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def wilson(hits: npt.ArrayLike, trials: npt.ArrayLike, level: float) -> tuple[Floats, Floats]:
    """Bounds of the Wilson score interval of hits / trials at confidence `level` (0..1), elementwise.

    Both arguments broadcast; no trial at all gives NaN. Reference: Wilson 1927, J. Am. Stat. Assoc. 22, eq. (2):
    (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n).

    >>> [round(float(bound), 3) for bound in wilson(60, 100, 0.95)]
    [0.502, 0.691]
    """
    k, n = np.broadcast_arrays(np.asarray(hits, dtype=float), np.asarray(trials, dtype=float))
    n = np.where(n > 0, n, np.nan)
    p, z2 = k / n, NormalDist().inv_cdf((1 + level) / 2) ** 2
    middle, half = p + z2 / (2 * n), np.sqrt(z2 * p * (1 - p) / n + (z2 / (2 * n)) ** 2)
    scale = 1 + z2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    return np.where(k == 0, 0 * n, np.minimum(low, p)), np.where(k == n, n / n, np.maximum(high, p))
