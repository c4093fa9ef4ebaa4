"""A forward split inside the training cut-offs: what a choice between models may look at, the test never."""

import polars as pl

from features.clock import DAY
from training.split import Plan


def inner_plan(plan: Plan, window_days: int) -> Plan | None:
    """`plan` one step earlier: fitted on what had closed before the latest training cut-off, judged at that one.

    `window_days`: days from a cut-off until its outcome is known. T + window ≤ T_inner for every cut-off that trains,
    the embargo of `plan` itself, so the choice is made as far ahead as the test will be.
    None where no window had closed by then, or where `plan` has no later period: nothing can be compared honestly.
    """
    judged = plan.calibration
    closed = tuple(cutoff for cutoff in plan.training if cutoff + window_days * DAY <= judged and cutoff < judged)
    if not plan.later_period or not closed:
        return None
    return Plan(test=judged, training=closed, later_period=True)


def training_rows(rows: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """The rows of `rows` (as_of, fold) that train; `training.calibration.slice_rows` are those set aside."""
    aside = pl.col("fold") == 0 if plan.later_period else pl.col("fold") <= 1
    return rows.filter(pl.col("as_of").is_in(plan.training) & ~aside)
