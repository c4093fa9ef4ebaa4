"""Who saw or changed what: an append-only log that can be verified.

Whoever can write to the database can also rewrite the whole chain from some row on, or cut off its end: only a row's
number and hash kept elsewhere tells, which `verify` gives and takes.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import sqlalchemy as sa

from serving.access.chain import FIRST, Detail, Entry, append, digest_of, hash_of
from serving.access.group_commit import GroupCommit
from serving.database import transaction
from serving.door_tables import AUDIT

__all__ = ["AuditLog", "Entry", "GroupCommit", "Record", "Verified", "append"]

_BATCH: Final = 1_000


@dataclass(frozen=True)
class Record:
    """A row of the log; `subjects` are digests."""

    seq: int
    at: dt.datetime
    actor: str
    action: str
    subjects: tuple[str, ...]
    detail: Detail


@dataclass(frozen=True)
class Verified:
    """How far the log was found right: `rows`, number and hash of the last; `problem` is what is wrong after it."""

    rows: int
    seq: int
    hash: str
    problem: str | None = None

    def but(self, problem: str) -> Self:
        """The same with what is wrong after it."""
        return type(self)(self.rows, self.seq, self.hash, problem)


class AuditLog:
    """The log in one store."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def record(self, *entries: Entry) -> None:
        """Write `entries` in a transaction of their own; they are durable on return. Raises StoreError."""
        with transaction(self._engine, writes=True) as connection:
            append(connection, *entries)

    def verify(self, expect: tuple[int, str] | None = None) -> Verified:
        """Follow the chain from its first row to the last, or to what is wrong.

        `expect`: number and hash of a row, as an earlier `verify` gave them; where the log has no such row, its end
        was cut off, or it was written anew.
        """
        found = Verified(0, 0, FIRST)
        with transaction(self._engine) as connection:
            query = sa.select(AUDIT).order_by(AUDIT.c.seq).execution_options(yield_per=_BATCH)
            with connection.execute(query) as rows:
                for row in rows.mappings():
                    if problem := _problem(row, found, expect):
                        return found.but(problem)
                    found = Verified(found.rows + 1, row["seq"], row["hash"])
        if expect and found.seq < expect[0]:
            return found.but(f"the log ends at row {found.seq}, but once had a row {expect[0]}: its end was cut off")
        return found

    def entries(self, customer: str | None = None, limit: int | None = 50) -> tuple[Record, ...]:
        """The newest rows first; of one customer, where that one was not forgotten."""
        query = sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(limit)
        with transaction(self._engine) as connection:
            if customer is not None:
                digest = digest_of(connection, customer)
                if digest is None:
                    return ()
                query = query.where(sa.cast(AUDIT.c.subjects, sa.Text).contains(digest))
            return tuple(_record(row) for row in connection.execute(query).mappings())


def _problem(row: Mapping[Any, Any], before: Verified, expect: tuple[int, str] | None) -> str | None:
    if row["seq"] != before.seq + 1:
        return f"row {before.seq + 1} is missing: row {row['seq']} stands in its place"
    if row["previous"] != before.hash:
        return f"row {row['seq']} does not follow from the one before: one of them was replaced"
    if row["hash"] != hash_of(row):
        return f"row {row['seq']} was changed after it was written"
    if expect and row["seq"] == expect[0] and row["hash"] != expect[1]:
        return f"row {row['seq']} is not the one that it once was: the log was written anew"
    return None


def _record(row: Mapping[Any, Any]) -> Record:
    names = ("seq", "at", "actor", "action", "detail")
    return Record(**{name: row[name] for name in names}, subjects=tuple(row["subjects"]))
