"""Monitoring as a story: features now against the training reference, and earlier scores against what came of them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from features.at_stake import at_stake, definition_of
from features.build import Fitted, build, steady
from features.clock import DAY, micros, moment
from features.engines import Source
from features.point_in_time import known_at
from features.settings import Churn, Definition, Settings
from models.bundle import Bundle
from monitoring.drift import DriftReport, drift
from monitoring.realised import Realised, realised_accuracy
from monitoring.report import write_report
from training.labels import churned, realised_value, window_days

PREDICTIONS = ("churn_probability", "expected_value")


class MonitorReport(BaseModel):
    """Drift, realised accuracy, and whether to train again: `reasons` says why."""

    model_config = ConfigDict(frozen=True)
    as_of: str
    model_version: str
    drift: DriftReport
    realised: Realised
    retraining_due: bool
    reasons: tuple[str, ...]


def monitor(source: Source, as_of: int, bundle: Bundle, settings: Settings, history: pl.DataFrame) -> MonitorReport:
    """Compare the population at `as_of` (microseconds) with the bundle's reference; judge closed scores in `history`.

    `history` has the columns of the store's history. Retraining is due when features that carry 20 % of the gain or
    more have drifted, or when realised accuracy is below the gate.
    """
    current = scored_population(source, as_of, bundle)
    found = drift(with_predictions(bundle.reference(), bundle), current, kinds=_kinds(bundle), gain=_gain(bundle))
    realised = realised_accuracy(
        history,
        outcomes(source, as_of, bundle, settings, history),
        gate=settings.gate,
        promoted_auc=_promoted_auc(bundle),
        model_version=bundle.id,
    )
    reasons = (*([found.text] if found.retraining_due else []), *realised.reasons)
    return MonitorReport(
        as_of=f"{moment(as_of):%Y-%m-%d}",
        model_version=bundle.id,
        drift=found,
        realised=realised,
        retraining_due=found.retraining_due or realised.below_gate,
        reasons=reasons,
    )


def write(report: MonitorReport, folder: Path, html: bool) -> list[Path]:
    """Write monitor.json, drift.json and, with `html`, drift.html into `folder`; return what was written."""
    files = write_report(report.drift, folder, html)
    whole = folder / "monitor.json"
    whole.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return [whole, *files]


def scored_population(source: Source, as_of: int, bundle: Bundle) -> pl.DataFrame:
    """Features and predictions of those at stake as of `as_of`."""
    fitted, part = bundle.manifest.fitted, bundle.manifest.churn
    wide = steady(build(source.tables, as_of, Fitted.kept(fitted)))
    if part.definition != "labelled":
        churn = Churn(definition=part.definition, active_within_days=part.active_within_days)
        wide = wide.join(at_stake(source.tables, as_of, part.definition, churn), on="customer_id", how="semi")
    return with_predictions(wide, bundle)


def with_predictions(features: pl.DataFrame, bundle: Bundle) -> pl.DataFrame:
    """The bundle's features of `features`, and what the bundle predicts from them."""
    predicted = bundle.predict(bundle.matrix(features))
    told = {name: getattr(predicted, name) for name in PREDICTIONS if getattr(predicted, name) is not None}
    return features.select(bundle.manifest.names).with_columns(**{name: pl.Series(a) for name, a in told.items()})


def outcomes(source: Source, as_of: int, bundle: Bundle, settings: Settings, history: pl.DataFrame) -> pl.DataFrame:
    """customer_id, as_of, churned, value for every scored date whose window has closed by `as_of`."""
    part, value = bundle.manifest.churn, bundle.manifest.value
    churn = Churn(**part.model_dump(include={"definition", "horizon_days", "active_within_days", "grace_days"}))
    frames = [_nobody(history)]
    for date, rows in who_left(source, as_of, part.definition, churn, history):
        cutoff = micros(date)
        if value and value.source != "labels" and cutoff + value.horizon_days * DAY <= as_of:
            tables = known_at(source.tables, as_of)
            counted = value.horizon_days, value.measure, value.annual_discount_rate
            worth = realised_value(tables, cutoff, value.source, *counted)
            rows = rows.join(worth, on="customer_id", how="left").with_columns(pl.col("value").fill_null(0.0))
        frames.append(rows)
    return pl.concat(frames, how="diagonal")


def who_left(
    source: Source, as_of: int, definition: Definition, churn: Churn, history: pl.DataFrame
) -> Iterator[tuple[dt.datetime, pl.DataFrame]]:
    """Each scored date whose window has closed by `as_of`, with customer_id, as_of, churned of those at stake then."""
    window = window_days(definition, churn) * DAY
    for date in history["as_of"].unique().sort():
        cutoff = micros(date)
        if definition != "labelled" and cutoff + window <= as_of:
            rows = churned(known_at(source.tables, as_of), cutoff, definition, churn)
            yield date, rows.with_columns(as_of=pl.lit(date, history.schema["as_of"]))


def left_by_settings(source: Source, as_of: int, settings: Settings, history: pl.DataFrame) -> pl.DataFrame:
    """`outcomes` without a model: customer_id, as_of, churned by the definition of the settings."""
    definition = definition_of(source.tables, settings.churn)
    found = who_left(source, as_of, definition, settings.churn, history)
    return pl.concat([_nobody(history), *(rows for _, rows in found)], how="diagonal")


def _nobody(history: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(schema={"customer_id": pl.String, "churned": pl.Float64, "as_of": history.schema["as_of"]})


def _kinds(bundle: Bundle) -> dict[str, Literal["number", "category"]]:
    return {column.name: column.kind for column in bundle.manifest.features}


def _gain(bundle: Bundle) -> Mapping[str, float]:
    found: Mapping[str, float] = bundle.manifest.metrics.get("importance", {}).get("churn", {})
    return found


def _promoted_auc(bundle: Bundle) -> float | None:
    found = bundle.manifest.metrics.get("roc_auc")
    return float(found["estimate"]) if found else None
