"""Training as a story: snapshots → fit → evaluate → a candidate, ready to be registered."""

import datetime as dt
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from features.build import beginnings, build
from features.clock import MONTH_DAYS, moment
from features.engines import Source
from features.point_in_time import known_before
from features.settings import Settings
from models.bundle import Bundle, ValueTexts, write_bundle
from models.manifest import ChurnPart, ManifestParts, ValuePart
from models.rules import DEFAULT_PACK, FittedComposite, RulePack, composite_score, fit_composite, load_pack
from models.rules.apply import FittedRules
from training.evaluate import (
    LATER_PERIOD,
    NOT_LATER,
    ChurnReport,
    Split,
    ValueReport,
    churn_baselines,
    evaluate_churn,
    evaluate_value,
    value_baselines,
)
from training.fit import Fits, Roles, fit, importance, roles, training_counts
from training.gate import GateDecision, gate, require_both, require_churners
from training.labels import at_stake
from training.metrics import Floats
from training.rules import fit_rules
from training.snapshots import Snapshots, fit_population, steady, take
from training.split import Plan
from training.targets import Targets, targets

RECENCY_OF = {
    "no_purchase": "rfm_recency_days",
    "inactive": "usage_recency_days",
    "cancelled": "subscription_recency_days",
}
"""Definition → days since the latest event of its own table; `labelled` has no events."""

SPEND: dict[str, tuple[tuple[str, float], ...]] = {
    "transactions": tuple((f"rfm_amount_sum_{days}d", float(days)) for days in (365, 180, 90, 30)),
    "subscriptions": (("subscription_amount", MONTH_DAYS),),
}
"""Value source → past spend and the days it covers, the longest window first: what the run rate continues."""

REFERENCE_ROWS = 20_000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """A fitted model with everything that is known about it; `bundle` lies in a folder of its own."""

    as_of: int
    targets: Targets
    snapshots: Snapshots
    bundle: Bundle
    churn: ChurnReport
    value: ValueReport | None
    decision: GateDecision
    training_rows: int
    training_churners: int
    importance: dict[str, dict[str, float]]


def train(
    source: Source,
    as_of: int,
    settings: Settings,
    created_at: dt.datetime,
    folder: Path | None = None,
    progress: Progress = lambda step: None,
) -> Candidate:
    """Train churn and value as of `as_of` (microseconds): nothing later is read. The bundle lands below `folder`.

    Raises TooFewChurners before anything is fitted, SplitError and LabelError where data and settings do not fit.
    """
    past = source.until(as_of)
    progress("labels")
    aims = targets(past, as_of, settings)
    churners, stayers = training_counts(aims.outcomes, aims.churn)
    require_churners(churners, settings.gate.min_churners)
    require_both(churners, stayers)
    pack = load_pack(settings.rules.pack)
    fitted = fit_population(past, aims.churn.calibration, aims.definition, settings)
    snapshots = take(past, aims, fitted, settings, lambda step: progress(f"features {step}"))
    progress("fit")
    fits = fit(snapshots, aims)
    composite = fit_composite(_population(snapshots, aims.churn), pack, settings.company.currency)
    place = folder or Path(tempfile.mkdtemp(prefix="remora-"))
    today = steady(build(past.tables, as_of, snapshots.fitted))
    progress("rules")
    learnt = fit_rules(past.tables, today, as_of, pack, settings, snapshots.fitted, composite)
    begins = beginnings(known_before(past.tables, as_of))
    parts = _parts(as_of, aims, snapshots, fits, learnt, begins, settings)
    files = _files(fits, _reference(today, past, as_of, snapshots, aims, settings), settings, created_at)
    draft = write_bundle(place / "draft", parts, **files)
    progress("evaluate")
    churn = judge_churn(draft, snapshots, aims, composite, pack)
    value = judge_value(draft, snapshots, aims, settings)
    gains = _importance(fits, snapshots)
    metrics = {"gain": gains, "roc_auc": churn.model.roc_auc.model_dump()}
    bundle = write_bundle(place / "bundle", parts.model_copy(update={"metrics": metrics}), **files)
    training = _dealt(snapshots, aims.churn).training
    decision = gate(churn, churners, settings.gate)
    return Candidate(as_of, aims, snapshots, bundle, churn, value, decision, training.height, churners, gains)


def judge_churn(
    bundle: Bundle, snapshots: Snapshots, aims: Targets, composite: FittedComposite, pack: RulePack
) -> ChurnReport:
    """The bundle's churn probabilities on the test rows, next to the recency rule and the composite score."""
    test = _dealt(snapshots, aims.churn).test
    days = test[RECENCY_OF[aims.definition]].to_numpy() if aims.definition in RECENCY_OF else None
    score = composite_score(test, composite, pack)["composite_score"].cast(pl.Float64).to_numpy()
    baselines = churn_baselines(days, score, bundle.manifest.churn.base_rate, test.height)
    predicted = bundle.predict(bundle.matrix(test)).churn_probability
    return evaluate_churn(
        test["churned"].to_numpy(), predicted, baselines, test["customer_id"].to_numpy(), *_split(aims.churn)
    )


def judge_value(bundle: Bundle, snapshots: Snapshots, aims: Targets, settings: Settings) -> ValueReport | None:
    """The bundle's expected value on the test rows at stake, next to the run rate; None without value data."""
    if aims.value is None or aims.value_source is None:
        return None
    rows = snapshots.rows.filter(pl.col("value").is_not_null() & pl.col("at_stake"))
    test = roles(rows, aims.value).test
    predicted = bundle.predict(bundle.matrix(test)).expected_value
    assert predicted is not None
    baselines = {}
    if aims.value_source != "labels":
        baselines = value_baselines(*past_spend(test, aims.value_source), settings.value_horizon_days)
    return evaluate_value(
        test["value"].to_numpy(),
        predicted,
        baselines,
        test["customer_id"].to_numpy(),
        *_split(aims.value),
        unit=settings.company.currency or "",
    )


def past_spend(rows: pl.DataFrame, source: str) -> tuple[Floats, float]:
    """Spend over the longest window that is known, and its days; both sources are scaled and added up."""
    names = ("transactions", "subscriptions") if source == "both" else (source,)
    found = [_longest(rows, SPEND[name]) for name in names]
    days = found[0][1]
    return np.sum([spend * days / window for spend, window in found], axis=0), days


def _longest(rows: pl.DataFrame, windows: tuple[tuple[str, float], ...]) -> tuple[Floats, float]:
    name, days = next((w for w in windows if rows[w[0]].is_not_null().any()), windows[-1])
    return rows[name].fill_null(0.0).to_numpy(), days


def _parts(
    as_of: int,
    aims: Targets,
    snapshots: Snapshots,
    fits: Fits,
    learnt: FittedRules,
    begins: Mapping[str, int],
    settings: Settings,
) -> ManifestParts:
    churn = settings.churn
    return ManifestParts(
        as_of=moment(as_of).astimezone(settings.company.zone),
        churn=ChurnPart(
            definition=aims.definition,
            horizon_days=churn.horizon_days,
            base_rate=fits.base_rate,
            active_within_days=churn.active_within_days,
            grace_days=churn.grace_days,
            calibration=fits.calibration,
        ),
        value=_value_part(fits, aims, settings),
        features=snapshots.columns,
        fitted={
            **learnt.model_dump(mode="json"),
            "static": list(snapshots.fitted.static),
            "begins": dict(begins),
        },
    )


def _files(fits: Fits, reference: pl.DataFrame, settings: Settings, created_at: dt.datetime) -> dict[str, Any]:
    """What a bundle holds beside its manifest: the keyword arguments of `write_bundle`."""
    value = ValueTexts(fits.value.any, fits.value.amount, fits.value.retained) if fits.value else None
    pack = (settings.rules.pack or DEFAULT_PACK).read_text(encoding="utf-8")
    return {"churn": fits.churn, "value": value, "pack": pack, "reference": reference, "created_at": created_at}


def _value_part(fits: Fits, aims: Targets, settings: Settings) -> ValuePart | None:
    if fits.interval is None or aims.value_source is None:
        return None
    return ValuePart(
        source=aims.value_source,
        measure=settings.value.measure,
        horizon_days=settings.value_horizon_days,
        interval=fits.interval,
    )


def _reference(
    today: pl.DataFrame, past: Source, as_of: int, snapshots: Snapshots, aims: Targets, settings: Settings
) -> pl.DataFrame:
    """Of `today`, everyone's features as of `as_of`, those at stake: what has changed since then is drift."""
    wide = today
    if aims.definition != "labelled":
        stake = at_stake(past.tables, as_of, aims.definition, settings.churn)
        wide = wide.join(stake, on="customer_id", how="semi")
    names = [column.name for column in snapshots.columns]
    return wide.select(names).sample(n=min(REFERENCE_ROWS, wide.height), seed=0)


def _population(snapshots: Snapshots, plan: Plan) -> pl.DataFrame:
    """Everyone known at the latest training cut-off: what the composite score is fitted on."""
    return snapshots.rows.filter(pl.col("as_of") == plan.calibration)


def _dealt(snapshots: Snapshots, plan: Plan) -> Roles:
    return roles(snapshots.rows.filter(pl.col("at_stake")), plan)


def _split(plan: Plan) -> tuple[Split, str]:
    test = f"{moment(plan.test):%Y-%m-%d}"
    if plan.later_period:
        return LATER_PERIOD, f"tested on everyone at {test}, after an embargo of one window"
    return NOT_LATER, f"history has no room for an embargo: tested on the fifth of customers set aside, at {test}"


def _importance(fits: Fits, snapshots: Snapshots) -> dict[str, dict[str, float]]:
    found = {"churn": importance(fits.churn, snapshots.columns)}
    return found | ({"value": importance(fits.value.amount, snapshots.columns)} if fits.value else {})
