"""What the rules remember between scorings: episodes of alerts, standing and changes of segment, reviews."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from features.clock import moment, now
from models.rules.changes import segment_changes
from models.rules.episodes import EPISODE, Changes, held_back_by_owner, recorded
from models.rules.pack import RulePack
from models.rules.segments import SCHEMES
from serving.database import transaction
from serving.tables import ALERT_RUNS, ALERTS, REVIEWS, SEGMENTS, STANDING, replacing
from serving.webhooks.outbox import Event, Targets, announce, event_id, is_asked

CHANGE = {
    "customer_id": pl.String(), "scheme": pl.String(), "before": pl.String(), "after": pl.String(),
    "as_of": pl.Int64(), "reason": pl.String(),
}  # fmt: skip
"""Columns of a change of segment, as `models.rules.changes.segment_changes` gives them."""

AXES = ("abc_value_axis", "abc_potential_axis", "segment_abc_flagged")
"""What is kept besides of a customer's class: D5's axes, 0 to 1, and whether C is only where it ended up."""

_BATCH = 5_000
_MOMENTS = ("anchor", "opened_as_of", "due_at", "closed_as_of", "as_of")

Step = Callable[[pl.DataFrame, int | None], Changes]
"""(every episode so far, the last date processed) → what this run does to them."""


class RuleLog:
    """The memory of the rules in one store; `Store.log` gives it."""

    def __init__(self, engine: sa.Engine, targets: Targets | None = None) -> None:
        self._engine = engine
        self._targets = targets or {}

    def advance(self, as_of: int, rules_version: str, step: Step) -> Changes:
        """Let `step` change the episodes, all of it or nothing; running it twice changes nothing more.

        Whoever is to be told of an alert that opened will be, if and only if it is kept.
        """
        with transaction(self._engine, writes=True) as connection:
            before, last = _episodes(connection, sa.true()), _last_run(connection)
            changes = step(before, last)
            if last is None or as_of >= last:
                _write(connection, before, recorded(before, changes), rules_version)
                _count(connection, as_of, changes)
                if is_asked(self._targets, "alert.opened"):
                    announce(connection, map(_opened, changes.opened.iter_rows(named=True)), self._targets)
        return changes

    def episodes(
        self, *, states: Sequence[str] = ("open",), customer: str | None = None, rule: str | None = None,
        owner: str | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Episodes in any of `states`, the most severe and the soonest due first: EPISODE columns."""
        wanted: list[sa.ColumnElement[bool]] = [ALERTS.c.state.in_(states)]
        wanted += [ALERTS.c.customer_id == customer] if customer is not None else []
        wanted += [ALERTS.c.rule == rule] if rule is not None else []
        if owner is not None:
            wanted.append(sa.or_(ALERTS.c.owner == owner, ALERTS.c.owner_role == owner))
        with transaction(self._engine) as connection:
            found = _episodes(connection, sa.and_(*wanted))
        return found.sort("severity", "due_at", "key", nulls_last=True)

    def counts(self) -> dict[str, int]:
        """State → how many episodes are in it."""
        query = sa.select(ALERTS.c.state, sa.func.count()).group_by(ALERTS.c.state)
        with transaction(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def axes(self, customer: str) -> dict[str, Any]:
        """AXES of a customer, as last noted; empty for one never scored."""
        query = sa.select(STANDING.c.metrics).where(STANDING.c.customer_id == customer)
        with transaction(self._engine) as connection:
            metrics = connection.execute(query).scalar() or {}
        return {name: metrics[name] for name in AXES if metrics.get(name) is not None}

    def segment_of(self, scheme: str) -> pl.DataFrame:
        """customer_id and segment (of one scheme) of everyone, as last noted."""
        query = sa.select(STANDING.c.customer_id, STANDING.c.segments)
        with transaction(self._engine) as connection:
            rows = [(key, segments.get(f"segment_{scheme}")) for key, segments in connection.execute(query)]
        return pl.DataFrame(rows, {"customer_id": pl.String, "segment": pl.String}, orient="row")

    def held_back(self) -> tuple[int | None, Mapping[str, int]]:
        """The last date processed, and owner → how many alerts the limits held back then."""
        query = sa.select(ALERT_RUNS.c.as_of, ALERT_RUNS.c.held_back).order_by(ALERT_RUNS.c.as_of.desc()).limit(1)
        with transaction(self._engine) as connection:
            row = connection.execute(query).first()
        return (row[0], row[1]) if row else (None, {})

    def note_segments(self, found: pl.DataFrame, as_of: int, pack: RulePack) -> int:
        """Keep the result of `rules.segments`, and what changed since the last one (the first has no changes).

        An older date changes nothing. Returns how many changes there were.
        """
        with transaction(self._engine, writes=True) as connection:
            last = connection.execute(sa.select(sa.func.max(STANDING.c.as_of))).scalar()
            if last is not None and as_of < last:
                return 0
            before, changes = _standing(connection, found), pl.DataFrame(schema=CHANGE)
            if before is not None:
                changes = segment_changes(before, found, as_of, pack).select(*CHANGE)
                _note(connection, changes, as_of)
            _upsert(connection, STANDING, _as_standing(found, as_of))
        return changes.height

    def segment_history(self, customer: str | None = None, since: int | None = None) -> pl.DataFrame:
        """Changes of segment (CHANGE), oldest first; of one customer, or from a date on."""
        query = sa.select(*(SEGMENTS.c[name] for name in CHANGE)).order_by(SEGMENTS.c.as_of, SEGMENTS.c.customer_id)
        query = query if customer is None else query.where(SEGMENTS.c.customer_id == customer)
        query = query if since is None else query.where(SEGMENTS.c.as_of >= since)
        with transaction(self._engine) as connection:
            return pl.DataFrame([tuple(row) for row in connection.execute(query)], CHANGE, orient="row")

    def reviews(self) -> dict[str, dt.date]:
        """Kind of review → when it was last done."""
        with transaction(self._engine) as connection:
            return {row.kind: row.done_on for row in connection.execute(sa.select(REVIEWS))}

    def review_done(self, kind: str, day: dt.date) -> None:
        """Note that a review was done on `day`; an earlier day than the one noted changes nothing."""
        if self.reviews().get(kind, day) > day:
            return
        with transaction(self._engine, writes=True) as connection:
            _upsert(connection, REVIEWS, pl.DataFrame({"kind": [kind], "done_on": [day]}))


def dated(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of this log for machines: its moments in ISO 8601."""
    return dict(row) | {name: _iso(row[name]) for name in _MOMENTS if name in row}


def _opened(episode: Mapping[str, Any]) -> Event:
    """The event that an alert opened: whose it is by role, as the owner's name is nobody else's business."""
    key, whole = episode["key"], dated(episode)
    names = ("key", "customer_id", "rule", "severity", "signs", "owner_role", "anchor", "opened_as_of", "due_at")
    data = {name: whole[name] for name in names}
    return Event(event_id("alert.opened", key), "alert.opened", episode["customer_id"], now(), data)


def _iso(at: int | None) -> str | None:
    return None if at is None else moment(at).isoformat()


def _episodes(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> pl.DataFrame:
    found = connection.execute(sa.select(*(ALERTS.c[name] for name in EPISODE)).where(wanted))
    return pl.DataFrame([tuple(row) for row in found], EPISODE, orient="row")


def _last_run(connection: sa.Connection) -> int | None:
    found: int | None = connection.execute(sa.select(sa.func.max(ALERT_RUNS.c.as_of))).scalar()
    return found


def _write(connection: sa.Connection, before: pl.DataFrame, after: pl.DataFrame, rules_version: str) -> None:
    """Only what differs is written; what waited and no longer waits is forgotten."""
    gone = before.join(after, on="key", how="anti")["key"].to_list()
    for begin in range(0, len(gone), _BATCH):
        connection.execute(sa.delete(ALERTS).where(ALERTS.c.key.in_(gone[begin : begin + _BATCH])))
    changed = after.join(before, on=list(EPISODE), how="anti", nulls_equal=True)
    _upsert(connection, ALERTS, changed.with_columns(rules_version=pl.lit(rules_version)))


def _count(connection: sa.Connection, as_of: int, changes: Changes) -> None:
    """A run repeated on its date adds to what it opened and closed."""
    same_date = sa.select(ALERT_RUNS.c.opened, ALERT_RUNS.c.closed).where(ALERT_RUNS.c.as_of == as_of)
    opened, closed = connection.execute(same_date).first() or (0, 0)
    run = {
        "as_of": as_of, "opened": opened + changes.opened.height, "closed": closed + changes.closed.height,
        "held_back": held_back_by_owner(changes),
    }  # fmt: skip
    connection.execute(replacing(connection, ALERT_RUNS, list(run)), run)


def _note(connection: sa.Connection, changes: pl.DataFrame, as_of: int) -> None:
    """A date scored again goes on from what it said first; what came back to where it began is no change."""
    for batch in changes.iter_slices(_BATCH):
        connection.execute(replacing(connection, SEGMENTS, ["after", "reason"]), batch.to_dicts())
    undone = SEGMENTS.c.before.is_not_distinct_from(SEGMENTS.c.after)
    connection.execute(sa.delete(SEGMENTS).where(SEGMENTS.c.as_of == as_of, undone))


def _standing(connection: sa.Connection, found: pl.DataFrame) -> pl.DataFrame | None:
    """The last result of `rules.segments`, in the columns of `found`; None before the first."""
    rows = connection.execute(sa.select(STANDING.c.customer_id, STANDING.c.segments, STANDING.c.metrics)).all()
    if not rows:
        return None
    schema = {name: kind for name, kind in found.schema.items() if name == "customer_id" or _kept(name)}
    whole = ({"customer_id": key, **segments, **metrics} for key, segments, metrics in rows)
    flat = [{name: each.get(name) for name in schema} for each in whole]
    return pl.DataFrame(flat, schema)


def _as_standing(found: pl.DataFrame, as_of: int) -> pl.DataFrame:
    metrics = [name for name in found.columns if name.startswith("metric_") or name in AXES]
    return found.select(
        "customer_id",
        pl.lit(as_of).alias("as_of"),
        pl.struct(f"segment_{scheme}" for scheme in SCHEMES).alias("segments"),
        pl.struct(metrics).alias("metrics"),
    )


def _kept(name: str) -> bool:
    return name.startswith("metric_") or name in {f"segment_{scheme}" for scheme in SCHEMES}


def _upsert(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    for batch in rows.iter_slices(_BATCH):
        connection.execute(replacing(connection, table, rows.columns), batch.to_dicts())
