"""Alerts and what is done about them: `GET /v1/alerts`, `POST /v1/alerts/{key}/events`."""

import sqlalchemy as sa
from starlette.responses import Response

from features.clock import now
from serving.alert_events import AlertEvent, add_event
from serving.alert_page import alert_page
from serving.api.asking import Ask
from serving.api.replies import Json, json_bytes
from serving.effects import Answered, once
from serving.schemas_alerts import AlertsQuery


def alerts(ask: Ask) -> Response:
    """Alerts, the most severe and the soonest due first."""
    query = ask.query(AlertsQuery)
    wanted = query.model_dump(exclude={"state"}) | {"states": (query.state,), "tenant": ask.caller.tenant}
    rows, following = alert_page(ask.state.store().engine, pack=ask.state.pack(), **wanted)
    ask.saw("alerts.read", *dict.fromkeys(row["customer_id"] for row in rows))
    return Json({"alerts": rows, "next": following})


def event(ask: Ask) -> Response:
    """Note what was done about an alert; with an Idempotency-Key it is noted once, however often it is sent."""
    said, key, pack = ask.json(AlertEvent), ask.path("key"), ask.state.pack()

    def effect(connection: sa.Connection) -> Answered:
        told = add_event(connection, key, said, ask.caller.actor, ask.caller.tenant, pack)
        return Answered(201, json_bytes(told).decode(), told["customer_id"])

    answered = once(
        ask.state.store().engine,
        actor=ask.caller.actor,
        key=ask.request.headers.get("idempotency-key"),
        route=ask.request.url.path,
        body=ask.body,
        at=now(),
        effect=effect,
    )
    headers = {"content-type": "application/json"} | ({"idempotency-replayed": "true"} if answered.replayed else {})
    return Response(answered.body, status_code=answered.status, headers=headers)
