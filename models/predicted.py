"""What the models of a bundle say about each customer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


class Predicted(NamedTuple):
    """Arrays of length n; money is in the data's currency. A bundle without a value model leaves its fields None.

    `churn_curve` is (n, K), a column for each edge of the bundle's curve; None without one, as is `expected_days`.
    """

    churn_probability: Float64
    expected_value: Float64 | None = None
    value_low: Float64 | None = None
    value_high: Float64 | None = None
    value_if_retained: Float64 | None = None
    churn_curve: Float64 | None = None
    expected_days: Float64 | None = None
