"""How much is done at once: what waits too long is refused early, so that what is taken is answered in time."""

import asyncio
import time
from types import TracebackType
from typing import Final

from serving.errors import BusyError

AT_ONCE: Final = 8
"""Requests that threads work on."""
WAITING: Final = 64
"""Requests that wait for a thread; more are refused."""
TICK_SECONDS: Final = 0.05
LATE_SECONDS: Final = 0.25
MANY: Final = 100
"""A loop that comes this late to its tick, with so many requests since the last one, has more to do than it can."""


class Slots:
    """Use it in an `async with` around work in a thread; raises BusyError when too many wait already."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._room = at_once + waiting

    async def __aenter__(self) -> None:
        if self._room <= 0:
            raise BusyError("too much is asked at once; try again in a moment", retry_after=1)
        self._room -= 1
        try:
            await self._free.acquire()
        except BaseException:
            self._room += 1
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room += 1
        self._free.release()


class Pulse:
    """Whether the event loop keeps up with the requests. Begin it within the loop."""

    def __init__(self) -> None:
        self._late = False
        self._requests = 0
        self._timer: asyncio.TimerHandle | None = None

    def beat(self) -> None:
        """Count a request; raises BusyError when the loop does not keep up with them."""
        self._requests += 1
        if self._late:
            raise BusyError("too much is asked at once; try again in a moment", retry_after=1)

    def begin(self) -> None:
        """Look every TICK_SECONDS how late the loop is."""
        self._due = time.monotonic() + TICK_SECONDS
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def end(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    def _tick(self) -> None:
        self._late = time.monotonic() - self._due > LATE_SECONDS and self._requests > MANY
        self._requests = 0
        self.begin()
