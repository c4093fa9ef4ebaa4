"""The churn curve in training: what is known, whether a curve is worth keeping, and the one that is served."""

from dataclasses import dataclass, replace

import polars as pl

from features.clock import DAY
from features.point_in_time import Tables
from features.settings import Churn, Definition
from models.churn_curve import ChurnCurve
from models.design import Design
from training.churn_choice import Tuned
from training.curve_report import CurveReport, compare
from training.event_times import edges_of
from training.hazard import Task, aside_of, fit_hazard, outcomes, reached
from training.split import Plan


@dataclass(frozen=True)
class FittedCurve:
    """The curve and its Booster as text, both None where it is not kept; and the report."""

    report: CurveReport
    curve: ChurnCurve | None = None
    trees: str | None = None


def fit_curve(
    tables: Tables, rows: pl.DataFrame, plan: Plan, window_days: int, design: Design, definition: Definition,
    churn: Churn, trees: bool = True, tuned: Tuned | None = None,
) -> FittedCurve:  # fmt: skip
    """Compare by the rule of `training.curve_report` and, where it is kept, fit the curve that is served.

    `tables` end at the run's as-of date, `rows` are those of `training.snapshots`; `window_days`: from a cut-off until
    its label is known. Without `trees` (too few churners for them) there is no curve, nor where labels are brought.
    Of `tuned` the rounds are not taken: they were found on rows of the churn horizon.
    """
    if definition == "labelled":
        return _without("labels are brought for one horizon only")
    if not trees:
        return _without("too few churners for trees")
    parameters = {name: value for name, value in (tuned or {}).items() if name != "rounds"}
    task = Task(edges_of(churn), definition, churn, design, parameters)
    found = outcomes(tables, rows, plan, task, known_until(plan, window_days))
    trains = (fold := found.integers("fold")) > aside_of(plan)
    count = reached(found.where(trains))
    if count < 2 or churn.horizon_days not in task.edges[:count]:
        return _without("history is too short for a second horizon")
    task, found = replace(task, edges=task.edges[:count]), found.up_to(count)
    report = compare(found, plan, window_days, task)
    if not report.kept:
        return FittedCurve(report)
    curve, text = fit_hazard(found.where(trains), found.where(fold == aside_of(plan)), task)
    return FittedCurve(report, curve.model_copy(update={"why": report.why}), text)


def known_until(plan: Plan, window_days: int) -> int:
    """Microseconds up to which outcomes may be read: the test cut-off, without a later period the end of its window."""
    return plan.test if plan.later_period else plan.test + window_days * DAY


def _without(why: str) -> FittedCurve:
    return FittedCurve(CurveReport(kept=False, why=f"no curve: {why}"))
