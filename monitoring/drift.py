"""Drift: does the scored population still look like the one the model learnt from?

Each column is compared twice: its values, and its share of missing values. A difference counts as drift when it is
both certain (Benjamini–Hochberg over all comparisons of the report, at `false_discovery_rate`) and large enough to
matter: alone, the first calls every trifle drift at a million rows, the second calls noise drift at a few hundred.

Reference: Benjamini and Hochberg, Controlling the False Discovery Rate, JRSS B 57(1), 1995.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from monitoring.columns import ColumnComparison, Obstacle, compare_column
from monitoring.stattests import METHODS, Comparison, Kind, Subject

Status = Literal["stable", "drifted"] | Obstacle
Adjusted = Mapping[tuple[str, Subject], float]
PREDICTIONS: dict[str, Kind] = {"churn_probability": "number", "expected_value": "number"}


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DriftSettings(Frozen):
    """When a difference counts. Shares and effects are fractions; `monitoring.stattests` says how effects read."""

    false_discovery_rate: float = Field(0.05, gt=0, lt=1)
    min_number_effect: float = Field(0.1, ge=0)
    min_category_effect: float = Field(0.05, ge=0)
    min_missing_effect: float = Field(0.05, ge=0)
    retrain_at_gain_share: float = Field(0.2, gt=0, le=1)
    min_rows: int = Field(100, ge=2)
    max_rows: int = Field(20_000, ge=2)
    seed: int = 0

    def effect_needed(self, subject: Subject) -> float:
        """The smallest effect that counts."""
        effects = {
            "number": self.min_number_effect,
            "category": self.min_category_effect,
            "missing": self.min_missing_effect,
        }
        return effects[subject]


class Evidence(Frozen):
    """One comparison: `drifted` when adjusted_p ≤ the false discovery rate and effect ≥ effect_needed."""

    method: str
    p: float
    adjusted_p: float
    effect_method: str
    effect: float
    effect_needed: float
    drifted: bool


class ColumnDrift(Frozen):
    """What became of one column. `gain_share` is its share of the model's gain (0..1; 0 for the predictions)."""

    column: str
    kind: Kind
    status: Status
    text: str
    gain_share: float
    reference_missing_share: float | None
    current_missing_share: float | None
    values: Evidence | None
    missing: Evidence | None


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows that were compared."""

    reference: pl.DataFrame
    current: pl.DataFrame


class DriftReport(Frozen):
    """All columns and what follows. `sample` stays out of the JSON, and is None in a report read from JSON.

    `not_compared_gain_share` is the share of the model's gain on features without a verdict: what the report is
    silent about.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)
    status: Literal["compared", "too few rows", "not compared"]
    text: str
    retraining_due: bool
    drifted_gain_share: float
    not_compared_gain_share: float
    reference_rows: int
    current_rows: int
    settings: DriftSettings
    columns: tuple[ColumnDrift, ...]
    sample: Sample | None = Field(None, exclude=True, repr=False)

    def named(self, *statuses: Status) -> list[str]:
        """The columns of these statuses, in the order compared."""
        return [each.column for each in self.columns if each.status in statuses]


def drift(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    *,
    kinds: Mapping[str, Kind],
    gain: Mapping[str, float],
    settings: DriftSettings | None = None,
) -> DriftReport:
    """Compare the columns of `kinds`, and the predictions where both frames hold them.

    `reference` is what the model was trained on, `current` what was scored; both should hold customers at stake
    only. `gain` is the model's gain by feature, in any unit. Columns outside `kinds` are ignored; one of `kinds`
    that cannot be compared says why and loses nothing but itself. Infinite values and NaN count as missing.
    """
    settings = settings or DriftSettings()
    predictions = {name: kind for name, kind in PREDICTIONS.items() if name in reference and name in current}
    sample = Sample(_sampled(reference, settings), _sampled(current, settings))
    found = [
        compare_column(name, kind, sample.reference, sample.current, settings.min_rows)
        for name, kind in {**kinds, **predictions}.items()
    ]
    shares = _shares(gain)
    adjusted = _adjusted(found)
    columns = tuple(_column(each, adjusted, shares.get(each.column, 0.0), settings) for each in found)
    return _report(columns, shares, sample, settings)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: rejecting those ≤ q keeps the expected share of false rejections ≤ q.

    adjusted_(i) = min over j ≥ i of p_(j) · m / j, at most 1, with p_(1) ≤ … ≤ p_(m).

    >>> benjamini_hochberg([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.03]
    """
    largest_first = np.argsort(p)[::-1]
    scaled = np.asarray(p, dtype=float)[largest_first] * len(p) / np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[largest_first] = np.minimum.accumulate(np.minimum(scaled, 1.0))
    return [float(each) for each in adjusted]


def _sampled(frame: pl.DataFrame, settings: DriftSettings) -> pl.DataFrame:
    return frame if frame.height <= settings.max_rows else frame.sample(settings.max_rows, seed=settings.seed)


def _shares(gain: Mapping[str, float]) -> dict[str, float]:
    total = sum(gain.values())
    return {name: amount / total for name, amount in gain.items()} if total > 0 else {}


def _adjusted(found: Sequence[ColumnComparison]) -> Adjusted:
    """One correction over all comparisons of the report."""
    made = {(each.column, one.subject): one.p for each in found for one in each.comparisons}
    return dict(zip(made, benjamini_hochberg(list(made.values())), strict=True))


def _column(found: ColumnComparison, adjusted: Adjusted, gain_share: float, settings: DriftSettings) -> ColumnDrift:
    values, missing = (
        _evidence(one, adjusted[found.column, one.subject], settings) if one else None
        for one in (found.values, found.missing)
    )
    shares = found.missing_shares or (None, None)
    drifted = any(each.drifted for each in (values, missing) if each)
    return ColumnDrift(
        column=found.column,
        kind=found.kind,
        status="drifted" if drifted else found.obstacle or "stable",
        text=_column_words(found, values, missing, gain_share),
        gain_share=gain_share,
        reference_missing_share=shares[0],
        current_missing_share=shares[1],
        values=values,
        missing=missing,
    )


def _evidence(one: Comparison, adjusted_p: float, settings: DriftSettings) -> Evidence:
    method, effect_method = METHODS[one.subject]
    needed = settings.effect_needed(one.subject)
    return Evidence(
        method=method,
        p=one.p,
        adjusted_p=adjusted_p,
        effect_method=effect_method,
        effect=one.effect,
        effect_needed=needed,
        drifted=adjusted_p <= settings.false_discovery_rate and one.effect >= needed,
    )


def _column_words(found: ColumnComparison, values: Evidence | None, missing: Evidence | None, gain_share: float) -> str:
    """What changed, what was not compared, and how much the model leans on it; "no drift" only where that was seen."""
    said = [f"values changed: {found.words}"] if values and values.drifted else []
    if missing and missing.drifted and found.missing_shares:
        said += ["missing {:.0%} → {:.0%}".format(*found.missing_shares)]
    if found.obstacle:
        said += [f"values not compared: {found.why}"]
    return f"{'; '.join(said or ['no drift'])} ({gain_share:.0%} of the model's gain)"


def _report(
    columns: tuple[ColumnDrift, ...], shares: Mapping[str, float], sample: Sample, settings: DriftSettings
) -> DriftReport:
    drifted = round(sum(each.gain_share for each in columns if each.status == "drifted"), 9)  # 0.1 + 0.2 is 0.3 here
    judged = sum(each.gain_share for each in columns if each.status in ("drifted", "stable"))
    unknown = round(sum(shares.values()) - judged, 9)
    return DriftReport(
        status=_status(columns),
        text=_report_words(columns, drifted, unknown, settings.retrain_at_gain_share),
        retraining_due=drifted >= settings.retrain_at_gain_share,
        drifted_gain_share=drifted,
        not_compared_gain_share=unknown,
        reference_rows=sample.reference.height,
        current_rows=sample.current.height,
        settings=settings,
        columns=columns,
        sample=sample,
    )


def _status(columns: Sequence[ColumnDrift]) -> Literal["compared", "too few rows", "not compared"]:
    statuses = {each.status for each in columns}
    if statuses & {"stable", "drifted"}:
        return "compared"
    return "too few rows" if "too few rows" in statuses else "not compared"


def _report_words(columns: Sequence[ColumnDrift], drifted: float, unknown: float, limit: float) -> str:
    count = {status: sum(each.status == status for each in columns) for status in ("stable", "drifted")}
    silent = len(columns) - sum(count.values())
    verdict = "retraining is due" if drifted >= limit else "no retraining due to drift"
    if _status(columns) != "compared":
        verdict = "nothing could be compared, so nothing is known about drift"
    return (
        f"{count['drifted']} of {len(columns)} columns drifted, with {drifted:.0%} of the model's gain "
        f"(limit {limit:.0%}): {verdict}. Not compared: {silent}, with {unknown:.0%} of the gain."
    )
