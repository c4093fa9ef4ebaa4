"""Gamma-Gamma: what a customer's next purchase is worth, from the average of those so far.

Amounts of one customer are Gamma(p, ν), with ν ~ Gamma(q, γ) over the customers: the fewer amounts are known, the more
the average of everyone counts.

Reference: [1] Fader and Hardie 2013, "The Gamma-Gamma Model of Monetary Value".
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.part import Part

Vector = NDArray[np.float64]


class GammaGamma(Part):
    """The three parameters; `gamma` is in money. q > 1: below it the average of everyone would be infinite."""

    p: float = Field(gt=0)
    q: float = Field(gt=1)
    gamma: float = Field(gt=0)

    def expected_amount(self, x: Vector, mean: Vector) -> Vector:
        """(n,) in money: the customer's own average amount, given the `mean` of `x` ≥ 0 of them. Eq 5 of [1].

        >>> model = GammaGamma(p=6.25, q=3.74, gamma=15.44)
        >>> model.expected_amount(np.array([0.0, 2.0]), np.array([np.nan, 22.35])).round(2).tolist()
        [35.22, 24.66]
        """
        total = np.where(x > 0, x * mean, 0.0)
        return self.p * (self.gamma + total) / (self.p * x + self.q - 1.0)
