"""Work that is killed: a process that has imported everything does it in forks of itself, each for a given time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Child:
    """A process that works in forks of itself; the module it runs calls `obey`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.lasted = 0.0

    def work(self, *told: object, kill_after: float | None = None) -> bool:
        """Work on what is `told`, killed after so many seconds if it takes that long; return whether it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        begin = time.perf_counter()
        print(*told, "never" if kill_after is None else kill_after, file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        self.lasted = time.perf_counter() - begin
        assert status in (0, signal.SIGKILL)
        return status != 0


@contextmanager
def working(module: str) -> Iterator[Child]:
    """A child that runs `module`."""
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Child(process)


def obey(act: Callable[..., None]) -> None:
    """What the child does: `act` on the words of each line but the last, which says when that fork is killed."""
    for line in sys.stdin:
        *words, seconds = line.split()
        child = os.fork()
        if child == 0:
            act(*words)
            os._exit(0)
        if seconds != "never":
            time.sleep(float(seconds))
            os.kill(child, signal.SIGKILL)  # not waited for yet, so its id is still its own
        print(os.waitpid(child, 0)[1], flush=True)
