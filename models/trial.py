"""The trial of a bundle in a child process, which a damaged model may abort, starve or hang."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from features.errors import RemoraError
from models.manifest import REMEDY, BundleError, read_manifest, verify_files

_SECONDS: Final = 60
_MEMORY: Final = 4 << 30
"""Bytes of addresses: a number that was damaged may ask for more than the machine has."""


def trial_load(folder: Path) -> None:
    """Verify `folder`, then load it and predict its golden rows in a child process.

    Raises BundleError naming what is damaged, or that the child did not come back well.
    """
    verify_files(folder, read_manifest(folder))
    home = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-P", "-m", "models.trial", str(folder)]
    try:
        child = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise BundleError(f"bundle {folder}: its trial took over {_SECONDS} s; {REMEDY}") from None
    if child.returncode != 0:
        last = child.stderr.strip().rpartition("\n")[2]
        how = f"killed by signal {-child.returncode}" if child.returncode < 0 else last
        raise BundleError(f"bundle {folder}: its trial in a child process failed: {how}; {REMEDY}")


def _trial(folder: Path) -> None:
    """What the child does: the models first, so that one that aborts does it here."""
    from models.bundle import Bundle

    _limit()
    try:
        bundle = Bundle.load(folder)
        bundle.check_golden()
        bundle.check_trees()
    except RemoraError as error:
        sys.exit("; ".join(error.problems))


def _limit() -> None:
    """No more memory than a bundle can need, and no core file."""
    import resource

    with contextlib.suppress(ValueError, OSError):  # a stricter limit is in force, or the system knows none
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _trial(Path(sys.argv[1]))
