"""What the model is worth on the test rows, next to the baselines it has to beat on the very same rows.

Reports are frozen, go through JSON unchanged (`model_dump_json`, `model_validate_json`) and hold all that the plots
and the gate need. A number that cannot be known is None.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat

from training import metrics
from training.bootstrap import DRAWS, LEVEL, SEED, Interval, Metric, known, percentile_interval, replicates
from training.metrics import DecileRow, Floats, ReliabilityRow, Values

LATER_PERIOD: Literal["later period"] = "later period"
NOT_LATER: Literal["not tested on a later period"] = "not tested on a later period"
Split = Literal["later period", "not tested on a later period"]

RECENCY = "recency rule"
COMPOSITE = "composite score"
BASE_RATE = "base rate"
RUN_RATE = "run rate"
_CURVE_POINTS = np.linspace(0, 1, 51)


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
    gain: tuple[FiniteFloat, ...] = ()


class ValueScore(Report):
    """One prediction of value on the test rows; `difference` is model − this in normalised Gini."""

    normalised_gini: Interval
    spearman: FiniteFloat | None
    mae: FiniteFloat | None
    total_ratio: FiniteFloat | None
    difference: Interval | None = None


class ChurnReport(Report):
    """`gain` of each score: the share of churners held by the first 0 %, 2 %, … 100 % of rows."""

    split: Split
    split_reason: str = ""
    rows: int
    customers: int
    churners: int
    model: ChurnScore
    baselines: dict[str, ChurnScore]
    reliability: tuple[ReliabilityRow, ...]

    @property
    def rule(self) -> str | None:
        """The baseline the gate compares with: the recency rule, or the base rate where there are no events."""
        return next((name for name in (RECENCY, BASE_RATE) if name in self.baselines), None)


class ValueReport(Report):
    """`unit` is the currency of the values, for tables and plots."""

    split: Split
    split_reason: str = ""
    unit: str = ""
    rows: int
    customers: int
    model: ValueScore
    baselines: dict[str, ValueScore]
    deciles: tuple[DecileRow, ...]


def churn_baselines(
    days_since_event: Values | None, composite_score: Values | None, base_rate: float, rows: int
) -> dict[str, Floats]:
    """Scores to beat, name → shape (rows,), higher = riskier.

    `days_since_event`: days since the latest event of the definition's own table, NaN = none = riskiest; None where
    the definition has no events, and then the base rate of training takes its place. `composite_score`: 0 to 100,
    high = loyal; a customer without one gets the median; None (or nothing known) leaves the baseline out.
    """
    if days_since_event is None:
        baselines = {BASE_RATE: np.full(rows, base_rate)}
    else:
        days = np.asarray(days_since_event, dtype=float)
        baselines = {RECENCY: np.where(np.isnan(days), np.inf, days)}
    if composite_score is not None:
        score = np.asarray(composite_score, dtype=float)
        if not np.isnan(score).all():
            baselines[COMPOSITE] = 100 - np.where(np.isnan(score), np.nanmedian(score), score)
    return baselines


def value_baselines(spend: Values, window_days: float, horizon_days: float) -> dict[str, Floats]:
    """Run rate: what came in over the last `window_days`, scaled to the horizon; NaN spend is none."""
    spend = np.asarray(spend, dtype=float)
    return {RUN_RATE: np.where(np.isnan(spend), 0.0, spend) * horizon_days / window_days}


def evaluate_churn(
    y: Values,
    p: Values,
    baselines: Mapping[str, Values],
    customers: npt.ArrayLike,
    split: Split,
    split_reason: str = "",
    probabilities: Collection[str] = (BASE_RATE,),
    draws: int = DRAWS,
    seed: int = SEED,
) -> ChurnReport:
    """Judge probabilities `p` and the `baselines` against `y` (1 = churned); arrays of shape (rows,).

    `customers` are the ids by which rows are drawn together; `probabilities` names the baselines that are some.
    """
    y = _labels(y)
    auc = _paired(metrics.roc_auc, y, [p, *baselines.values()], customers, draws, seed)
    model, *others = (
        _churn_score(y, score, *intervals, probable=name in {"", *probabilities})
        for (name, score), intervals in zip([("", p), *baselines.items()], auc, strict=True)
    )
    return ChurnReport(
        split=split,
        split_reason=split_reason,
        rows=len(y),
        customers=len(np.unique(np.asarray(customers))),
        churners=int(y.sum()),
        model=model,
        baselines=dict(zip(baselines, others, strict=True)),
        reliability=tuple(metrics.reliability_table(y, p)),
    )


def evaluate_value(
    actual: Values,
    predicted: Values,
    baselines: Mapping[str, Values],
    customers: npt.ArrayLike,
    split: Split,
    split_reason: str = "",
    unit: str = "",
    draws: int = DRAWS,
    seed: int = SEED,
) -> ValueReport:
    """Judge `predicted` and the `baselines` against the `actual` value over the horizon; arrays of shape (rows,)."""
    scores = [predicted, *baselines.values()]
    gini = _paired(metrics.normalised_gini, actual, scores, customers, draws, seed)
    model, *others = (_value_score(actual, score, *both) for score, both in zip(scores, gini, strict=True))
    return ValueReport(
        split=split,
        split_reason=split_reason,
        unit=unit,
        rows=len(np.asarray(actual)),
        customers=len(np.unique(np.asarray(customers))),
        model=model,
        baselines=dict(zip(baselines, others, strict=True)),
        deciles=tuple(metrics.decile_table(actual, predicted)),
    )


def flat_metrics(report: ChurnReport | ValueReport) -> dict[str, float]:
    """Every known number by a dotted name, e.g. `model.roc_auc.low`, for MLflow; None and lists are left out."""
    return dict(_numbers(report.model_dump(), ""))


def _numbers(node: object, path: str) -> list[tuple[str, float]]:
    if isinstance(node, dict):
        below = [(f"{path}.{name}".lstrip("."), value) for name, value in node.items() if name != "level"]
        return [pair for name, value in below for pair in _numbers(value, name)]
    return [(path.replace(" ", "_"), float(node))] if isinstance(node, int | float) else []


def _paired(
    metric: Metric, y: Values, scores: Sequence[Values], customers: npt.ArrayLike, draws: int, seed: int
) -> list[tuple[Interval, Interval | None]]:
    """Of each score its interval and that of first − score (None for the first), all from the same draws."""
    estimates = [metric(y, score) for score in scores]
    drawn = replicates(metric, y, scores, customers, draws, seed)
    own = [percentile_interval(e, drawn[:, i], LEVEL) for i, e in enumerate(estimates)]
    gaps = [percentile_interval(estimates[0] - e, drawn[:, 0] - drawn[:, i], LEVEL) for i, e in enumerate(estimates)]
    return list(zip(own, [None, *gaps[1:]], strict=True))


def _churn_score(y: Floats, score: Values, auc: Interval, gap: Interval | None, probable: bool) -> ChurnScore:
    def if_probable(metric: Callable[[Values, Values], float]) -> float | None:
        return known(metric(y, score)) if probable else None

    return ChurnScore(
        roc_auc=auc,
        difference=gap,
        average_precision=known(metrics.average_precision(y, score)),
        lift_top_decile=known(metrics.lift_at(y, score, 0.1)),
        brier_score=if_probable(metrics.brier_score),
        log_loss=if_probable(metrics.log_loss),
        calibration_error=if_probable(metrics.calibration_error),
        total_ratio=if_probable(metrics.total_ratio),
        gain=_gain(y, score),
    )


def _value_score(actual: Values, predicted: Values, gini: Interval, gap: Interval | None) -> ValueScore:
    return ValueScore(
        normalised_gini=gini,
        difference=gap,
        spearman=known(metrics.spearman(actual, predicted)),
        mae=known(metrics.mae(actual, predicted)),
        total_ratio=known(metrics.total_ratio(actual, predicted)),
    )


def _gain(y: Floats, score: Values) -> tuple[float, ...]:
    taken, held = metrics.gain_curve(y, score)
    return tuple(np.interp(_CURVE_POINTS, taken, held).tolist()) if len(taken) else ()


def _labels(y: Values) -> Floats:
    y = np.asarray(y, dtype=float)
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 (stayed) or 1 (churned), without gaps")
    return y
