"""Reads what is exported from the store, as one moment saw it, in batches."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from features.clock import micros
from serving.database import transaction
from serving.export.mapping import Layout
from serving.tables import ALERTS, CURRENT, CUSTOMERS, KEY, SCORES

BATCH = 5_000
"""Rows that are in memory at once."""


@dataclass(frozen=True)
class Reading:
    """What to read: the columns of `layout`; only rows scored, opened or closed at `since` or later, only a tenant's.

    Batches are frames of `layout.schema`, sorted by key across them; `step` is told how many rows were read so far.
    """

    engine: sa.Engine
    layout: Layout
    since: dt.datetime | None = None
    tenant: str | None = None
    step: Callable[[int], None] = lambda _: None
    batch: int = BATCH

    @property
    def whole(self) -> bool:
        """Whether every row there is for this tenant is read, so that what is not among them is no more."""
        return self.since is None

    @contextmanager
    def batches(self) -> Iterator[Iterator[pl.DataFrame]]:
        """All rows by one statement, so that they are of one moment whatever is written meanwhile.

        Raises StoreError when the store cannot be read.
        """
        with transaction(self.engine) as connection:
            found = connection.execution_options(yield_per=self.batch).execute(self._query())
            yield self._frames(found)

    def _query(self) -> sa.Select[Any]:
        columns = [field.source.label(name) for name, field in self.layout.columns.items()]
        query = sa.select(*columns)
        return self._scores(query) if self.layout.what == "scores" else self._alerts(query)

    def _scores(self, query: sa.Select[Any]) -> sa.Select[Any]:
        same = sa.and_(*(SCORES.c[name] == CURRENT.c[name] for name in KEY))
        joined = CURRENT.join(SCORES, same).join(
            CUSTOMERS, CUSTOMERS.c.customer_id == CURRENT.c.customer_id, isouter=True
        )
        found = self._of_tenant(query.select_from(joined)).order_by(CURRENT.c.customer_id)
        return found if self.since is None else found.where(CURRENT.c.scored_at >= self.since)

    def _alerts(self, query: sa.Select[Any]) -> sa.Select[Any]:
        """Those that were opened; what the weekly limits hold back has not happened yet."""
        joined = ALERTS.join(CUSTOMERS, CUSTOMERS.c.customer_id == ALERTS.c.customer_id, isouter=True)
        found = self._of_tenant(query.select_from(joined)).order_by(ALERTS.c.key)
        found = found.where(ALERTS.c.state.in_(("open", "closed")))
        if self.since is None:
            return found
        begin = micros(self.since)
        return found.where(sa.or_(ALERTS.c.opened_as_of >= begin, ALERTS.c.closed_as_of >= begin))

    def _of_tenant(self, query: sa.Select[Any]) -> sa.Select[Any]:
        return query if self.tenant is None else query.where(CUSTOMERS.c.tenant == self.tenant)

    def _frames(self, found: sa.CursorResult[Any]) -> Iterator[pl.DataFrame]:
        rows = 0
        for part in found.partitions():
            yield self._frame(part)
            rows += len(part)
            self.step(rows)

    def _frame(self, rows: Any) -> pl.DataFrame:
        columns = self.layout.columns
        raw = {name: field.raw or field.kind for name, field in columns.items()}
        read = pl.DataFrame([tuple(row) for row in rows], raw, orient="row")
        return read.select(field.told(pl.col(name)).cast(field.kind).alias(name) for name, field in columns.items())
