"""A table of a PostgreSQL database that is brought up to date at once, by an export that may be killed at any point.

Batches are copied into a staging table, where nobody reads, each together with the mark of how far it got. When all
are there, one transaction puts them into TABLE (inserts, or updates what differs), deletes what is no more, and drops
the staging table: readers see the old state or the new one, never some of each. The run after one that was killed
reads the store anew, compares what it reads with the digest in the mark, and goes on where the other stopped; where
the store says something else by now, it begins again. Of two exports at once the later goes on, the other gives up.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import polars as pl
import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ArgumentError, DBAPIError

from features.clock import now
from serving.database import StoreError, connect, transaction, where
from serving.export.errors import ExportError
from serving.export.reading import Reading
from serving.export.target_table import Tables, shape

_TIMES = "%Y-%m-%dT%H:%M:%S%.6fZ"


class Updated(NamedTuple):
    """Rows exported; of these, rows that were new or differed; rows deleted; rows an earlier run had staged."""

    rows: int
    changed: int
    deleted: int
    resumed: int


class _StoreChangedError(Exception):
    """What was staged is not what the store says now."""


def update_table(url: str, name: str, reading: Reading) -> Updated:
    """Bring table `name` of the database at `url` to what `reading` gives.

    Rows that are no more are deleted where `reading` is whole. Raises ExportError when the database cannot be reached
    or written, when the table is not one that an export of the same rows made, or when another export took over.
    """
    tables = Tables.named(name, reading.layout)
    with _Target(_engine(url), tables, reading) as target:
        staged = target.begin()
        try:
            rows = target.stage()
        except _StoreChangedError:
            staged = target.begin(anew=True)
            rows = target.stage()
        changed, deleted = target.finish()
    return Updated(rows, changed, deleted, staged)


class _Target:
    """One run of an export to one table."""

    def __init__(self, engine: sa.Engine, tables: Tables, reading: Reading) -> None:
        self._engine, self._tables, self._reading = engine, tables, reading
        self._run = uuid.uuid4().hex
        self._columns = {name: f"{field.name}, {field.kind}" for name, field in reading.layout.columns.items()}
        self._scope = f"{reading.layout.what} of " + ("all" if reading.tenant is None else f"tenant {reading.tenant}")
        self._staged, self._digest = 0, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def begin(self, anew: bool = False) -> int:
        """Take the table over, and return how many rows are staged already (`anew`: none)."""
        marks, staging = self._tables.marks, self._tables.staging
        request = json.dumps([self._columns, self._scope, str(self._reading.since)])
        with self._transaction(writes=True) as connection:
            marks.create(connection, checkfirst=True)
            known = connection.execute(sa.select(marks).where(self._here).with_for_update()).mappings().first()
            self._require_ours(connection, known)
            there = sa.inspect(connection).has_table(staging.name, staging.schema)
            if known and there and not anew and known["request"] == request:
                self._staged, self._digest = known["rows"], known["digest"]
            else:
                self._staged, self._digest = 0, ""
                staging.drop(connection, checkfirst=True)
                staging.create(connection)
            self._claim(connection, request)
        return self._staged

    def stage(self) -> int:
        """Copy every batch that is not staged yet; return the number of all rows."""
        rows, digest = 0, hashlib.sha256()
        with self._reading.batches() as batches:
            for body, height in _bodies(batches):
                rows += height
                digest.update(body)
                if rows - height >= self._staged:
                    self._put(body, rows, digest.hexdigest())
                elif rows > self._staged or (rows == self._staged and digest.hexdigest() != self._digest):
                    raise _StoreChangedError
        if rows < self._staged:
            raise _StoreChangedError
        return rows

    def finish(self) -> tuple[int, int]:
        """Put what is staged into the table, at once; return how many rows changed and how many were deleted."""
        tables, reading = self._tables, self._reading
        with self._transaction() as connection:
            before = connection.execute(sa.select(tables.marks.c.columns).where(self._here)).scalar_one()
            self._mark(connection, request="", rows=0, digest="", columns=self._columns, finished_at=now())
            shape(connection, tables.target, before, self._columns, reading.whole)
            merge = _merge(tables, reading.layout.key).execution_options(preserve_rowcount=True)
            changed = connection.execute(merge).rowcount
            deleted = connection.execute(_vanished(tables, reading.layout.key)).rowcount if reading.whole else 0
            tables.staging.drop(connection)
        return changed, deleted

    @property
    def _here(self) -> sa.ColumnElement[bool]:
        return self._tables.marks.c.target == self._tables.target.name

    def _require_ours(self, connection: sa.Connection, known: Any) -> None:
        target, made = self._tables.target, known is not None and bool(known["columns"])
        if not made and sa.inspect(connection).has_table(target.name, target.schema):
            raise ExportError(f"--table {target}: is there, and no export made it; name another table")
        if made and known["scope"] != self._scope:
            raise ExportError(f"--table {target}: holds {known['scope']}, not {self._scope}; name another table")

    def _claim(self, connection: sa.Connection, request: str) -> None:
        progress = {"rows": self._staged, "digest": self._digest}
        mine = {"run": self._run, "request": request, "scope": self._scope, **progress}
        claim = insert(self._tables.marks).values(mine | {"target": self._tables.target.name, "columns": {}})
        connection.execute(claim.on_conflict_do_update(index_elements=["target"], set_=mine))

    def _put(self, body: bytes, rows: int, digest: str) -> None:
        with self._transaction() as connection:
            self._mark(connection, rows=rows, digest=digest)
            name = connection.dialect.identifier_preparer.format_table(self._tables.staging)
            driver: Any = connection.connection.driver_connection
            with driver.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)") as copy:
                copy.write(body)

    def _mark(self, connection: sa.Connection, **values: object) -> None:
        """Note how far this run is, unless another one has taken over."""
        mine = sa.update(self._tables.marks).where(self._here, self._tables.marks.c.run == self._run)
        if connection.execute(mine.values(values)).rowcount == 0:
            raise ExportError(f"--table {self._tables.target}: another export has taken over; let that one end")

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[sa.Connection]:
        place = where(self._engine)
        try:
            with transaction(self._engine, writes=writes) as connection:
                yield connection
        except StoreError as error:
            raise ExportError(*(problem.replace("store ", "--to ", 1) for problem in error.problems)) from None
        except (DBAPIError, psycopg.Error) as error:
            reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
            raise ExportError(f"--to {place}: {reason}; mend the table or the rows, then export again") from None


def _engine(url: str) -> sa.Engine:
    """An engine whose URL can be shown: a password in the query would not be hidden."""
    try:
        read = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise ExportError("--to: its URL cannot be read; write postgresql://USER@HOST:PORT/DATABASE") from None
    if not read.drivername.startswith("postgres"):
        raise ExportError(f"--to {read.drivername}://…: not a target; write postgresql://USER@HOST:PORT/DATABASE")
    hidden = read.query.get("password")
    if isinstance(hidden, str):
        read = read.set(password=hidden).difference_update_query(["password"])
    return connect(read.render_as_string(hide_password=False))


def _bodies(batches: Iterable[pl.DataFrame]) -> Iterator[tuple[bytes, int]]:
    """Each batch as the text that COPY reads, and its height; null is empty, an empty text is quoted."""
    for batch in batches:
        yield batch.write_csv(include_header=False, datetime_format=_TIMES).encode(), batch.height


def _merge(tables: Tables, key: str) -> sa.Insert:
    """Insert all that is staged, or update what differs: a trigger there sees changes only."""
    names = [column.name for column in tables.staging.columns]
    rows = insert(tables.target).from_select(names, sa.select(tables.staging))
    changed = {name: rows.excluded[name] for name in names if name != key}
    if not changed:
        return rows.on_conflict_do_nothing()
    differs = sa.or_(*(tables.target.c[name].is_distinct_from(value) for name, value in changed.items()))
    return rows.on_conflict_do_update(index_elements=[key], set_=changed, where=differs)


def _vanished(tables: Tables, key: str) -> sa.Delete:
    staged = sa.select(sa.literal(1)).where(tables.staging.c[key] == tables.target.c[key])
    return sa.delete(tables.target).where(~staged.exists())
