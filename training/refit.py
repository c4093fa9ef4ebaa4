"""Whether the registered churn model is fitted again on every closed window: asked of the past, not of the test.

The evaluated model stops two windows before today: one for the test, one for the embargo before it. By now newer
windows have closed, and a model that also learns from them may be better, or (after a season unlike the next) worse.
The same choice is made again at earlier cut-offs J, the latest of the plan's training cut-offs:

    kept     procedure fitted on cut-offs T with T + 2 windows ≤ J: as far as the evaluated model would have come
    refit    the same and those with T + window ≤ J: every window that was closed at J

Both are calibrated as ever, on customers set aside, and judged at J on the others. Neither has seen J, and nobody the
test. Rule: refit exactly when at least two cut-offs could be compared, the refit has the lower log loss at every one
of them, and the paired 90 % interval of (log loss of kept − log loss of refit), drawn by customer over the pooled
rows, lies above zero. Seasons differ more than customers do, so an interval alone would be too sure. Otherwise the
evaluated model is the one registered: what was judged is worth more than what may be better.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import DAY, moment
from features.engines import Source
from features.settings import Settings
from models.booster import Booster
from models.calibration import Calibration, calibrate
from models.churn import Vector
from models.churn_model import ChurnModel
from training.bootstrap import Interval, paired_interval
from training.calibration import fit_calibration
from training.churn_choice import Recipe, Tuned, fit_members
from training.fit import Horizons, fit_design, roles
from training.labels import churned
from training.metrics import log_loss
from training.snapshots import Snapshots, take
from training.split import HISTORY_DAYS, Plan
from training.targets import Targets

Procedure = Callable[[pl.DataFrame, pl.DataFrame, pl.DataFrame], Vector]
"""(training rows, calibration rows, judged rows) → calibrated churn probability of the judged, shape (n,)."""

FEWEST_JUDGED, MOST_JUDGED = 2, 3
"""Cut-offs."""


class Judged(BaseModel):
    """Log losses at one cut-off."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    cutoff: str
    rows: int
    churners: int
    kept: FiniteFloat
    refit: FiniteFloat


class Refit(BaseModel):
    """The decision; `gain` is log loss of kept − log loss of refit, None where there was nothing to compare."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    refit: bool
    why: str
    gain: Interval | None = None
    judged: tuple[Judged, ...] = ()


def all_closed(plan: Plan, every_days: int) -> Plan:
    """The plan of the refit: the training cut-offs and the newer ones up to the test cut-off, whose window has closed.

    Its `calibration` is the test cut-off itself, on the customers set aside. `plan` must test on a later period.
    """
    newer = _every(plan.test, plan.training[-1], every_days)
    return replace(plan, training=(*plan.training, *newer))


def older(plan: Plan, window_days: int, every_days: int, begins: int) -> tuple[int, ...]:
    """Cut-offs before those of `plan` that the comparison needs: as many for `kept` as the plan trains on.

    They go back every `every_days` while 60 days of history lie before; `begins` is where history begins.
    """
    first, step = plan.training[0], every_days * DAY
    wanted = plan.training[max(0, len(plan.training) - MOST_JUDGED)] - 2 * window_days * DAY
    wanted -= (len(plan.training) - 1) * step
    oldest = max(wanted, begins // DAY * DAY + HISTORY_DAYS * DAY)
    return tuple(range(first - step, oldest - 1, -step))[::-1]


def widened(snapshots: Snapshots, past: Source, aims: Targets, cutoffs: Sequence[int], settings: Settings) -> Snapshots:
    """`snapshots` with rows at `cutoffs` too: the same columns and what was fitted, labels without value."""
    missing = sorted(set(cutoffs) - set(aims.churn.cutoffs))
    if not missing:
        return snapshots
    outcomes = {cutoff: churned(past.tables, cutoff, aims.definition, settings.churn) for cutoff in missing}
    plan = Plan(missing[-1], tuple(missing), later_period=False)
    more = take(past, Targets(aims.definition, plan, outcomes), snapshots.fitted, settings)
    rows = pl.concat([snapshots.rows, more.rows], how="diagonal_relaxed").select(snapshots.rows.columns)
    return replace(snapshots, rows=rows)


def decide(rows: pl.DataFrame, plan: Plan, window_days: int, procedure: Procedure) -> Refit:
    """Compare on the inner past of `plan` and decide by the rule above.

    `rows`: those at stake of the plan's training cut-offs and, as far as history goes, of `older`; others (the test's
    above all) are left out. `procedure` is what training does: fit, calibrate, predict.
    """
    if not plan.later_period:
        return Refit(refit=False, why="not refitted: without a later test period every closed window trains already")
    past = rows.filter(pl.col("as_of") <= plan.calibration)
    found = [_compare(past, cutoff, window_days, procedure) for cutoff in plan.training[-MOST_JUDGED:]]
    compared = [rows for rows in found if rows is not None]
    if not compared:
        return Refit(refit=False, why="not refitted: history has no room to compare, two windows before a cut-off")
    return _ruled(pl.concat(compared))


def as_served(
    snapshots: Snapshots, targets: Targets, horizons: Horizons, recipe: Recipe, tuned: Tuned | None = None
) -> Procedure:
    """The procedure of training: columns, members, mixture by `recipe`, calibration.

    `snapshots` also hold those who are not at stake: the rhythm of purchases is that of everyone known.
    """

    simple = (recipe.simple,) if recipe.simple else ()

    def fitted(training: pl.DataFrame, aside: pl.DataFrame, judged: pl.DataFrame) -> Vector:
        latest = int(training["as_of"].max())  # type: ignore[arg-type]  # an integer column
        design = fit_design(snapshots, targets.churn, latest, horizons)
        members = fit_members(training, design, targets.definition, recipe.trees_weight > 0, tuned, simple)
        trees = Booster.from_text(members.trees) if members.trees else None
        model = ChurnModel(members.mixture(recipe), Calibration(), trees, design.names)
        raw, wanted = (model.raw(design.matrix(rows), threads=1) for rows in (aside, judged))
        calibration, _ = fit_calibration(raw, _labels(aside), aside["customer_id"].to_numpy())
        return calibrate(wanted, calibration)

    return fitted


def _every(latest: int, after: int, every_days: int) -> tuple[int, ...]:
    return tuple(range(latest, after, -every_days * DAY))[::-1]


def _compare(rows: pl.DataFrame, cutoff: int, window_days: int, procedure: Procedure) -> pl.DataFrame | None:
    """customer_id, as_of, churned, kept, refit at one cut-off; None where either has nothing (new) to learn from."""
    judged = rows.filter((pl.col("as_of") == cutoff) & (pl.col("fold") != 0))
    known = [_until(rows, cutoff - windows * window_days * DAY) for windows in (2, 1)]
    if known[0].height == known[1].height or not all(map(_both_classes, (*known, judged))):
        return None
    kept, refit = (procedure(*_dealt(part), judged) for part in known)
    return judged.select("customer_id", "as_of", "churned").with_columns(kept=kept, refit=refit)


def _until(rows: pl.DataFrame, latest: int) -> pl.DataFrame:
    return rows.filter(pl.col("as_of") <= latest)


def _dealt(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that train and rows that calibrate, where every cut-off of `rows` trains."""
    cutoffs = tuple(rows["as_of"].unique().sort().to_list())
    plan = Plan(cutoffs[-1] + 1, cutoffs, later_period=True)
    dealt = roles(rows, plan)
    return dealt.training, dealt.calibration


def _both_classes(rows: pl.DataFrame) -> bool:
    return rows.filter(pl.col("fold") != 0)["churned"].n_unique() == 2


def _ruled(pooled: pl.DataFrame) -> Refit:
    truth, customers = _labels(pooled), pooled["customer_id"].to_numpy()
    gain = paired_interval(log_loss, truth, pooled["kept"].to_numpy(), pooled["refit"].to_numpy(), customers)
    judged = tuple(_judged(part) for _, part in sorted(pooled.group_by("as_of"), key=lambda group: group[0]))
    better = sum(each.refit < each.kept for each in judged)
    surely = gain.low is not None and gain.low > 0 and better == len(judged) >= FEWEST_JUDGED
    return Refit(refit=surely, why=_why(surely, gain, better, len(judged)), gain=gain, judged=judged)


def _why(surely: bool, gain: Interval, better: int, cutoffs: int) -> str:
    bounds = "unknown" if gain.low is None else f"{gain.low:+.4f} to {gain.high:+.4f}"
    return (
        f"{'refitted' if surely else 'not refitted'}: learning from newer closed windows too was better at {better} of "
        f"{cutoffs} earlier cut-offs and took {gain.estimate:+.4f} off the log loss (90 % interval {bounds}); "
        f"wanted: better at every one, {FEWEST_JUDGED} at least, and the interval above 0"
    )


def _judged(rows: pl.DataFrame) -> Judged:
    truth = _labels(rows)
    return Judged(
        cutoff=f"{moment(rows['as_of'][0]):%Y-%m-%d}",
        rows=rows.height,
        churners=int(truth.sum()),
        kept=log_loss(truth, rows["kept"].to_numpy()),
        refit=log_loss(truth, rows["refit"].to_numpy()),
    )


def _labels(rows: pl.DataFrame) -> Vector:
    return np.asarray(rows["churned"].cast(pl.Float64).to_numpy())
