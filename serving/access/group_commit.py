"""Audit entries of many requests, committed together: one transaction every few milliseconds, however many read."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final, Self

from serving.access.chain import Entry
from serving.database import StoreError

WAIT_SECONDS: Final = 5.0
"""How long a request waits for its entry to be durable before it is refused."""
PAUSE_SECONDS: Final = 0.005
"""The least time from one transaction to the next; the first one after a silence does not wait."""
TALLY_SECONDS: Final = 60.0
_MOST: Final = 2_000
_LATE: Final = "the audit log cannot be written now, so this is not answered; try again in a few seconds"

log = logging.getLogger("remora.audit")

_Waiting = tuple[tuple[Entry, ...], "Future[None]"]


class GroupCommit:
    """One thread that writes what others wait for. Use it in a `with`, or `start` and `stop` it.

    `write` puts entries down durably, all or none: `AuditLog(engine).record`.
    """

    def __init__(self, write: Callable[..., None], *, tally_seconds: float = TALLY_SECONDS) -> None:
        self._write, self._tally_seconds = write, tally_seconds
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._tallies: Counter[tuple[str, str]] = Counter()
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="audit", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to write; once."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and what was counted, and end."""
        self._queue.put(None)
        self._thread.join()

    def record(self, *entries: Entry) -> None:
        """Return when `entries` are durable. Raises StoreError when they are not in time: then do not answer."""
        waiting = self._submit(entries)
        try:
            waiting.result(WAIT_SECONDS)
        except NotYet:
            waiting.cancel()
            raise StoreError(_LATE) from None

    async def recorded(self, *entries: Entry) -> None:
        """The same as `record`, awaited."""
        try:
            await asyncio.wait_for(asyncio.wrap_future(self._submit(entries)), WAIT_SECONDS)
        except TimeoutError:
            raise StoreError(_LATE) from None

    def tally(self, actor: str, action: str, n: int = 1) -> None:
        """Count what happens too often for an entry each; once a minute, and at the end, one entry says how often.

        For predictions: their data is the caller's own, and nothing that is kept here is shown. A killed process
        loses the counts of its last minute.
        """
        with self._lock:
            self._tallies[actor, action] += n

    def _submit(self, entries: tuple[Entry, ...]) -> "Future[None]":
        waiting: Future[None] = Future()
        self._queue.put((entries, waiting))
        return waiting

    def _run(self) -> None:
        due, goes_on = time.monotonic() + self._tally_seconds, True
        while goes_on:
            began = time.monotonic()
            batch, goes_on = self._batch(max(0.0, due - began))
            self._commit(batch)
            if time.monotonic() >= due or not goes_on:
                self._put_tallies()
                due = time.monotonic() + self._tally_seconds
            if goes_on and batch:
                time.sleep(max(0.0, began + PAUSE_SECONDS - time.monotonic()))

    def _batch(self, seconds: float) -> tuple[list[_Waiting], bool]:
        """What waits, after `seconds` at most; and whether more may come."""
        batch: list[_Waiting] = []
        with suppress(Empty):
            found = self._queue.get(timeout=seconds)
            while found is not None:
                batch.append(found)
                if len(batch) == _MOST:
                    break
                found = self._queue.get_nowait()
            return batch, found is not None
        return batch, True

    def _commit(self, batch: list[_Waiting]) -> None:
        wanted = [(entries, waiting) for entries, waiting in batch if waiting.set_running_or_notify_cancel()]
        if not wanted:
            return
        try:
            self._write(*(entry for entries, _ in wanted for entry in entries))
        except Exception as error:  # each who waits is told, and the thread lives on
            for _, waiting in wanted:
                waiting.set_exception(error)
            return
        for _, waiting in wanted:
            waiting.set_result(None)

    def _put_tallies(self) -> None:
        """What cannot be written now is written the next time."""
        with self._lock:
            counted, self._tallies = self._tallies, Counter()
        if not counted:
            return
        try:
            self._write(*(Entry(actor, action, detail={"count": n}) for (actor, action), n in counted.items()))
        except Exception as error:
            log.warning("counts for the audit log were not written, they wait: %s", error)
            with self._lock:
                self._tallies.update(counted)
