"""What reports are made from and printed with: data, date, settings, pack and store; tables that show data as it is."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from features.clock import micros
from features.engines import Source
from features.errors import RemoraError
from features.point_in_time import known_before
from features.settings import Settings
from models.bundle import Bundle
from models.rules.pack import RulePack
from serving.champion import promoted
from serving.home import Home
from serving.in_force import pack_of
from serving.opening import date_of, opened
from serving.store import Store, open_store
from serving.terminal import UNKNOWN

Told = tuple[Any, ...]
"""What `tell` takes: data for machines, then what people see."""


class NoTableError(RemoraError):
    """A report asks for a table that the data does not have."""


class UnknownChoiceError(RemoraError):
    """An option names something that the rule pack does not have."""


@dataclass(frozen=True)
class Reporting:
    """What a report is made from."""

    source: Source
    as_of: int
    settings: Settings
    bundle: Bundle | None
    pack: RulePack
    store: Store

    @classmethod
    @contextmanager
    def opened(cls, data: str, config: Path | None, day: str | None) -> "Iterator[Reporting]":
        """Open data and store; the store is closed again."""
        settings, source = opened(data, config)
        home = Home.of(settings)
        bundle = promoted(home)
        with open_store(home.store) as store:
            at = micros(date_of(source, settings, day))
            yield cls(source, at, settings, bundle, pack_of(bundle, settings), store)

    def table(self, name: str) -> pl.DataFrame | None:
        """A table as known before the date, in memory; None where it is absent."""
        if name not in self.source.tables:
            return None
        frame = known_before({name: self.source.tables[name]}, self.as_of)[name]
        native: pl.DataFrame = frame.collect(backend="polars").to_native()
        return native

    def needed(self, name: str, what: str) -> pl.DataFrame:
        """The same; raises NoTableError where it is absent."""
        found = self.table(name)
        if found is None:
            raise NoTableError(f"no table {name}: {what} rests on it; add it to the data, or map it in remora.toml")
        return found


def chosen(option: str, key: str, known: Iterable[str]) -> str:
    """`key`; raises UnknownChoiceError, with the choices, where it is none of `known`."""
    if key not in known:
        raise UnknownChoiceError(f"{option} {key}: not known; choose one of {', '.join(known)}")
    return key


def new_table(title: str, headings: Iterable[str]) -> Table:
    """An empty table with its headings."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading)
    return table


def add_row(table: Table, *cells: str | None) -> None:
    """Data is shown as it is: rich would take "[b]" in a name for markup."""
    table.add_row(*(Text(cell or UNKNOWN) for cell in cells))
