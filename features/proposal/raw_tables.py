"""A look at the tables of a source before anything is mapped: names, columns, and what their first values read as."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.engines import FORMATS, SourceError, connect, is_url, table_files
from features.reader import NUMBERS, Origin, literal, quoted, typed_sql
from features.sources import Kind

SAMPLE_ROWS = 20_000
"""So many rows of each table are looked at."""

READABLE = (*NUMBERS, "VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP")
FIGURES = 8
KINDS: tuple[Kind, ...] = ("number", "flag", "time")


@dataclass(frozen=True)
class RawColumn:
    """One column as found: how many of the rows looked at have a value, how many values differ, how they read."""

    name: str
    type: str
    known: int
    distinct: int
    reads_as: frozenset[Kind]
    low: float | None = None
    high: float | None = None
    example: str | None = None


@dataclass(frozen=True)
class RawTable:
    """One table as found; `name` is what `from` in remora.toml would say."""

    name: str
    label: str
    rows: int
    columns: Mapping[str, RawColumn]
    trouble: str | None = None


def raw_tables(place: str | Path, memory_limit: str = "1400MB") -> list[RawTable]:
    """Every table of a folder or a PostgreSQL database, by name.

    Raises SourceError when there is no such folder, or nothing in it.
    """
    connection = connect(memory_limit)  # the engine is named in engines.py alone
    origins = _database(str(place), connection) if is_url(place) else _folder(Path(place))
    if not origins:
        raise SourceError(f"{place}: no table; give a folder of {' or '.join(FORMATS)} files, or a postgresql:// URL")
    return [_looked_at(name, origin, connection) for name, origin in sorted(origins.items())]


def _folder(folder: Path) -> dict[str, Origin]:
    if not folder.is_dir():
        raise SourceError(f"{folder}: no such folder; give a folder of Parquet or CSV files, or a postgresql:// URL")
    names = {path.stem for path in folder.iterdir() if path.suffix.lstrip(".") in FORMATS}
    names |= {path.name for path in folder.iterdir() if path.is_dir()}
    found = {name: table_files(folder, name) for name in names}
    return {name: Origin.of_files(files) for name, files in found.items() if files}


def _database(url: str, connection: Any) -> dict[str, Origin]:
    from features.postgres import read_tables

    (_, catalogue) = read_tables(url, {"tables": "pg_catalog.pg_stat_user_tables"})["tables"]
    names = [str(name) for name in catalogue["relname"].to_pylist()]
    origins = {}
    for number, (name, (label, rows)) in enumerate(read_tables(url, {name: name for name in names}).items()):
        connection.register(f"seen_{number}", rows)
        origins[name] = Origin(label, f"seen_{number}")
    return origins


def _looked_at(name: str, origin: Origin, connection: Any) -> RawTable:
    """Types of all columns and figures of the first rows, in two queries; a table that cannot be read says why."""
    try:
        described = connection.sql(f"DESCRIBE SELECT * FROM {origin.relation}").fetchall()
        types = {str(row[0]): str(row[1]) for row in described}
        figures = ", ".join(part for column, kind in types.items() for part in _figures(column, kind))
        query = f"SELECT count(*), {figures} FROM (SELECT * FROM {origin.relation} LIMIT {SAMPLE_ROWS})"
        ((rows, *values),) = connection.sql(query).fetchall()
    except Exception as error:  # the engine's own errors, and only engines.py may name the engine
        return RawTable(name, origin.label, 0, {}, f"{origin.label}: cannot be read: {str(error).splitlines()[0]}")
    each = range(0, len(values), FIGURES)
    columns = [_column(*pair, values[i : i + FIGURES]) for i, pair in zip(each, types.items(), strict=True)]
    return RawTable(name, origin.label, int(rows), {column.name: column for column in columns})


def _figures(column: str, kind: str) -> list[str]:
    """SQL of eight figures: known, distinct, read as number, flag, time, lowest, highest, an example."""
    name, example = quoted(column), f"any_value(CAST({quoted(column)} AS VARCHAR))"
    if kind.split("(")[0] not in READABLE and not kind.startswith("TIMESTAMP"):
        return [f"count({name})", "0", "0", "0", "0", "NULL", "NULL", example]
    number, flag, time = (f"({typed_sql(name, kind, wanted, 'UTC')})" for wanted in KINDS)
    counted = [f"count({part})" for part in (name, f"DISTINCT {name}", number, flag, time)]
    return [*counted, f"min({number})", f"max({number})", f"nullif({example}, {literal('')})"]


def _column(name: str, kind: str, figures: list[Any]) -> RawColumn:
    known, distinct, *counts, low, high, example = figures
    reads = {wanted for wanted, count in zip(KINDS, counts, strict=True) if count == known}
    return RawColumn(name, kind, known, distinct, frozenset({"text", *reads}), low, high, example)
