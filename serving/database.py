"""Where the store lives: an engine for SQLite or PostgreSQL, transactions that wait their turn, times in UTC."""

import datetime as dt
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from features.errors import RemoraError

WAIT_SECONDS = 30
"""How long a writer waits for another one before it gives up."""

_PAUSE = 0.05

_WRITERS = 7_236_672_001  # any number, the same in every process: PostgreSQL's name for the lock all writers share
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")


class StoreError(RemoraError):
    """The store cannot be opened, read or written, or a newer Remora wrote it."""


class UtcTime(sa.types.TypeDecorator[dt.datetime]):
    """A moment: aware going in, kept in UTC (SQLite has no zones and holds it as text), aware in UTC coming out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """Turn to UTC; a time without a zone is a ValueError."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; the store keeps moments")
        return value and value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """Give the zone back."""
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=dt.UTC)
        return value and value.astimezone(dt.UTC)


def connect(place: str | Path, wait_seconds: int = WAIT_SECONDS) -> sa.Engine:
    """Make an engine for a file (SQLite; its folder is made) or a URL (`sqlite:///…`, `postgresql://…`).

    Nothing is opened yet. A writer waits `wait_seconds` for another one. Raises StoreError for any other kind of place.
    """
    url = _url(place)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, wait_seconds)
    waits = {"connect_timeout": wait_seconds, "options": f"-c lock_timeout={wait_seconds}s"}
    engine = sa.create_engine(url, pool_pre_ping=True, connect_args=waits)
    sa.event.listen(engine, "begin", _begin_postgres)
    return engine


def where(engine: sa.Engine) -> str:
    """The place of the store, for people: a path, or a URL without its password."""
    return (engine.url.database if engine.dialect.name == "sqlite" else None) or str(engine.url)


@contextmanager
def transaction(engine: sa.Engine, *, writes: bool = False) -> Iterator[sa.Connection]:
    """One transaction: everything in it happens, or nothing does. One writer at a time, in this process and others.

    Raises StoreError when the database cannot be reached, read or written.
    """
    try:
        with engine.execution_options(writes=writes).begin() as connection:
            yield connection
    except (IntegrityError, DataError):
        raise  # rows that break the contract: our mistake, not the user's
    except DBAPIError as error:
        raise StoreError(f"store {where(engine)}: {_first_line(error)}; {_remedy(engine)}") from error


def _url(place: str | Path) -> sa.URL:
    if isinstance(place, Path) or "://" not in place:
        return sa.URL.create("sqlite", database=str(place))
    try:
        url = sa.make_url(place)
    except (ArgumentError, ValueError):
        raise StoreError("store: its URL cannot be read; write postgresql://USER@HOST:PORT/DATABASE") from None
    if url.drivername in _POSTGRES:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    raise StoreError(f"store {url}: not a kind of store; name a file, or write postgresql://USER@HOST:PORT/DATABASE")


def _sqlite(url: sa.URL, wait_seconds: int) -> sa.Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"store {url.database}: {error.strerror}; set REMORA_HOME to a folder you may write") from None
    # Without isolation_level=None the driver begins when it sees fit, and DDL would not roll back.
    engine = sa.create_engine(url, connect_args={"timeout": wait_seconds, "isolation_level": None})
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    _write_ahead(cursor)
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _write_ahead(cursor: sa.engine.interfaces.DBAPICursor) -> None:
    """Turn to WAL. SQLite refuses at once, however long the time-out, while another process is turning a fresh file."""
    for _ in range(int(WAIT_SECONDS / _PAUSE)):
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(_PAUSE)
    cursor.execute("PRAGMA journal_mode = WAL")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the write lock at once: a reader that turns writer half-way is refused without waiting."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgres(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip() or type(error.orig).__name__).splitlines()[0]


def _remedy(engine: sa.Engine) -> str:
    if engine.dialect.name == "sqlite":
        return "see that it is a Remora store you may write, on a disk with room, and that no other program holds it"
    return "see that the server runs, that user and database exist, and that the user may write there"
