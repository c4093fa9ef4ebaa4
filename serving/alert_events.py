"""What people do about alerts: taking them on, putting them off, contacting the customer, what came of it."""

import datetime as dt
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

import sqlalchemy as sa
from pydantic import AfterValidator, Field, RootModel

from features.clock import EPOCH, now
from models.rules.pack import Lang, RulePack
from serving.access.audit import Entry, append
from serving.alert_page import alert_page, shown
from serving.door_tables import ALERT_EVENTS
from serving.errors import InvalidRequestError, RequestError
from serving.interventions import interventions
from serving.schemas import Strict
from serving.tables import ALERTS, CUSTOMERS
from serving.times import Moment

__all__ = ["AlertClosedError", "AlertEvent", "UnknownAlertError", "add_event", "alert_page", "interventions"]

LONGEST_SNOOZE: Final = dt.timedelta(days=366)

Result = Literal["retained", "lost", "no_change", "wrong_alert"]


class UnknownAlertError(RequestError):
    """An alert that is not there, or not for whoever asks."""

    status = 404
    kind = "unknown-alert"


class AlertClosedError(RequestError):
    """An alert that closed, and need be neither taken on nor put off any more."""

    status = 409
    kind = "alert-closed"


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


Told = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_storable)]


class _Happened(Strict):
    at: Moment | None = Field(None, description="When it happened; default: now. Not in the future.")


class Acknowledged(_Happened):
    """Somebody has taken the alert on."""

    kind: Literal["acknowledged"]


class Snoozed(_Happened):
    """The alert is to stay out of sight for a time."""

    kind: Literal["snoozed"]
    until: Moment = Field(description="Until when; in the future, at most 366 days.")
    reason: Told


class Contacted(_Happened):
    """The customer was spoken to."""

    kind: Literal["contacted"]
    note: Told | None = Field(None, description="How, and what was said.")


class Outcome(_Happened):
    """What came of it."""

    kind: Literal["outcome"]
    outcome: Result
    note: Told | None = None


class AlertEvent(RootModel[Annotated[Acknowledged | Snoozed | Contacted | Outcome, Field(discriminator="kind")]]):
    """What was done about an alert."""


def add_event(
    connection: sa.Connection, alert_key: str, event: AlertEvent, actor: str, tenant: str | None, pack: RulePack,
    lang: Lang = "en",
) -> dict[str, Any]:  # fmt: skip
    """Keep `event`, with an entry of the audit log, and give the alert as it now is (as `serving.alert_page` shows it).

    Within the caller's writing transaction. Raises UnknownAlertError where there is no such alert, or it is about a
    customer of another tenant; AlertClosedError for taking on or putting off one that closed; InvalidRequestError.
    """
    alert, moment, given = _found(connection, alert_key, tenant), now(), event.root
    at = given.at or moment
    _require_times(given, at, moment)
    if alert.state == "closed" and isinstance(given, Acknowledged | Snoozed):
        raise AlertClosedError("the alert is closed; only a contact or an outcome can be added to it", fields=("kind",))
    row = {
        **dict.fromkeys(("until", "reason", "outcome", "note")), **given.model_dump(exclude={"at"}), "id": str(uuid4()),
        "alert_key": alert.key, "customer_id": alert.customer_id, "at": at, "actor": actor,
    }  # fmt: skip
    connection.execute(sa.insert(ALERT_EVENTS), row)
    detail = {"event": row["id"], "kind": given.kind, "rule": alert.rule}
    append(connection, Entry(actor, "alert.event", (alert.customer_id,), detail), at=moment)
    return shown(connection, ALERTS.c.key == alert.key, pack, lang, moment)[0]


def _found(connection: sa.Connection, key: str, tenant: str | None) -> sa.Row[Any]:
    unknown = UnknownAlertError("there is no such alert", fields=("key",))
    if "\0" in key:
        raise unknown
    query = sa.select(ALERTS).where(ALERTS.c.key == key)
    if tenant is not None:
        query = query.join(CUSTOMERS, CUSTOMERS.c.customer_id == ALERTS.c.customer_id).where(
            CUSTOMERS.c.tenant == tenant
        )
    found = connection.execute(query).first()
    if found is None:
        raise unknown
    return found


def _require_times(event: Acknowledged | Snoozed | Contacted | Outcome, at: dt.datetime, moment: dt.datetime) -> None:
    if not EPOCH <= at <= moment:
        raise InvalidRequestError("must be a time that was, and not in the future", fields=("at",))
    if isinstance(event, Snoozed) and not moment < event.until <= moment + LONGEST_SNOOZE:
        raise InvalidRequestError(f"must be in the next {LONGEST_SNOOZE.days} days", fields=("until",))
