"""From what was fitted to what a bundle holds."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl

from features.at_stake import at_stake
from features.clock import moment
from features.engines import Source
from features.settings import Settings
from models.design import Design
from models.manifest import ChurnPart, ManifestParts, ValuePart
from models.rules import DEFAULT_PACK
from models.rules.apply import FittedRules
from training.fit import Fits, roles
from training.normals import normals
from training.snapshots import Snapshots
from training.targets import Targets

REFERENCE_ROWS = 20_000


def parts(
    as_of: int, aims: Targets, snapshots: Snapshots, fits: Fits, learnt: FittedRules,
    known: Mapping[str, Any], settings: Settings,
) -> ManifestParts:  # fmt: skip
    """What the manifest says; `known` is what else it keeps of the data."""
    churn = settings.churn
    return ManifestParts(
        as_of=moment(as_of).astimezone(settings.company.zone),
        churn=ChurnPart(
            definition=aims.definition,
            horizon_days=churn.horizon_days,
            base_rate=fits.churn.base_rate,
            active_within_days=churn.active_within_days,
            grace_days=churn.grace_days,
            mixture=fits.churn.mixture,
            calibration=fits.churn.calibration,
        ),
        value=_value_part(fits, aims, settings),
        features=snapshots.columns,
        rhythm=fits.design.rhythm,
        curve=fits.curve.curve if fits.curve else None,
        fitted={
            **learnt.model_dump(mode="json"),
            "static": list(snapshots.fitted.static),
            **known,
            "normals": _normals(snapshots, aims, fits.design),
        },
    )


def files(fits: Fits, reference: pl.DataFrame, settings: Settings, created_at: dt.datetime) -> dict[str, Any]:
    """What a bundle holds beside its manifest: the keyword arguments of `write_bundle`."""
    return {
        "churn": fits.churn.trees,
        "curve": fits.curve.trees if fits.curve else None,
        "value": fits.value.texts if fits.value else {},
        "pack": (settings.rules.pack or DEFAULT_PACK).read_text(encoding="utf-8"),
        "reference": reference,
        "created_at": created_at,
    }


def reference(
    today: pl.DataFrame, past: Source, as_of: int, snapshots: Snapshots, aims: Targets, settings: Settings
) -> pl.DataFrame:
    """Of `today`, everyone's features as of `as_of`, those at stake: what has changed since then is drift."""
    wide = today
    if aims.definition != "labelled":
        wide = wide.join(at_stake(past.tables, as_of, aims.definition, settings.churn), on="customer_id", how="semi")
    names = [column.name for column in snapshots.columns]
    return wide.select(names).sample(n=min(REFERENCE_ROWS, wide.height), seed=0)


def _value_part(fits: Fits, aims: Targets, settings: Settings) -> ValuePart | None:
    if fits.value is None or aims.value_source is None:
        return None
    return ValuePart(
        source=aims.value_source,
        measure=settings.value.measure,
        horizon_days=settings.value_horizon_days,
        annual_discount_rate=settings.value.annual_discount_rate,
        mixture=fits.value.mixture,
        range=fits.value.range,
    )


def _normals(snapshots: Snapshots, aims: Targets, design: Design) -> dict[str, float | str]:
    """What is normal among those at stake who train, derived columns included."""
    rows = roles(snapshots.rows.filter(pl.col("at_stake")), aims.churn).training
    matrix, derived = design.matrix(rows), design.described[len(design.columns) :]
    added = {column.name: pl.Series(design.column(matrix, column.name)) for column in derived}
    return normals(rows.with_columns(**added), design.described)
