"""`remora backtest`: how good the model would have been at past dates, next to everything it rivals."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from serving.options import Config, Data, Json
from serving.terminal import steps, tell


def backtest(
    data: Data,
    start: Annotated[str, typer.Option("--from", help="First date, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="Last date, YYYY-MM-DD.")],
    every: Annotated[str, typer.Option(help="Days between dates, for example 30d.")] = "30d",
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for predictions, table and plot (default: under REMORA_HOME).")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Train at each past date on what was known then, predict, and judge what has come true since."""
    from features.clock import micros
    from serving.opening import date_of, opened
    from training.backtest import backtest as run
    from training.backtest import dates_between, write_backtest
    from training.backtest_report import backtest_notes, backtest_table

    settings, source = opened(data, config)
    today = micros(date_of(source, settings, None))
    dates = dates_between(start, end, every, today, settings)
    folder = out or settings.home / "backtest"
    with steps("backtest") as step:
        found = run(source, today, dates, settings, folder, progress=step)
        files = write_backtest(found, folder)
    notes = Text("\n".join([*backtest_notes(found), "Written: " + ", ".join(map(str, files))]))
    tell(as_json, found.model_dump(mode="json"), backtest_table(found), notes)
