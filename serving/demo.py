"""`remora demo`: the whole flow on a simulated company, in one go."""

from pathlib import Path

from rich.rule import Rule

from features.clock import micros, now, start_of
from features.demo import simulate
from features.engines import open_source
from features.settings import load_settings
from monitoring.pipeline import monitor, write
from monitoring.printout import cutoff_table, found_table, readiness_tables
from monitoring.readiness import readiness
from serving.accounts import rank_table
from serving.champion import promoted
from serving.home import Home
from serving.printout import monitored, scored, trained
from serving.score import run_score
from serving.store import open_store
from serving.terminal import out, steps
from training.pipeline import train
from training.promote import promote
from training.registry import record


def run_demo(folder: Path, customers: int, months: int) -> None:
    """Simulate, check, train, promote, score, rank and monitor a company below `folder`; print what to open."""
    with steps("simulate a company") as step:
        company = simulate(folder, customers=customers, months=months, progress=step)
    out.print(
        f"{sum(company.rows.values()):,} rows in {len(company.rows)} tables, known until {company.end}: {folder}/"
    )
    settings = load_settings(folder / "remora.toml", home=folder / ".remora")
    source = open_source(folder, settings)
    date = start_of(company.end, settings.company.zone)
    with steps("check"):
        report = readiness(source, micros(date), settings, now())
    verdict = readiness_tables(report)[-1]
    out.print(Rule("Is the data enough?"), found_table(report.tables), cutoff_table(report.outlook), verdict, sep="\n")
    with steps("train") as step:
        candidate = train(source, micros(date), settings, now(), progress=step)
        step("register")
        version = record(candidate, source.until(micros(date)).tables, settings)
    out.print(Rule("How good is the model?"), *trained(candidate, version)[1:], sep="\n")
    with steps("promote"):
        promote(settings.home)
    bundle = promoted(Home.of(settings))
    assert bundle is not None
    with steps("score") as step, open_store(Home.of(settings).store) as store:
        rows = run_score(source, date, bundle, settings, store, folder / "scores.parquet", False, step)
        accounts, total, history = store.at_risk(10), store.count_at_risk(), store.history(date)
    out.print(
        Rule("Who to call first?"), scored(rows, folder / "scores.parquet")[1], rank_table(accounts, total), sep="\n"
    )
    with steps("monitor"):
        watched = monitor(source, micros(date), bundle, settings, history)
        files = write(watched, settings.home / "monitoring" / f"{date:%Y-%m-%d}", html=False)
    out.print(Rule("Is it still true?"), *monitored(watched, files), sep="\n")
    out.print(Rule("Next"), _next(folder))


def _next(folder: Path) -> str:
    return f"""cd {folder}
../.venv/bin/remora serve           then open http://127.0.0.1:3000/
../.venv/bin/remora explain ID      one customer, in plain words
../.venv/bin/remora rank --limit 50
less remora.toml                    what was predicted, and from what"""
