"""One line an answer: when, who, what, how it went; written, and counted, by a thread of its own once a second.

A line names the route and never the path, the id of a key and never its text: no customer is in it.
"""

import datetime as dt
import sys
from collections import deque
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Final

from serving import metrics

EVERY_SECONDS: Final = 1.0
MOST_LINES: Final = 100_000
"""Lines that may wait; older ones give way, so that a blocked terminal blocks nobody."""

Line = tuple[float, str, str, str, int, float]
"""Seconds since 1970, who, method, route, status, seconds that it took."""


class AccessLog:
    """Use `start` and `stop`, or a `with` of whoever has it. `write` takes text, by default to standard output."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._write = write
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="access log", daemon=True)

    def add(self, line: Line) -> None:
        """Note one answer: it costs nothing now."""
        self._lines.append(line)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Write and count what waits."""
        with self._lock:
            waiting = [self._lines.popleft() for _ in range(len(self._lines))]
            for _, _, _, route, status, seconds in waiting:
                metrics.count(route, status, seconds)
            if waiting:
                self._write("".join(map(_text, waiting)))


def _text(line: Line) -> str:
    at, actor, method, route, status, seconds = line
    when = dt.datetime.fromtimestamp(at, dt.UTC).isoformat(timespec="milliseconds")
    return f"{when} {actor} {method} {route} {status} {seconds * 1000:.1f}ms\n"
