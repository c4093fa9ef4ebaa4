"""Runs exports that are killed. Each line read names a home, a target, and seconds: a fork of this process, which has
imported everything, exports to the target, and is killed after so many seconds; how it ended is told."""

import functools
import os
import signal
import sys
import time
from pathlib import Path

from features.settings import Settings
from serving.export import exporting
from serving.export.reading import Reading

BATCH = 250


def export(home: str, to: str) -> None:
    setattr(exporting, "Reading", functools.partial(Reading, batch=BATCH))  # noqa: B010  # small, to be killed between
    exporting.run_export(exporting.Request(to), Settings(home=Path(home)))


def main() -> None:
    for line in sys.stdin:
        home, to, seconds = line.split()
        child = os.fork()
        if child == 0:
            export(home, to)
            os._exit(0)
        if seconds != "never":
            time.sleep(float(seconds))
            os.kill(child, signal.SIGKILL)  # not waited for yet, so its id is still its own
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    main()
