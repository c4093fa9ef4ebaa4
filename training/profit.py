"""What acting on the list is worth in money: expected by the model, and realised on test rows.

Profit of acting on a set of customers = Σ success_rate · churn · value − cost, with churn the probability (expected)
or what happened (realised). The value kept is the same in both, because what a churner would have brought is never
seen: where it is the model's value if retained, "realised" tests the probabilities, not that value.

References: Neslin et al. 2006, "Defection detection: measuring and understanding the predictive accuracy of customer
churn models" (the profit of a retention campaign); Verbraken, Verbeke and Baesens 2013, "A novel profit maximizing
metric for measuring classification performance of customer churn prediction models" (expected maximum profit). Ours
is simpler: one success rate where theirs is a beta distribution, one cost where they tell the contact from the offer,
and no offer taken up by those who would have stayed; in return each customer may have a value of their own.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, FiniteFloat

from features.settings import Action
from models.action import is_priced, profit, threshold
from training.bootstrap import SEED, Interval, draws_for, percentile_interval, weight_blocks
from training.metrics import Floats, Values
from training.reports import Report, Split

SHARES = np.linspace(0, 1, 51)


class ProfitPoint(Report):
    """Acting on the first `accounts` of the list (`share` of all): total profit in money."""

    share: FiniteFloat = Field(ge=0, le=1)
    accounts: int
    expected: FiniteFloat
    realised: Interval


class ProfitReport(Report):
    """The list is ranked by expected profit; `curve` is at 0 %, 2 %, … 100 % of it, `best` at its last profit above 0.

    `value_saved` None: each row's value if retained. `left_out`: rows whose value is unknown. `threshold`: the
    probability above which acting pays, None where the value differs from row to row. Money in `unit`.
    """

    split: Split
    split_reason: str = ""
    unit: str = ""
    cost: FiniteFloat
    value_saved: FiniteFloat | None
    success_rate: FiniteFloat
    threshold: FiniteFloat | None
    rows: int
    customers: int
    churners: int
    left_out: int
    best: ProfitPoint
    curve: tuple[ProfitPoint, ...]

    @property
    def everyone(self) -> ProfitPoint:
        """Acting on the whole list; acting on nobody earns 0."""
        return self.curve[-1]


def profit_report(
    churned: Values,
    p: Values,
    value_if_retained: Values | None,
    customers: npt.ArrayLike,
    action: Action,
    split: Split,
    split_reason: str = "",
    unit: str = "",
    draws: int | None = None,
    seed: int = SEED,
) -> ProfitReport | None:
    """Judge acting by probabilities `p` on test rows, arrays of shape (rows,); NaN = unknown value.

    None where the action has no price, or where no row has a value. Raises ActionError where half the price is given.
    """
    if not is_priced(action):
        return None
    y, p, value = _columns(churned, p, value_if_retained, action.value_saved)
    known, ids = np.isfinite(value), np.asarray(customers)
    if not known.any():
        return None
    y, p, value, ids = y[known], p[known], value[known], ids[known]
    expected, realised = profit(p, value, action), profit(y, value, action)
    order = np.lexsort((ids, -expected))
    best = int((expected > 0).sum())
    taken = [round(share * len(y)) for share in SHARES.tolist()]
    points = _points(expected[order], realised[order], ids[order], [best, *taken], draws, seed)
    return ProfitReport(
        split=split,
        split_reason=split_reason,
        unit=unit,
        cost=action.cost,
        value_saved=action.value_saved,
        success_rate=action.success_rate,
        threshold=threshold(action),
        rows=len(y),
        customers=len(np.unique(ids)),
        churners=int(y.sum()),
        left_out=int((~known).sum()),
        best=points[0],
        curve=points[1:],
    )


def _columns(
    churned: Values, p: Values, value: Values | None, value_saved: float | None
) -> tuple[Floats, Floats, Floats]:
    y, p = np.asarray(churned, dtype=float), np.asarray(p, dtype=float)
    if y.shape != p.shape or not np.isin(y, (0.0, 1.0)).all() or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a profit needs labels of 0 and 1 and probabilities, without gaps and of one length")
    if value_saved is not None:
        return y, p, np.full(y.shape, value_saved)
    return y, p, np.full(y.shape, np.nan) if value is None else np.asarray(value, dtype=float)


def _points(
    expected: Floats, realised: Floats, ids: npt.NDArray[np.object_], taken: Sequence[int], draws: int | None, seed: int
) -> tuple[ProfitPoint, ...]:
    """Totals of the first `taken` rows of a ranked list, with intervals by customer.

    The list stays as it is; what is drawn is how often each customer counts.
    """
    rows = len(ids)
    blocks = weight_blocks(ids, draws_for(rows) if draws is None else draws, seed)
    drawn = np.concatenate([_totals(block * realised)[:, taken] for block in blocks])
    sure, seen = _totals(expected[None])[0], _totals(realised[None])[0]
    return tuple(
        ProfitPoint(
            share=count / rows,
            accounts=count,
            expected=float(sure[count]),
            realised=percentile_interval(float(seen[count]), drawn[:, column]),
        )
        for column, count in enumerate(taken)
    )


def _totals(earned: Floats) -> Floats:
    """(k, n) → (k, n + 1): the sum of the first 0, 1, … n."""
    return np.cumsum(np.pad(earned, ((0, 0), (1, 0))), axis=1)
