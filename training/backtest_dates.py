"""One date of a backtest: a model trained on what was known then, what it predicts, and what its rivals do."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from features.at_stake import at_stake, definition_of
from features.build import Fitted, build, steady
from features.clock import moment
from features.engines import Source
from features.settings import Definition, Settings
from models.calibration import sigmoid
from models.rules import FittedComposite, composite_score, fit_composite, load_pack
from models.rules.apply import FittedRules
from training.backtest_kept import Facts, Kept
from training.baselines import churn_baselines, last_year_spend, value_baselines
from training.candidate import Candidate
from training.churn_choice import Simple
from training.evaluate import MODEL
from training.gate import TooFewChurners
from training.judging import days_since_event, past_spend
from training.labels import value_source_of
from training.metrics import Floats, Values
from training.pipeline import train
from training.reports import BASE_RATE
from training.snapshots import fit_population
from training.split import SplitError

CHURN, VALUE = "churn: ", "value: "
"""How the columns of the two targets begin; the name of the score follows."""

Scores = Mapping[str, Values]
_MEMBERS: Mapping[Simple, str] = {"linear": "logistic", "bg_nbd": "bg_nbd"}
"""Simple member of a fit → the baseline that it is."""

Progress = Callable[[str], None]


def predict(past: Source, as_of: int, settings: Settings, progress: Progress) -> Kept:
    """Everyone at stake as of `as_of`, from `past`, which ends there; by the rules alone where no model comes about."""
    definition = definition_of(past.tables, settings.churn)
    with tempfile.TemporaryDirectory(prefix="remora-") as folder:
        try:
            candidate = train(past, as_of, settings, moment(as_of), Path(folder), progress)
        except (TooFewChurners, SplitError) as refusal:
            return _by_rules(past, as_of, definition, settings, str(refusal))
        return _by_model(past, as_of, definition, settings, candidate)


def _by_model(past: Source, as_of: int, definition: Definition, settings: Settings, candidate: Candidate) -> Kept:
    """The bundle, which may be a refit on newer rows, and the simple models that were fitted beside it before that."""
    bundle, learnt = candidate.bundle, candidate.bundle.manifest.fitted
    rows = _staked(past, as_of, definition, settings, _features(past, as_of, Fitted.kept(learnt)))
    predicted, rate = bundle.predict(bundle.matrix(rows)), bundle.manifest.churn.base_rate
    composite = FittedRules.model_validate(learnt).composite
    simple, rhythm = _simple(candidate, rows)
    churn = {MODEL: predicted.churn_probability, **_churn(rows, definition, composite, settings, rate, **simple)}
    value = {} if predicted.expected_value is None else {MODEL: predicted.expected_value}
    facts = Facts(trained=True, training_rows=candidate.training_rows, training_churners=candidate.training_churners)
    return Kept(_table(rows, churn, {**value, **_value(past, as_of, rows, settings, rhythm)}), facts)


def _simple(candidate: Candidate, rows: pl.DataFrame) -> tuple[dict[str, Floats], Floats | None]:
    """Chance of churn by the logistic regression and by BG/NBD, and the spend that its rhythm leads to expect."""
    design = candidate.fits.design
    matrix, linear = design.matrix(rows), candidate.fits.churn.members.simple
    told = {name: sigmoid(each.predict_raw(matrix, design.names)) for name, each in linear.items()}
    known = {ours: told[theirs] for theirs, ours in _MEMBERS.items() if theirs in told}
    spend = design.column(matrix, "rhythm_value") if candidate.targets.value_source == "transactions" else None
    return known, None if spend is None else np.nan_to_num(spend)


def _by_rules(past: Source, as_of: int, definition: Definition, settings: Settings, refusal: str) -> Kept:
    """The scores that need no model; the composite score is then fitted on everyone known at the date."""
    wide = _features(past, as_of, fit_population(past, as_of, definition, settings))
    rows, facts = _staked(past, as_of, definition, settings, wide), Facts(trained=False, refusal=refusal)
    if rows.is_empty():
        return Kept(_table(rows, {}, {}), facts)
    composite = fit_composite(wide, load_pack(settings.rules.pack), settings.company.currency)
    churn = _churn(rows, definition, composite, settings, float("nan"))
    churn.pop(BASE_RATE)  # nobody has learnt it
    return Kept(_table(rows, churn, _value(past, as_of, rows, settings)), facts)


def _features(past: Source, as_of: int, fitted: Fitted) -> pl.DataFrame:
    return steady(build(past.tables, as_of, fitted))


def _staked(past: Source, as_of: int, definition: Definition, settings: Settings, wide: pl.DataFrame) -> pl.DataFrame:
    return wide.join(at_stake(past.tables, as_of, definition, settings.churn), on="customer_id", how="semi")


def _churn(
    rows: pl.DataFrame,
    definition: Definition,
    composite: FittedComposite,
    settings: Settings,
    base_rate: float,
    logistic: Floats | None = None,
    bg_nbd: Floats | None = None,
) -> dict[str, Floats]:
    scored = composite_score(rows, composite, load_pack(settings.rules.pack))["composite_score"]
    days, score = days_since_event(rows, definition), scored.cast(pl.Float64).to_numpy()
    return churn_baselines(days, score, base_rate, rows.height, logistic, bg_nbd)


def _value(
    past: Source, as_of: int, rows: pl.DataFrame, settings: Settings, rhythm: Floats | None = None
) -> dict[str, Floats]:
    source, money, horizon = value_source_of(past.tables, settings.value), settings.value, settings.value_horizon_days
    if source is None or source == "labels":
        return {}
    asked = rows.select("customer_id", as_of=pl.lit(as_of, pl.Int64))
    before = last_year_spend(past.tables, asked, source, horizon, money.measure, money.annual_discount_rate)
    return value_baselines(*past_spend(rows, source), horizon, before, rhythm)


def _table(rows: pl.DataFrame, churn: Scores, value: Scores) -> pl.DataFrame:
    named = {**{CHURN + name: score for name, score in churn.items()}, **{VALUE + n: s for n, s in value.items()}}
    columns = {name: pl.Series(np.asarray(score, dtype=float)) for name, score in named.items()}
    return rows.select("customer_id").with_columns(**columns).sort("customer_id")
