"""What the doors share while the service runs: the champion and the store."""

import logging
from threading import Lock
from types import TracebackType
from typing import Self

from features.settings import Settings
from serving.champion import Champion
from serving.home import Home
from serving.store import Store, open_store


class State:
    """Use it in a `with`: it watches the champion inside, and lets go of the store at the end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.home = Home.of(settings)
        self.champion = Champion(self.home, settings.action)
        self._store: Store | None = None
        self._lock = Lock()

    def store(self) -> Store:
        """The store, opened at first use; raises StoreError, and tries again the next time."""
        with self._lock:
            if self._store is None:
                self._store = open_store(self.home.store)
            return self._store

    def __enter__(self) -> Self:
        logging.getLogger("remora").setLevel(logging.INFO)
        self.champion.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.champion.stop()
        if self._store:
            self._store.close()
