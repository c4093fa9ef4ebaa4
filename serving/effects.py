"""Requests that change something: one effect for all requests that carry the same Idempotency-Key."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import sqlalchemy as sa

from serving.database import transaction
from serving.door_tables import EFFECTS
from serving.errors import InvalidRequestError, RequestError

KEPT: Final = dt.timedelta(days=7)
"""How long an answer is kept: afterwards its key is like new."""

LONGEST: Final = 255


class IdempotencyConflictError(RequestError):
    """An Idempotency-Key that came before with another body, or on another route."""

    status = 409
    kind = "idempotency-conflict"


@dataclass(frozen=True)
class Answered:
    """An answer: status, JSON, whom it is about; `replayed` where it was given before and nothing was done now."""

    status: int
    body: str
    customer_id: str | None = None
    replayed: bool = False


Effect = Callable[[sa.Connection], Answered]


def once(
    engine: sa.Engine, *, actor: str, key: str | None, route: str, body: bytes, at: dt.datetime, effect: Effect
) -> Answered:
    """Run `effect` in a transaction that writes, and keep its answer for `actor` under `key` (None: nothing is kept).

    The same key with the same route and body gives the kept answer and does nothing. What `effect` raises undoes all
    it did and is not kept. Raises InvalidRequestError for a key that is none, IdempotencyConflictError for one that
    came with another route or body.
    """
    _require_key(key)
    with transaction(engine, writes=True) as connection:
        if key is None:
            return effect(connection)
        connection.execute(sa.delete(EFFECTS).where(EFFECTS.c.at < at - KEPT))
        digest = sha256(body).hexdigest()
        found = _kept(connection, actor, key, route, digest)
        if found is None:
            found = effect(connection)
            _keep(connection, found, actor=actor, idempotency_key=key, route=route, body_sha256=digest, at=at)
        return found


def _require_key(key: str | None) -> None:
    if key is not None and not (1 <= len(key) <= LONGEST and all("!" <= letter <= "~" for letter in key)):
        raise InvalidRequestError(
            f"must be 1 to {LONGEST} visible ASCII characters; a UUID serves", fields=("Idempotency-Key",)
        )


def _kept(connection: sa.Connection, actor: str, key: str, route: str, digest: str) -> Answered | None:
    named = EFFECTS.c.actor == actor, EFFECTS.c.idempotency_key == key
    row = connection.execute(sa.select(EFFECTS).where(*named)).first()
    if row is None:
        return None
    if (row.route, row.body_sha256) != (route, digest):
        raise IdempotencyConflictError(
            "came before with another request; take a new key for each change", fields=("Idempotency-Key",)
        )
    return Answered(row.status, row.answer, row.customer_id, replayed=True)


def _keep(connection: sa.Connection, answered: Answered, **named: object) -> None:
    row = {**named, "customer_id": answered.customer_id, "status": answered.status, "answer": answered.body}
    connection.execute(sa.insert(EFFECTS), row)
