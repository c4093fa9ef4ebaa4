"""The date a run stands at when none is given: the day after the last event that is not in the future."""

import datetime as dt

import narwhals as nw

from features.clock import day_after, micros
from features.engines import Source
from features.errors import RemoraError
from features.point_in_time import Frame
from features.settings import Settings
from features.sources import TABLES

EVENT_TABLES = (
    "transactions",
    "subscriptions",
    "usage_events",
    "nps_responses",
    "satisfaction_surveys",
    "interactions",
    "tickets",
    "cancellations",
)
"""Tables whose rows are things that customers did; `labels` stands in where none of them is there."""


class NoEventError(RemoraError):
    """Nothing has happened yet, so there is no date to stand at."""


def default_as_of(source: Source, settings: Settings, now: dt.datetime) -> dt.datetime:
    """00:00, in the company's time zone, of the day after the last event up to `now`.

    Raises NoEventError where no event table has a row with a date up to `now`.
    """
    names = [name for name in EVENT_TABLES if name in source.tables] or ["labels"]
    moments = [last for name in names if (last := last_event(source.tables[name], name, micros(now))) is not None]
    if not moments:
        raise NoEventError(f"{', '.join(names)}: no row has a date up to {now:%Y-%m-%d}; correct dates or clock")
    return day_after(max(moments), settings.company.zone)


def last_event(frame: Frame, table: str, until: int) -> int | None:
    """The last moment (microseconds) up to `until` at which a row of `table` happened; None without one."""
    happened = str(TABLES[table].happened_at)
    seen = frame.filter(nw.col(happened) <= until).select(nw.col(happened).max())
    last = seen.collect(backend="polars")[happened].item()
    return None if last is None else int(last)
