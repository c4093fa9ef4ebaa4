"""Same or new customers, same or later period: where a model is good only because it has seen the answer.

"Same period" are the training cut-offs, "later period" the test cut-offs, "new customers" are those of fold 0, who
never train. Of new customers at the latest training cut-off the calibration has seen the outcomes: their calibration
error is kinder there than it will be.
"""

from collections.abc import Collection, Iterator

import polars as pl

from training.bootstrap import SEED, Interval
from training.intervals import PROBABILITY, RANKING, VALUE, judge
from training.reports import Slice
from training.split import Plan

DRAWS = 200
"""Enough to tell a gap between slices from chance; the bounds are good to about a hundredth."""

MOST_ROWS = 100_000


def four_way(
    rows: pl.DataFrame, plan: Plan, tests: Collection[int] = (), draws: int = DRAWS, seed: int = SEED
) -> tuple[Slice, ...]:
    """The slices that have rows, the training rows themselves first.

    `rows`, those at stake: customer_id, as_of (Int64 µs), fold, churned (0 or 1), churn_probability[, value (null
    where open), expected_value]. `tests`: the test cut-offs, default that of `plan`; without a later period none is.
    """
    later = set(tests or (plan.test,)) if plan.later_period else set()
    found = ((name, rows.filter(these)) for name, these in _slices(plan, later))
    return tuple(_slice(name, part, draws, seed) for name, part in found if part.height)


def thinned(rows: pl.DataFrame, most: int = MOST_ROWS, seed: int = SEED) -> pl.DataFrame:
    """`rows` of so many customers, drawn whole, that about `most` rows are left: slices need no more to be judged."""
    if rows.height <= most:
        return rows
    customers = rows["customer_id"].unique().sort()
    kept = customers.sample(int(len(customers) * most / rows.height), seed=seed)
    return rows.filter(pl.col("customer_id").is_in(kept.implode()))


def _slices(plan: Plan, later: Collection[int]) -> Iterator[tuple[str, pl.Expr]]:
    periods = {"same period": pl.col("as_of").is_in(plan.training), "later period": pl.col("as_of").is_in(list(later))}
    for period, then in periods.items():
        yield f"same customers, {period}", then & (pl.col("fold") != 0)
        yield f"new customers, {period}", then & (pl.col("fold") == 0)


def _slice(name: str, rows: pl.DataFrame, draws: int, seed: int) -> Slice:
    y, customers = rows["churned"].cast(pl.Float64).to_numpy(), rows["customer_id"].to_numpy()
    wanted = {"roc_auc": RANKING["roc_auc"], "calibration_error": PROBABILITY["calibration_error"]}
    scores = {"": rows["churn_probability"].to_numpy()}
    found = judge(y, scores, {"": wanted}, customers, draws=draws, seed=seed)[""].intervals
    return Slice(
        name=name,
        rows=rows.height,
        customers=rows["customer_id"].n_unique(),
        churners=int(y.sum()),
        roc_auc=found["roc_auc"],
        calibration_error=found["calibration_error"],
        normalised_gini=_gini(rows, draws, seed),
    )


def _gini(rows: pl.DataFrame, draws: int, seed: int) -> Interval | None:
    """Of expected value, over the rows whose value is known."""
    if not {"value", "expected_value"} <= set(rows.columns):
        return None
    valued = rows.drop_nulls(["value", "expected_value"])
    if valued.is_empty():
        return None
    scores = {"": valued["expected_value"].to_numpy()}
    wanted = {"": {"normalised_gini": VALUE["normalised_gini"]}}
    customers = valued["customer_id"].to_numpy()
    found = judge(valued["value"].to_numpy(), scores, wanted, customers, draws=draws, seed=seed)
    return found[""].intervals["normalised_gini"]
