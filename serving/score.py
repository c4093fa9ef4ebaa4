"""Batch scoring: from tables as of a date to the rows of the output contract."""

import datetime as dt
from pathlib import Path

import narwhals as nw
import polars as pl

from features.build import Fitted, build, steady
from features.clock import micros, moment, now
from features.engines import Source
from features.errors import RemoraError
from features.settings import Settings
from models.action import is_priced
from models.bundle import Bundle
from models.rules import RulePack
from models.rules.fact_rows import core_features
from models.rules.rows import column
from models.rules.standing import in_delivery
from serving.errors import require_folder
from serving.home import Home
from serving.in_force import calendar_of, pack_of
from serving.ruling import remember, rules_of, with_due
from serving.scored import Progress, Scored, score_rows
from serving.scorings import keep_features
from serving.store import Store
from serving.tables import CUSTOMERS


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
    store.save_customers(_served(people(past, settings.api.tenant), scored.ruled.rows, scored.rules.pack, micros(date)))
    if not backfilled:
        progress("alerts")
        remember(store, past, scored.ruled, rows, scored.rules, micros(date), calendar)
        rows = with_due(rows, store, micros(date), scored.rules.pack)
    progress("store")
    store.save(rows, backfill=backfilled)
    if file is not None:
        write_scores(rows, file)
    if bundle is not None and not backfilled:
        keep_features(Home.of(settings).scorings, scored.wide, date, bundle.id)
    return rows


def people(source: Source, tenant: str | None = None) -> pl.DataFrame:
    """customer_id with what the lists show of a customer, where `customers` has it.

    `tenant` names the column that says whose customer it is; a ScoringError says that there is none such.
    """
    if "customers" not in source.tables:
        return pl.DataFrame(schema={"customer_id": pl.String})
    table = source.tables["customers"]
    present = table.collect_schema().names()
    columns = [nw.col(name) for name in [*CUSTOMERS.c.keys()] if name in present and name != "tenant"]
    if tenant is not None and tenant not in present:
        raise ScoringError(f"[api] tenant = {tenant!r}: table customers has no such column; name one that it has")
    whose = [nw.col(tenant).cast(nw.String).alias("tenant")] if tenant is not None else []
    native: pl.DataFrame = table.select(*columns, *whose).collect(backend="polars").to_native()
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
    calendar = calendar_of(rules.pack, settings)
    return score_rows(source.tables, wide, as_of, bundle, rules, settings, scored_at, calendar, progress)


def population_of(source: Source, as_of: int, bundle: Bundle | None, settings: Settings) -> Fitted:
    """What the features need to know of the population: the bundle's, or, without one, as it is now."""
    if bundle is not None:
        return Fitted.kept(bundle.manifest.fitted)
    return Fitted(core_features(source.until(as_of).tables, as_of, pack_of(None, settings)))


def steady_features(source: Source, as_of: int, fitted: Fitted) -> pl.DataFrame:
    """Every feature of everyone known before `as_of`, in digits that do not depend on the engine."""
    return steady(build(source.tables, as_of, fitted))


def _refuse_the_past(bundle: Bundle | None, as_of: int, backfill: bool) -> None:
    if bundle is None or backfill or as_of >= micros(bundle.manifest.as_of):
        return
    trained = f"{bundle.manifest.as_of:%Y-%m-%d}"
    raise ScoringError(
        f"--as-of {moment(as_of):%Y-%m-%d} lies before the model's training date {trained}: the model "
        "has seen what it would predict; score a later date, or add --backfill, which marks the rows"
    )


def write_scores(rows: pl.DataFrame, file: Path) -> None:
    """Write `rows` to a Parquet file that appears whole or not at all."""
    beside = file.with_name(f".{file.name}.new")
    rows.write_parquet(beside)
    beside.replace(file)
