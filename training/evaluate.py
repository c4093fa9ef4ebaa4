"""What the model is worth on the test rows, next to the baselines it has to beat on the very same rows."""

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features.clock import moment
from training import metrics
from training.baselines import PROBABILITIES, churn_baselines, value_baselines
from training.bootstrap import SEED
from training.coverage import coverage_interval, coverage_table
from training.intervals import PROBABILITY, RANKING, VALUE, Judged, judge
from training.metrics import Floats, Values
from training.reports import (
    BASE_RATE,
    COMPOSITE,
    LATER_PERIOD,
    NOT_LATER,
    RECENCY,
    RUN_RATE,
    ChurnReport,
    ChurnScore,
    CutoffScore,
    Report,
    Slice,
    Split,
    ValueReport,
    ValueScore,
    flat_metrics,
)

__all__ = [
    "BASE_RATE",
    "COMPOSITE",
    "LATER_PERIOD",
    "NOT_LATER",
    "RECENCY",
    "RUN_RATE",
    "ChurnReport",
    "ChurnScore",
    "Report",
    "Split",
    "ValueReport",
    "ValueScore",
    "churn_baselines",
    "churn_scores",
    "evaluate_churn",
    "evaluate_value",
    "flat_metrics",
    "value_baselines",
    "value_scores",
]

MODEL = "model"
_CURVE_POINTS = np.linspace(0, 1, 51)


def evaluate_churn(
    y: Values,
    p: Values,
    baselines: Mapping[str, Values],
    customers: npt.ArrayLike,
    split: Split,
    split_reason: str = "",
    probabilities: Collection[str] = PROBABILITIES,
    draws: int | None = None,
    seed: int = SEED,
    as_of: npt.ArrayLike | None = None,
    zone: dt.tzinfo = dt.UTC,
    four_way: Sequence[Slice] = (),
) -> ChurnReport:
    """Judge probabilities `p` and the `baselines` against `y` (1 = churned); arrays of shape (rows,).

    `customers` are the ids by which rows are drawn together; `probabilities` names the baselines that are some.
    `as_of`: the test cut-off of each row (microseconds), for estimates by cut-off, dated in `zone`.
    """
    ids = np.asarray(customers)
    scores = {MODEL: p, **baselines}
    judged = churn_scores(y, scores, ids, {MODEL, *probabilities}, MODEL, draws, seed)
    return ChurnReport(
        split=split,
        split_reason=split_reason,
        rows=len(ids),
        customers=len(np.unique(ids)),
        churners=int(np.sum(_labels(y))),
        model=judged.pop(MODEL),
        baselines=judged,
        reliability=tuple(metrics.reliability_table(y, p)),
        by_cutoff=() if as_of is None else by_cutoff(y, scores, ids, as_of, zone, draws, seed),
        four_way=tuple(four_way),
    )


def evaluate_value(
    actual: Values,
    predicted: Values,
    baselines: Mapping[str, Values],
    customers: npt.ArrayLike,
    split: Split,
    split_reason: str = "",
    unit: str = "",
    draws: int | None = None,
    seed: int = SEED,
    low: Values | None = None,
    high: Values | None = None,
) -> ValueReport:
    """Judge `predicted` and the `baselines` against the `actual` value over the horizon; arrays of shape (rows,).

    `low` and `high` are the bounds of the range; without both the report says nothing of how well it holds.
    """
    judged = value_scores(actual, {MODEL: predicted, **baselines}, customers, MODEL, draws, seed)
    return ValueReport(
        split=split,
        split_reason=split_reason,
        unit=unit,
        rows=len(np.asarray(actual)),
        customers=len(np.unique(np.asarray(customers))),
        model=judged.pop(MODEL),
        baselines=judged,
        deciles=tuple(metrics.decile_table(actual, predicted)),
        covered=None if low is None or high is None else coverage_interval(actual, low, high, customers, draws, seed),
        coverage=() if low is None or high is None else tuple(coverage_table(actual, predicted, low, high)),
    )


def churn_scores(
    y: Values,
    scores: Mapping[str, Values],
    customers: npt.ArrayLike,
    probabilities: Collection[str],
    reference: str | None = None,
    draws: int | None = None,
    seed: int = SEED,
) -> dict[str, ChurnScore]:
    """Each of `scores` (name → shape (rows,), higher = riskier) judged; differences are `reference` − the score."""
    y = _labels(y)
    wanted = {name: {**RANKING, **(PROBABILITY if name in probabilities else {})} for name in scores}
    judged = judge(y, scores, wanted, customers, reference, draws, seed)
    return {name: _churn_score(judged[name], _gain(y, score)) for name, score in scores.items()}


def value_scores(
    actual: Values,
    scores: Mapping[str, Values],
    customers: npt.ArrayLike,
    reference: str | None = None,
    draws: int | None = None,
    seed: int = SEED,
) -> dict[str, ValueScore]:
    """Each of `scores` (name → predicted value, shape (rows,)) judged; differences are `reference` − the score."""
    judged = judge(actual, scores, dict.fromkeys(scores, VALUE), customers, reference, draws, seed)
    return {name: _value_score(each) for name, each in judged.items()}


def by_cutoff(
    y: Values,
    scores: Mapping[str, Values],
    customers: npt.ArrayLike,
    as_of: npt.ArrayLike,
    zone: dt.tzinfo = dt.UTC,
    draws: int | None = None,
    seed: int = SEED,
) -> tuple[CutoffScore, ...]:
    """The rows of each cut-off by themselves, oldest first; `scores` holds the model's under its name."""
    y, ids, cutoffs = _labels(y), np.asarray(customers), np.asarray(as_of)
    columns = {name: np.asarray(score, dtype=float) for name, score in scores.items()}
    return tuple(
        _cutoff_score(int(cutoff), y[at], {name: c[at] for name, c in columns.items()}, ids[at], zone, draws, seed)
        for cutoff in np.unique(cutoffs)
        for at in [cutoffs == cutoff]
    )


def _cutoff_score(
    cutoff: int,
    y: Floats,
    scores: Mapping[str, Floats],
    customers: npt.NDArray[np.generic],
    zone: dt.tzinfo,
    draws: int | None,
    seed: int,
) -> CutoffScore:
    auc, error = ({name: each[name]} for each, name in ((RANKING, "roc_auc"), (PROBABILITY, "calibration_error")))
    wanted = {name: auc | (error if name == MODEL else {}) for name in scores}
    judged = judge(y, scores, wanted, customers, MODEL, draws, seed)
    model = judged.pop(MODEL)
    return CutoffScore(
        as_of=moment(cutoff).astimezone(zone).date(),
        rows=len(y),
        churners=int(y.sum()),
        roc_auc=model.intervals["roc_auc"],
        calibration_error=model.intervals["calibration_error"],
        baselines={name: each.intervals["roc_auc"] for name, each in judged.items()},
        differences={name: each.differences["roc_auc"] for name, each in judged.items()},
    )


def _churn_score(judged: Judged, gain: tuple[float, ...]) -> ChurnScore:
    found = _estimate_of(judged)
    return ChurnScore(
        roc_auc=judged.intervals["roc_auc"],
        difference=judged.differences.get("roc_auc"),
        average_precision=found("average_precision"),
        lift_top_decile=found("lift_top_decile"),
        brier_score=found("brier_score"),
        log_loss=found("log_loss"),
        calibration_error=found("calibration_error"),
        total_ratio=found("total_ratio"),
        intervals=judged.intervals,
        differences=judged.differences,
        gain=gain,
    )


def _value_score(judged: Judged) -> ValueScore:
    found = _estimate_of(judged)
    return ValueScore(
        normalised_gini=judged.intervals["normalised_gini"],
        difference=judged.differences.get("normalised_gini"),
        spearman=found("spearman"),
        mae=found("mae"),
        total_ratio=found("total_ratio"),
        intervals=judged.intervals,
        differences=judged.differences,
    )


def _estimate_of(judged: Judged) -> Callable[[str], float | None]:
    return lambda name: judged.intervals[name].estimate if name in judged.intervals else None


def _gain(y: Floats, score: Values) -> tuple[float, ...]:
    taken, held = metrics.gain_curve(y, score)
    return tuple(np.interp(_CURVE_POINTS, taken, held).tolist()) if len(taken) else ()


def _labels(y: Values) -> Floats:
    y = np.asarray(y, dtype=float)
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("labels must be 0 (stayed) or 1 (churned), without gaps")
    return y
