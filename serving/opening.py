"""What most commands begin with: the settings, the data, the date."""

import datetime as dt
from pathlib import Path

from features.asof import default_as_of
from features.clock import now, start_of
from features.currency import require_one_currency
from features.engines import Source, open_source
from features.settings import Settings, load_settings


def opened(data: str, config: Path | None, adds_money: bool = True) -> tuple[Settings, Source]:
    """Settings and source; a folder that brings its own remora.toml needs no --config."""
    beside = Path(data) / "remora.toml"
    settings = load_settings(config or (beside if beside.exists() and not Path("remora.toml").exists() else None))
    source = open_source(data, settings)
    if adds_money:
        require_one_currency(source.tables, settings.value.rates)
    return settings, source


def date_of(source: Source, settings: Settings, day: str | None) -> dt.datetime:
    """The date of --as-of in the company's zone, or the day after the last event that is not in the future."""
    date = start_of(day, settings.company.zone) if day else default_as_of(source, settings, now())
    return date.astimezone(settings.company.zone)
