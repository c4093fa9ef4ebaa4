"""Every operation of the API, once: path, scope, what goes in and out. Routes, document and docs are made from it."""

from functools import cache
from typing import Any

from starlette.responses import HTMLResponse, Response

from serving.alert_events import AlertEvent
from serving.api import accounts, acting, health, predict, scoring
from serving.api.asking import Ask, Operation
from serving.api.replies import Json, json_bytes
from serving.schemas import (
    AtRiskQuery,
    AtRiskResponse,
    CustomerQuery,
    CustomerResponse,
    Live,
    ModelResponse,
    PredictRequest,
    PredictResponse,
    Readiness,
)
from serving.schemas_alerts import AlertShown, AlertsQuery, AlertsResponse
from serving.schemas_score import LeadsScoreRequest, LeadsScoreResponse, ScoreRequest, ScoreResponse

TEXT = "text/plain"
BODY = (400, 408, 413, 415)
"""What may be wrong with a body."""


def document(ask: Ask) -> Response:
    """The description of this API."""
    return Response(_described(), media_type=Json.media_type)


def docs(ask: Ask) -> Response:
    """The same for people."""
    return HTMLResponse(_page())


@cache
def _document() -> dict[str, Any]:
    from serving.api.openapi import described

    return described(OPERATIONS)


@cache
def _described() -> bytes:
    return json_bytes(_document())


@cache
def _page() -> bytes:
    """Made once: it is open to all, and takes longer than many a prediction."""
    from serving.api.docs import page

    return bytes(page(_document()).body)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST", "/v1/predict", predict.described, "Predict customers from their features", "predict",
        body=PredictRequest, answers={200: PredictResponse}, refusals=(*BODY, 503),
    ),
    Operation(
        "POST", "/v1/score", scoring.score, "Score customers from their rows: new ones, and what-if", "predict",
        body=ScoreRequest, answers={200: ScoreResponse}, refusals=(*BODY, 503),
    ),
    Operation(
        "POST", "/v1/leads/score", scoring.leads, "Score leads by the documented rules", "predict",
        body=LeadsScoreRequest, answers={200: LeadsScoreResponse}, refusals=(*BODY, 503),
    ),
    Operation(
        "GET", "/v1/customers/{customer_id:path}", accounts.customer, "A customer: score, reasons, history, alerts",
        "read", query=CustomerQuery, answers={200: CustomerResponse}, refusals=(400, 404, 503),
    ),
    Operation(
        "GET", "/v1/at-risk", accounts.at_risk, "Customers at stake, the most value at risk first", "read",
        query=AtRiskQuery, answers={200: AtRiskResponse}, refusals=(400, 503),
    ),
    Operation(
        "GET", "/v1/alerts", acting.alerts, "Alerts, the most severe and the soonest due first", "read",
        query=AlertsQuery, answers={200: AlertsResponse}, refusals=(400, 503),
    ),
    Operation(
        "POST", "/v1/alerts/{key:path}/events", acting.event, "Note what was done about an alert", "act",
        body=AlertEvent, answers={201: AlertShown}, refusals=(*BODY, 404, 409, 503), idempotent=True,
    ),
    Operation("GET", "/v1/model", health.model, "The model in service", "read",
              answers={200: ModelResponse}, refusals=(503,)),
    Operation("GET", "/metrics", health.figures, "Counts for Prometheus", "read", kind=TEXT, answers={200: None},
              tenants=False),
    Operation("GET", "/livez", health.livez, "Whether the process answers", answers={200: Live}),
    Operation("GET", "/readyz", health.readyz, "Whether predictions are served",
              answers={200: Readiness, 503: Readiness}),
    Operation("GET", "/openapi.json", document, "The description of this API", answers={200: None}, described=False),
    Operation("GET", "/docs", docs, "The same for people", kind="text/html", answers={200: None}, described=False),
)  # fmt: skip
