"""What an evaluation says: frozen reports that go through JSON unchanged and hold all that plots and the gate need.

A number that cannot be known is None. Every metric comes with its 90 % interval by customer (`intervals`), and with
the interval of model − this score on the same draws (`differences`); the plain fields repeat the estimates.
"""

import datetime as dt
from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from training.bootstrap import Interval
from training.coverage import CoverageRow
from training.metrics import DecileRow, ReliabilityRow

LATER_PERIOD: Literal["later period"] = "later period"
NOT_LATER: Literal["not tested on a later period"] = "not tested on a later period"
Split = Literal["later period", "not tested on a later period"]

RECENCY = "recency rule"
COMPOSITE = "composite score"
BASE_RATE = "base rate"
LOGISTIC = "logistic regression"
"""Regularised. Under `no_purchase` it reads recency, frequency, monetary value, tenure and BG/NBD's chance of no
purchase (`training.churn_choice.PURCHASES`), elsewhere every number of the definition's own tables (`OWN_FAMILIES`)."""
BG_NBD = "BG/NBD"
RUN_RATE = "run rate"
LAST_YEAR = "last year, same period"
GAMMA_GAMMA = "BG/NBD with Gamma-Gamma"


class Report(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChurnScore(Report):
    """One score on the test rows; `difference` is model − this score in ROC AUC, None for the model itself.

    Brier score, log loss, calibration error and total ratio (predicted / actual churners) are None for a score that
    is no probability.
    """

    roc_auc: Interval
    average_precision: FiniteFloat | None
    lift_top_decile: FiniteFloat | None
    difference: Interval | None = None
    brier_score: FiniteFloat | None = None
    log_loss: FiniteFloat | None = None
    calibration_error: FiniteFloat | None = None
    total_ratio: FiniteFloat | None = None
    intervals: dict[str, Interval] = {}
    differences: dict[str, Interval] = {}
    gain: tuple[FiniteFloat, ...] = ()


class ValueScore(Report):
    """One prediction of value on the test rows; `difference` is model − this in normalised Gini."""

    normalised_gini: Interval
    spearman: FiniteFloat | None
    mae: FiniteFloat | None
    total_ratio: FiniteFloat | None
    difference: Interval | None = None
    intervals: dict[str, Interval] = {}
    differences: dict[str, Interval] = {}


class CutoffScore(Report):
    """One test cut-off by itself: ROC AUC of the model and of each baseline; differences are model − baseline."""

    as_of: dt.date
    rows: int
    churners: int
    roc_auc: Interval
    calibration_error: Interval
    baselines: dict[str, Interval]
    differences: dict[str, Interval]


class Slice(Report):
    """The model on one kind of rows, by whether it has seen the customer and the period.

    `normalised_gini` is that of expected value, None where no value is known.
    """

    name: str
    rows: int
    customers: int
    churners: int
    roc_auc: Interval
    calibration_error: Interval
    normalised_gini: Interval | None = None


class ChurnReport(Report):
    """`gain` of each score: the share of churners held by the first 0 %, 2 %, … 100 % of rows.

    The scores pool the rows of all test cut-offs; `by_cutoff` takes them one by one, oldest first. `four_way`: same or
    new customers, same or later period.
    """

    split: Split
    split_reason: str = ""
    rows: int
    customers: int
    churners: int
    model: ChurnScore
    baselines: dict[str, ChurnScore]
    reliability: tuple[ReliabilityRow, ...]
    by_cutoff: tuple[CutoffScore, ...] = ()
    four_way: tuple[Slice, ...] = ()

    @property
    def rule(self) -> str | None:
        """The baseline the gate compares with: the recency rule, or the base rate where there are no events."""
        return next((name for name in (RECENCY, BASE_RATE) if name in self.baselines), None)


class ValueReport(Report):
    """`unit` is the currency of the values, for tables and plots.

    `covered`: the share of realised values inside the range, None where no range was judged; `coverage` by decile.
    """

    split: Split
    split_reason: str = ""
    unit: str = ""
    rows: int
    customers: int
    model: ValueScore
    baselines: dict[str, ValueScore]
    deciles: tuple[DecileRow, ...]
    covered: Interval | None = None
    coverage: tuple[CoverageRow, ...] = ()

    @property
    def coverage_aim(self) -> float | None:
        """The share that a perfect range would hold, over all rows; None where no range was judged."""
        rows = sum(row.rows for row in self.coverage)
        return sum(row.rows * row.aim for row in self.coverage) / rows if rows else None


def flat_metrics(report: ChurnReport | ValueReport) -> dict[str, float]:
    """Every known number by a dotted name, e.g. `model.roc_auc.low`, for MLflow; None and lists are left out."""
    return dict(_numbers(report.model_dump(), ""))


def _numbers(node: object, path: str) -> list[tuple[str, float]]:
    if isinstance(node, dict):
        below = [(f"{path}.{name}".lstrip("."), value) for name, value in node.items() if name != "level"]
        return [pair for name, value in below for pair in _numbers(value, name)]
    return [(_spelled(path), float(node))] if isinstance(node, int | float) else []


def _spelled(path: str) -> str:
    """`path` in the letters that MLflow allows: no comma."""
    return path.replace(",", "").replace(" ", "_")
