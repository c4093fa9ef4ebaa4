"""The proof of forgetting: every file and every column of text is searched for what named a customer."""

import html
import json
import mmap
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import polars as pl
import sqlalchemy as sa

from serving.database import transaction

_SURE: Final = 6
_BATCH: Final = 10_000
_SQLITE: Final = b"SQLite format 3\0"
_ID: Final = "customer_id"
_TEXTS: Final = (sa.String, sa.JSON, sa.Enum)


@dataclass(frozen=True)
class Term:
    """What is searched for. `certain`: finding it anywhere means that the customer is still kept there.

    Short or purely numeric texts stand in places that have nothing to do with the customer, and so do names that
    several customers have.
    """

    text: str
    certain: bool

    @classmethod
    def of(cls, text: str, shared: bool = False) -> "Term":
        """A term of `text`, which other customers may share."""
        return cls(text, len(text) >= _SURE and not text.isdigit() and not shared)

    @property
    def spellings(self) -> list[str]:
        """As it is, and as JSON, URLs and HTML write it."""
        return sorted({self.text, json.dumps(self.text)[1:-1], quote(self.text, safe=""), html.escape(self.text)})

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """Any spelling in UTF-8 that is not part of a longer word or id."""
        words = b"|".join(re.escape(spelling.encode()) for spelling in self.spellings)
        return re.compile(rb"(?<![\w-])(?:" + words + rb")(?![\w-])")

    def stands_in(self, text: str) -> bool:
        """Whether it stands in `text` as a word of its own."""
        return self.pattern.search(text.encode("utf-8", "replace")) is not None


@dataclass(frozen=True)
class Trace:
    """What was found: where (a file, or a table and column), which text, how often."""

    place: str
    text: str
    count: int
    certain: bool


def in_files(folder: Path, terms: Iterable[Term], store: Path | None = None) -> tuple[int, list[Trace]]:
    """How many files lie below `folder`, and the traces in them: raw bytes, and what Parquet and SQLite files say.

    Of the file `store` only the bytes are searched.
    """
    files, wanted = sorted(each for each in folder.rglob("*") if each.is_file()), list(terms)
    found: list[Trace] = []
    for file in files:
        name = str(file.relative_to(folder))
        with suppress(FileNotFoundError):  # a file of a moment, such as those that are written beside
            found += _in_bytes(file, name, wanted)
            found += [] if store and file.samefile(store) else _in_tables(file, name, wanted)
    return len(files), found


def in_database(engine: sa.Engine, terms: Iterable[Term], prefix: str = "", place: str = "") -> list[Trace]:
    """The traces in every column of text of the tables whose names begin with `prefix`; `place` says which database."""
    wanted = list(terms)
    with transaction(engine) as connection:
        return [
            Trace(f"{place}{table}.{column}", term.text, count, term.certain or column == _ID)
            for table, columns in _columns(connection, prefix)
            for (column, term), count in _counts(connection, table, columns, wanted).items()
        ]


def _columns(connection: sa.Connection, prefix: str) -> Iterator[tuple[str, list[str]]]:
    """Every table and its columns of text."""
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        columns = [each["name"] for each in inspector.get_columns(table) if isinstance(each["type"], _TEXTS)]
        if columns and table.startswith(prefix):
            yield table, columns


def _counts(connection: sa.Connection, table: str, columns: list[str], terms: list[Term]) -> Counter[tuple[str, Term]]:
    """Column and term → rows. All rows are read: to search them in SQL takes twice as long on SQLite."""
    texts = [sa.func.coalesce(sa.cast(sa.column(name), sa.Text), "") for name in columns]
    spellings, found = [spelling for term in terms for spelling in term.spellings], Counter[tuple[str, Term]]()
    query = sa.select(*texts).select_from(sa.table(table)).execution_options(yield_per=_BATCH)
    with connection.execute(query) as rows:
        for row in rows:
            whole = "\n".join(row)
            if any(spelling in whole for spelling in spellings):
                cells = zip(columns, row, strict=True)
                found.update((column, term) for column, text in cells for term in terms if _says(column, text, term))
    return found


def _in_bytes(file: Path, name: str, terms: list[Term]) -> Iterator[Trace]:
    for term in terms:
        if count := _raw(file, term) + term.stands_in(name):
            yield Trace(name, term.text, count, term.certain)


def _in_tables(file: Path, name: str, terms: list[Term]) -> Iterator[Trace]:
    if file.suffix == ".parquet":
        yield from _in_parquet(file, name, terms)
    elif _begins(file, _SQLITE):
        engine = sa.create_engine(f"sqlite:///file:{quote(str(file.resolve()))}?mode=ro&uri=true")
        try:
            yield from in_database(engine, terms, place=f"{name}: ")
        finally:
            engine.dispose()


def _raw(file: Path, term: Term) -> int:
    """Occurrences in the bytes; of short terms only in text, since they stand in any other bytes by chance."""
    if file.stat().st_size == 0 or (len(term.text.encode()) < _SURE and _is_binary(file)):
        return 0
    if file.name.endswith("-wal"):  # may be cut by another process, which a mapping does not survive
        return sum(1 for _ in term.pattern.finditer(file.read_bytes()))
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if all(content.find(spelling.encode()) < 0 for spelling in term.spellings):
            return 0  # forty times as quick as the pattern
        return sum(1 for _ in term.pattern.finditer(content))


def _in_parquet(file: Path, name: str, terms: list[Term]) -> Iterator[Trace]:
    try:
        frame = pl.scan_parquet(file)
        schema = frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError):
        return  # not whole: a reader cannot use it either, and its bytes were searched
    for column in (each for each, kind in schema.items() if kind in (pl.String, pl.Categorical, pl.Enum)):
        values = frame.select(pl.col(column).cast(pl.String)).collect()[column].value_counts(name="rows").drop_nulls()
        for term in terms:
            rows = sum(rows for text, rows in values.iter_rows() if _says(column, text, term))
            if rows:
                yield Trace(f"{name}: {column}", term.text, rows, term.certain or column == _ID)


def _says(column: str, text: str, term: Term) -> bool:
    return text == term.text if column == _ID else term.stands_in(text)


def _begins(file: Path, magic: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _is_binary(file: Path) -> bool:
    with file.open("rb") as stream:
        return b"\0" in stream.read(8192)
