"""What acting on a customer is expected to earn: the columns by which a scored list says who is worth calling.

expected profit = success_rate · p · value − cost, with p the probability of churn, value what keeping the customer
is worth (`[action] value_saved`, or each row's value if retained), cost that of acting on one, kept or not. Who would
have stayed anyway brings nothing in: the success rate is the share of would-be churners whom acting keeps, the same
for all. It is an assumption until `interventions` with arms tell it.
"""

from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.errors import RemoraError
from features.settings import Action

Quantity = TypeVar("Quantity", NDArray[np.float64], pl.Expr)


class ActionError(RemoraError):
    """`[action]` says half of what a profit needs."""


def is_priced(action: Action) -> bool:
    """Whether `[action]` says what acting costs and how often it succeeds; raises ActionError where it says one."""
    known = {"cost": action.cost is not None, "success_rate": action.success_rate is not None}
    missing = [name for name, there in known.items() if not there]
    if len(missing) == 1 or (missing and action.value_saved is not None):
        raise ActionError(f"[action] {' and '.join(missing)}: missing; set it, or remove the section")
    return not missing


def profit(churn: Quantity, value: Quantity | float, action: Action) -> Quantity:
    """Money earned by acting on each row, of a priced action.

    `churn` is a probability for the expected profit, 0 or 1 for the realised one; `value` money if kept. Arrays (n,)
    or Polars expressions; unknown stays unknown.
    """
    assert action.success_rate is not None
    assert action.cost is not None
    earned: Quantity = churn * value * action.success_rate - action.cost
    return earned


def worth_acting(rows: pl.DataFrame, action: Action) -> pl.DataFrame:
    """`rows` (churn_probability, value_if_retained) with expected_profit (money) and worth_acting (it is above 0).

    Both are null where the probability or the value is, and everywhere when the action has no price.
    """
    if not is_priced(action):
        return rows.with_columns(expected_profit=pl.lit(None, pl.Float64), worth_acting=pl.lit(None, pl.Boolean))
    value = action.value_saved if action.value_saved is not None else pl.col("value_if_retained")
    earned = profit(pl.col("churn_probability"), value, action).cast(pl.Float64).fill_nan(None)
    return rows.with_columns(expected_profit=earned).with_columns(worth_acting=pl.col("expected_profit") > 0)


def threshold(action: Action) -> float | None:
    """The probability of churn above which acting pays, where one `value_saved` holds for all: cost / (rate · value).

    Above 1, nobody is worth it. None where the value differs from customer to customer or the action has no price.

    >>> threshold(Action(cost=10, success_rate=0.25, value_saved=200))
    0.2
    """
    if not is_priced(action) or action.value_saved is None:
        return None
    assert action.success_rate is not None
    assert action.cost is not None
    return action.cost / (action.success_rate * action.value_saved)
