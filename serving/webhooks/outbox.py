"""Events, written in the transaction of what they tell, each with one delivery for every target that asked for it.

Nothing is written without a target: a store that tells nobody does not grow. The data of an event name nobody but by
customer_id.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from features.settings import WebhookKind, WebhookTarget
from serving.door_tables import DELIVERIES, OUTBOX
from serving.tables import CUSTOMERS

Targets = Mapping[str, WebhookTarget]

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"

_NAMES: Final = UUID("6f1c9a54-2b0e-4d86-9a3b-52656d6f7261")
_BATCH: Final = 1_000


class Event(NamedTuple):
    """Something that happened to a customer. `id` is the same however often it is told."""

    id: str
    kind: str
    customer_id: str
    at: dt.datetime
    data: Mapping[str, Any]


def event_id(kind: str, *key: object) -> str:
    """The id of what `key` names among the events of a kind.

    >>> event_id("alert.opened", "C1:silence:0") == event_id("alert.opened", "C1:silence:0")
    True
    """
    return str(uuid5(_NAMES, "\0".join(map(str, (kind, *key)))))


def is_asked(targets: Targets, kind: WebhookKind) -> bool:
    """Whether anybody is told of events of a kind."""
    return any(kind in target.kinds for target in targets.values())


def announce(connection: sa.Connection, events: Iterable[Event], targets: Targets) -> None:
    """Write `events` of one kind and a delivery for each target that asked for it; what was told before stays as is.

    A target with a tenant gets the events of customers who are known to be that tenant's at this moment.
    """
    rest = iter(events)
    while batch := list(islice(rest, _BATCH)):
        connection.execute(_new(connection, OUTBOX), [event._asdict() for event in batch])
        for name, target in targets.items():
            if batch[0].kind in target.kinds:
                _address(connection, batch, name, target.tenant)


def _address(connection: sa.Connection, batch: Sequence[Event], name: str, tenant: str | None) -> None:
    values = (OUTBOX.c.id, sa.literal(name), sa.literal(PENDING), sa.literal(0), OUTBOX.c.at)
    chosen = sa.select(*values).where(OUTBOX.c.id.in_([event.id for event in batch]))
    if tenant is not None:
        theirs = sa.select(CUSTOMERS.c.customer_id).where(CUSTOMERS.c.tenant == tenant)
        chosen = chosen.where(OUTBOX.c.customer_id.in_(theirs))
    columns = ["event_id", "target", "state", "attempts", "next_at"]
    connection.execute(_new(connection, DELIVERIES).from_select(columns, chosen))


def _new(connection: sa.Connection, table: sa.Table) -> Any:
    """Insert; rows that are there already stay."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(table)
    return insert.on_conflict_do_nothing()
