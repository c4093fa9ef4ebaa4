"""A request on its way to the function that answers it: who asks, what is behind the door, what was sent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from serving.access.keys import Caller, Scope
from serving.api.reading import body_of, read_json, read_query
from serving.state import State

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Ask:
    """One request that may pass. Whatever it shows of customers is entered in the audit log by `saw`, first."""

    state: State
    caller: Caller
    request: Request
    body: bytes = b""

    def query(self, model: type[M]) -> M:
        """The query; raises InvalidRequestError naming each parameter that is unknown, repeated or wrong."""
        return read_query(model, self.request.query_params)

    def json(self, model: type[M]) -> M:
        """The body; raises InvalidRequestError naming every field that is wrong."""
        return read_json(model, self.body)

    def path(self, name: str) -> str:
        """A part of the path, as text that a store can look for."""
        return str(self.request.path_params[name]).replace("\0", "\N{REPLACEMENT CHARACTER}")

    def saw(self, action: str, *customers: str, **detail: Any) -> None:
        """Enter in the audit log that the caller saw `customers`. Raises StoreError: nobody reads unaudited."""
        self.state.saw(self.caller, action, customers, detail)


Answer = Callable[[Ask], Response]


@dataclass(frozen=True)
class Operation:
    """One method of one path: what answers, which scope it needs (None: open to all), and how it is described.

    `answers` maps every status beside those that all operations share to the model of its body; `kind` is the media
    type of success, `query` and `body` the models of what comes in.
    """

    method: str
    path: str
    answer: Answer
    summary: str
    scope: Scope | None = None
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answers: dict[int, type[BaseModel] | None] = field(default_factory=dict)
    kind: str = "application/json"
    refusals: tuple[int, ...] = ()
    idempotent: bool = False
    described: bool = True
    tenants: bool = True
    """Whether a key that is held to one tenant may ask."""

    @property
    def endpoint(self) -> Callable[[Request], Any]:
        """The endpoint for Starlette: who may not pass is refused before anything is read."""

        async def endpoint(request: Request) -> Response:
            state: State = request.app.state.remora
            caller = state.admitted(request.scope, self.scope, self.tenants)
            body = await body_of(request.scope, request.receive) if self.method == "POST" else b""
            ask = Ask(state, caller, request, body)
            if self.scope is None:
                return self.answer(ask)
            async with state.slots["models" if self.scope == "predict" else "store"]:
                return await run_in_threadpool(self.answer, ask)

        return endpoint
