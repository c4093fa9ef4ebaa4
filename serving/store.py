"""The store of scores: what was said about whom, as of when, by which model; in SQLite, or PostgreSQL by URL.

`remora_scores` keeps every row of the output contract under KEY. `remora_current` points at one row of it per customer,
the one that takes precedence, and repeats what the ranked list filters and sorts by: the list is read off one index.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import polars as pl
import polars.selectors as cs
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from features.clock import moment
from models.prediction import SCHEMA, Prediction
from serving import ranking
from serving.database import WAIT_SECONDS, StoreError, connect, transaction
from serving.migrations import migrate
from serving.ranking import Wanted
from serving.rule_log import RuleLog
from serving.tables import CURRENT, CUSTOMERS, KEY, SCORES
from serving.webhooks.outbox import Event, Targets, announce, event_id, is_asked

__all__ = ["Account", "Store", "StoreError", "open_store"]

HISTORY = (
    "customer_id", "as_of", "at_stake", "churn_probability", "churn_horizon_days", "expected_value", "value_low",
    "value_high", "value_if_retained", "value_horizon_days", "value_at_risk", "composite_score", "tier", "basis",
    "model_version", "rules_version", "scored_at",
)  # fmt: skip
"""The columns of `Store.history`."""

PAST = (
    "as_of", "at_stake", "churn_probability", "risk_band", "expected_value", "value_at_risk", "composite_score", "tier",
    "basis", "model_version", "rules_version", "scored_at",
)  # fmt: skip
"""The columns of `Store.past`."""

_BATCH = 5_000


@dataclass(frozen=True)
class Account:
    """A customer as the ranked list shows it: the current prediction, and who it is about."""

    prediction: Prediction
    name: str | None
    owner: str | None
    backfill: bool
    preferences: tuple[str, ...] = ()
    """How the customer wants to be reached: channel, form, rhythm, as far as known."""
    mismatch: str | None = None
    """The channel of the last contact, where it is not the preferred one."""


@dataclass(frozen=True)
class Page:
    """A part of the ranked list; `next` is where the following one begins, None on the last."""

    accounts: list[Account]
    next: str | None


ANY = Wanted()
"""The whole of the ranked list."""


class Store:
    """The scores of one company. Made by `open_store`; close it, or use it in a `with`. Safe for several threads."""

    def __init__(self, engine: sa.Engine, targets: Targets | None = None) -> None:
        self._engine = engine
        self._targets = targets or {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def engine(self) -> sa.Engine:
        """The database, for what else is kept in it."""
        return self._engine

    @property
    def log(self) -> RuleLog:
        """What the rules remember."""
        return RuleLog(self._engine, self._targets)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def save(self, rows: pl.DataFrame, *, backfill: bool = False) -> int:
        """Put `rows` (columns and types of `models.prediction.SCHEMA`) in, all or none, and return how many there were.

        Of two rows with one KEY the later `scored_at` stays, so saving twice gives the same rows once. `backfill`
        marks scores made for a date before their model's training: they yield to any row that is not so marked,
        and `history` leaves them out. A NaN becomes null, a null list an empty one; an unknown curve stays null.
        Whoever is to be told of a changed tier will be, if and only if the rows are kept.
        """
        lists = (cs.list() - cs.by_name("churn_curve")).fill_null([])
        clean = rows.match_to_schema(SCHEMA).with_columns(cs.float().fill_nan(None), lists)
        marked = clean.with_columns(backfill=pl.lit(backfill))
        with transaction(self._engine, writes=True) as connection:
            for part in marked.partition_by(KEY[1:]):
                for batch in part.iter_slices(_BATCH):
                    connection.execute(_upsert(connection, SCORES), batch.to_dicts())
                    if not backfill and is_asked(self._targets, "tier.changed"):
                        announce(connection, _tier_changes(connection, batch), self._targets)
                    connection.execute(_point_at(connection, batch))
        return rows.height

    def save_customers(self, frame: pl.DataFrame) -> int:
        """Put customer_id and what is given of CUSTOMERS in, replacing what is known of these; return how many."""
        known = [name for name in frame.columns if name in CUSTOMERS.c]
        customers = frame.select(pl.col(known)).with_columns((~cs.boolean()).cast(pl.String))
        with transaction(self._engine, writes=True) as connection:
            for batch in customers.iter_slices(_BATCH):
                connection.execute(_upsert(connection, CUSTOMERS, known), batch.to_dicts())
        return frame.height

    def customer(self, customer_id: str) -> Prediction | None:
        """The current prediction of a customer; None for one never scored."""
        account = self.account(customer_id)
        return account.prediction if account else None

    def account(self, customer_id: str, tenant: str | None = None) -> Account | None:
        """The current prediction of a customer with name and owner; None for one never scored, or of another tenant."""
        own = [] if tenant is None else [CUSTOMERS.c.tenant == tenant]
        query = _ACCOUNTS.where(CURRENT.c.customer_id == customer_id, *own)
        with transaction(self._engine) as connection:
            found = connection.execute(query).mappings().first()
        return _account(found) if found else None

    def before(self, row: Prediction, day: dt.datetime | None = None) -> Prediction | None:
        """What was said of the customer of `row` as of its latest date before `day` (default: before row.as_of).

        Of several rows of that date the last scored counts; backfills do not. None where there is none.
        """
        earlier = SCORES.c.customer_id == row.customer_id, SCORES.c.as_of < (day or row.as_of), ~SCORES.c.backfill
        latest = sa.select(SCORES).where(*earlier).order_by(SCORES.c.as_of.desc(), SCORES.c.scored_at.desc()).limit(1)
        with transaction(self._engine) as connection:
            found = connection.execute(latest).mappings().first()
        return Prediction.model_validate({name: found[name] for name in SCHEMA}) if found else None

    def past(self, customer_id: str, limit: int) -> list[Mapping[str, Any]]:
        """What was said of a customer as of earlier dates and by other models, newest first: PAST; no backfills."""
        query = sa.select(*(SCORES.c[name] for name in PAST)).where(SCORES.c.customer_id == customer_id)
        newest = query.where(~SCORES.c.backfill).order_by(SCORES.c.as_of.desc(), SCORES.c.scored_at.desc())
        with transaction(self._engine) as connection:
            return [*connection.execute(newest.limit(limit)).mappings()]

    def people(self, customers: Iterable[str]) -> dict[str, dict[str, Any]]:
        """customer_id → what is known of who it is: the columns of CUSTOMERS."""
        query, wanted = sa.select(CUSTOMERS), [*customers]
        parts = (wanted[begin : begin + _BATCH] for begin in range(0, len(wanted), _BATCH))
        with transaction(self._engine) as connection:
            found = [
                row for part in parts for row in connection.execute(query.where(CUSTOMERS.c.customer_id.in_(part)))
            ]
        return {row.customer_id: dict(row._mapping) for row in found}

    def at_risk(self, wanted: Wanted = ANY, limit: int | None = 50, offset: int = 0, after: str | None = None) -> Page:
        """The customers at stake that are `wanted`, in the order of `ranking.order`.

        A page begins after `offset` of them, or after the one that the page before named as `next`.
        """
        beginning = [] if after is None else [ranking.after(after, wanted)]
        order = ranking.order(wanted)
        place = ranking.ranked(wanted, CURRENT.c.customer_id).where(*beginning).order_by(*order)
        page = place.limit(limit).offset(offset)  # first, off the index alone, so that deep pages stay quick
        query = _ACCOUNTS.where(CURRENT.c.customer_id.in_(page)).order_by(*order)
        with transaction(self._engine) as connection:
            found = connection.execute(query).mappings().all()
        more = limit is not None and len(found) == limit
        return Page(
            [_account(row) for row in found], ranking.cursor_of({**found[-1]}, wanted) if found and more else None
        )

    def count_at_risk(self, wanted: Wanted = ANY) -> int:
        """How many customers `at_risk` would give without a limit."""
        with transaction(self._engine) as connection:
            return int(connection.execute(ranking.ranked(wanted, sa.func.count())).scalar_one())

    def deadlines(self, as_of: int) -> pl.DataFrame:
        """customer_id, playbook_key, given_at (Int64 microseconds) of the current rows, of dates up to `as_of`."""
        wanted = [SCORES.c[name] for name in ("customer_id", "playbook_key", "playbook_due")]
        known = SCORES.c.playbook_key.is_not(None), SCORES.c.as_of <= moment(as_of)
        query = sa.select(*wanted).select_from(CURRENT.join(SCORES, _SAME_KEY)).where(*known)
        schema = {"customer_id": pl.String, "playbook_key": pl.String, "given_at": SCHEMA["playbook_due"]}
        with transaction(self._engine) as connection:
            rows = pl.DataFrame([tuple(row) for row in connection.execute(query)], schema, orient="row")
        return rows.with_columns(pl.col("given_at").cast(pl.Int64))

    def history(self, as_of_before: dt.datetime, also: Iterable[str] = ()) -> pl.DataFrame:
        """Every score with `as_of < as_of_before` that is not a backfill: HISTORY and `also`, by customer and date.

        Unlike `at_risk`, it holds all dates, models and rule packs, and customers who were not at stake.
        """
        names = [*HISTORY, *also]
        wanted = [SCORES.c[name] for name in names]
        rows = sa.select(*wanted).where(SCORES.c.as_of < as_of_before, ~SCORES.c.backfill)
        schema = {name: SCHEMA[name] for name in names}
        with transaction(self._engine) as connection:
            found = connection.execution_options(yield_per=50_000).execute(rows).partitions()
            parts = [pl.DataFrame([tuple(row) for row in part], schema, orient="row") for part in found]
        return pl.concat([pl.DataFrame(schema=schema), *parts]).sort(*KEY)


def open_store(place: str | Path, targets: Targets | None = None, wait_seconds: int = WAIT_SECONDS) -> Store:
    """Open the store in a file, or at a `sqlite:///…` or `postgresql://…` URL; make or upgrade it where needed.

    `targets` are the webhooks that are told of what is written here; without them no events are kept. A writer waits
    `wait_seconds` for another one.
    Raises StoreError when it cannot be opened or a newer Remora wrote it.
    """
    engine = connect(place, wait_seconds)
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, targets)


_SAME_KEY = sa.and_(*(SCORES.c[name] == CURRENT.c[name] for name in KEY))
_PREFERENCES = ("preferred_channel", "preferred_form", "preferred_cadence")
_WHO = [CUSTOMERS.c[name] for name in ("name", "account_owner", "channel_last", *_PREFERENCES)]
_ACCOUNTS = sa.select(SCORES, *_WHO).select_from(
    CURRENT.join(SCORES, _SAME_KEY).join(CUSTOMERS, ranking.SAME_CUSTOMER, isouter=True)
)


def preferred(row: Mapping[str, Any]) -> tuple[str, ...]:
    """How a customer (a row with the columns of CUSTOMERS) wants to be reached: channel, form, rhythm."""
    return tuple(row[name] for name in _PREFERENCES if row[name])


def mismatch(row: Mapping[str, Any]) -> str | None:
    """The channel of the last contact, where it is not the one preferred."""
    last, wanted = row["channel_last"], row["preferred_channel"]
    return last if last and wanted and last.casefold() != wanted.casefold() else None


def _account(row: sa.RowMapping) -> Account:
    prediction = Prediction.model_validate({name: row[name] for name in SCHEMA})
    who: dict[str, Any] = {str(name): value for name, value in row.items()}
    preferences = preferred(who)
    return Account(prediction, row["name"], row["account_owner"], row["backfill"], preferences, mismatch(who))


def _saved(batch: pl.DataFrame) -> tuple[sa.ColumnElement[bool], ...]:
    """Which rows of `scores` are those just saved, of one date and version."""
    first = batch.row(0, named=True)
    same = (SCORES.c[name] == first[name] for name in KEY[1:])
    return *same, SCORES.c.customer_id.in_(batch["customer_id"].to_list())


def _point_at(connection: sa.Connection, batch: pl.DataFrame) -> sa.Insert:
    """Offer the rows just saved to `current`, which keeps what takes precedence."""
    names = list(CURRENT.c.keys())
    rows = sa.select(*(SCORES.c[name] for name in names)).where(*_saved(batch))
    return _replacing(_insert(connection, CURRENT).from_select(names, rows), names)


def _tier_changes(connection: sa.Connection, batch: pl.DataFrame) -> list[Event]:
    """Whose tier, known before, is another one by the rows just saved; asked before `current` points at these."""
    both = CURRENT.join(SCORES, SCORES.c.customer_id == CURRENT.c.customer_id)
    replaces = ~CURRENT.c.backfill, _precedence(SCORES.c) >= _precedence(CURRENT.c)
    names = ("customer_id", "tier", *KEY[1:], "scored_at")
    query = sa.select(CURRENT.c.tier.label("before"), *(SCORES.c[name] for name in names)).select_from(both)
    found = connection.execute(query.where(*_saved(batch), CURRENT.c.tier != SCORES.c.tier, *replaces))
    return [_tier_changed(row) for row in found.mappings()]


def _tier_changed(row: Mapping[Any, Any]) -> Event:
    data = {"customer_id": row["customer_id"], "before": row["before"], "after": row["tier"]}
    data |= {"as_of": row["as_of"].isoformat()} | {name: row[name] for name in ("model_version", "rules_version")}
    name = event_id("tier.changed", *(row[each] for each in KEY), row["scored_at"].isoformat())
    return Event(name, "tier.changed", row["customer_id"], row["scored_at"], data)


def _upsert(connection: sa.Connection, table: sa.Table, columns: Iterable[str] = ()) -> sa.Insert:
    """Insert rows of `columns` (default: all of the table's), or replace those whose primary key is taken."""
    return _replacing(_insert(connection, table), columns or table.c.keys())


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    return (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)


def _replacing(insert: sqlite.Insert | postgresql.Insert, columns: Iterable[str]) -> sa.Insert:
    """Where the primary key is taken, replace a row that does not take precedence over the new one."""
    table = insert.table
    key = [column.name for column in table.primary_key]
    changed = {name: insert.excluded[name] for name in columns if name not in key}
    if not changed:
        return insert.on_conflict_do_nothing()
    keep = _precedence(insert.excluded) >= _precedence(table.c) if "backfill" in table.c else None
    return insert.on_conflict_do_update(index_elements=key, set_=changed, where=keep)


def _precedence(row: sa.ColumnCollection[str, sa.ColumnElement[Any]]) -> sa.Tuple:
    """Real before backfilled, then the latest scored, then the latest date; versions only settle a tie."""
    return sa.tuple_(~row["backfill"], row["scored_at"], *(row[name] for name in KEY[1:]))
