"""What the doors share while the service runs: the champion, the store, who may ask, and what they saw."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Final, Self

from starlette.types import Scope

from features.errors import RemoraError
from features.settings import Settings
from models.rules import RulePack
from serving import metrics
from serving.access.audit import AuditLog
from serving.access.chain import Entry
from serving.access.group_commit import GroupCommit
from serving.access.keys import Caller, KeyRing
from serving.access.keys import Scope as KeyScope
from serving.access.limits import RateLimits
from serving.api.access_log import AccessLog
from serving.api.guard import Guard
from serving.api.slots import Pulse, Slots
from serving.champion import Champion
from serving.errors import ForbiddenError
from serving.home import Home
from serving.in_force import pack_of
from serving.metrics import ModelCounts
from serving.predicting import Predictor
from serving.scoring_few import FewScorer
from serving.store import Store, open_store
from serving.webhooks.deliverer import Deliverer

REFRESH_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 20.0
WAIT_SECONDS: Final = 4
"""How long a request waits for another writer of the store."""
ACTOR: Final = "remora.actor"
"""Where a request's scope says who asks, once that is known."""
ANYONE: Final = Caller("anyone", frozenset())
"""Who asks for what is open to all."""

log = logging.getLogger("remora.state")


class State:
    """Use it in a `with`: it watches champion and keys inside, and lets go of the store at the end."""

    def __init__(self, settings: Settings, workers: int = 1) -> None:
        self.settings = settings
        self.home = Home.of(settings)
        self.champion = Champion(self.home, settings, ModelCounts())
        self.keys = KeyRing()
        self.pulse = Pulse()
        self.slots = {"store": Slots(), "models": Slots(at_once=2)}  # who waits for the store holds up no prediction
        self.access_log = AccessLog()
        self._guard = Guard(self.keys, RateLimits(settings.api.per_minute, workers), settings.api.hosts)
        self._store: Store | None = None
        self._audit: GroupCommit | None = None
        self._deliverer: Deliverer | None = None
        self._scorer: tuple[Predictor | None, FewScorer | None] = (None, None)
        self._problem: str | None = None
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="keys", daemon=True)

    def store(self) -> Store:
        """The store, opened at first use; raises StoreError, and tries again the next time."""
        with self._lock:
            if self._store is None:
                self._store = open_store(self.home.store, wait_seconds=WAIT_SECONDS)
                self._audit = GroupCommit(AuditLog(self._store.engine).record)
                self._audit.start()
                self._deliverer = Deliverer(self._store.engine, self.settings.webhooks)
                self._deliverer.start()
            return self._store

    @property
    def keys_known(self) -> bool:
        """Whether the keys have been read: before that nobody may pass."""
        return self.keys.known

    @property
    def problem(self) -> str | None:
        """What keeps anybody from passing, or the store from being read, in words."""
        return self._problem or (None if self.keys_known else "the keys are being read; try again in a few seconds")

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until keys and champion are known, so that the first request need not; `seconds` at most."""
        end = time.monotonic() + seconds
        while not (self.champion.settled and (self.keys_known or self._problem)) and time.monotonic() < end:
            await asyncio.sleep(0.02)

    def pack(self) -> RulePack:
        """The rule pack in force."""
        serving = self.champion.current
        return serving.pack if serving else pack_of(None, self.settings)

    def scorer(self) -> FewScorer:
        """What scores from raw rows, with the model in service. Raises NotReadyError without one."""
        predictor, (known, scorer) = self.champion.predictor(), self._scorer
        if scorer is None or known is not predictor:
            scorer = FewScorer(predictor, self.settings)
            self._scorer = predictor, scorer
        return scorer

    def admitted(self, scope: Scope, needed: KeyScope | None, tenants: bool = True) -> Caller:
        """Who asks, where it may do what needs `needed`; raises the errors of `Guard.caller`."""
        if needed is None:
            return ANYONE
        caller = self._guard.caller(scope, needed)
        scope[ACTOR] = caller.actor
        if caller.tenant is not None and not tenants:
            raise ForbiddenError("this key is held to one tenant, and this is about all of them")
        return caller

    def saw(self, caller: Caller, action: str, customers: Iterable[str], detail: Mapping[str, Any]) -> None:
        """Enter in the audit log, durably, what `caller` is about to see; raises StoreError."""
        self.store()
        assert self._audit
        self._audit.record(Entry(caller.actor, action, tuple(customers), detail))

    def tally(self, caller: Caller, action: str, n: int) -> None:
        """Count what `caller` did with data of its own; the log gets the sum once a minute."""
        if self._audit:
            self._audit.tally(caller.actor, action, n)

    def __enter__(self) -> Self:
        logging.getLogger("remora").setLevel(logging.INFO)
        metrics.reserve()
        self.champion.start()
        self.access_log.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self.champion.stop()
        self.access_log.stop()
        if self._deliverer:
            self._deliverer.stop()
        if self._audit:
            self._audit.stop()
        if self._store:
            self._store.close()

    def _watch(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self.keys.refresh(self.store())
                self._problem = None
            except RemoraError as error:  # those who were known stay so; what is new must wait for the store
                if str(error) != self._problem:
                    self._problem = str(error)
                    log.warning("the keys were not read anew: %s", error)
            self._stop.wait(max(REFRESH_SECONDS - (time.monotonic() - began), 0.1))
