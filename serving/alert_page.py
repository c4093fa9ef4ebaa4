"""Alerts as the doors show them: what the rules say of an episode, and what people did about it."""

import base64
import binascii
import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from features.clock import micros, now
from models.rules.conditions import alert_text
from models.rules.pack import Lang, RulePack
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS
from serving.errors import InvalidRequestError
from serving.rule_log import dated
from serving.tables import ALERTS, CUSTOMERS

_NEVER: Final = 2**62
"""Stands for the due date of what has none: it comes last."""

_NAMES: Final = ("key", "customer_id", "rule", "severity", "state", "owner", "owner_role", "anchor", "opened_as_of",
                 "due_at", "closed_as_of", "signs")  # fmt: skip
_DUE: Final = sa.func.coalesce(ALERTS.c.due_at, _NEVER)
_ORDER: Final = (ALERTS.c.severity, _DUE, ALERTS.c.key)
_SAME: Final = CUSTOMERS.c.customer_id == ALERTS.c.customer_id
_TIME: Final = (ALERT_EVENTS.c.at, ALERT_EVENTS.c.id)
_BATCH: Final = 1_000


class Handled(NamedTuple):
    """What people did about an alert: of each kind, the last that counts. `snoozed_until` may be over."""

    acknowledged_at: dt.datetime | None = None
    acknowledged_by: str | None = None
    snoozed_until: dt.datetime | None = None
    snooze_reason: str | None = None
    contacted_at: dt.datetime | None = None
    contacted_by: str | None = None
    outcome: str | None = None
    outcome_at: dt.datetime | None = None

    def is_snoozed(self, at: dt.datetime) -> bool:
        """Whether the alert is to stay out of sight."""
        return self.snoozed_until is not None and self.snoozed_until > at


def alert_page(
    engine: sa.Engine, *, pack: RulePack, lang: Lang = "en", states: Sequence[str] = ("open",),
    rule: str | None = None, owner: str | None = None, customer: str | None = None, tenant: str | None = None,
    include_snoozed: bool = False, limit: int = 50, after: str | None = None,
) -> tuple[list[dict[str, Any]], str | None]:  # fmt: skip
    """Alerts, the most severe and the soonest due first (without a due date last), and where the next page begins.

    `owner` is a person or a role; with `tenant`, only alerts about its customers. Those put off are left out while that
    lasts, unless `include_snoozed`. Raises InvalidRequestError for an `after` that no page gave.
    """
    at = now()
    wanted: list[sa.ColumnElement[bool]] = [ALERTS.c.state.in_(states)]
    equal = {ALERTS.c.rule: rule, ALERTS.c.customer_id: customer, CUSTOMERS.c.tenant: tenant}
    wanted += [column == value for column, value in equal.items() if value is not None]
    wanted += [sa.or_(ALERTS.c.owner == owner, ALERTS.c.owner_role == owner)] if owner is not None else []
    wanted += [] if include_snoozed else [sa.func.coalesce(_snoozed_until() <= at, sa.true())]
    wanted += [sa.tuple_(*_ORDER) > sa.tuple_(*_read(after))] if after is not None else []
    with transaction(engine) as connection:
        found = shown(connection, sa.and_(*wanted), pack, lang, at, limit + 1)
    return found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None


def shown(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], pack: RulePack, lang: Lang, at: dt.datetime,
    limit: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Alerts in the order of `alert_page`, as plain data for JSON: moments are ISO 8601, `snoozed_until` is ahead."""
    columns = [*(ALERTS.c[name] for name in _NAMES), CUSTOMERS.c.name]
    query = sa.select(*columns).select_from(ALERTS.join(CUSTOMERS, _SAME, isouter=True)).where(wanted)
    rows = connection.execute(query.order_by(*_ORDER).limit(limit)).mappings().all()
    done = handled(connection, [row["key"] for row in rows])
    return [_told(row, done.get(row["key"], Handled()), pack, lang, at) for row in rows]


def handled(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Handled]:
    """Alert key → what was done about it; without those nothing was done about."""
    found: dict[str, Handled] = {}
    for begin in range(0, len(keys), _BATCH):
        query = sa.select(ALERT_EVENTS).where(ALERT_EVENTS.c.alert_key.in_(keys[begin : begin + _BATCH]))
        events = connection.execute(query.order_by(ALERT_EVENTS.c.alert_key, *_TIME)).mappings()
        found |= {str(key): _folded(each) for key, each in groupby(events, lambda event: event["alert_key"])}
    return found


def _snoozed_until() -> sa.ScalarSelect[Any]:
    """Until when an alert was last put off; null where it never was."""
    mine = ALERT_EVENTS.c.alert_key == ALERTS.c.key, ALERT_EVENTS.c.kind == "snoozed"
    last = sa.select(ALERT_EVENTS.c.until).where(*mine).order_by(*(column.desc() for column in _TIME)).limit(1)
    return last.correlate(ALERTS).scalar_subquery()


def _folded(events: Iterable[Mapping[Any, Any]]) -> Handled:
    """The last event of each kind, of events in the order of time."""
    last = {event["kind"]: event for event in events}
    taken, snoozed, spoken, result = (
        last.get(kind, {}) for kind in ("acknowledged", "snoozed", "contacted", "outcome")
    )
    return Handled(
        taken.get("at"), taken.get("actor"), snoozed.get("until"), snoozed.get("reason"), spoken.get("at"),
        spoken.get("actor"), result.get("outcome"), result.get("at"),
    )  # fmt: skip


def as_plain(done: Handled, at: dt.datetime) -> dict[str, str | None]:
    """`done` for JSON, without a snooze that was over at `at`."""
    current = done if done.is_snoozed(at) else done._replace(snoozed_until=None, snooze_reason=None)
    return {name: _iso(value) for name, value in current._asdict().items()}


def _told(row: Mapping[Any, Any], done: Handled, pack: RulePack, lang: Lang, at: dt.datetime) -> dict[str, Any]:
    named = {"name": row["name"], "text": alert_text(row["rule"], row["signs"], pack, lang)}
    return dated({name: row[name] for name in _NAMES}) | named | as_plain(done, at)


def _iso(value: dt.datetime | str | None) -> str | None:
    return value.isoformat() if isinstance(value, dt.datetime) else value


def _cursor(row: Mapping[str, Any]) -> str:
    due = row["due_at"]
    place = [row["severity"], due and micros(dt.datetime.fromisoformat(due)), row["key"]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(cursor: str) -> tuple[int, int, str]:
    try:
        severity, due, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        due = _NEVER if due is None else due
        if not (_whole(severity, 2**31) and _whole(due, _NEVER + 1) and isinstance(key, str) and "\0" not in key):
            raise ValueError(cursor)
        key.encode()
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise InvalidRequestError("is not one that a page before gave as `next`", fields=("after",)) from None
    return severity, due, key


def _whole(value: object, bound: int) -> bool:
    return type(value) is int and -bound < value < bound
