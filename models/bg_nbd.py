"""BG/NBD: when a customer buys again, and whether they still are one, from three numbers of their history.

While a customer is one, they buy at random times at a rate λ of their own, and after each purchase they stop for good
with a probability p of their own; λ is Gamma(r, α) over the customers, p is Beta(a, b).

References:
[1] Fader, Hardie and Lee 2005, "'Counting Your Customers' the Easy Way: An Alternative to the Pareto/NBD Model".
[2] Fader, Hardie and Lee 2008, "Computing P(alive) Using the BG/NBD Model".
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.calibration import sigmoid
from models.part import Part

Vector = NDArray[np.float64]

PRECISION: Final = 1e-11
"""What a sum leaves out at most, as a share of it."""
FIRST_BLOCK: Final = 32
LARGEST_BLOCK: Final = 1024
"""Terms that are added at a time; which, must depend on nothing but how many came before."""
ROWS: Final = 4096
"""Customers at a time: the terms of a block fit into the processor's cache."""
MOST_PURCHASES: Final = 250_000
"""Purchases beyond which a customer's expected number is not counted on: a bound on the work, not on the model."""


class BgNbd(Part):
    """The four parameters; `alpha` is in days.

    Arrays have shape (n,), one element a customer: `frequency`, purchases after the first; `recency`, days from the
    first purchase to the last; `age`, days from the first purchase to the as-of date.
    """

    r: float = Field(gt=0)
    alpha: float = Field(gt=0)
    a: float = Field(gt=0)
    b: float = Field(gt=0)

    def alive(self, frequency: Vector, recency: Vector, age: Vector) -> Vector:
        """(n,) of 0..1: the chance that the customer has not stopped. Who bought once cannot have. Eq 3 of [2]."""
        power = (self.r + frequency) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        odds = np.log(self.a) - np.log(self.b + np.maximum(frequency, 1.0) - 1.0) + power  # that they have stopped
        return np.where(frequency > 0, sigmoid(-odds), 1.0)

    def no_purchase(self, frequency: Vector, recency: Vector, age: Vector, days: float) -> Vector:
        """(n,) of 0..1: the chance of no purchase in the `days` (≥ 0) to come.

        Who has not stopped has λ ~ Gamma(r + x, α + T), and cannot stop before a purchase: E[exp(−λ · days)].
        """
        start = self.alpha + age
        buys = -np.expm1((self.r + frequency) * (np.log(start) - np.log(start + days)))
        return np.asarray(1.0 - self.alive(frequency, recency, age) * buys)

    def expected_purchases(self, frequency: Vector, recency: Vector, age: Vector, days: float) -> Vector:
        """(n,), ≥ 0: how many purchases to expect in the `days` (≥ 0) to come. Eq 10 of [1], see `_if_alive`."""
        return self.alive(frequency, recency, age) * self._if_alive(frequency, age, days)

    def _if_alive(self, frequency: Vector, age: Vector, days: float) -> Vector:
        """(n,): the same of customers who have not stopped.

        Gauss's hypergeometric function of [1] as a sum of positive terms, so that nothing cancels and a = 1 is no
        exception. Of N ~ NegativeBinomial(r + x, α + T) purchases that a customer who never stops would make, the
        (k+1)th takes place with probability E[(1 − p)^k], where p ~ Beta(a, b + x): the sum over n of P(N = n) S(n),
        with S(n) the sum of those over k < n.
        """
        shape, start = self.r + frequency, self.alpha + age
        z = days / (start + days)
        zero = shape * (np.log(start) - np.log(start + days))  # log P(N = 0)
        total = np.zeros(len(z))
        for start_row in range(0, len(z), ROWS):
            part = slice(start_row, start_row + ROWS)
            state = _Sum(self.a, self.b + frequency[part], shape[part], z[part], zero[part])
            for rows, found in state.blocks():
                total[start_row + rows] = found
        return total


class _Sum:
    """The sum of `BgNbd._if_alive` over customers, each of whom leaves when the rest of their sum is negligible.

    Sums are running ones: those of numpy that add up in one order, whether there is one customer or many.
    """

    def __init__(self, a: float, beta: Vector, shape: Vector, z: Vector, zero: Vector) -> None:
        self.rows: NDArray[np.intp] = np.flatnonzero(z > 0)
        self.a, self.beta, self.shape, self.z = a, beta[self.rows], shape[self.rows], z[self.rows]
        self.log_chance: Vector = zero[self.rows]  # of N = n
        self.share: Vector = np.ones(len(self.rows))  # E[(1 − p)^k]
        self.purchases: Vector = np.zeros(len(self.rows))  # S(n)
        self.total: Vector = np.zeros(len(self.rows))
        self.chances: Vector = np.exp(self.log_chance)  # P(N ≤ n)

    def blocks(self) -> Iterator[tuple[NDArray[np.intp], Vector]]:
        """(rows, their sums) as they are done."""
        n, terms = 0, FIRST_BLOCK
        while len(self.rows) and n < MOST_PURCHASES:
            done = self._add(np.arange(n, n + terms, dtype=np.float64))
            yield self.rows[done], self.total[done]
            self._keep(~done)
            n, terms = n + terms, min(2 * terms, LARGEST_BLOCK)
        yield self.rows, self.total + np.maximum(1.0 - self.chances, 0.0) * self.purchases

    def _add(self, k: Vector) -> NDArray[np.bool_]:
        """Add the terms of n = k + 1; which rows are done."""
        stays = (self.beta[:, None] + k) / (self.a + self.beta[:, None] + k)
        shares = _running(np.multiply, self.share, stays)
        sums = _running(np.add, self.purchases, shares[:, :-1])[:, 1:]
        ratios = (self.shape[:, None] + k) * self.z[:, None] / (k + 1.0)
        logs = _running(np.add, self.log_chance, np.log(ratios))[:, 1:]
        chances = np.exp(logs)
        terms = chances * sums
        self.total = _running(np.add, self.total, terms)[:, -1]
        self.chances = _running(np.add, self.chances, chances)[:, -1]
        self.share, self.purchases, self.log_chance = shares[:, -1], sums[:, -1], logs[:, -1]
        growth = np.maximum(ratios[:, -1], self.z) * (1.0 + 1.0 / (k[-1] + 1.0))  # of one term to the next, at most
        return np.asarray((growth < 1.0) & (terms[:, -1] < PRECISION * self.total * (1.0 - growth)))

    def _keep(self, left: NDArray[np.bool_]) -> None:
        for name in ("rows", "beta", "shape", "z", "log_chance", "share", "purchases", "total", "chances"):
            setattr(self, name, getattr(self, name)[left])


def _running(operation: np.ufunc, first: Vector, more: Vector) -> Vector:
    """(n, k + 1): `first` (n,), then after each column of `more` (n, k) what the operation has made of all so far."""
    return np.asarray(operation.accumulate(np.column_stack([first, more]), axis=1))
