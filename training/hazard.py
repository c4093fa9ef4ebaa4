"""The hazard model behind the churn curve: person-period rows → one Booster → calibrated on customers set aside.

A customer at stake at a cut-off is one row for each interval between two edges that begins without the event, up to
the first that has it. An interval whose window closes after a given moment is left out: that customer is censored
there, and nothing later is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.clock import DAY
from features.point_in_time import Tables
from features.settings import Churn, Definition
from models.booster import Booster
from models.calibration import Calibration
from models.churn import SEED, fit_churn
from models.churn_curve import ChurnCurve
from models.design import Design
from models.matrix import Float32
from training.calibration import ENOUGH_FOR_A_SLOPE, fit_level, fit_platt
from training.churn_choice import Tuned
from training.event_times import happened
from training.metrics import Floats
from training.split import Plan

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

FEWEST_AT_RISK = 100
"""Rows at risk that an interval must have for a curve to reach its end."""

MOST_ROWS = 300_000
"""Person-period rows that train; of more, customers are drawn."""


@dataclass(frozen=True)
class Task:
    """What is fitted at which `edges` (days), and how; `tuned` as in `fit_churn`."""

    edges: tuple[int, ...]
    definition: Definition
    churn: Churn
    design: Design
    tuned: Tuned | None = None

    @property
    def rising(self) -> bool:
        """Whether the event is leaving; otherwise it is the return."""
        return self.definition == "cancelled"

    @property
    def horizon(self) -> int:
        """The place of the churn horizon among the edges."""
        return self.edges.index(self.churn.horizon_days)

    def closes(self, as_of: Integers) -> Integers:
        """(n,) cut-offs → (n, K) moments from which the outcome at each edge is known, microseconds."""
        grace = self.churn.grace_days if self.definition == "cancelled" else 0
        return np.asarray(as_of[:, None] + (np.array(self.edges) + grace) * DAY)


@dataclass(frozen=True)
class Known:
    """Rows at stake and what came of them: `rows` (customer_id, as_of, fold), `matrix` (n, f), `events` (n, K).

    `events`: 1 had come by the edge, 0 had not, NaN not known; see `training.event_times`.
    """

    rows: pl.DataFrame
    matrix: Float32
    events: Floats

    def where(self, mask: Flags) -> "Known":
        """The rows of `mask` (n,)."""
        return Known(self.rows.filter(pl.Series(mask)), self.matrix[mask], self.events[mask])

    def integers(self, name: str) -> Integers:
        """as_of or fold, (n,)."""
        return self.rows[name].to_numpy()

    def at(self, moment: int, task: Task) -> "Known":
        """The same as it was known at `moment` (microseconds)."""
        closed = task.closes(self.integers("as_of"))[:, : self.events.shape[1]] <= moment
        return Known(self.rows, self.matrix, np.where(closed, self.events, np.nan))

    def up_to(self, count: int) -> "Known":
        """The same with the first `count` edges."""
        return Known(self.rows, self.matrix, self.events[:, :count])


def outcomes(tables: Tables, rows: pl.DataFrame, plan: Plan, task: Task, moment: int) -> Known:
    """What is known at `moment` (microseconds) of those at stake at the training cut-offs.

    `rows` are those of `training.snapshots`. Where no later period tests, the customers who do (fold 0) are left out.
    """
    mine = rows.filter(pl.col("at_stake") & pl.col("as_of").is_in(plan.training) & (pl.col("fold") >= aside_of(plan)))
    mine = mine.sort("as_of", "customer_id")
    parts = mine.partition_by("as_of", maintain_order=True)
    events = [
        happened(tables, part["as_of"][0], part["customer_id"], task.edges, moment, task.definition, task.churn)
        for part in parts
    ]
    return Known(mine, task.design.matrix(mine), np.vstack([np.empty((0, len(task.edges))), *events]))


def aside_of(plan: Plan) -> int:
    """The fold that calibrates; those after it train."""
    return 0 if plan.later_period else 1


def reached(found: Known) -> int:
    """How many of the edges enough rows reach, the shortest first."""
    at_risk = np.bincount(person_periods(found.events)[1], minlength=found.events.shape[1])
    return int(np.minimum.accumulate(at_risk >= FEWEST_AT_RISK).sum())


def person_periods(events: Floats) -> tuple[Integers, Integers, Floats]:
    """Row, interval and outcome (0 or 1) of everyone at risk, from `events` (n, K).

    >>> person_periods(np.array([[0.0, 1.0, 1.0], [0.0, 0.0, np.nan]]))[2].tolist()
    [0.0, 1.0, 0.0, 0.0]
    """
    before = np.hstack([np.zeros((len(events), 1)), events[:, :-1]])
    row, interval = np.nonzero((before == 0) & np.isfinite(events))
    return row, interval, events[row, interval]


def fit_hazard(fitted: Known, aside: Known, task: Task) -> tuple[ChurnCurve, str]:
    """The curve and its Booster as text, learnt on `fitted` and calibrated on the customers of `aside`.

    The curve has as many edges as `fitted` has columns of events.
    """
    edges, drawn = task.edges[: fitted.events.shape[1]], _drawn(fitted)
    row, interval, came = person_periods(drawn.events)
    text = fit_churn(_wide(drawn.matrix[row], edges, interval), came, task.design.categories, task.tuned)
    row, interval, came = person_periods(aside.events[:, : len(edges)])
    raw = Booster.from_text(text).predict_raw(_wide(aside.matrix[row], edges, interval))
    curve = ChurnCurve(
        edges=edges, horizon_days=task.churn.horizon_days, rising=task.rising, calibration=platt(raw, came)
    )
    return curve, text


def platt(raw: Floats, came: Floats) -> Calibration:
    """Slope and level for raw log-odds (n,); only the level where few of either outcome are known, else nothing."""
    fewest = min(came.sum(), len(came) - came.sum())
    if fewest == 0:
        return Calibration()
    return fit_level(raw, came) if fewest < ENOUGH_FOR_A_SLOPE else fit_platt(raw, came)


def _wide(matrix: Float32, edges: Sequence[int], interval: Integers) -> Float32:
    return np.column_stack([matrix, np.array(edges, dtype=np.float32)[interval]])


def _drawn(fitted: Known) -> Known:
    """All rows, or those of so many customers that MOST_ROWS person-period rows remain on average."""
    share = MOST_ROWS / max(len(person_periods(fitted.events)[0]), 1)
    if share >= 1:
        return fitted
    ids = fitted.rows["customer_id"].unique().sort()
    chosen = ids.sample(fraction=share, seed=SEED)
    return fitted.where(fitted.rows["customer_id"].is_in(chosen.implode()).to_numpy())
