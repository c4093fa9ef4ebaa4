"""A backtest as a story: at each past date train on what was known, predict, and judge what has come true since."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from features.at_stake import definition_of
from features.clock import DAY, micros, moment, start_of
from features.engines import Source
from features.errors import RemoraError
from features.settings import Settings
from training.backtest_dates import predict
from training.backtest_judge import Outlook, judge_date, judge_pooled
from training.backtest_kept import Kept, keep, settings_key
from training.backtest_plot import backtest_chart
from training.backtest_report import Backtest
from training.chart_style import save
from training.labels import value_source_of, window_days

Progress = Callable[[str], None]


class BacktestError(RemoraError):
    """The dates that were asked for cannot be backtested."""


def backtest(
    source: Source,
    today: int,
    dates: Sequence[int],
    settings: Settings,
    folder: Path,
    progress: Progress = lambda step: None,
) -> Backtest:
    """Predict at each of `dates` from what was known then, and judge what has closed by `today` (microseconds).

    Predictions are kept below `folder`, one Parquet file a date, and made anew only where settings, code or what was
    known at the date have changed. Raises BacktestError before anything is trained.
    """
    outlook = outlook_of(source, today, settings)
    require_closed(dates, outlook, settings)
    key = settings_key(settings)
    kept = []
    for number, date in enumerate(dates, 1):
        where = f"{day(date, settings)} ({number} of {len(dates)})"
        progress(where)
        kept.append(_kept(source, date, settings, folder / key, _told(progress, where)))
    progress("judge")
    judged = [judge_date(date, each, outlook, settings) for date, each in zip(dates, kept, strict=True)]
    return Backtest(
        definition=outlook.definition,
        window_days=outlook.window_days,
        value_horizon_days=settings.value_horizon_days if outlook.value_source else None,
        data_end=moment(today).astimezone(settings.company.zone).date(),
        key=key,
        dates=tuple(each.result for each in judged),
        pooled=judge_pooled(judged),
    )


def write_backtest(found: Backtest, folder: Path) -> list[Path]:
    """backtest.json and, where a date has been judged, backtest.png in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "backtest.json"
    whole.write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return [whole, *([save(backtest_chart(found), folder / "backtest.png")] if found.judged else [])]


def dates_between(start: str, end: str, every: str, today: int, settings: Settings) -> list[int]:
    """The dates from `start` to `end` (YYYY-MM-DD, both included), `every` "30d", as microseconds at 00:00.

    Raises BacktestError where they make no sense, DateError where they are no dates.
    """
    zone = settings.company.zone
    days = _days(every)
    first, last = (dt.date.fromisoformat(_date(each, settings)) for each in (start, end))
    if first > last:
        raise BacktestError(f"--from {start} lies after --to {end}; swap them")
    if micros(start_of(last, zone)) > today:
        until = day(today, settings)
        raise BacktestError(f"--to {end} lies after the end of the data; choose {until} or earlier")
    count = (last - first).days // days + 1
    return [micros(start_of(first + dt.timedelta(days=step * days), zone)) for step in range(count)]


def outlook_of(source: Source, today: int, settings: Settings) -> Outlook:
    """What will be judged, from all that is readable today. Raises BacktestError for labels of one's own."""
    readable = source.until(today)
    definition = definition_of(readable.tables, settings.churn)
    if definition == "labelled":
        raise BacktestError(
            '[churn] definition = "labelled": labels bring their own dates, so nothing can be labelled anew at others; '
            "choose no_purchase, cancelled or inactive for a backtest"
        )
    value = value_source_of(readable.tables, settings.value)
    return Outlook(readable, today, definition, window_days(definition, settings.churn), value)


def require_closed(dates: Sequence[int], outlook: Outlook, settings: Settings) -> None:
    """Raise BacktestError where the window of no date has closed."""
    if min(dates) + outlook.window_days * DAY > outlook.today:
        latest = day(outlook.today - outlook.window_days * DAY, settings)
        raise BacktestError(
            f"no date has a closed window: it takes {outlook.window_days} days and the data end on "
            f"{day(outlook.today, settings)}; set --from to {latest} or earlier"
        )


def day(date: int, settings: Settings) -> str:
    """The day of `date` (microseconds) in the company's zone."""
    return f"{moment(date).astimezone(settings.company.zone):%Y-%m-%d}"


def _kept(source: Source, date: int, settings: Settings, folder: Path, progress: Progress) -> Kept:
    past = source.until(date)
    return keep(folder, day(date, settings), past, lambda: predict(past, date, settings, progress))


def _told(progress: Progress, where: str) -> Progress:
    return lambda step: progress(f"{where}: {step}")


def _date(text: str, settings: Settings) -> str:
    """`text` once it is known to be a date; raises DateError."""
    start_of(text, settings.company.zone)
    return text


def _days(every: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}d", every):
        raise BacktestError(f"--every {every!r}: write a number of days, for example 30d")
    return int(every[:-1])
