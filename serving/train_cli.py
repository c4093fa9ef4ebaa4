"""`remora train`: a candidate from data and settings, tuned if there is a budget, or a run of the record done again."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from serving.options import AsOf, Config, DataOrNone, Json
from serving.terminal import steps, tell


def train(
    data: DataOrNone = None,
    as_of: AsOf = None,
    tune: Annotated[
        float | None, typer.Option(min=0.1, metavar="MINUTES", help="Search for better parameters.")
    ] = None,
    like: Annotated[str | None, typer.Option(metavar="RUN_ID", help="Repeat this run of the record.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Train churn and value, judge them beside the baselines, register a candidate; nothing after --as-of is read."""
    if like is not None:
        _again(like, data, config, as_json)
    elif data is None:
        raise typer.BadParameter("name the data, or a run to repeat with --like RUN_ID", param_hint="DATA")
    else:
        _anew(data, as_of, tune, config, as_json)


def _anew(data: str, as_of: AsOf, minutes: float | None, config: Config, as_json: bool) -> None:
    from features.clock import micros, now
    from serving.champion import champion_folder
    from serving.home import Home
    from serving.opening import date_of, opened
    from serving.printout import trained
    from training.pipeline import train as fit
    from training.registry import record

    settings, source = opened(data, config)
    date = date_of(source, settings, as_of)
    with steps(f"train as of {date:%Y-%m-%d}") as step, TemporaryDirectory(prefix="remora-") as place:
        candidate = fit(
            source, micros(date), settings, now(), Path(place), step,
            champion=champion_folder(Home.of(settings)), tune_minutes=minutes,
        )  # fmt: skip
        step("register")
        version = record(candidate, source.until(micros(date)).tables, settings, source.place)
    tell(as_json, *trained(candidate, version))


def _again(run_id: str, data: str | None, config: Config, as_json: bool) -> None:
    """Train with everything as the run had it; say what is different now, and whether the bundle came out the same."""
    from features.clock import micros, now
    from features.engines import fingerprint, open_source
    from features.settings import load_settings
    from serving.printout import trained
    from training.pipeline import train as fit
    from training.registry import like, record
    from training.repeat import differences, outcome, provenance

    home = load_settings(config).home
    then = like(home, run_id)
    with steps(f"repeat run {run_id}") as step, TemporaryDirectory(prefix="remora-") as place:
        settings = then.settings_at(home, Path(place))
        source, at = open_source(data or then.place, settings), micros(then.as_of)
        candidate = fit(source, at, settings, now(), Path(place), step, tuned=then.tuned)
        tables, bundle = source.until(at).tables, candidate.bundle
        found = provenance(
            settings, then.as_of, source.place, fingerprint(tables), bundle.pack_text, bundle.id, then.tuned
        )
        step("register")
        version = record(candidate, tables, settings, source.place)
    lines = [*differences(then, found), outcome(then, bundle.id)]
    told, *shown = trained(candidate, version)
    tell(as_json, {**told, "repeats": run_id, "differences": lines}, *shown, "\n".join(lines))
