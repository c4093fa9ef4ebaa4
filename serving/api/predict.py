"""`POST /v1/predict`: features in, predictions out. The one route that answers on the event loop itself."""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from features.clock import now
from serving.api.asking import Ask
from serving.api.reading import body_of, refuse_duplicates
from serving.api.replies import Json, json_bytes
from serving.schemas import PredictRequest, parse
from serving.state import State

PATH: Final = "/v1/predict"
FEW_CUSTOMERS: Final = 4
"""Up to so many are predicted on the event loop, unless more than numbers is asked for; the others in a thread."""
_HEADERS: Final = (
    (b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")
)  # fmt: skip


async def answer(state: State, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer without anything that is not needed: no request object, no route to look for, no thread."""
    state.pulse.beat()
    caller = state.admitted(scope, "predict")
    asked = _parsed(await body_of(scope, receive))
    predictor = state.champion.predictor()
    if len(asked.customers) > FEW_CUSTOMERS or asked.explain or asked.include:
        async with state.slots["models"]:
            body = await run_in_threadpool(lambda: json_bytes(predictor.answer(asked, now())))
    else:
        body = json_bytes(predictor.answer(asked, now()))
    state.tally(caller, "predict", len(asked.customers))
    headers = (*_HEADERS, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
