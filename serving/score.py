"""Batch scoring: from tables as of a date to the rows of the output contract."""

import datetime as dt
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.build import Fitted, build
from features.clock import micros, moment, now
from features.engines import Source
from features.errors import RemoraError
from features.settings import Churn, Settings
from features.usage import popular_features
from models.bundle import Bundle
from models.explain import reasons
from models.prediction import REASON, SCHEMA, TIME, Reason
from models.rules import (
    FittedComposite,
    RulePack,
    composite_score,
    fit_composite,
    load_pack,
    playbooks,
    risk_band,
    rule_reasons,
)
from serving.errors import require_folder
from serving.store import Store
from training.labels import at_stake, definition_of
from training.snapshots import steady

NO_MODEL = "none"

Progress = Callable[[str], None]


class ScoringError(RemoraError):
    """The bundle and the wanted date or data do not fit together."""


def run_score(
    source: Source,
    date: dt.datetime,
    bundle: Bundle | None,
    settings: Settings,
    store: Store,
    file: Path | None,
    backfill: bool,
    progress: Progress,
) -> pl.DataFrame:
    """Score into the store, then into `file` if asked. The store commits first; a rerun repairs the file."""
    _refuse_the_past(bundle, micros(date), backfill)
    if file is not None:
        require_folder(file)
    past = source.until(micros(date))
    rows = score(past, micros(date), bundle, settings, now(), progress)
    progress("store")
    store.save_customers(people(past))
    store.save(rows, backfill=backfill and bundle is not None and date < bundle.manifest.as_of)
    if file is not None:
        write_scores(rows, file)
    return rows


def people(source: Source) -> pl.DataFrame:
    """customer_id with name and account_owner, where `customers` has them."""
    if "customers" not in source.tables:
        return pl.DataFrame(schema={"customer_id": pl.String})
    table = source.tables["customers"]
    columns = [name for name in ("customer_id", "name", "account_owner") if name in table.collect_schema().names()]
    native: pl.DataFrame = table.select(columns).collect(backend="polars").to_native()
    return native.drop_nulls("customer_id").unique("customer_id", keep="first", maintain_order=True)


@dataclass(frozen=True)
class Rules:
    """The documented rules with what they learnt from the population once."""

    pack: RulePack
    fitted: FittedComposite


def score(
    source: Source,
    as_of: int,
    bundle: Bundle | None,
    settings: Settings,
    scored_at: dt.datetime,
    progress: Progress = lambda step: None,
) -> pl.DataFrame:
    """One row of `models.prediction.SCHEMA` per customer known before `as_of`, sorted by customer_id.

    Without a bundle the rules alone speak.
    """
    progress("features")
    wide = features(source, as_of, bundle, settings)
    rules = bundle_rules(bundle) if bundle else own_rules(wide, settings)
    progress("score")
    rows = _ruled(wide, rules)
    if bundle is None:
        known = rows.with_columns(**_without_model(source, as_of, settings))
        return _finished(known, as_of, None, rules, settings, scored_at)
    rows = _modelled(rows, wide, staked(source, as_of, bundle, wide), bundle, rules)
    progress("reasons")
    return _finished(_explained(rows, wide, bundle), as_of, bundle, rules, settings, scored_at)


def features(source: Source, as_of: int, bundle: Bundle | None, settings: Settings) -> pl.DataFrame:
    """Features as the bundle's models know them; without a bundle, as the rules need them."""
    if bundle is None:
        return steady(build(source.tables, as_of, Fitted(popular_features(source.until(as_of).tables, as_of))))
    fitted = bundle.manifest.fitted
    return steady(build(source.tables, as_of, Fitted(tuple(fitted["core_features"]), tuple(fitted["static"]))))


def staked(source: Source, as_of: int, bundle: Bundle, wide: pl.DataFrame) -> pl.Series:
    """customer_id of everyone whom the bundle's definition calls at stake; with labels of one's own, everyone."""
    part = bundle.manifest.churn
    if part.definition == "labelled":
        return wide["customer_id"]
    churn = Churn(definition=part.definition, active_within_days=part.active_within_days)
    return at_stake(source.tables, as_of, part.definition, churn)["customer_id"]


def bundle_rules(bundle: Bundle) -> Rules:
    """The rule pack and the fitted bounds that came with the models."""
    pack = load_pack(bundle.folder / "pack.toml")
    return Rules(pack, FittedComposite.from_dict(bundle.manifest.fitted["composite"]))


def own_rules(wide: pl.DataFrame, settings: Settings) -> Rules:
    """Without a bundle: bounds fitted at the first scoring and kept under REMORA_HOME, so that scores compare."""
    pack = load_pack()
    kept = settings.home / "rules" / f"{pack.rules_version}.json"
    if not kept.exists():
        fitted = fit_composite(wide, pack, settings.company.currency)
        kept.parent.mkdir(parents=True, exist_ok=True)
        beside = kept.with_name(f".{kept.name}.{os.getpid()}")  # half a file would stop every later scoring
        beside.write_text(fitted.model_dump_json(indent=2), encoding="utf-8")
        beside.replace(kept)
    return Rules(pack, FittedComposite.model_validate_json(kept.read_text(encoding="utf-8")))


def _refuse_the_past(bundle: Bundle | None, as_of: int, backfill: bool) -> None:
    if bundle is None or backfill or as_of >= micros(bundle.manifest.as_of):
        return
    trained = f"{bundle.manifest.as_of:%Y-%m-%d}"
    raise ScoringError(
        f"--as-of {moment(as_of):%Y-%m-%d} lies before the model's training date {trained}: the model "
        "has seen what it would predict; score a later date, or add --backfill, which marks the rows"
    )


def _ruled(wide: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """composite_score, composite_coverage, tier, playbook and the rules' own reasons, in the order of `wide`."""
    scored = composite_score(wide, rules.fitted, rules.pack)
    told = rule_reasons(scored, rules.fitted, rules.pack)
    return scored.select("customer_id", "composite_score", "composite_coverage", "tier").with_columns(
        playbook=playbooks(pl.col("tier"), rules.pack), reasons=_reasons(told)
    )


def _modelled(rows: pl.DataFrame, wide: pl.DataFrame, stake: pl.Series, bundle: Bundle, rules: Rules) -> pl.DataFrame:
    """`rows` with everything the models say; churn only where something is at stake."""
    predicted = bundle.predict(bundle.matrix(wide))
    values = {name: array for name, array in vars(predicted).items() if array is not None}
    known = rows.with_columns(
        at_stake=pl.col("customer_id").is_in(stake.implode()),
        **{name: pl.Series(array) for name, array in values.items()},
    )
    absent = [pl.lit(None, pl.Float64).alias(name) for name in vars(predicted) if name not in values]
    risky = known.with_columns(*absent, churn_probability=pl.when("at_stake").then("churn_probability")).with_columns(
        risk_band=risk_band(pl.col("churn_probability"), bundle.manifest.churn.base_rate, rules.pack)
    )
    why = pl.lit(f"rules: not at stake ({_STAKE[bundle.manifest.churn.definition]})")
    return risky.with_columns(
        value_at_risk=pl.col("churn_probability") * pl.col("value_if_retained"),
        basis=pl.when("at_stake").then(pl.lit("model")).otherwise(why),
    )


_STAKE = {
    "no_purchase": "no purchase in the period that makes a customer active",
    "inactive": "no use in the period that makes a customer active",
    "cancelled": "no subscription runs",
    "labelled": "no label expected",
}


def _explained(rows: pl.DataFrame, wide: pl.DataFrame, bundle: Bundle) -> pl.DataFrame:
    """The models' reasons for those at stake, the rules' for the others."""
    those = rows.with_row_index("place").filter("at_stake")
    told = reasons(bundle, bundle.matrix(wide[those["place"]])) if those.height else []
    spoken = pl.DataFrame({"customer_id": those["customer_id"], "spoken": _reasons(told)})
    joined = rows.join(spoken, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(reasons=pl.coalesce("spoken", "reasons"))


def _without_model(source: Source, as_of: int, settings: Settings) -> dict[str, pl.Expr]:
    """Rules-only rows: who is at stake where a definition can tell, and no prediction."""
    try:
        definition = definition_of(source.tables, settings.churn)
        stake = at_stake(source.tables, as_of, definition, settings.churn)["customer_id"]
        known = pl.lit(True) if definition == "labelled" else pl.col("customer_id").is_in(stake.implode())
    except RemoraError:
        known = pl.lit(False)
    return {"at_stake": known, "basis": pl.lit("rules: no model has been promoted")}


def _horizons(bundle: Bundle | None, settings: Settings) -> tuple[int, int]:
    """Days of the churn and the value horizon: the model's own, or what the settings ask for."""
    if bundle is None:
        return settings.churn.horizon_days, settings.value_horizon_days
    value = bundle.manifest.value
    return bundle.manifest.churn.horizon_days, value.horizon_days if value else settings.value_horizon_days


def _finished(
    rows: pl.DataFrame, as_of: int, bundle: Bundle | None, rules: Rules, settings: Settings, scored_at: dt.datetime
) -> pl.DataFrame:
    """Exactly the output contract, in its order and types."""
    churn, value = _horizons(bundle, settings)
    told = rows.with_columns(
        as_of=pl.lit(moment(as_of), TIME),
        scored_at=pl.lit(scored_at, TIME),
        churn_horizon_days=pl.lit(churn, pl.Int32),
        value_horizon_days=pl.lit(value, pl.Int32),
        segments=pl.lit([], pl.List(pl.String)),
        alerts=pl.lit([], pl.List(pl.String)),
        model_version=pl.lit(bundle.id if bundle else NO_MODEL),
        rules_version=pl.lit(rules.fitted.rules_version),
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in told.columns]
    return (
        told.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort("customer_id")
    )


def _reasons(told: list[list[Reason]]) -> pl.Series:
    rows = [[reason.model_dump() for reason in row] for row in told]
    return pl.Series("reasons", rows, dtype=pl.List(REASON))


def write_scores(rows: pl.DataFrame, file: Path) -> None:
    """Write `rows` to a Parquet file that appears whole or not at all."""
    beside = file.with_name(f".{file.name}.new")
    rows.write_parquet(beside)
    beside.replace(file)
