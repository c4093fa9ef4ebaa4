"""One connection: limits that the server lacks, and the short way for requests that came whole.

The server has no limit for the time and the size of a request's head, nor for an answer that nobody reads. And it makes
a task of every request, which costs about as much as a prediction: where a request is here to its last byte, and there
is an answer that waits for nothing, that is written at once.
"""

import asyncio
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn._types import ASGI3Application, HTTPScope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD: Final = 65_536
"""Bytes of a request before its body, as far as they come in several parts."""
HEAD_SECONDS: Final = 10.0
IDLE_SECONDS: Final = 60
"""How long a connection is kept for the next request: longer than clients keep theirs, or both sides' last moves cross.
"""
LOOK_SECONDS: Final = 5.0
AT_ONCE: Final = "remora.at_once"
"""Under this name the lifespan's state holds the `AtOnce` of each URL to which one posts, if there are any."""

AtOnce = Callable[[HTTPScope, bytes], tuple[bytes, bytes] | None]
"""Scope (as far as it goes without the URL) and body of a request → status and headers as they are sent, and the body.

None where the answer must wait.
"""


class Connection(HttpToolsProtocol):
    """A connection that is ended where no request comes of it in time, or where nobody reads its answers."""

    _since: float | None = None
    """Since when the head of a request is waited for; None while one is answered."""
    _patience: float = HEAD_SECONDS
    _head: float = 0
    _unread: float = inf
    _timer: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None
    _held: list[bytes] | None = None
    """The body, as far as it came, of a request that the server does not know of yet."""
    _reading = False
    """Whether this is within a read of which nothing was held yet."""
    _fresh = False
    """Whether what is waited for began within this read."""
    _again = False
    """Whether the request at hand is going to be read again, without its upgrade."""
    _common: tuple[list[tuple[bytes, bytes]] | None, bytes] = (None, b"")

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ws_protocol_class = None
        self.parser = _Parser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the server sets its own
        self.timeout_keep_alive = IDLE_SECONDS
        self._at_once: Mapping[bytes, AtOnce] = self.app_state.get(AT_ONCE, {})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more; whoever still answers need not, also where other requests came after that one."""
        if self._answered:
            self._answered.disconnected = True
        super().connection_lost(exc)
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what comes, but no head without end."""
        self._reading, self._fresh = True, False
        super().data_received(data)
        self._reading = False
        if self._held is not None and not self.transport.is_closing():  # there is more to come
            self._hand_on(self._held)
        if self._since is None or self._fresh:
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._fresh, self._again = True, False
        self._since, self._patience, self._head = self.loop.time(), HEAD_SECONDS, 0

    def on_headers_complete(self) -> None:
        """From here on the application decides how long it takes."""
        if self._is_upgrade():
            self._again = True
            return
        self._since = None
        if self._may_be_short():
            self._held, self._reading = [], False  # one for each read: others wait their turn among all connections
        else:
            super().on_headers_complete()
        self.headers = []  # those of a trailer, which no scope has

    def on_body(self, body: bytes) -> None:
        """More of a body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it here and now, where that can be."""
        if self._again:
            return
        if self._held is not None:
            if self._answer(self._held):
                return
            self._hand_on(self._held)
        super().on_message_complete()
        if self.cycle.response_complete:  # it was refused before its body came
            self._wait()

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of a body that was refused counts as that."""
        super().on_response_complete()
        self._unread = inf
        if self.cycle.response_complete:
            self._wait(self.cycle.more_body)

    def resume_writing(self) -> None:
        """Somebody reads."""
        super().resume_writing()
        self._unread = inf

    def head_without_upgrade(self) -> bytes:
        """The head of the request at hand, as bytes, without the offer of another protocol: there is none."""
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        rows = b"".join(b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, rows)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _may_be_short(self) -> bool:
        """Whether there might be an answer at once to the request whose head is here."""
        ready = self._reading and (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused
        parser = self.parser
        return (
            ready
            and self.url in self._at_once
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
        )

    def _is_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _answer(self, held: list[bytes]) -> bool:
        """Whether the request with this body has now its answer."""
        found = self._at_once[self.url](self.scope, b"".join(held))
        if found is None:
            return False
        self._held = None
        self.transport.write(b"HTTP/1.1 %b%b\r\n%b" % (found[0], self._common_head(), found[1]))
        self.server_state.total_requests += 1
        self._unread = inf
        self._wait()
        return True

    def _hand_on(self, held: list[bytes]) -> None:
        """Let the server know of the request after all."""
        self._held = None
        super().on_headers_complete()
        for body in held:
            super().on_body(body)

    def _wait(self, for_rest: bool = False) -> None:
        """Wait for the next request, or `for_rest` of one that is answered already."""
        self._since, self._head, self._fresh = self.loop.time(), -inf if for_rest else 0, True
        self._patience = HEAD_SECONDS if for_rest else IDLE_SECONDS

    def _common_head(self) -> bytes:
        """The headers that the server gives to every answer; it renews them once a second."""
        if self._common[0] is not self.server_state.default_headers:
            headers = self.server_state.default_headers
            self._common = headers, b"".join(b"%b: %b\r\n" % header for header in headers)
        return self._common[1]

    def _look(self) -> None:
        """End the connection where nothing comes of it, or where nothing of an answer was read since the last look."""
        unread = self.transport.get_write_buffer_size()
        busy = self._since is None or not (self._answered is None or self._answered.response_complete)
        late = not busy and self.loop.time() - (self._since or 0) > self._patience
        if unread >= self._unread if unread else late:
            self.transport.abort()
            return
        self._unread = unread or inf
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)


class _Parser(HttpRequestParser):
    """Reads a request that offers an upgrade as one that does not: the parser would take its body for what follows."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    def feed_data(self, data: Any) -> None:
        """As `HttpRequestParser.feed_data`."""
        while True:
            try:
                return super().feed_data(data)
            except HttpParserUpgrade as stopped:
                if self.get_method() == b"CONNECT":
                    raise
                data = self._connection.head_without_upgrade() + bytes(data[stopped.args[0] :])
