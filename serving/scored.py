"""From features to the rows of the output contract: the one way of scoring, whichever door the tables came in by."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from features.at_stake import at_stake, definition_of
from features.clock import moment
from features.errors import RemoraError
from features.facts import open_tickets
from features.language import N_
from features.point_in_time import Tables
from features.settings import Action, Churn, Settings
from models.action import worth_acting
from models.basis import basis_of
from models.bundle import Bundle, Predicted
from models.explain import reason_series
from models.matrix import Float32
from models.prediction import CURVE, SCHEMA, TIME
from models.rules import RulePack, risk_band, rule_reasons
from models.rules.apply import Ruled, Rules, apply_rules, with_playbooks
from models.rules.deadlines import WorkCalendar
from models.rules.fact_rows import rule_rows
from models.rules.playbooks import playbook_text
from serving.curves import curve_series

NO_MODEL = "none"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Scored:
    """`rows` of `models.prediction.SCHEMA`, one per customer, sorted by customer_id; and what they rest on.

    `wide` holds every feature.
    """

    rows: pl.DataFrame
    ruled: Ruled
    rules: Rules
    wide: pl.DataFrame


def score_rows(
    tables: Tables,
    wide: pl.DataFrame,
    as_of: int,
    bundle: Bundle | None,
    rules: Rules,
    settings: Settings,
    scored_at: dt.datetime,
    calendar: WorkCalendar,
    progress: Progress = lambda step: None,
    *,
    threads: int = 0,
) -> Scored:
    """Every row of `wide` (features of all who are in `tables`, as of `as_of`). Without a bundle the rules alone speak.

    `threads` of the models; 0: as many as there are cores.
    """
    progress("rules")
    facts = rule_rows(tables, wide, as_of, rules)
    ruled = apply_rules(facts, rules, as_of, open_tickets(tables, as_of), calendar)
    progress("score")
    rows = _ruled(ruled, rules)
    if bundle is None:
        rows = rows.with_columns(**_without_model(tables, as_of, settings))
    else:
        matrix = bundle.matrix(wide)
        numbers = _predicted(bundle, bundle.predict(matrix, threads))
        rows = _modelled(
            rows.with_columns(numbers), staked(tables, as_of, bundle, wide), bundle, rules, settings.action
        )
        progress("reasons")
        rows = _explained(rows, matrix, bundle, threads)
    return Scored(_finished(rows, as_of, bundle, rules, settings, scored_at), ruled, rules, wide)


def staked(tables: Tables, as_of: int, bundle: Bundle, wide: pl.DataFrame) -> pl.Series:
    """customer_id of everyone whom the bundle's definition calls at stake; with labels of one's own, everyone."""
    part = bundle.manifest.churn
    if part.definition == "labelled":
        return wide["customer_id"]
    churn = Churn(definition=part.definition, active_within_days=part.active_within_days)
    return at_stake(tables, as_of, part.definition, churn)["customer_id"]


def _ruled(ruled: Ruled, rules: Rules) -> pl.DataFrame:
    """What the rules say, with their own reasons."""
    return ruled.rows.with_columns(reasons=rule_reasons(ruled.rows, rules.fitted.composite, rules.pack))


def _modelled(rows: pl.DataFrame, stake: pl.Series, bundle: Bundle, rules: Rules, action: Action) -> pl.DataFrame:
    """`rows` with all the models say: churn, and what acting earns, only where something is at stake."""
    known = rows.with_columns(at_stake=pl.col("customer_id").is_in(stake.implode()))
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
    n, fitted, arrays = len(predicted.churn_probability), bundle.manifest.curve, predicted._asdict()
    curve = arrays.pop("churn_curve")
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


def _explained(rows: pl.DataFrame, matrix: Float32, bundle: Bundle, threads: int) -> pl.DataFrame:
    """The models' reasons for those at stake, the rules' for the others; `matrix` has the rows of `rows`."""
    those = rows.with_row_index("place").filter("at_stake")
    told = reason_series(bundle, matrix[those["place"].to_numpy()], threads=threads)
    spoken = pl.DataFrame({"customer_id": those["customer_id"], "spoken": told})
    joined = rows.join(spoken, on="customer_id", how="left", maintain_order="left")
    return joined.with_columns(reasons=pl.coalesce("spoken", "reasons"))


def _without_model(tables: Tables, as_of: int, settings: Settings) -> dict[str, pl.Expr]:
    """Rules-only rows: who is at stake where a definition can tell, and no prediction."""
    try:
        definition = definition_of(tables, settings.churn)
        stake = at_stake(tables, as_of, definition, settings.churn)["customer_id"]
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
