"""`POST /v1/predict`: features in, predictions out. The one route that answers on the event loop itself."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from features.clock import now
from serving.access.keys import Caller
from serving.api.asking import Ask
from serving.api.reading import body_of, check_headers, refuse_duplicates
from serving.api.replies import Json, json_bytes
from serving.schemas import PredictRequest, parse
from serving.state import State

PATH: Final = "/v1/predict"
FEW_CUSTOMERS: Final = 4
"""Up to so many are predicted on the event loop, unless more than numbers is asked for; the others in a thread."""
HEADERS: Final = (
    (b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")
)  # fmt: skip
_ASKED: Final = "remora.asked"
"""Where a request's scope holds who asks for what, once that is known."""


def at_once(state: State, scope: Scope, body: bytes) -> bytes | None:
    """The answer to a request that is whole; None where it takes a thread: `answer` goes on with it."""
    caller = _admitted(state, scope)
    check_headers(scope["headers"])
    asked = _parsed(body)
    if _takes_long(asked):
        scope[_ASKED] = caller, asked
        return None
    return _answered(state, caller, asked)


async def answer(state: State, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without anything that is not needed: no request object, no route to look for."""
    if _ASKED in scope:
        caller, asked = scope[_ASKED]
    else:
        caller = _admitted(state, scope)
        asked = _parsed(await body_of(scope, receive))
    if _takes_long(asked):
        async with state.slots["models"]:
            body = await run_in_threadpool(_answered, state, caller, asked)
    else:
        body = _answered(state, caller, asked)
    headers = (*HEADERS, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _admitted(state: State, scope: Scope) -> Caller:
    state.pulse.beat()
    return state.admitted(scope, "predict")


def _takes_long(asked: PredictRequest) -> bool:
    return len(asked.customers) > FEW_CUSTOMERS or asked.explain or bool(asked.include)


def _answered(state: State, caller: Caller, asked: PredictRequest) -> bytes:
    body = json_bytes(state.champion.predictor().answer(asked, now()))
    state.tally(caller, "predict", len(asked.customers))
    return body


def described(ask: Ask) -> Response:
    """The same for requests that come by another way, such as a path that needs decoding."""
    asked = _parsed(ask.body)
    ask.state.tally(ask.caller, "predict", len(asked.customers))
    return Json(ask.state.champion.predictor().answer(asked, now()))


def _parsed(body: bytes) -> PredictRequest:
    asked = parse(PredictRequest, body)
    strings = body.count(b'"') / 2 - _named(asked)
    if b"\\" in body or (strings and strings != _told(asked)):
        refuse_duplicates(body)
    return asked


def _named(asked: PredictRequest) -> int:
    """How many strings a body without duplicates holds at least; to count is cheaper than to look for duplicates."""
    return len(asked.model_fields_set) + sum(3 + len(customer.features) for customer in asked.customers)


def _told(asked: PredictRequest) -> int:
    """How many more it holds: what values are texts."""
    levels = sum(type(value) is str for customer in asked.customers for value in customer.features.values())
    return len(asked.include) + ("as_of" in asked.model_fields_set and asked.as_of is not None) + levels
