"""What is said about one customer must fit together: value, the chance to leave, and the value of staying.

By the law of total expectation, for the chance p to leave, the expected value E and the values L of those who leave
and V of those who stay,

    E = p · L + (1 − p) · V.

Nobody brings less than nothing and leaving does not make a customer worth more: 0 ≤ L ≤ V. Such an L exists exactly
where E ≤ V ≤ E / (1 − p). V comes from a model of its own, which does not know of the other two; where it leaves that
range it is moved to the nearest end.

Under `no_purchase` with value from transactions and equal horizons, to leave and to bring nothing are one event: then
L = 0, so V = E / (1 − p) were both p and E exact; the range leaves V free to differ below it as far as two estimates
of one chance may.
"""

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

MOST = 1e15
"""Money: the largest value of staying that is said of anyone who is sure to leave, since E / (1 − p) has no bound."""


def retained(p: Float64, expected: Float64, value: Float64) -> Float64:
    """`value` of staying (n,) moved into E ≤ V ≤ E / (1 − p); `p` (n,) is NaN off stake, where only V ≥ E holds.

    `expected` and `value` are money ≥ 0 over the same horizon.

    >>> retained(np.array([0.5, 0.5, np.nan]), np.array([10.0, 10.0, 10.0]), np.array([4.0, 90.0, 90.0])).tolist()
    [10.0, 20.0, 90.0]
    """
    stays = 1.0 - p
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        most = np.where(stays > 0, expected / stays, MOST)  # NaN, where p is, binds nothing
    most = np.where(np.isnan(p), MOST, np.minimum(most, MOST))
    return np.clip(value, expected, np.maximum(most, expected))
