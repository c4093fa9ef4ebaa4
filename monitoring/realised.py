"""Realised accuracy: what earlier scores said, against what came of it once their horizon had closed."""

from collections.abc import Sequence
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from features.settings import Gate
from training.bootstrap import Interval, interval, known
from training.metrics import brier_score, calibration_error, roc_auc

KEY = ("customer_id", "as_of")
DRAWS = 200
"""Draws of customers behind the interval of the AUC: its bounds only have to be good to a hundredth."""


class Realised(BaseModel):
    """How good the scores turned out. Where too few rows have closed, every measure is None and `text` says so.

    `auc` carries its 90 % interval by customer. Values are totals over the rows that have both a predicted and an
    actual one, in the data's currency. `reasons` says why the model is below the gate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    status: Literal["measured", "not enough closed rows"]
    text: str
    below_gate: bool = False
    reasons: tuple[str, ...] = ()
    rows: int
    churners: int
    model_versions: tuple[str, ...]
    auc: Interval | None = None
    brier: float | None = None
    calibration_error: float | None = None
    predicted_value: float | None = None
    actual_value: float | None = None


def realised_accuracy(
    scores: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    gate: Gate | None = None,
    promoted_auc: float | None = None,
    model_version: str | None = None,
) -> Realised:
    """Join `scores` with `outcomes` on (customer_id, as_of) and measure.

    `scores`: customer_id, as_of, at_stake, churn_probability, expected_value, model_version[, scored_at]; only rows
    at stake with a probability count, of one (customer_id, as_of) the latest scored. Name `model_version` to judge
    one model. Leave out backfilled scores: their model may have seen what it predicts.
    `outcomes`: customer_id, as_of, churned (0 or 1, null while the horizon is open)[, value]; unique by key.
    `promoted_auc`: the test AUC noted at promotion; without it only calibration is held against the gate.
    """
    gate = gate or Gate()
    closed = _closed(scores, outcomes, model_version)
    churners = int(closed["churned"].sum())
    versions = tuple(sorted(closed["model_version"].unique().to_list()))
    if missing := _too_few(closed.height, churners, max(gate.min_churners, 1)):
        return Realised(
            status="not enough closed rows",
            text=missing,
            rows=closed.height,
            churners=churners,
            model_versions=versions,
        )
    return _measured(closed, gate, promoted_auc, versions)


def _closed(scores: pl.DataFrame, outcomes: pl.DataFrame, model_version: str | None) -> pl.DataFrame:
    """One row per customer and as_of whose horizon has closed: customer, prediction, outcome."""
    if model_version is not None:
        scores = scores.filter(pl.col("model_version") == model_version)
    counted = scores.filter(pl.col("at_stake") & pl.col("churn_probability").is_not_nan())
    latest = counted.sort("scored_at") if "scored_at" in counted else counted
    latest = latest.unique(KEY, keep="last", maintain_order=True)
    known_outcomes = outcomes.filter(pl.col("churned").is_not_null())
    value = [] if "value" in outcomes else [pl.lit(None, pl.Float64).alias("value")]
    return latest.join(
        known_outcomes.with_columns(pl.col("churned").cast(pl.Int64), *value).select(*KEY, "churned", "value"),
        on=KEY,
        validate="1:1",
    )


def _too_few(rows: int, churners: int, needed: int) -> str:
    """Why no number is given, or nothing."""
    if min(churners, rows - churners) >= needed:
        return ""
    return (
        f"not enough closed rows: {rows} scored customers whose horizon has closed, {churners} churned and "
        f"{rows - churners} stayed; {needed} of each are needed"
    )


def _measured(closed: pl.DataFrame, gate: Gate, promoted_auc: float | None, versions: tuple[str, ...]) -> Realised:
    y, p = closed["churned"].to_numpy(), closed["churn_probability"].to_numpy()
    auc = interval(roc_auc, y, p, closed["customer_id"].to_numpy(), draws=DRAWS)
    error = calibration_error(y, p)
    reasons = _below_gate(auc, error, gate, promoted_auc)
    valued = closed.filter(pl.col("expected_value").is_not_null() & pl.col("value").is_not_null())
    return Realised(
        status="measured",
        text=_words(closed.height, int(y.sum()), auc, reasons),
        below_gate=bool(reasons),
        reasons=reasons,
        rows=closed.height,
        churners=int(y.sum()),
        model_versions=versions,
        auc=auc,
        brier=known(brier_score(y, p)),
        calibration_error=known(error),
        predicted_value=float(valued["expected_value"].sum()) if valued.height else None,
        actual_value=float(valued["value"].sum()) if valued.height else None,
    )


def _below_gate(auc: Interval, error: float, gate: Gate, promoted_auc: float | None) -> tuple[str, ...]:
    """A reason for each way the model has fallen below: calibration, or an AUC surely lower than at promotion."""
    reasons = []
    if error > gate.max_calibration_error:
        reasons.append(f"calibration error {error:.3f} is above the gate's {gate.max_calibration_error:g}")
    if promoted_auc is not None and auc.high is not None and auc.high < promoted_auc:
        reasons.append(f"AUC is at most {auc.high:.3f} (90 % interval), it was {promoted_auc:.3f} at promotion")
    return tuple(reasons)


def _words(rows: int, churners: int, auc: Interval, reasons: Sequence[str]) -> str:
    seen = f"{rows} scored customers whose horizon has closed, {churners} churned: AUC {auc.estimate:.3f}"
    return f"{seen}; below the gate: {'; '.join(reasons)}" if reasons else f"{seen}; at or above the gate"
