"""`remora demo`: the whole flow on a simulated company, in one go."""

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from rich.console import Console
from rich.rule import Rule

from features.clock import micros, now, start_of
from features.demo import Company, simulate
from features.engines import Source, open_source
from features.settings import Settings, load_settings
from models.bundle import Bundle
from monitoring.pipeline import monitor, write
from monitoring.printout import cutoff_table, found_table, readiness_tables
from monitoring.readiness import readiness
from serving.accounts import rank_table
from serving.champion import promoted
from serving.home import Home
from serving.in_force import note_of
from serving.printout import monitored, scored, trained
from serving.score import run_score
from serving.store import open_store
from serving.terminal import steps
from training.pipeline import train
from training.promote import promote
from training.registry import record


def run_demo(folder: Path, customers: int, months: int, quiet: bool = False) -> dict[str, Any]:
    """Simulate, check, train, promote, score, rank and monitor a company below `folder`; print what to open.

    Gives the main figures; `quiet` prints nothing else on stdout.
    """
    out = Console(quiet=quiet)
    company = _simulated(out, folder, customers, months)
    settings = load_settings(folder / "remora.toml", home=folder / ".remora")
    source, date = open_source(folder, settings), start_of(company.end, settings.company.zone)
    _check(out, source, date, settings)
    trained_data = _train(out, source, date, settings)
    bundle = _promote(settings)
    scores, history = _score(out, source, date, bundle, settings, folder / "scores.parquet")
    due = _monitor(out, source, date, bundle, settings, history)
    out.print(Rule("Next"), _next(folder))
    return {"folder": str(folder), "rows": dict(company.rows), "training": trained_data, "scores": scores, "due": due}


def _simulated(out: Console, folder: Path, customers: int, months: int) -> Company:
    with steps("simulate a company") as step:
        company = simulate(folder, customers=customers, months=months, progress=step)
    rows = sum(company.rows.values())
    out.print(f"{rows:,} rows in {len(company.rows)} tables, known until {company.end}: {folder}/")
    return company


def _check(out: Console, source: Source, date: dt.datetime, settings: Settings) -> None:
    with steps("check"):
        report = readiness(source, micros(date), settings, now())
    verdict = readiness_tables(report)[-1]
    out.print(Rule("Is the data enough?"), found_table(report.tables), cutoff_table(report.outlook), verdict, sep="\n")


def _train(out: Console, source: Source, date: dt.datetime, settings: Settings) -> dict[str, Any]:
    with steps("train") as step, TemporaryDirectory(prefix="remora-") as place:
        candidate = train(source, micros(date), settings, now(), Path(place), step)
        step("register")
        version = record(candidate, source.until(micros(date)).tables, settings, source.place)
    data, *shown = trained(candidate, version)
    out.print(Rule("How good is the model?"), *shown, sep="\n")
    return dict(data)


def _promote(settings: Settings) -> Bundle:
    with steps("promote"):
        promote(settings.home)
    bundle = promoted(Home.of(settings))
    assert bundle is not None
    return bundle


def _score(
    out: Console, source: Source, date: dt.datetime, bundle: Bundle, settings: Settings, file: Path
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Scores and the ten accounts with the most value at risk; what was scored, and the store's history."""
    with steps("score") as step, open_store(Home.of(settings).store, settings.webhooks.targets) as store:
        scores = run_score(source, date, bundle, settings, store, file, False, step)
        accounts, total, history = store.at_risk(limit=10).accounts, store.count_at_risk(), store.history(date)
        alerts = store.log.counts()
    data, words = scored(scores, file, alerts, note_of(bundle, settings))
    out.print(Rule("Who to call first?"), words, rank_table(accounts, total), sep="\n")
    return data, history


def _monitor(
    out: Console, source: Source, date: dt.datetime, bundle: Bundle, settings: Settings, history: pl.DataFrame
) -> bool:
    with steps("monitor"):
        watched = monitor(source, micros(date), bundle, settings, history)
        files = write(watched, settings.home / "monitoring" / f"{date:%Y-%m-%d}", html=False)
    out.print(Rule("Is it still true?"), *monitored(watched, files), sep="\n")
    return watched.retraining_due


def _next(folder: Path) -> str:
    return f"""cd {folder}
../.venv/bin/remora serve           then open http://127.0.0.1:3000/
../.venv/bin/remora explain ID      one customer, in plain words
../.venv/bin/remora rank --limit 50
../.venv/bin/remora alerts          what is to be done, by when, by whom
../.venv/bin/remora report review . is the score still right?
less remora.toml                    what was predicted, and from what"""
