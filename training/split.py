"""Which cut-offs train, calibrate and test, and which customers are set aside."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.clock import DAY
from features.errors import RemoraError

HISTORY_DAYS = 60
"""Days of history that must lie before a cut-off."""

FOLDS = 5
"""Customers are dealt into this many folds by the hash of their id; one of them is set aside."""


class SplitError(RemoraError):
    """History is too short for a single closed window."""


@dataclass(frozen=True)
class Plan:
    """Cut-offs in microseconds. `calibration` is the latest of `training`, read on the customers set aside.

    Where `later_period` is false there is no room for an embargo: the test is the customers set aside, at `test`.
    """

    test: int
    training: tuple[int, ...]
    later_period: bool

    @property
    def calibration(self) -> int:
        """The latest training cut-off."""
        return self.training[-1]

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """Every cut-off that is needed, oldest first, once."""
        return tuple(sorted({*self.training, self.test}))


def plan(as_of: int, window_days: int, every_days: int, count: int, begins: int) -> Plan:
    """Cut-offs for a run at `as_of` over history that begins at `begins` (microseconds).

    The test cut-off is as_of − window. The embargo stands before it: T + window ≤ test for every other cut-off; they
    go back every `every_days`, at most `count` of them, while 60 days of history lie before.
    Raises SplitError where not even one window has closed.
    """
    window, test = window_days * DAY, as_of - window_days * DAY
    if test <= begins:
        raise SplitError(
            f"history of {(as_of - begins) / DAY:.0f} days before the as-of date is too short for a window "
            f"of {window_days} days; bring more history or set a shorter [churn] horizon_days"
        )
    training = _back(test - window, every_days, count, begins)
    if training:
        return Plan(test, training, later_period=True)
    return Plan(test, _back(test, every_days, count, begins) or (test,), later_period=False)


def labelled_plan(cutoffs: Sequence[int], horizon_days: int) -> Plan:
    """Cut-offs where `labels` brings them: the latest tests, those an embargo before it train."""
    if not cutoffs:
        raise SplitError("labels: no row with an as_of date up to the as-of date; bring labels or move --as-of")
    test = cutoffs[-1]
    training = tuple(cutoff for cutoff in cutoffs if cutoff + horizon_days * DAY <= test)
    return Plan(test, training or tuple(cutoffs), later_period=bool(training))


def folds(customers: Iterable[str]) -> npt.NDArray[np.int64]:
    """Fold 0..4 of each customer: the same for a customer in every run, whatever the others are."""
    digests = (hashlib.blake2b(customer.encode(), digest_size=4).digest() for customer in customers)
    return np.array([int.from_bytes(digest) % FOLDS for digest in digests], dtype=np.int64)


def _back(latest: int, every_days: int, count: int, begins: int) -> tuple[int, ...]:
    dates = (latest - step * every_days * DAY for step in range(count))
    return tuple(sorted(date for date in dates if date - HISTORY_DAYS * DAY >= begins // DAY * DAY))
