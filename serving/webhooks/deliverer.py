"""Delivers what the outbox holds: one thread a target, so that a slow one keeps no other waiting."""

import logging
import random
from datetime import timedelta
from functools import cached_property
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from features.clock import now
from features.errors import RemoraError
from features.settings import Webhooks
from serving.webhooks.addresses import Allowed
from serving.webhooks.outbox import Event
from serving.webhooks.queue import LONGEST_WAIT, Claim, Queue, wait_after
from serving.webhooks.signing import cloud_event, headers
from serving.webhooks.targets import Ready, ready

if TYPE_CHECKING:
    from serving.webhooks.sending import Answer, Courier

IDLE: Final = 1.0
"""Seconds between looks for something to deliver."""

PAUSE: Final = 10.0
"""Seconds before another try where the store, or a setting, does not let anything be delivered."""

_PRUNES: Final = timedelta(hours=1)

log = logging.getLogger("remora.webhooks")


def send(event: Event, target: Ready, attempt: int, source: str, courier: "Courier") -> "Answer":
    """One signed POST of `event`."""
    body = cloud_event(event, source)
    return courier.post(target.place, body, headers(event, body, target.secrets, attempt, now()))


def courier_of(webhooks: Webhooks) -> "Courier":
    """Who sends. Raises RefusedTargetError for an entry of `allow` that cannot be read."""
    from serving.webhooks.sending import Courier  # the HTTP client is loaded only where something is sent

    return Courier(Allowed.of(webhooks.allow))


class Deliverer:
    """Delivers in daemon threads between `start` and `stop`. Several processes may do so on one store."""

    def __init__(self, engine: sa.Engine, webhooks: Webhooks) -> None:
        self._queue = Queue(engine)
        self._webhooks = webhooks
        self._stopped = Signal()
        self._threads: list[Thread] = []
        self._pruned_at = now() - _PRUNES

    def start(self) -> None:
        """Begin, one thread a target; without targets nothing is started."""
        for name in self._webhooks.targets:
            thread = Thread(target=self._run, args=(name,), name=f"webhooks-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End after what is being sent, or leave that behind after `seconds`: it will be sent again later."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(seconds)
        self._threads.clear()

    def drain(self) -> tuple[int, int]:
        """Deliver what is due now, target by target; how many were taken in, and how many were not.

        Raises RefusedTargetError for a target that cannot be sent to, when the others are done.
        """
        problems: list[RemoraError] = []
        results: list[bool] = []
        for name in self._webhooks.targets:
            try:
                results += self._round(name)
            except RemoraError as error:
                problems.append(error)
        self._queue.prune()
        if problems:
            raise type(problems[0])(*(text for each in problems for text in each.problems))
        return results.count(True), results.count(False)

    def _run(self, name: str) -> None:
        """Until stopped, whatever happens: an error is logged, and the next round tries again."""
        while not self._stopped.is_set():
            pause = IDLE
            try:
                self._round(name)
                self._prune()
            except RemoraError as error:
                log.warning("webhooks: %s: %s", name, error)
                pause = PAUSE
            except Exception:
                log.exception("webhooks: %s", name)
                pause = PAUSE
            self._stopped.wait(pause)

    def _round(self, name: str) -> list[bool]:
        """Everything due for one target; whether each was taken in."""
        target, results = ready(name, self._webhooks), []
        while not self._stopped.is_set() and (claim := self._queue.claim(name)):
            results.append(self._deliver(claim, target))
        return results

    def _deliver(self, claim: Claim, target: Ready) -> bool:
        answer = send(claim.event, target, claim.attempt, self._webhooks.source, self._courier)
        if answer.problem is None:
            self._queue.delivered(claim)
            return True
        asked = min(answer.retry_after or timedelta(), LONGEST_WAIT)
        wait = max(wait_after(claim.attempt, random.random()), asked)
        dead = self._queue.failed(claim, answer.problem, wait, gone=answer.gone)
        if asked:
            self._queue.put_off(claim.target, asked)
        outcome = "given up" if dead else "to be tried again"
        log.warning("webhooks: %s: event %s: %s; %s", claim.target, claim.event.id, answer.problem, outcome)
        return False

    @cached_property
    def _courier(self) -> "Courier":
        return courier_of(self._webhooks)

    def _prune(self) -> None:
        if now() - self._pruned_at >= _PRUNES:
            self._pruned_at = now()
            self._queue.prune()
