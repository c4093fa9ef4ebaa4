"""The only file, with its reader, that names an engine: opens a source as narwhals frames of the contract's types.

Every time becomes an Int64 count of microseconds since 1970-01-01 UTC, every flag and number a Float64 without
NaN or infinity, all text String. From there on no other file knows where the rows live.
"""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import duckdb
import narwhals as nw

from features.currency import in_one_currency
from features.errors import RemoraError, raise_all
from features.point_in_time import Frame, known_at
from features.reader import Origin, Reader
from features.settings import Settings, TableMapping
from features.sources import ONE_OF, TABLES

Engine = Literal["duckdb", "polars", "pandas"]

FORMATS = ("parquet", "csv")


class SourceError(RemoraError):
    """The data cannot be read as the input contract."""


@dataclass(frozen=True)
class Source:
    """Opened tables by contract name, where each came from, and the columns that were left aside."""

    place: str
    tables: Mapping[str, Frame]
    origins: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def absent(self) -> tuple[str, ...]:
        """Tables of the contract that the source does not have."""
        return tuple(name for name in TABLES if name not in self.tables)

    def until(self, as_of: int) -> "Source":
        """The same source as it could be read at `as_of` (microseconds): nothing later is seen."""
        return replace(self, tables=known_at(self.tables, as_of))

    def on(self, engine: Engine) -> "Source":
        """The same rows held by another engine, in memory."""
        return replace(self, tables={name: held_by(frame, engine) for name, frame in self.tables.items()})


def open_source(place: str | Path, settings: Settings) -> Source:
    """Open a folder of Parquet or CSV files, or a PostgreSQL database by URL.

    Raises SourceError with every problem of every table at once: a missing required column, a value of the wrong
    type (with its first rows), a mapping that points nowhere, no usable table at all.
    """
    connection = connect(settings.memory_limit)
    problems, origins = _locate(place, settings, connection)
    readers = {
        name: Reader(connection, TABLES[name], origin, settings.tables.get(name, TableMapping()), settings.company)
        for name, origin in origins.items()
    }
    problems += [problem for reader in readers.values() for problem in reader.problems()]
    raise_all(SourceError, problems)
    tables: dict[str, Frame] = {name: nw.from_native(reader.read()) for name, reader in readers.items()}
    if "transactions" in tables:
        tables["transactions"] = in_one_currency(tables["transactions"], settings.value.rates)
    return Source(
        place=without_password(str(place)),
        tables=tables,
        origins={name: origin.label for name, origin in origins.items()},
        ignored={name: reader.ignored for name, reader in readers.items() if reader.ignored},
    )


def held_by(frame: Frame, engine: Engine) -> Frame:
    """`frame` collected and held in memory by `engine` (DuckDB frames stay where they are)."""
    if engine == "duckdb":
        return frame
    table = frame.collect(backend="pyarrow").to_native()
    if engine == "polars":
        import polars

        return nw.from_native(polars.DataFrame(table)).lazy()
    import pandas

    nullable = {"int64": pandas.Int64Dtype(), "double": pandas.Float64Dtype(), "string": pandas.StringDtype()}
    held: Frame = nw.from_native(table.to_pandas(types_mapper=lambda kind: nullable.get(str(kind)))).lazy()
    return held


def fingerprint(tables: Mapping[str, Frame]) -> dict[str, dict[str, object]]:
    """Table → rows, span and a hash of its rows that does not depend on their order."""
    return {name: _fingerprint(name, frame) for name, frame in tables.items()}


def _fingerprint(name: str, frame: Frame) -> dict[str, object]:
    native = frame.to_native()
    rows = (
        native
        if isinstance(native, duckdb.DuckDBPyRelation)
        else duckdb.from_arrow(frame.collect(backend="pyarrow").to_native())
    )
    happened = TABLES[name].happened_at
    span = f"min({happened}), max({happened})" if happened in frame.collect_schema().names() else "NULL, NULL"
    query = f"SELECT count(*), {span}, sum(hash(counted)) FROM rows AS counted"
    found = rows.query("rows", query)
    count, first, last, digest = found.fetchall()[0] if found else (0, None, None, 0)
    return {"rows": count, "first": first, "last": last, "hash": f"duckdb-{duckdb.__version__}:{int(digest or 0):x}"}


def is_url(place: str | Path) -> bool:
    """Whether `place` is a PostgreSQL URL rather than a folder."""
    return str(place).startswith(("postgresql://", "postgres://"))


def table_files(folder: Path, name: str) -> list[Path]:
    """The files of one table: NAME.parquet, NAME.csv, or a folder NAME/ of either."""
    for ending in FORMATS:
        if (folder / f"{name}.{ending}").exists():
            return [folder / f"{name}.{ending}"]
        if parts := sorted((folder / name).glob(f"*.{ending}")):
            return parts
    return []


def connect(memory_limit: str) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB in UTC that spills to disk beyond `memory_limit`."""
    spill = Path(tempfile.gettempdir()) / f"remora-{os.getpid()}"
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": str(spill)})
    connection.execute("SET TimeZone='UTC'")
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall() == [(True,)]:
        connection.execute("SET enable_progress_bar=false")  # DuckDB refuses it in Jupyter without ipywidgets
    return connection


def _locate(
    place: str | Path, settings: Settings, connection: duckdb.DuckDBPyConnection
) -> tuple[list[str], dict[str, Origin]]:
    """Problems, and contract table → where its raw rows are."""
    unknown = [
        f"remora.toml: tables.{name}: no such table; the contract has {', '.join(TABLES)}"
        for name in settings.tables
        if name not in TABLES
    ]
    origins = _database(str(place), settings, connection) if is_url(place) else _folder(Path(place), settings)
    missing = [
        f"remora.toml: tables.{name}: from = {mapping.origin!r} was not found in {without_password(str(place))}"
        for name, mapping in settings.tables.items()
        if mapping.origin and name in TABLES and name not in origins
    ]
    if not any(name in origins for name in ONE_OF):
        missing.append(
            f"{without_password(str(place))}: none of the tables {', '.join(ONE_OF)} is there; name one so, or map it "
            "in remora.toml (`remora init` proposes the mapping)"
        )
    return unknown + missing, origins


def _folder(folder: Path, settings: Settings) -> dict[str, Origin]:
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; give a folder of Parquet or CSV files, or a postgresql:// URL")
    found = {name: table_files(folder, _source_name(name, settings)) for name in TABLES}
    return {name: Origin.of_files(files) for name, files in found.items() if files}


def _source_name(name: str, settings: Settings) -> str:
    mapping = settings.tables.get(name)
    return mapping.origin if mapping and mapping.origin else name


def _database(url: str, settings: Settings, connection: duckdb.DuckDBPyConnection) -> dict[str, Origin]:
    from features.postgres import read_tables

    wanted = {name: _source_name(name, settings) for name in TABLES}
    origins = {}
    for name, (label, rows) in read_tables(url, wanted).items():
        connection.register(f"raw_{name}", rows)
        origins[name] = Origin(label, f"raw_{name}", stable=False)
    return origins


def without_password(place: str) -> str:
    """The place as it may be printed.

    >>> without_password("postgresql://crm:secret@db/crm")
    'postgresql://crm:…@db/crm'
    """
    return re.sub(r"(://[^:/@]+):[^/]*@", r"\1:…@", place)
