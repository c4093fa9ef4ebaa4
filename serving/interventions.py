"""What was done about alerts, as rows of the input contract's table `interventions`."""

import datetime as dt
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

from features.clock import moment
from models.prediction import TIME
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS
from serving.tables import ALERTS, SCORES

INTERVENTION: Final = {
    "customer_id": pl.String(), "occurred_at": TIME, "playbook": pl.String(), "owner": pl.String(), "due_at": TIME,
    "reason": pl.String(), "outcome": pl.String(), "outcome_at": TIME,
}  # fmt: skip

_OUTCOMES: Final = {"retained": "kept", "lost": "lost", "no_change": "no change"}
"""Outcome of an alert → the word that the rules know it by. A wrong alert says nothing of what was done."""


def interventions(engine: sa.Engine) -> pl.DataFrame:
    """One row a contact about an alert, sorted by customer and time; the columns of INTERVENTION.

    An outcome belongs to the last contact before it; without a contact it is a row of its own. `playbook` is the one
    that the customer's last score before then asked for, else the alert's rule; `reason` is the rule.
    """
    names = ("rule", "owner", "owner_role", "due_at")
    query = (
        sa.select(ALERT_EVENTS, *(ALERTS.c[name] for name in names), _playbook().label("playbook"))
        .outerjoin(ALERTS, ALERTS.c.key == ALERT_EVENTS.c.alert_key)  # one that only waited may be forgotten
        .where(ALERT_EVENTS.c.kind.in_(("contacted", "outcome")))
        .order_by(ALERT_EVENTS.c.alert_key, ALERT_EVENTS.c.at, ALERT_EVENTS.c.id)
    )
    with transaction(engine) as connection:
        events = connection.execute(query).mappings().all()
    rows = [row for _, each in groupby(events, lambda event: event["alert_key"]) for row in _rows(each)]
    return pl.DataFrame(rows, INTERVENTION).sort("customer_id", "occurred_at", "playbook", "reason")


def _playbook() -> sa.ScalarSelect[Any]:
    """What the customer's last score before an event asked to be done."""
    before = SCORES.c.customer_id == ALERT_EVENTS.c.customer_id, SCORES.c.as_of <= ALERT_EVENTS.c.at, ~SCORES.c.backfill
    last = sa.select(SCORES.c.playbook_key).where(*before).order_by(SCORES.c.as_of.desc(), SCORES.c.scored_at.desc())
    return last.limit(1).correlate(ALERT_EVENTS).scalar_subquery()


def _rows(events: Iterable[Mapping[Any, Any]]) -> list[dict[str, Any]]:
    """The contacts of one alert, each with the last outcome before the next one; `events` in the order of time."""
    rows: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] == "contacted":
            rows.append(_row(event))
        elif event["outcome"] in _OUTCOMES:
            if not rows:
                rows.append(_row(event))
            rows[-1] |= {"outcome": _OUTCOMES[event["outcome"]], "outcome_at": event["at"]}
    return rows


def _row(event: Mapping[Any, Any]) -> dict[str, Any]:
    rule = event["rule"] or event["alert_key"].rsplit(":", 2)[1]
    return {
        "customer_id": event["customer_id"], "occurred_at": event["at"], "playbook": event["playbook"] or rule,
        "owner": event["owner"] or event["owner_role"], "due_at": _moment(event["due_at"]), "reason": rule,
        "outcome": None, "outcome_at": None,
    }  # fmt: skip


def _moment(micros: int | None) -> dt.datetime | None:
    return None if micros is None else moment(micros)
