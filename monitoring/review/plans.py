"""Win-back plans (D2): handed in within the tier's days of the first follow-up, or not."""

import polars as pl

from features.clock import DAY
from features.point_in_time import Tables
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import Share, joined, rows_of, said, share_of, told
from monitoring.review.follow_ups import contacts
from monitoring.review.history import tiers_at
from training.evaluate import Report


class Plans(Report):
    """Plans that fell due in the month: `on_time` of all, `late` (handed in afterwards) and `missing`.

    None where nothing fell due. `by_tier`: only customers in a tier with a plan count; false without tiers of then.
    """

    text: Label
    on_time: Share | None = None
    late: int = 0
    missing: int = 0
    by_tier: bool = True


def plans(tables: Tables, history: pl.DataFrame, start: int, end: int, pack: RulePack) -> Plans:
    """Plans whose last day falls in [start, end) (microseconds); a plan on the last day is on time.

    `history`: customer_id, as_of, tier. Whether a customer owes a plan is decided by the tier last scored before the
    first follow-up; where no score lies before any of them, everyone owes one, in the days of the pack's longest plan.
    """
    rule = pack.review.plans
    if rows_of(tables, "interventions", ("plan_submitted_at",)) is None:
        return Plans(text=said(rule.no_column))
    rows = contacts(tables, pack.review).filter(~pl.col("control"))
    due, by_tier = _with_days(_first(rows, rule.quiet_days.value), history, pack)
    due = due.with_columns(until=pl.col("occurred_at") + (pl.col("days") * DAY).cast(pl.Int64))
    due = due.filter(pl.col("until").is_between(start, end, closed="left"))
    if due.is_empty():
        return Plans(text=said(rule.none), by_tier=by_tier)
    handed_in = _handed_in(due, rows)
    kept = int((handed_in["handed_in"] <= handed_in["until"]).sum())
    missing = int(handed_in["handed_in"].null_count())
    on_time = share_of(kept, due.height, pack.review.level.value)
    text = told(rule.kept, on_time)
    return Plans(
        text=text if by_tier else joined([text, rule.without_tier]),
        on_time=on_time,
        late=due.height - kept - missing,
        missing=missing,
        by_tier=by_tier,
    )


def _first(rows: pl.DataFrame, quiet_days: float) -> pl.DataFrame:
    """customer_id, occurred_at of the follow-ups that had none of the same customer in the days before."""
    each = rows.select("customer_id", "occurred_at").unique().sort("customer_id", "occurred_at")
    gap = pl.col("occurred_at") - pl.col("occurred_at").shift(1).over("customer_id")
    return each.filter(gap.is_null() | (gap > int(quiet_days * DAY)))


def _with_days(first: pl.DataFrame, history: pl.DataFrame, pack: RulePack) -> tuple[pl.DataFrame, bool]:
    """`first` with the `days` of the plan that is owed, and whether tiers decided it."""
    days = {name: tier.plan_days.value for name, tier in pack.composite.tiers.items() if tier.plan_days}
    tiers = tiers_at(first, history)
    if tiers["scored"].any():
        owed = pl.col("tier").replace_strict(days, default=None, return_dtype=pl.Float64)
        return tiers.with_columns(days=owed).drop_nulls("days"), True
    return first.with_columns(days=pl.lit(max(days.values(), default=None), pl.Float64)).drop_nulls("days"), False


def _handed_in(due: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`due` with `handed_in`: the customer's first plan from the follow-up on, null for none."""
    submitted = rows.select("customer_id", handed_in="plan_submitted_at").drop_nulls()
    after = due.join(submitted, on="customer_id").filter(pl.col("handed_in") >= pl.col("occurred_at"))
    first = after.group_by("customer_id", "occurred_at").agg(pl.col("handed_in").min())
    return due.join(first, on=["customer_id", "occurred_at"], how="left")
