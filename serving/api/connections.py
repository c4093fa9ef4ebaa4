"""One connection: what the server has no limit for, the time and the size of a request's head and an unread answer."""

import asyncio
from math import inf
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD: Final = 65_536
"""Bytes of a request before its body, as far as they come in several parts."""
HEAD_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0


class Connection(HttpToolsProtocol):
    """A connection that is ended where no request comes of it in time, or where nobody reads its answers."""

    _since: float | None = None
    """Since when the head of a request is waited for; None while one is answered."""
    _head: float = 0
    _unread: float = inf
    _timer: asyncio.TimerHandle | None = None
    _answered: RequestResponseCycle | None = None

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ws_protocol_class = None  # there is nothing to upgrade to: such a request is answered as it is

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
        super().data_received(data)
        if self._since is None:
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._since, self._head = self.loop.time(), 0

    def on_headers_complete(self) -> None:
        """From here on the application decides how long it takes."""
        super().on_headers_complete()
        self._since = None

    def on_response_complete(self) -> None:
        """Wait for the next request; the rest of a body that was refused counts as that."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._since, self._head = self.loop.time(), -inf if self.cycle.more_body else 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _look(self) -> None:
        """End the connection where nothing comes of it, or where nothing of an answer was read since the last look."""
        unread = self.transport.get_write_buffer_size()
        late = self._since is not None and self.loop.time() - self._since > HEAD_SECONDS
        if unread >= self._unread if unread else late:
            self.transport.abort()
            return
        self._unread = unread or inf
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
