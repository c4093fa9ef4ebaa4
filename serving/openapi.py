"""The OpenAPI description of the API, made from the schemas and from one table of routes."""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.schemas import AtRiskQuery, AtRiskResponse, PredictRequest, PredictResponse, ProblemReport, Readiness
from serving.schemas import ScoredAccount as Scored

_REF = "#/components/schemas/{model}"
_MODELS: tuple[type[BaseModel], ...] = (
    PredictRequest, PredictResponse, Scored, AtRiskResponse, AtRiskQuery, Readiness, ProblemReport
)  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The document that `/openapi.json` publishes."""
    _, schemas = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REF)
    query = schemas["$defs"].pop("AtRiskQuery")["properties"]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Remora", "version": "1", "description": "Who is about to leave, and what they are worth."},
        "paths": _paths(query),
        "components": {"schemas": schemas["$defs"]},
    }


def _paths(query: dict[str, Any]) -> dict[str, Any]:
    listed = [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
    one = [{"name": "customer_id", "in": "path", "required": True, "schema": {"type": "string"}}]
    return {
        "/v1/predict": {
            "post": _operation("Predict customers from their features", PredictResponse, 400, 413, 415, 503)
            | {"requestBody": {"required": True, "content": _json(PredictRequest)}}
        },
        "/v1/customers/{customer_id}": {
            "get": _operation("The current score of a customer", Scored, 404, 503) | {"parameters": one}
        },
        "/v1/at-risk": {
            "get": _operation("Customers at stake, the most value at risk first", AtRiskResponse, 400, 503)
            | {"parameters": listed}
        },
        "/readyz": {"get": _ready()},
        "/livez": {"get": _plain("Whether the process answers", "application/json")},
        "/metrics": {"get": _plain("Counts for Prometheus", "text/plain")},
    }


def _operation(summary: str, answer: type[BaseModel], *problems: int) -> dict[str, Any]:
    refusals = {str(status): _refusal() for status in (*problems, 500, 504)}
    return {"summary": summary, "responses": {"200": {"description": "OK", "content": _json(answer)}, **refusals}}


def _ready() -> dict[str, Any]:
    answers = {
        status: {"description": what, "content": _json(Readiness)}
        for status, what in (("200", "Predictions are served"), ("503", "They are not, and why"))
    }
    return {"summary": "Whether predictions are served", "responses": answers}


def _plain(summary: str, kind: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": "OK", "content": {kind: {}}}}}


def _refusal() -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemReport")}}}
    return {"description": "What is wrong, field by field", "content": content}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}
