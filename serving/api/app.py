"""The API and the workbench as one ASGI application: the routes, and what every answer has in common."""

import logging
import time
from http import HTTPStatus
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features.errors import RemoraError
from serving.access.keys import UnknownKeyError
from serving.api import predict
from serving.api.operations import OPERATIONS
from serving.api.replies import SECURITY, problem, refusal
from serving.schemas import Problem
from serving.state import ACTOR, State
from serving.workbench.page import operations as workbench

CHALLENGE: Final = {"www-authenticate": 'Bearer realm="remora", Basic realm="remora"'}
"""A browser then asks for a name (any) and a password (the key)."""

_HEAD: Final = b"200 OK\r\n" + b"".join(b"%b: %b\r\n" % one for one in predict.HEADERS) + b"content-length: "

log = logging.getLogger("remora.api")


def build_app(state: State) -> "Door":
    """The application; `state` must be entered while it serves."""
    every = (*OPERATIONS, *workbench())
    routes = [Route(each.path, each.endpoint, methods=[each.method]) for each in every]
    handlers: Any = {RemoraError: _refuse, HTTPException: _refuse_http, Exception: _fail}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect repeats the Host header of whoever asks
    app.state.remora = state
    return Door(app, state, routes)


class Door:
    """Answers predictions itself and hands the rest on; counts every answer, and gives it the headers all share."""

    def __init__(self, app: ASGIApp, state: State, routes: list[Route]) -> None:
        self._app, self._state = app, state
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
            if scope["path"] == predict.PATH and scope["method"] == "POST":
                status = await self._predict(scope, receive, send)
            else:
                await self._app(scope, receive, finish)
        finally:
            kind = (scope.get(ACTOR, "-"), scope["method"], self._route(scope), status)
            self._state.access_log.add(kind, time.perf_counter() - began)

    def at_once(self, scope: Scope, body: bytes) -> tuple[bytes, bytes] | None:
        """The answer to a prediction whose request is here to its end; see `connections.AtOnce`."""
        began, status = time.perf_counter(), 200
        try:
            answer = predict.at_once(self._state, scope, body)
            if answer is None:
                return None
            head = b"%b%d\r\n" % (_HEAD, len(answer))
        except Exception as error:
            refused = _refused(error)
            status, head, answer = refused.status_code, _head(refused), bytes(refused.body)
        self._state.access_log.add((scope.get(ACTOR, "-"), "POST", predict.PATH, status), time.perf_counter() - began)
        return head, answer

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a prediction; gives the status."""
        try:
            await predict.answer(self._state, scope, receive, send)
            return 200
        except Exception as error:
            answer = _refused(error)
        await answer(scope, receive, send)
        return answer.status_code

    def _route(self, scope: Scope) -> str:
        """The path of the route that was meant; "other" for what has none."""
        known = self._names.get(scope["path"])
        return known or next((r.path for r in self._routes if r.matches(scope)[0] is not Match.NONE), "other")


def _head(answer: Response) -> bytes:
    """Status and headers as they are sent."""
    reason = HTTPStatus(answer.status_code).phrase.encode()
    return b"%d %b\r\n%b" % (answer.status_code, reason, b"".join(b"%b: %b\r\n" % one for one in answer.raw_headers))


def _refused(error: Exception) -> Response:
    """The answer where a prediction was not to be had."""
    if isinstance(error, RemoraError):
        answer = _refusal(error)
    else:
        log.exception("%s failed", predict.PATH)
        answer = _failure()
    answer.raw_headers.extend(SECURITY)
    return answer


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, RemoraError)
    return _refusal(error)


def _refusal(error: RemoraError) -> Response:
    answer = refusal(error)
    if answer.status_code == 503:
        log.warning("refused: %s", error)  # not the path: it may hold a customer's id, which a log would keep
    if isinstance(error, UnknownKeyError):
        answer.headers.update(CHALLENGE)
    return answer


async def _refuse_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = problem(error.status_code, problems=[Problem(field="", reason=str(error.detail))])
    answer.headers.update(error.headers or {})
    return answer


async def _fail(request: Request, error: Exception) -> Response:
    """A bug: the log has the traceback, the caller the bare fact."""
    return _failure()


def _failure() -> Response:
    return problem(500, problems=[Problem(field="", reason="an error of the service, which its log describes")])
