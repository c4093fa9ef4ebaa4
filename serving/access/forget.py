"""Forgetting a customer: removed from every place where something is kept, and the proof that nothing is left.

What is kept of a customer: rows of the store, and the features of the latest scorings. Bundles, the record of trainings
and monitoring reports hold no identifiers, which the proof shows each time. Every step may be repeated: a rerun after a
crash completes. Out of reach are files that were exported, backups, and the data source itself.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from features.errors import RemoraError
from serving.access.chain import Entry, append, forget_subject
from serving.access.keys import LOCAL
from serving.access.traces import Term, Trace, in_database, in_files
from serving.database import StoreError, transaction, where
from serving.door_tables import AUDIT, DELIVERIES, EFFECTS, OUTBOX, SUBJECTS
from serving.home import Home
from serving.store import Store
from serving.tables import CUSTOMERS, METADATA

_TABLES: Final = "remora_"
_ROW_GROUP: Final = 20_000  # as serving.scorings writes them: few enough to find one customer quickly


class TracesLeftError(RemoraError):
    """A customer was removed wherever Remora keeps one, and is still found."""


@dataclass(frozen=True)
class Forgotten:
    """Table → rows, and file → rows, that were removed; how many files were searched, and what was found in them."""

    customer: str
    rows: Mapping[str, int]
    files: Mapping[str, int]
    searched: int
    traces: tuple[Trace, ...]

    def require_none_left(self) -> None:
        """Raise TracesLeftError naming each place where the customer is certainly still kept."""
        left = [trace for trace in self.traces if trace.certain]
        if left:
            raise TracesLeftError(
                *(f"{trace.place}: still names {trace.text!r}, {trace.count} times; delete it there" for trace in left)
            )


def forget(customer: str, home: Home, store: Store, actor: str = LOCAL.actor, also: tuple[str, ...] = ()) -> Forgotten:
    """Remove `customer` from the files of `home` and from the store, and search both for the id, the name, `also`.

    Files go first, the rows last and at once, with the entry in the audit log and the key to who it was about.
    Raises StoreError where the store cannot be written; then run it again.
    """
    terms = [Term.of(customer), *_names(store.engine, customer), *(Term.of(text) for text in also if text.strip())]
    files = dict(_remove_from_scorings(home.scorings, customer))
    rows = _remove_from_store(store.engine, customer, actor, len(files))
    overwrite_free_space(store.engine)
    lies = Path(str(store.engine.url.database)) if store.engine.dialect.name == "sqlite" else None
    searched, traces = in_files(home.folder, terms, lies)
    found = (*traces, *in_database(store.engine, terms, _TABLES, "store: "))
    return Forgotten(customer, rows, files, searched, found)


def _names(engine: sa.Engine, customer: str) -> list[Term]:
    """What people call the customer."""
    name = sa.select(CUSTOMERS.c.name).where(CUSTOMERS.c.customer_id == customer).scalar_subquery()
    query = sa.select(CUSTOMERS.c.name, sa.func.count()).where(CUSTOMERS.c.name == name).group_by(CUSTOMERS.c.name)
    with transaction(engine) as connection:
        return [Term.of(text, shared=count > 1) for text, count in connection.execute(query) if text]


def _remove_from_scorings(folder: Path, customer: str) -> Iterator[tuple[str, int]]:
    """File → rows removed. Each file is the old or the new one, never half; what a killed run left beside goes too."""
    for leftover in folder.glob(".*.new"):
        leftover.unlink(missing_ok=True)
    for file in sorted(folder.glob("*.parquet")):
        named = pl.col("customer_id") == customer
        rows = pl.scan_parquet(file).filter(named).select(pl.len()).collect().item()
        if rows:
            beside = file.with_name(f".{file.name}.new")
            kept = pl.read_parquet(file).filter(~named)
            kept.write_parquet(beside, compression="zstd", row_group_size=_ROW_GROUP)
            beside.replace(file)
            yield file.name, rows


def _remove_from_store(engine: sa.Engine, customer: str, actor: str, files: int) -> dict[str, int]:
    """Table → rows removed, all in one transaction."""
    with transaction(engine, writes=True) as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        removed = {
            table.name: connection.execute(sa.delete(table).where(wanted)).rowcount
            for table, wanted in _wanted(connection, customer)
        }
        told: dict[str, str | int | float | None] = {"rows": sum(removed.values()), "files": files}
        append(connection, Entry(actor, "customer.forgotten", (customer,), told))
        forget_subject(connection, customer)
    return {name: count for name, count in removed.items() if count}


def _wanted(connection: sa.Connection, customer: str) -> Iterator[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Every table that holds something of the customer, and which rows of it; what refers to another comes first."""
    events = sa.select(OUTBOX.c.id).where(OUTBOX.c.customer_id == customer)
    yield DELIVERIES, DELIVERIES.c.event_id.in_(events)
    yield EFFECTS, _mentioned(connection, customer)
    for table in reversed(METADATA.sorted_tables):
        if "customer_id" in table.c and table not in (EFFECTS, AUDIT, SUBJECTS):
            yield table, table.c.customer_id == customer


def _mentioned(connection: sa.Connection, customer: str) -> sa.ColumnElement[bool]:
    """Effects of requests about the customer, or whose answer or route names one."""
    term, texts = Term.of(customer), (EFFECTS.c.answer, EFFECTS.c.route)
    spelt = (text.contains(spelling, autoescape=True) for text in texts for spelling in term.spellings)
    found = connection.execute(sa.select(EFFECTS).where(sa.or_(*spelt))).all()
    named = [(row.actor, row.idempotency_key) for row in found if term.stands_in(f"{row.answer} {row.route}")]
    return (EFFECTS.c.customer_id == customer) | sa.tuple_(EFFECTS.c.actor, EFFECTS.c.idempotency_key).in_(named)


def overwrite_free_space(engine: sa.Engine) -> None:
    """Leave no bytes of removed rows in the files of a SQLite store; on PostgreSQL, its pages are cleaned.

    A store of a gigabyte takes about half a minute, in which nobody writes. Raises StoreError.
    """
    (_vacuum_sqlite if engine.dialect.name == "sqlite" else _vacuum_postgres)(engine)


def _vacuum_sqlite(engine: sa.Engine) -> None:
    raw = engine.raw_connection()  # VACUUM stands outside any transaction
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy: Any = cursor.fetchone()
        cursor.close()
    except sqlite3.OperationalError as error:
        raise _unclean(engine, str(error)) from error
    finally:
        raw.close()
    if busy and busy[0]:
        raise _unclean(engine, "another program reads from before the removal")


def _vacuum_postgres(engine: sa.Engine) -> None:
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for table in METADATA.sorted_tables:
                connection.execute(sa.text(f"VACUUM {table.name}"))
    except DBAPIError as error:
        raise _unclean(engine, str(error.orig)) from error


def _unclean(engine: sa.Engine, why: str) -> StoreError:
    return StoreError(
        f"store {where(engine)}: the customer's rows are removed, but their bytes may still lie in its files ({why}); "
        "run `remora forget` again"
    )
