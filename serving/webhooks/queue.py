"""The deliveries of one store: claimed, settled, put off, given up, taken up again.

A claim ends by itself after LEASE: what a killed process had in hand is delivered again. So an event comes at least
once; a customer's events come in their order as long as none fails.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from features.clock import now
from serving.database import transaction
from serving.door_tables import DELIVERIES, OUTBOX
from serving.webhooks.outbox import DEAD, DELIVERED, PENDING, Event

ATTEMPTS: Final = 12
FIRST_WAIT: Final = dt.timedelta(seconds=5)
LONGEST_WAIT: Final = dt.timedelta(hours=6)
_FACTOR: Final = 4

LEASE: Final = dt.timedelta(seconds=60)
"""Longer than one delivery can take, looking up the host included."""

KEPT: Final = {DELIVERED: dt.timedelta(days=7), DEAD: dt.timedelta(days=30), PENDING: dt.timedelta(days=30)}
"""State → how long after its event a delivery in it is kept; pending ones of that age belong to removed targets."""

_SAME_EVENT = OUTBOX.c.id == DELIVERIES.c.event_id


class Claim(NamedTuple):
    """A delivery that nobody else has in hand until `until`; `attempt` counts from 1."""

    event: Event
    target: str
    attempt: int
    until: dt.datetime


class Dead(NamedTuple):
    """A delivery given up."""

    event: Event
    target: str
    attempts: int
    problem: str | None


def wait_after(attempt: int, chance: float) -> dt.timedelta:
    """How long to wait after a failed attempt (from 1): up to 5 s, 20 s, 80 s … 6 h, by `chance` (0 to 1) half of it.

    >>> wait_after(1, 1.0), wait_after(3, 0.0), wait_after(12, 1.0)
    (datetime.timedelta(seconds=5), datetime.timedelta(seconds=40), datetime.timedelta(seconds=21600))
    """
    factor: int = _FACTOR ** (min(attempt, ATTEMPTS) - 1)
    whole = min(FIRST_WAIT * factor, LONGEST_WAIT)
    return whole * (0.5 + chance / 2)


class Queue:
    """The deliveries of a store. Safe for several threads and processes."""

    def __init__(self, engine: sa.Engine, lease: dt.timedelta = LEASE) -> None:
        self._engine = engine
        self._lease = lease

    def claim(self, target: str) -> Claim | None:
        """The next delivery to `target` that is due, now this caller's; None where none is."""
        with transaction(self._engine) as connection:  # the writers' lock is only asked for where there is work
            if connection.execute(_due(target).limit(1)).first() is None:
                return None
        with transaction(self._engine, writes=True) as connection:
            row = connection.execute(_due(target).limit(1)).first()
            if row is None:
                return None
            claimed = Claim(_event(row), target, row.attempts + 1, now() + self._lease)
            change = {"attempts": claimed.attempt, "claimed_until": claimed.until}
            connection.execute(sa.update(DELIVERIES).where(*_key(row.event_id, target)).values(change))
            return claimed

    def delivered(self, claim: Claim) -> None:
        """The receiver has taken it in."""
        self._settle(claim, state=DELIVERED, delivered_at=now(), last_problem=None)

    def failed(self, claim: Claim, problem: str, wait: dt.timedelta, *, gone: bool = False) -> bool:
        """Try again after `wait`, or give up after ATTEMPTS or where the target is `gone`; whether it was given up."""
        dead = gone or claim.attempt >= ATTEMPTS
        self._settle(claim, state=DEAD if dead else PENDING, next_at=now() + wait, last_problem=problem)
        return dead

    def put_off(self, target: str, wait: dt.timedelta) -> None:
        """Let everything for `target` wait, as it asked."""
        until = now() + wait
        waiting = DELIVERIES.c.target == target, DELIVERIES.c.state == PENDING, DELIVERIES.c.next_at < until
        with transaction(self._engine, writes=True) as connection:
            connection.execute(sa.update(DELIVERIES).where(*waiting).values(next_at=until))

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Target → state → how many deliveries are in it."""
        query = sa.select(DELIVERIES.c.target, DELIVERIES.c.state, sa.func.count()).group_by(
            DELIVERIES.c.target, DELIVERIES.c.state
        )
        found: dict[str, dict[str, int]] = {}
        with transaction(self._engine) as connection:
            for target, state, count in connection.execute(query):
                found.setdefault(target, {})[state] = count
        return found

    def dead(self, limit: int | None = 50) -> list[Dead]:
        """What was given up, the oldest event first."""
        query = _chosen(DELIVERIES.c.state == DEAD).order_by(OUTBOX.c.seq, DELIVERIES.c.target).limit(limit)
        with transaction(self._engine) as connection:
            return [Dead(_event(row), row.target, row.attempts, row.last_problem) for row in connection.execute(query)]

    def replay(self, event_id: str | None) -> int:
        """Take up again what was given up, of one event or (None) all of it, as if never tried; how many."""
        given_up = [DELIVERIES.c.state == DEAD]
        given_up += [DELIVERIES.c.event_id == event_id] if event_id is not None else []
        anew = {"state": PENDING, "attempts": 0, "next_at": now(), "claimed_until": None}
        with transaction(self._engine, writes=True) as connection:
            return connection.execute(sa.update(DELIVERIES).where(*given_up).values(anew)).rowcount

    def prune(self) -> None:
        """Forget deliveries of events older than KEPT, and events that have none left."""
        at, known = now(), sa.select(DELIVERIES.c.event_id)
        with transaction(self._engine, writes=True) as connection:
            for state, kept in KEPT.items():
                old = sa.select(OUTBOX.c.id).where(OUTBOX.c.at < at - kept)
                gone = sa.delete(DELIVERIES).where(DELIVERIES.c.state == state, DELIVERIES.c.event_id.in_(old))
                connection.execute(gone)
            forgotten = OUTBOX.c.at < at - KEPT[DELIVERED], OUTBOX.c.id.not_in(known)
            connection.execute(sa.delete(OUTBOX).where(*forgotten))

    def _settle(self, claim: Claim, **change: Any) -> None:
        """Whoever claimed it meanwhile, because this claim had ended, settles it instead."""
        mine = *_key(claim.event.id, claim.target), DELIVERIES.c.claimed_until == claim.until
        with transaction(self._engine, writes=True) as connection:
            connection.execute(sa.update(DELIVERIES).where(*mine).values(claimed_until=None, **change))


def _chosen(*wanted: sa.ColumnElement[bool]) -> sa.Select[Any]:
    columns = [OUTBOX.c[name] for name in Event._fields]
    more = [DELIVERIES.c[name] for name in ("event_id", "target", "attempts", "last_problem")]
    return sa.select(*columns, *more).join_from(DELIVERIES, OUTBOX, _SAME_EVENT).where(*wanted)


def _due(target: str) -> sa.Select[Any]:
    at = now()
    free = sa.or_(DELIVERIES.c.claimed_until.is_(None), DELIVERIES.c.claimed_until <= at)
    due = DELIVERIES.c.target == target, DELIVERIES.c.state == PENDING, DELIVERIES.c.next_at <= at
    return _chosen(*due, free).order_by(DELIVERIES.c.next_at, OUTBOX.c.seq)


def _key(event_id: str, target: str) -> tuple[sa.ColumnElement[bool], ...]:
    return DELIVERIES.c.event_id == event_id, DELIVERIES.c.target == target


def _event(row: sa.Row[Any]) -> Event:
    return Event(*(getattr(row, name) for name in Event._fields))
