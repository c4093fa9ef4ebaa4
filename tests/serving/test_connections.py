"""Predictions are answered as soon as their request is whole; nothing of an answer depends on how its bytes came."""

import json
import re
import socket
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from serving.api.connections import AT_ONCE, HEAD_SECONDS, IDLE_SECONDS, LOOK_SECONDS, MAX_HEAD, Connection
from tests.faults.loading import FEATURES
from tests.serving.running import Running

AS_OF = "2026-06-01T00:00:00Z"


def asked(customer: str = "a", more: dict[str, object] | None = None, features: object = FEATURES) -> bytes:
    told = {"customers": [{"customer_id": customer, "features": features}], "as_of": AS_OF, **(more or {})}
    return json.dumps(told).encode()


def request(body: bytes, headers: str = "", version: str = "1.1", kind: str = "application/json") -> bytes:
    head = f"POST /v1/predict HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def told(service: Running, *parts: bytes, answers: int = 1) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    """Status line, headers but for the date, and body of what comes back for `parts`, each sent on its own."""
    with socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), timeout=20) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            line.sendall(part)
            time.sleep(0.02 if len(parts) > 1 else 0)
        stream = line.makefile("rb")
        return [_answer(stream) for _ in range(answers)]


def _answer(stream: Any) -> tuple[bytes, dict[bytes, bytes], bytes]:
    status, headers = stream.readline().strip(), {}
    while row := stream.readline().strip():
        name, _, value = row.partition(b": ")
        headers[name.lower()] = value
    headers.pop(b"date")
    return status, headers, stream.read(int(headers[b"content-length"]))


def many(count: int) -> bytes:
    people = [{"customer_id": str(i), "features": FEATURES} for i in range(count)]
    return json.dumps({"customers": people, "as_of": AS_OF}).encode()


REQUESTS = {
    "one customer": request(asked()),
    "three customers": request(many(3)),
    "nine, in a thread": request(many(9)),
    "reasons": request(asked(more={"explain": True})),
    "a composite score": request(asked(more={"include": ["composite"]})),
    "an unknown feature": request(asked(features={**FEATURES, "x": 1})),
    "no JSON": request(b"{"),
    "another type": request(asked(), kind="text/plain"),
    "compressed": request(asked(), headers="Content-Encoding: gzip\r\n"),
    "for somebody behind a proxy": request(asked(), headers="X-Forwarded-For: 203.0.113.9\r\n"),
    "another host": request(asked()).replace(b"127.0.0.1", b"evil.example"),
}


@pytest.mark.parametrize("whole", REQUESTS.values(), ids=REQUESTS)
def test_in_pieces_the_answer_is_the_same(service: Running, whole: bytes) -> None:
    head = whole.index(b"\r\n\r\n") + 4
    (expected,) = told(service, whole)
    for cuts in ((20,), (head - 2,), (head,), (head + 1,), (20, head + 1, len(whole) - 1)):
        parts = [whole[a:b] for a, b in zip((0, *cuts), (*cuts, None), strict=True)]
        assert told(service, *parts) == [expected]


def test_chunks_are_the_same_request(service: Running) -> None:
    body = asked()
    head = request(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:], b""))
    assert told(service, head + chunks) == told(service, request(body))


def test_answers_come_in_the_order_of_the_requests(service: Running) -> None:
    """Also where slow ones, quick ones and other routes come in one read."""
    live = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    sent = [asked("a"), many(30), asked("c", {"explain": True}), b"", asked("d"), b"", asked("e")]
    found = told(service, b"".join(request(body) if body else live for body in sent), answers=len(sent))
    assert [status for status, _, _ in found] == [b"HTTP/1.1 200 OK"] * len(sent)
    first = [json.loads(body).get("predictions", [{"customer_id": None}])[0]["customer_id"] for _, _, body in found]
    assert first == ["a", "0", "c", None, "d", None, "e"]


@pytest.mark.parametrize(
    ("version", "headers"), [("1.0", ""), ("1.0", "Connection: keep-alive\r\n"), ("1.1", "Connection: close\r\n")]
)
def test_a_connection_that_is_not_kept(service: Running, version: str, headers: str) -> None:
    with socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), timeout=20) as line:
        line.sendall(request(asked(), headers, version))
        said = line.makefile("rb").read()  # to the end of the connection
    assert re.findall(rb"HTTP/1\.1 \d+", said) == [b"HTTP/1.1 200"]
    assert b"connection: close" in said


class Clockwork:
    """A loop whose time is told, and a transport that notes what happens to it."""

    def __init__(self) -> None:
        self.now, self.due, self.ended, self.sent = 0.0, list[tuple[float, Callable[[], None]]](), "", b""

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> SimpleNamespace:
        self.due.append((self.now + seconds, call))
        return SimpleNamespace(cancel=lambda: None)

    def pass_until(self, end: float) -> None:
        while self.due and self.due[0][0] <= end:
            self.now, call = self.due.pop(0)
            call()
        self.now = end

    def write(self, data: bytes) -> None:
        self.sent += data

    def abort(self) -> None:
        self.ended = f"after {self.now:.0f} s"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def get_write_buffer_size(self) -> int:
        return 0


async def unused(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError


def connected(clock: Any) -> Connection:
    config = Config(unused, lifespan="off", ws="none")
    state = {AT_ONCE: {b"/v1/predict": lambda scope, body: (b"200 OK\r\n", body)}}
    connection = Connection(config, ServerState(), state, clock)
    connection.connection_made(clock)
    return connection


def test_how_long_a_connection_is_kept() -> None:
    """A client that never asks, one that begins and stops, and one that is idle between two requests."""
    silent, halting, idle = Clockwork(), Clockwork(), Clockwork()
    connected(silent)
    connected(halting).data_received(b"POST /v1")
    connection = connected(idle)
    idle.pass_until(4.0)
    connection.data_received(request(b"{}"))
    assert idle.sent == b"HTTP/1.1 200 OK\r\n\r\n{}"
    for clock, first, last in ((silent, 0, HEAD_SECONDS), (halting, 0, HEAD_SECONDS), (idle, 4, IDLE_SECONDS)):
        clock.pass_until(first + last)
        assert not clock.ended
        clock.pass_until(first + last + 2 * LOOK_SECONDS)
        assert clock.ended
    assert IDLE_SECONDS > 30  # clients and proxies give up before


def test_a_large_request_in_one_read() -> None:
    """The limit of a head does not count the body of a request that was answered."""
    clock, body = Clockwork(), b" " * 3 * MAX_HEAD
    connected(clock).data_received(request(body))
    assert clock.sent == b"HTTP/1.1 200 OK\r\n\r\n" + body


def test_half_a_request_after_an_answer_has_little_time() -> None:
    clock = Clockwork()
    connection = connected(clock)
    connection.data_received(request(b"{}") + b"POST /v1/pre")
    clock.pass_until(HEAD_SECONDS + 2 * LOOK_SECONDS)
    assert clock.ended
