"""The champion in service: found by its pointer, tried out, switched to, and replaced when the pointer moves."""

import gc
import logging
import re
from pathlib import Path
from threading import Event, Thread
from typing import Final

from features.errors import RemoraError
from features.settings import Action
from models.bundle import Bundle, BundleError, trial_load
from serving.errors import NotReadyError
from serving.home import Home
from serving.predicting import UNPRICED, Predictor

POLL_SECONDS: Final = 1.0
NOTHING_PROMOTED: Final = "no model is promoted yet; run `remora train DATA`, then `remora promote`"
LOADING: Final = "the model is being loaded; try again in a few seconds"

log = logging.getLogger("remora.champion")


class Champion:
    """The Predictor in service. One thread of its own watches the pointer; all others only read `current`.

    The old one serves until the new one has proved itself; one that fails is told in `problem` and not tried again
    before the pointer is written anew.
    """

    def __init__(self, home: Home, action: Action = UNPRICED) -> None:
        self.current: Predictor | None = None
        self.problem: str | None = LOADING
        self._home, self._action = home, action
        self._seen: tuple[int, int] | None = (0, 0)
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="champion", daemon=True)

    def start(self) -> None:
        """Begin to watch; the first load happens in the background too."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def predictor(self) -> Predictor:
        """The Predictor in service; raises NotReadyError with what to do when there is none."""
        if self.current is None:
            raise NotReadyError(self.problem or LOADING)
        return self.current

    def refresh(self) -> None:
        """Look at the pointer, and switch to what it names if that changed."""
        written = _written(self._home.champion)
        if written == self._seen:
            return
        self._seen = written
        if written is None:
            self.problem = NOTHING_PROMOTED if self.current is None else "the pointer to the champion was removed"
            return
        try:
            self._switch(load(self._home, self._action))
        except RemoraError as error:
            self.problem = str(error)
            log.error("not switched, %s: %s", self._serving(), error)

    def _switch(self, new: Predictor) -> None:
        self.problem, self.current = None, new  # in this order: who sees the new one sees no old problem
        gc.collect()
        gc.freeze()  # what was loaded stays: no later collection has to walk over it
        log.info("serving model %s", new.model_version)

    def _serving(self) -> str:
        return f"serving {self.current.model_version} still" if self.current else "serving none"

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except Exception as error:  # a watcher that dies would leave an old model in service, and nobody told
                self.problem = f"loading the champion failed: {error!r}"
                log.exception("loading the champion failed")
            self._stop.wait(POLL_SECONDS)


def promoted(home: Home) -> Bundle | None:
    """The promoted bundle, for batch work; None where nothing is promoted. Raises BundleError when it is damaged."""
    folder = champion_folder(home)
    return Bundle.load(folder) if folder else None


def champion_folder(home: Home) -> Path | None:
    """Where the promoted bundle lies; None where nothing is promoted."""
    return None if _written(home.champion) is None else home.bundles / _name(home.champion)


def load(home: Home, action: Action = UNPRICED) -> Predictor:
    """Try the champion out in a child process, then load it; raises RemoraError naming what is wrong with it."""
    folder = champion_folder(home)
    if folder is None:
        raise NotReadyError(NOTHING_PROMOTED)
    trial_load(folder)
    bundle = Bundle.load(folder)
    bundle.check_golden()
    return Predictor(bundle, action)


def _name(pointer: Path) -> str:
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{pointer}: not readable ({error}); promote a version again") from None
    if not re.fullmatch(r"\w[\w.+-]*", name):
        raise BundleError(f"{pointer}: holds {name!r}, not the name of a bundle; promote a version again")
    return name


def _written(pointer: Path) -> tuple[int, int] | None:
    """When and as which file the pointer was written; None where there is none."""
    try:
        found = pointer.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
