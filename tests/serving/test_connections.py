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
    "an upgrade is offered": request(asked(), headers="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"),
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


@pytest.mark.parametrize("name", ["one customer", "an upgrade is offered"])
def test_what_is_sound_is_answered(service: Running, name: str) -> None:
    assert [status for status, _, _ in told(service, REQUESTS[name] * 3, answers=3)] == [b"HTTP/1.1 200 OK"] * 3


def test_the_body_of_a_request_that_offers_an_upgrade_is_no_request(service: Running) -> None:
    body = b"GET /v1/model HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = request(body, headers="Connection: Upgrade\r\nUpgrade: x\r\n")[: -len(body)]
    live = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for parts in ((head + body + live,), (head, body + live), (head, body, live)):
        refused, answered = told(service, *parts, answers=2)
        assert refused[0] == b"HTTP/1.1 400 Bad Request"
        assert (answered[0], answered[2]) == (b"HTTP/1.1 200 OK", b'{"live":true}')


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/predict?"])
@pytest.mark.parametrize(
    ("head", "trailer", "status"),
    [
        ("Host: evil.example", "Host: 127.0.0.1", 421),
        ("Host: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 127.0.0.1", 403),
        ("Host: 127.0.0.1", "Content-Type: text/plain", 200),
    ],
)
def test_a_trailer_says_nothing_of_the_request(
    service: Running, path: str, head: str, trailer: str, status: int
) -> None:
    """Neither in one read nor by the ordinary way, which a query leads to."""
    begin = f"POST {path} HTTP/1.1\r\n{head}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = asked()
    end = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, trailer.encode())
    for parts in ((begin.encode() + end,), (begin.encode(), end)):
        assert told(service, *parts)[0][0].startswith(b"HTTP/1.1 %d" % status)


@pytest.mark.parametrize("said", ["127.0.0.1", "203.0.113.9, 127.0.0.2", "/x"])
def test_whoever_a_proxy_asks_for_is_not_this_machine(service: Running, said: str) -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        ((status, _, _),) = told(service, request(asked(), headers=f"{header}: {said}\r\n"))
        assert status == b"HTTP/1.1 403 Forbidden"


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
        self.unread = 0

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
        return self.unread

    def pause_reading(self) -> None: ...

    def close(self) -> None: ...


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


def test_heads_are_counted_each_on_its_own() -> None:
    """Many requests in one read, of which the last is not whole, are no large head; one that never ends is."""
    clock, heads = Clockwork(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * (2 * MAX_HEAD // 20)
    connection = connected(clock)
    connection._start_asgi_task = lambda cycle, app: None  # type: ignore[method-assign]
    connection.data_received(heads + b"GET / HT")
    assert (clock.ended, clock.sent) == ("", b"")
    connection.data_received(b"TP/1.1\r\nX: ")
    connection.data_received(b"x" * (MAX_HEAD + 1))
    assert b"too large" in clock.sent


def test_after_a_refusal_a_connection_is_kept_as_after_any_answer() -> None:
    """Also where it was refused before its body came."""
    clock, whole = Clockwork(), request(b" " * 2 * MAX_HEAD)
    connection = connected(clock)
    connection._start_asgi_task = lambda cycle, app: None  # type: ignore[method-assign]
    connection.data_received(whole[:1000])
    connection.cycle.response_complete = True
    connection.on_response_complete()
    connection.data_received(whole[1000:])
    assert clock.sent == b""
    clock.pass_until(2 * HEAD_SECONDS)
    assert not clock.ended


def test_who_reads_is_left_alone_and_who_does_not_is_not() -> None:
    """More may be unread than before because more was answered since."""
    clock = Clockwork()
    connection = connected(clock)
    for seconds in range(3, 31, 3):
        clock.pass_until(seconds)
        connection.data_received(request(b"{}"))
        clock.unread += 1000
    assert not clock.ended
    clock.pass_until(30 + 3 * LOOK_SECONDS)
    assert clock.ended


def test_who_waits_for_an_answer_may_send_half_of_the_next_request() -> None:
    clock = Clockwork()
    connection = connected(clock)
    connection._answered = SimpleNamespace(response_complete=False, disconnected=False)  # type: ignore[assignment]
    connection.data_received(b"POST /v1")
    clock.pass_until(3 * HEAD_SECONDS)
    assert not clock.ended


def test_half_a_request_after_an_answer_has_little_time() -> None:
    clock = Clockwork()
    connection = connected(clock)
    connection.data_received(request(b"{}") + b"POST /v1/pre")
    clock.pass_until(HEAD_SECONDS + 2 * LOOK_SECONDS)
    assert clock.ended
