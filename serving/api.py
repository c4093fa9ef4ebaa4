"""The HTTP API as one Starlette application: the routes, and what every answer has in common."""

import logging
import time
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import RemoraError
from serving import metrics
from serving.errors import (
    BodyTooLargeError,
    InvalidRequestError,
    NotJsonError,
    UnknownCustomerError,
    http_status,
    require_price,
)
from serving.openapi import document
from serving.predicting import Predictor
from serving.schemas import (
    AtRiskQuery,
    AtRiskResponse,
    PredictRequest,
    Problem,
    ProblemReport,
    Readiness,
    ScoredAccount,
    parse,
    refusal,
)
from serving.state import State
from serving.store import Account
from serving.workbench.page import routes as workbench_routes

MAX_BODY: Final = 1_048_576
FEW_CUSTOMERS: Final = 4
"""Up to so many are predicted on the event loop; more of them go to a thread, so that others need not wait."""

SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
)

log = logging.getLogger("remora.api")


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Pydantic models and plain data; a NaN cannot come this far, and would be written as null."""
        return to_json(content, inf_nan_mode="null")


class ProblemJson(Json):
    media_type = "application/problem+json"


async def predict(request: Request) -> Response:
    """`POST /v1/predict`: features in, predictions out."""
    asked = parse(PredictRequest, await _body(request))
    predictor = _state(request).champion.predictor()
    if len(asked.customers) <= FEW_CUSTOMERS:
        return Json(predictor.answer(asked))
    return Json(await run_in_threadpool(predictor.answer, asked))


def customer(request: Request) -> Response:
    """`GET /v1/customers/{customer_id}`: the current score of one customer."""
    customer_id = request.path_params["customer_id"]
    found = _state(request).store().account(customer_id) if "\0" not in customer_id else None
    if found is None:
        raise UnknownCustomerError(f"customer {customer_id!r} was never scored", fields=("customer_id",))
    return Json(_scored(found))


def at_risk(request: Request) -> Response:
    """`GET /v1/at-risk`: customers at stake, the most value at risk first, or those worth acting on."""
    query = at_risk_query(request)
    _require_tier(query.tier, _state(request).champion.current)
    if query.worth_acting:
        require_price(_state(request).settings.action, "worth_acting")
    matching = query.model_dump(exclude={"limit", "offset"})
    store = _state(request).store()
    accounts = [_scored(found) for found in store.at_risk(query.limit, query.offset, **matching)]
    return Json(AtRiskResponse(total=store.count_at_risk(**matching), accounts=accounts))


def at_risk_query(request: Request) -> AtRiskQuery:
    """The query of a request; raises InvalidRequestError naming each parameter that is unknown, repeated or wrong."""
    given = request.query_params.multi_items()
    repeated = [name for name, times in Counter(name for name, _ in given).items() if times > 1]
    if repeated:
        raise InvalidRequestError(*("given more than once" for _ in repeated), fields=tuple(repeated))
    try:
        return AtRiskQuery.model_validate({name: value.replace("\0", "") for name, value in given})
    except ValidationError as error:
        raise refusal(error) from None


def _require_tier(tier: str | None, serving: Predictor | None) -> None:
    """A tier that the rules do not have would give an empty list, as if nobody were at risk."""
    if tier is not None and serving and tier not in serving.pack.composite.tiers:
        known = ", ".join(serving.pack.composite.tiers)
        raise InvalidRequestError(f"not a tier; one of {known}", fields=("tier",))


async def livez(request: Request) -> Response:
    """`GET /livez`: the process answers."""
    return Json({"live": True})


async def readyz(request: Request) -> Response:
    """`GET /readyz`: 200 while predictions are served, else 503; `problem` says what to mend in either case."""
    champion = _state(request).champion
    serving = champion.current
    report = Readiness(
        ready=serving is not None, model_version=serving and serving.model_version, problem=champion.problem
    )
    return Json(report, status_code=200 if serving else 503)


def show_metrics(request: Request) -> Response:
    """`GET /metrics`: Prometheus' text format."""
    return Response(metrics.exposition(), headers={"content-type": metrics.CONTENT_TYPE_LATEST})


async def openapi(request: Request) -> Response:
    """`GET /openapi.json`: the description of this API."""
    return Json(document())


def build_app(state: State) -> ASGIApp:
    """The application; `state` must be entered while it serves."""
    routes = [
        Route("/v1/predict", predict, methods=["POST"]),
        Route("/v1/customers/{customer_id:path}", customer),
        Route("/v1/at-risk", at_risk),
        Route("/readyz", readyz),
        Route("/livez", livez),
        Route("/metrics", show_metrics),
        Route("/openapi.json", openapi),
        *workbench_routes(),
    ]
    handlers: Any = {RemoraError: _refuse, HTTPException: _refuse_http, Exception: _fail}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect repeats the Host header of whoever asks
    app.state.remora = state
    return Finish(app, routes)


class Finish:
    """Counts every answer by its route, and gives it the headers that all share."""

    def __init__(self, app: ASGIApp, routes: list[Route]) -> None:
        self._app = app
        self._routes = routes
        self._names = {route.path: route.path for route in routes if "{" not in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began, status = time.perf_counter(), 500

        async def finish(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].extend(SECURITY)
            await send(message)

        try:
            await self._app(scope, receive, finish)
        finally:
            metrics.count(self._route(scope), status, time.perf_counter() - began)

    def _route(self, scope: Scope) -> str:
        """The path of the route that was meant; "other" for what has none."""
        known = self._names.get(scope["path"])
        return known or next((r.path for r in self._routes if r.matches(scope)[0] is not Match.NONE), "other")


async def _body(request: Request) -> bytes:
    """The JSON body; raises NotJsonError, BodyTooLargeError. Reads no more than the limit, whatever the length said."""
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":
        raise NotJsonError(f"the body must be application/json, not {kind or 'without a type'}")
    too_large = BodyTooLargeError(f"the body exceeds {MAX_BODY} bytes; send fewer customers at a time")
    if int(request.headers.get("content-length", 0)) > MAX_BODY:
        raise too_large
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise too_large
    return body


def _state(request: Request) -> State:
    state: State = request.app.state.remora
    return state


def _scored(account: Account) -> ScoredAccount:
    known = {"name": account.name, "owner": account.owner, "backfill": account.backfill}
    return ScoredAccount.model_validate(vars(account.prediction) | known)


def problem(status: int, *problems: Problem) -> Response:
    """The answer to what cannot be answered."""
    report: BaseModel = ProblemReport(status=status, title=HTTPStatus(status).phrase, problems=list(problems))
    return ProblemJson(report, status_code=status)


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RemoraError)
    status = http_status(error)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        log.warning("%s: %s", request.url.path, error)
    fields = getattr(error, "fields", ("",) * len(error.problems))
    return problem(status, *(Problem(field=f, reason=p) for f, p in zip(fields, error.problems, strict=True)))


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, Problem(field="", reason=str(error.detail)))
    answer.headers.update(error.headers or {})
    return answer


async def _fail(request: Request, error: Exception) -> Response:
    """A bug: the log has the traceback, the caller the bare fact."""
    return problem(500, Problem(field="", reason="an error of the service, which its log describes"))
