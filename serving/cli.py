"""The command line: each command is one short story; its rooms are imported when it runs."""

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.errors import RemoraError
from serving.audit_cli import audit_app
from serving.backtest_cli import backtest
from serving.errors import exit_code
from serving.export_cli import export
from serving.forget_cli import forget
from serving.keys_cli import keys_app
from serving.options import AsOf, Config, Data, Json, Language, Out
from serving.promote_cli import promote, rollback
from serving.rank_cli import rank
from serving.report_cli import alerts, leads, report_app
from serving.rules_cli import rules_app
from serving.serve_cli import serve
from serving.terminal import fail, steps, tell
from serving.train_cli import train
from serving.webhooks_cli import webhooks_app

if TYPE_CHECKING:
    from features.engines import Source
    from features.settings import Settings
    from models.bundle import Bundle
    from serving.store import Store

app = typer.Typer(
    help="Which customers are about to leave, what they are worth, and what to do first.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


app.add_typer(rules_app)
app.add_typer(report_app)
for each in (keys_app, audit_app, webhooks_app):
    app.add_typer(each)
app.command()(train)
app.command()(promote)
app.command()(rollback)
app.command()(backtest)
app.command()(rank)
app.command()(alerts)
app.command()(leads)
app.command()(serve)
app.command()(export)
app.command()(forget)


def main() -> None:
    """Run the command line: a user's mistake prints one line each and exits with 2; a bug keeps its traceback."""
    try:
        app()
    except RemoraError as error:
        fail(error)
        sys.exit(exit_code(error))


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the simulated company goes.")] = Path("demo-company"),
    customers: Annotated[int, typer.Option(help="Customers ever won.")] = 2000,
    months: Annotated[int, typer.Option(help="Months of history.")] = 30,
    as_json: Json = False,
) -> None:
    """Everything on a simulated company: data, check, training, scores, drift; then what to open."""
    from serving.demo import run_demo

    told = run_demo(folder, customers, months, quiet=as_json)
    if as_json:
        tell(True, told)


@app.command()
def init(
    data: Data,
    file: Annotated[Path, typer.Option("--out", help="Where to write.")] = Path("remora.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    as_json: Json = False,
) -> None:
    """Propose a remora.toml: mapping, definition, horizons, profile columns."""
    from features.proposal.mapping import propose
    from features.settings import SettingsError
    from serving.errors import require_folder

    require_folder(file)
    if file.exists() and not force and not as_json:
        raise SettingsError(f"{file}: exists already; name another file with --out, or replace it with --force")
    toml = propose(data).to_toml()
    if not as_json:
        file.write_text(toml, encoding="utf-8")
    tell(as_json, {"file": str(file), "toml": toml}, toml, f"Written to {file}. Next: remora check {data}")


@app.command()
def check(data: Data, as_of: AsOf = None, config: Config = None, as_json: Json = False) -> None:
    """Readiness report: what is there, what is missing, is it enough, what looks like a leak."""
    from features.clock import micros, now
    from monitoring.printout import readiness_tables
    from monitoring.readiness import readiness
    from serving.opening import date_of, opened

    settings, source = opened(data, config, adds_money=False)
    with steps("check"):
        at = micros(date_of(source, settings, as_of)) if as_of else None
        report = readiness(source, at, settings, now())
    tell(as_json, report.model_dump(mode="json"), *readiness_tables(report))


@app.command()
def features(
    data: Data,
    file: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    as_of: AsOf = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Write the features of every customer as of a date."""
    from features.at_stake import definition_of
    from features.build import build
    from features.clock import micros
    from serving.errors import require_folder
    from serving.opening import date_of, opened
    from training.snapshots import fit_population

    settings, source = opened(data, config)
    require_folder(file)
    at = micros(date_of(source, settings, as_of))
    with steps("features"):
        fitted = fit_population(source, at, definition_of(source.tables, settings.churn), settings)
        wide = build(source.tables, at, fitted)
        wide.write_parquet(file)
    told = {"file": str(file), "customers": wide.height, "features": wide.width - 1}
    tell(as_json, told, f"{wide.height:,} customers × {wide.width - 1} features → {file}")


@app.command()
def score(
    data: Data,
    as_of: AsOf = None,
    file: Out = None,
    backfill: Annotated[bool, typer.Option("--backfill", help="Allow a date before the model's training.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Score every customer into the store and, if asked, a file."""
    from serving.in_force import note_of
    from serving.opening import date_of, opened
    from serving.printout import scored
    from serving.score import run_score

    settings, source = opened(data, config)
    date = date_of(source, settings, as_of)
    with steps(f"score as of {date:%Y-%m-%d}") as step, _store(settings) as store:
        bundle = _champion(settings)
        rows = run_score(source, date, bundle, settings, store, file, backfill, step)
        alerts = store.log.counts()
    tell(as_json, *scored(rows, file, alerts, note_of(bundle, settings)))


@app.command()
def explain(
    customer: str,
    lang: Language = "en",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """All that is known of one customer, in plain words: risk, worth, score, segments, alerts, why, what to do."""
    from features.settings import load_settings
    from serving.explained import known_of, page
    from serving.home import Home
    from serving.in_force import pack_of

    settings = load_settings(config)
    with _store(settings) as store:
        known = known_of(store, customer, Home.of(settings))
    tell(as_json, known.data(), page(known, pack_of(_champion(settings), settings), lang, settings.company.zone))


@app.command()
def monitor(
    data: Data,
    as_of: AsOf = None,
    html: Annotated[bool, typer.Option("--html", help="Also write Evidently's HTML (large).")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Drift, quality, realised accuracy; exit code 3 when retraining is due."""
    from serving.opening import date_of, opened
    from serving.printout import monitored

    settings, source = opened(data, config)
    report, files = _monitor(source, settings, date_of(source, settings, as_of), html)
    tell(as_json, report.model_dump(mode="json"), *monitored(report, files))
    if report.retraining_due:
        raise typer.Exit(3)


@app.command()
def run(data: Data, as_of: AsOf = None, config: Config = None, as_json: Json = False) -> None:
    """The scheduled job: check, score, monitor. Exit code 3 when retraining is due."""
    from features.clock import micros, now
    from monitoring.readiness import readiness
    from serving.in_force import note_of
    from serving.opening import date_of, opened
    from serving.printout import checked, monitored, scored
    from serving.score import run_score

    settings, source = opened(data, config)
    date = date_of(source, settings, as_of)
    with steps("check"):
        readiness_data, words = checked(readiness(source, micros(date), settings, now()))
    bundle = _champion(settings)
    with steps(f"score as of {date:%Y-%m-%d}") as step, _store(settings) as store:
        rows = run_score(source, date, bundle, settings, store, None, False, step)
        alerts = store.log.counts()
    summary, table = scored(rows, None, alerts, note_of(bundle, settings))
    if bundle is None:
        tell(as_json, {"check": readiness_data, "scores": summary, "monitor": None}, words, table)
        return
    report, files = _monitor(source, settings, date, html=False)
    told = {"check": readiness_data, "scores": summary, "monitor": report.model_dump(mode="json")}
    tell(as_json, told, words, table, *monitored(report, files))
    if report.retraining_due:
        raise typer.Exit(3)


def _store(settings: "Settings") -> "Store":
    from serving.home import Home
    from serving.store import open_store

    return open_store(Home.of(settings).store, settings.webhooks.targets)


def _champion(settings: "Settings") -> "Bundle | None":
    from serving.champion import promoted
    from serving.home import Home

    return promoted(Home.of(settings))


def _monitor(source: "Source", settings: "Settings", date: dt.datetime, html: bool) -> Any:
    from features.clock import micros
    from monitoring.pipeline import monitor as watch
    from monitoring.pipeline import write

    with steps(f"monitor as of {date:%Y-%m-%d}") as step, _store(settings) as store:
        step("compare")
        report = watch(source, micros(date), _needed(settings), settings, store.history(date))
        step("write")
        files = write(report, settings.home / "monitoring" / f"{date:%Y-%m-%d}", html)
    return report, files


def _needed(settings: "Settings") -> "Bundle":
    from serving.champion import NOTHING_PROMOTED
    from serving.errors import NotReadyError

    bundle = _champion(settings)
    if bundle is None:
        raise NotReadyError(NOTHING_PROMOTED)
    return bundle
