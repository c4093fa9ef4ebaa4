"""What comes in: bodies within a limit and a time, JSON without surprises, queries as models."""

import asyncio
import json
from collections import Counter
from collections.abc import Generator, Iterable
from types import coroutine
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams
from starlette.types import Message, Receive, Scope

from serving.errors import BodyTooLargeError, InvalidRequestError, NotJsonError, TooSlowError
from serving.schemas import parse, refusal

MAX_BODY: Final = 8 * 1_048_576
"""Bytes; a thousand customers with a hundred features each take some three million."""
BODY_SECONDS: Final = 10.0
MAX_DEPTH: Final = 64

M = TypeVar("M", bound=BaseModel)


async def body_of(scope: Scope, receive: Receive) -> bytes:
    """The JSON body; raises NotJsonError, BodyTooLargeError, TooSlowError.

    Reads no more than the limit, whatever length was announced, and waits no longer than BODY_SECONDS.
    """
    check_headers(scope["headers"])
    first, steps, waiting = None, receive().__await__(), None
    try:
        waiting = next(steps)
    except StopIteration as done:  # it is here already, as nearly always: a timer would cost more than reading it
        first = done.value
        if not first.get("more_body"):
            return _within_limit(first.get("body", b""))
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return _within_limit(await _whole(first or await _resumed(waiting, steps), receive))
    except TimeoutError:
        raise TooSlowError(f"the body took over {BODY_SECONDS:.0f} s; send it at once") from None


@coroutine
def _resumed(waiting: Any, steps: Generator[Any, Any, Message]) -> Generator[Any, Any, Message]:
    """What `steps` come to, of which the first was taken: it waits for `waiting`."""
    yield waiting
    return (yield from steps)


async def _whole(message: Message, receive: Receive) -> bytes:
    """The body that begins with `message`, as far as the limit and a little."""
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise InvalidRequestError("the connection ended before the body did")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY or not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


def _within_limit(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise BodyTooLargeError(f"the body exceeds {MAX_BODY} bytes; send fewer customers at a time")
    return body


def check_headers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse by the headers what need not be read; raises NotJsonError, BodyTooLargeError."""
    kind = b""
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise NotJsonError("a compressed body is not taken; send it as it is")
        elif name == b"content-length" and int(value) > MAX_BODY:
            raise BodyTooLargeError(f"the body exceeds {MAX_BODY} bytes; send fewer customers at a time")
    if kind != b"application/json" and kind.partition(b";")[0].strip().lower() != b"application/json":
        told = kind.decode("latin-1") or "without a type"
        raise NotJsonError(f"the body must be application/json, not {told}")


def read_json(model: type[M], body: bytes) -> M:
    """`body` as a model; raises InvalidRequestError naming every field and reason, and names that occur twice."""
    found = parse(model, body)
    refuse_duplicates(body)
    return found


def refuse_duplicates(body: bytes) -> None:
    """Raise InvalidRequestError where an object has two members of one name: which one is meant nobody can tell."""
    repeated: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        repeated.extend(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)

    json.loads(body, object_pairs_hook=note)
    if repeated:
        raise InvalidRequestError(*("given more than once" for _ in repeated), fields=tuple(repeated))


def read_query(model: type[M], given: QueryParams) -> M:
    """The query; raises InvalidRequestError naming each parameter that is unknown, repeated or wrong."""
    pairs = given.multi_items()
    repeated = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if repeated:
        raise InvalidRequestError(*("given more than once" for _ in repeated), fields=tuple(repeated))
    try:
        return model.model_validate({name: value.replace("\0", "") for name, value in pairs})
    except ValidationError as error:
        raise refusal(error) from None
