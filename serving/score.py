"""Batch scoring: from tables as of a date to the rows of the output contract."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features.build import Fitted, build
from features.clock import micros, moment, now
from features.engines import Source
from features.errors import RemoraError
from features.facts import open_tickets
from features.language import N_
from features.settings import Action, Churn, Settings
from models.action import is_priced, worth_acting
from models.basis import basis_of
from models.bundle import Bundle, Predicted
from models.explain import reason_series
from models.prediction import CURVE, SCHEMA, TIME
from models.rules import RulePack, risk_band, rule_reasons
from models.rules.apply import Ruled, Rules, apply_rules, with_playbooks
from models.rules.playbooks import playbook_text
from models.rules.rows import column
from models.rules.standing import in_delivery
from serving.curves import curve_series
from serving.errors import require_folder
from serving.home import Home
from serving.predicting import NUMBERS
from serving.ruling import calendar_of, pack_of, remember, rules_of, with_due
from serving.scorings import keep_features
from serving.store import Store
from serving.tables import CUSTOMERS
from training.labels import at_stake, definition_of
from training.rules import core_features, rule_rows
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
    """Score into the store, then into `file` if asked; the store commits first, and a rerun repairs the file.

    Last, what the model saw is kept, so that the next scoring can say why a risk changed (`serving.scorings`).
    """
    _refuse_the_past(bundle, micros(date), backfill)
    is_priced(settings.action)  # half a price is told before anything is read
    if file is not None:
        require_folder(file)
    past = source.until(micros(date))
    scored = score(past, micros(date), bundle, settings, now(), progress)
    calendar = calendar_of(scored.rules.pack, settings)
    backfilled = backfill and bundle is not None and date < bundle.manifest.as_of
    rows = scored.rows
    if not backfilled:
        progress("alerts")
        remember(store, past, scored.ruled, rows, scored.rules, micros(date), calendar)
        rows = with_due(rows, store, micros(date), scored.rules.pack)
    progress("store")
    store.save_customers(_served(people(past), scored.ruled.rows, scored.rules.pack, micros(date)))
    store.save(rows, backfill=backfilled)
    if file is not None:
        write_scores(rows, file)
    if bundle is not None and not backfilled:
        keep_features(Home.of(settings).scorings, scored.wide, date, bundle.id)
    return rows


def people(source: Source) -> pl.DataFrame:
    """customer_id with what the lists show of a customer, where `customers` has it."""
    if "customers" not in source.tables:
        return pl.DataFrame(schema={"customer_id": pl.String})
    table = source.tables["customers"]
    present = table.collect_schema().names()
    columns = [column.name for column in CUSTOMERS.columns if column.name in present]
    native: pl.DataFrame = table.select(columns).collect(backend="polars").to_native()
    return native.drop_nulls("customer_id").unique("customer_id", keep="first", maintain_order=True)


def _served(known: pl.DataFrame, rows: pl.DataFrame, pack: RulePack, as_of: int) -> pl.DataFrame:
    """`people` with the channel of the last contact, and who is served round the clock."""
    found = rows.select(
        "customer_id",
        channel_last=column(rows, "channel_last", pl.String),
        round_the_clock=in_delivery(rows, pack, as_of),
    )
    worth_it = pl.col("customer_id").is_in(known["customer_id"].implode()) | pl.col("round_the_clock")
    return known.join(found.filter(worth_it), on="customer_id", how="full", coalesce=True)


@dataclass(frozen=True)
class Scored:
    """`rows` of `models.prediction.SCHEMA`, one per customer, sorted by customer_id; and what they rest on.

    `wide` holds every feature.
    """

    rows: pl.DataFrame
    ruled: Ruled
    rules: Rules
    wide: pl.DataFrame


def score(
    source: Source,
    as_of: int,
    bundle: Bundle | None,
    settings: Settings,
    scored_at: dt.datetime,
    progress: Progress = lambda step: None,
) -> Scored:
    """Everyone known before `as_of`. Without a bundle the rules alone speak."""
    progress("features")
    fitted = population_of(source, as_of, bundle, settings)
    wide = steady_features(source, as_of, fitted)
    rules = rules_of(bundle, source, wide, as_of, settings, fitted)
    progress("rules")
    ruled = apply_rules(
        rule_rows(source.tables, wide, as_of, rules), rules, as_of, open_tickets(source.tables, as_of),
        calendar_of(rules.pack, settings),
    )  # fmt: skip
    progress("score")
    rows = _ruled(ruled, rules)
    if bundle is None:
        rows = rows.with_columns(**_without_model(source, as_of, settings))
    else:
        rows = _modelled(rows, wide, staked(source, as_of, bundle, wide), bundle, rules, settings.action)
        progress("reasons")
        rows = _explained(rows, wide, bundle)
    return Scored(_finished(rows, as_of, bundle, rules, settings, scored_at), ruled, rules, wide)


def population_of(source: Source, as_of: int, bundle: Bundle | None, settings: Settings) -> Fitted:
    """What the features need to know of the population: the bundle's, or, without one, as it is now."""
    if bundle is not None:
        return Fitted.kept(bundle.manifest.fitted)
    return Fitted(core_features(source.until(as_of).tables, as_of, pack_of(None, settings)))


def steady_features(source: Source, as_of: int, fitted: Fitted) -> pl.DataFrame:
    """Every feature of everyone known before `as_of`, in digits that do not depend on the engine."""
    return steady(build(source.tables, as_of, fitted))


def staked(source: Source, as_of: int, bundle: Bundle, wide: pl.DataFrame) -> pl.Series:
    """customer_id of everyone whom the bundle's definition calls at stake; with labels of one's own, everyone."""
    part = bundle.manifest.churn
    if part.definition == "labelled":
        return wide["customer_id"]
    churn = Churn(definition=part.definition, active_within_days=part.active_within_days)
    return at_stake(source.tables, as_of, part.definition, churn)["customer_id"]


def _refuse_the_past(bundle: Bundle | None, as_of: int, backfill: bool) -> None:
    if bundle is None or backfill or as_of >= micros(bundle.manifest.as_of):
        return
    trained = f"{bundle.manifest.as_of:%Y-%m-%d}"
    raise ScoringError(
        f"--as-of {moment(as_of):%Y-%m-%d} lies before the model's training date {trained}: the model "
        "has seen what it would predict; score a later date, or add --backfill, which marks the rows"
    )


def _ruled(ruled: Ruled, rules: Rules) -> pl.DataFrame:
    """What the rules say, with their own reasons."""
    return ruled.rows.with_columns(reasons=rule_reasons(ruled.rows, rules.fitted.composite, rules.pack))


def _modelled(
    rows: pl.DataFrame, wide: pl.DataFrame, stake: pl.Series, bundle: Bundle, rules: Rules, action: Action
) -> pl.DataFrame:
    """`rows` with everything the models say; churn, and what acting earns, only where something is at stake."""
    known = rows.with_columns(
        *_predicted(bundle, bundle.predict(bundle.matrix(wide))), at_stake=pl.col("customer_id").is_in(stake.implode())
    )
    risky = known.with_columns(pl.when("at_stake").then(name).alias(name) for name in _AT_STAKE_ONLY)
    part = bundle.manifest.churn
    why, model = pl.lit(_NOT_AT_STAKE[part.definition]), pl.lit(basis_of(part.mixture))
    told = risky.with_columns(
        risk_band=risk_band(pl.col("churn_probability"), part.base_rate, rules.pack),
        value_at_risk=pl.col("churn_probability") * pl.col("value_if_retained"),
        basis=pl.when("at_stake").then(model).otherwise(why),
    )
    return worth_acting(told, action).drop("worth_acting")


def _predicted(bundle: Bundle, predicted: Predicted) -> list[pl.Series]:
    """Every column that the models fill, null where the bundle has no model of it."""
    n, curve, fitted = len(predicted.churn_probability), predicted.churn_curve, bundle.manifest.curve
    arrays = {name: getattr(predicted, name) for name in NUMBERS}
    columns = [pl.Series(name, [None] * n if array is None else array, pl.Float64) for name, array in arrays.items()]
    if curve is None or fitted is None:
        return [*columns, pl.Series("churn_curve", [None] * n, CURVE)]
    return [*columns, curve_series(fitted.edges, curve)]


_AT_STAKE_ONLY = ("churn_probability", "churn_curve", "expected_days")


_NOT_AT_STAKE = {
    "no_purchase": N_("rules: not at stake (no purchase in the period that makes a customer active)"),
    "inactive": N_("rules: not at stake (no use in the period that makes a customer active)"),
    "cancelled": N_("rules: not at stake (no subscription runs)"),
    "labelled": N_("rules: not at stake (no label expected)"),
}


def _explained(rows: pl.DataFrame, wide: pl.DataFrame, bundle: Bundle) -> pl.DataFrame:
    """The models' reasons for those at stake, the rules' for the others."""
    those = rows.with_row_index("place").filter("at_stake")
    told = reason_series(bundle, bundle.matrix(wide[those["place"]]))
    spoken = pl.DataFrame({"customer_id": those["customer_id"], "spoken": told})
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
    return {"at_stake": known, "basis": pl.lit(N_("rules: no model has been promoted"))}


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
    family = pl.col("reasons").list.first().struct.field("feature").str.extract("^([a-z]+)_")
    family = family.str.replace("^rhythm$", "rfm")  # the rhythm is that of purchases, and playbooks know it as such
    led = with_playbooks(rows.with_columns(reason_family=family), rules.pack, as_of)
    told = led.with_columns(
        as_of=pl.lit(moment(as_of), TIME),
        scored_at=pl.lit(scored_at, TIME),
        churn_horizon_days=pl.lit(churn, pl.Int32),
        value_horizon_days=pl.lit(value, pl.Int32),
        playbook=_playbooks(led, rules.pack),
        playbook_due=pl.from_epoch("playbook_due", "us").dt.replace_time_zone("UTC"),
        model_version=pl.lit(bundle.id if bundle else NO_MODEL),
        rules_version=pl.lit(rules.pack.rules_version),
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in SCHEMA.items() if name not in told.columns]
    return (
        told.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items()).sort("customer_id")
    )


def _playbooks(rows: pl.DataFrame, pack: RulePack) -> pl.Expr:
    """The recommended playbook in words."""
    texts = {key: playbook_text(key, pack) for key in rows["playbook_key"].drop_nulls().unique()}
    return pl.col("playbook_key").replace_strict(texts, default=None, return_dtype=pl.String)


def write_scores(rows: pl.DataFrame, file: Path) -> None:
    """Write `rows` to a Parquet file that appears whole or not at all."""
    beside = file.with_name(f".{file.name}.new")
    rows.write_parquet(beside)
    beside.replace(file)
