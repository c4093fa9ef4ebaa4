"""The champion in service: found by its pointer, tried out, switched to, and replaced when the pointer moves."""

import contextlib
import gc
import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol

from filelock import FileLock, Timeout

from features.errors import RemoraError
from features.settings import Settings
from models.bundle import Bundle, BundleError
from models.manifest import NAME
from models.trial import trial_load
from serving.errors import NotReadyError
from serving.home import Home
from serving.in_force import pack_of
from serving.predicting import Predictor

POLL_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 10.0
"""Between two trials of the same bundle, where no other serves meanwhile."""
TRIED_SECONDS: Final = 60.0
"""How long workers that switch together rely on the trial that one of them made."""
NOTHING_PROMOTED: Final = "no model is promoted yet; run `remora train DATA`, then `remora promote`"
LOADING: Final = "the model is being loaded; try again in a few seconds"

log = logging.getLogger("remora.champion")


class Observer(Protocol):
    """Who wants to know of every change, e.g. to count it. Called by the thread that watches."""

    def switched(self, model_version: str) -> None:
        """Another bundle serves."""

    def refused(self, problem: str) -> None:
        """The pointer names a bundle that was not switched to."""


@dataclass(frozen=True)
class InService:
    """What this worker serves: how often it switched and refused since it began, and when it switched last."""

    model_version: str | None
    problem: str | None
    switches: int
    refusals: int
    loaded_at: float | None
    """Seconds since 1970."""


class Champion:
    """The Predictor in service. One thread of its own watches the pointer; all others only read `current`.

    The old one serves until the new one has proved itself; one that fails is told in `problem` and not tried again
    before the pointer is written anew, unless there is no old one.
    """

    def __init__(self, home: Home, settings: Settings | None = None, observer: Observer | None = None) -> None:
        self.current: Predictor | None = None
        self.problem: str | None = LOADING
        self._home, self._settings, self._observer = home, settings, observer
        self._switches, self._refusals = 0, 0
        self._loaded_at: float | None = None
        self._seen: tuple[int, int] | None = (0, 0)
        self._retry_at: float | None = None
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="champion", daemon=True)

    def start(self) -> None:
        """Begin to watch; the first load happens in the background too."""
        self._thread.start()

    @property
    def settled(self) -> bool:
        """Whether it is known what there is to serve: a bundle, none, or a bad one."""
        return self.current is not None or self.problem != LOADING

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()

    def predictor(self) -> Predictor:
        """The Predictor in service; raises NotReadyError with what to do when there is none."""
        if self.current is None:
            raise NotReadyError(self.problem or LOADING)
        return self.current

    @property
    def in_service(self) -> InService:
        """What is served now, for reports."""
        version = self.current.model_version if self.current else None
        return InService(version, self.problem, self._switches, self._refusals, self._loaded_at)

    def refresh(self) -> None:
        """Look at the pointer, and switch to what it names if that changed."""
        written = _written(self._home.champion)
        anew = written != self._seen
        if not anew and (self._retry_at is None or time.monotonic() < self._retry_at):
            return
        self._seen, self._retry_at = written, None
        if written is None:
            self.problem = NOTHING_PROMOTED if self.current is None else "the pointer to the champion was removed"
            return
        try:
            new = load(self._home, self._settings)
        except Exception as error:  # whatever a damaged bundle makes go wrong, the old model serves on
            self._refuse(error, anew)
        else:
            self._switch(new)

    def _switch(self, new: Predictor) -> None:
        self.problem, self.current = None, new  # in this order: who sees the new one sees no old problem
        gc.collect()
        gc.freeze()  # what was loaded stays: no later collection has to walk over it
        self._switches, self._loaded_at = self._switches + 1, time.time()
        log.info("serving model %s", new.model_version)
        if self._observer:
            self._observer.switched(new.model_version)

    def _refuse(self, error: Exception, anew: bool) -> None:
        self.problem = str(error) if isinstance(error, RemoraError) else f"loading the champion failed: {error!r}"
        log.error("not switched, %s: %s", self._serving(), self.problem, exc_info=not isinstance(error, RemoraError))
        self._retry_at = time.monotonic() + RETRY_SECONDS if self.current is None else None
        if anew:
            self._refusals += 1
            if self._observer:
                self._observer.refused(self.problem)

    def _serving(self) -> str:
        return f"serving {self.current.model_version} still" if self.current else "serving none"

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except Exception as error:  # a watcher that dies would leave an old model in service, and nobody told
                self.problem = f"watching the champion failed: {error!r}"
                log.exception("watching the champion failed")
            self._stop.wait(POLL_SECONDS)


def promoted(home: Home) -> Bundle | None:
    """The promoted bundle, for batch work; None where nothing is promoted. Raises BundleError when it is damaged."""
    folder = champion_folder(home)
    return Bundle.load(folder) if folder else None


def champion_folder(home: Home) -> Path | None:
    """Where the promoted bundle lies; None where nothing is promoted."""
    return None if _written(home.champion) is None else home.bundles / _name(home.champion)


def load(home: Home, settings: Settings | None = None) -> Predictor:
    """Try the champion out in a child process, then load it; raises RemoraError naming what is wrong with it.

    `settings` price actions, may put another rule pack in force, and say when answers are out of date.
    """
    folder = champion_folder(home)
    if folder is None:
        raise NotReadyError(NOTHING_PROMOTED)
    with _one_at_a_time(home.bundles):
        if not _tried(folder):
            trial_load(folder)
            _remember(folder)
    bundle = Bundle.load(folder)
    bundle.check_golden()
    if settings is None:
        return Predictor(bundle)
    return Predictor(bundle, settings.action, settings.snapshots.every_days, pack_of(bundle, settings))


@contextlib.contextmanager
def _one_at_a_time(bundles: Path) -> Iterator[None]:
    """One trial for all workers of this home; where none can be waited for, each makes its own."""
    lock = FileLock(bundles / ".trial.lock", timeout=TRIED_SECONDS)
    with contextlib.suppress(OSError, Timeout):  # a home that cannot be written to
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _tried(folder: Path) -> bool:
    """Whether a bundle of exactly this manifest passed its trial just now. Loading compares its files with it again."""
    mark = folder.parent / ".tried"
    try:
        age = time.time() - mark.stat().st_mtime
        return 0 <= age < TRIED_SECONDS and mark.read_text(encoding="ascii") == _digest(folder)
    except (OSError, UnicodeDecodeError):
        return False


def _remember(folder: Path) -> None:
    with contextlib.suppress(OSError):  # only a shortcut
        (folder.parent / ".tried").write_text(_digest(folder), encoding="ascii")


def _digest(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def _name(pointer: Path) -> str:
    try:
        name = pointer.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{pointer}: not readable ({error}); promote a version again") from None
    if not NAME.fullmatch(name):
        raise BundleError(f"{pointer}: holds {name!r}, not the name of a bundle; promote a version again")
    return name


def _written(pointer: Path) -> tuple[int, int] | None:
    """When and as which file the pointer was written; None where there is none."""
    try:
        found = pointer.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
