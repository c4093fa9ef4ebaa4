"""What was answered: counted for Prometheus and written as lines, once a second, by a thread of its own.

A line names the route and never the path, the id of a key and never its text: no customer is in it. Answers of one kind
within a second are one line with their number once they are many.
"""

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread
from typing import Final

from features.clock import now
from serving import metrics

EVERY_SECONDS: Final = 1.0
MANY: Final = 20
"""Answers of one kind within a second that get a line each."""

Kind = tuple[str, str, str, int]
"""Who (the id of a key), method, route, status."""


class AccessLog:
    """Between `start` and `stop`, `add` costs next to nothing. `write` takes text, by default to standard output."""

    def __init__(self, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._answers: dict[Kind, list[float]] = {}
        self._write = write
        self._lock, self._flushing = Lock(), Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="access log", daemon=True)

    def add(self, kind: Kind, seconds: float) -> None:
        """Note one answer and the time that it took."""
        with self._lock:
            self._answers.setdefault(kind, []).append(seconds)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stop.set()
        self._thread.join()

    def flush(self) -> None:
        """Count and write what waits."""
        with self._flushing:
            with self._lock:
                answers, self._answers = self._answers, {}
            at = now()
            for kind, seconds in answers.items():
                metrics.count(kind[2], kind[3], seconds)
            if answers:
                self._write("".join(line for kind, seconds in answers.items() for line in _lines(at, kind, seconds)))

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            self.flush()
        self.flush()


def _lines(at: dt.datetime, kind: Kind, seconds: list[float]) -> Iterator[str]:
    """The lines of the answers of one kind in the second that ended at `at`."""
    actor, method, route, status = kind
    head = f"{at.isoformat(timespec='seconds')} {actor} {method} {route} {status}"
    if len(seconds) > MANY:
        mean, most = 1000 * sum(seconds) / len(seconds), 1000 * max(seconds)
        yield f"{head} {len(seconds)} answers, mean {mean:.1f}ms, at most {most:.1f}ms\n"
        return
    for each in seconds:
        yield f"{head} {1000 * each:.1f}ms\n"
