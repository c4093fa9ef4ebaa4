"""Which bundle serves: the pointer `champion`, and by name those that served before it, the latest last.

The pointer is the truth that services watch; the alias in MLflow records it. Both files are replaced by a rename and
are on disk before the next step begins: whenever a process or the machine dies, the pointer names the old bundle or
the new one, and the worst that stays behind is a former champion that is the present one, which is passed over.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from features.errors import RemoraError
from models.manifest import NAME

KEPT: Final = 100
"""Former champions that are remembered."""
_WAIT_SECONDS: Final = 120


class PromotionError(RemoraError):
    """The champion cannot be changed: somebody else is at it, or none served before."""


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """Be the only one who changes the champion of `home`; raises PromotionError when another stays at it too long."""
    home.mkdir(parents=True, exist_ok=True)
    lock = home / "promotion.lock"
    try:
        with FileLock(lock, timeout=_WAIT_SECONDS):
            yield
    except Timeout:
        raise PromotionError(
            f"{lock}: another promotion or rollback has not ended for {_WAIT_SECONDS} s; end it, then try again"
        ) from None


def current(home: Path) -> str | None:
    """The name of the bundle that serves; None where nothing was promoted or the pointer is damaged."""
    names = _names(home / "champion")
    return names[0] if len(names) == 1 else None


def former(home: Path) -> list[str]:
    """The names of the bundles that served before the present one, the latest last."""
    names, now = _names(home / "former_champions"), current(home)
    while names and names[-1] == now:
        names.pop()
    return names


def point(home: Path, name: str) -> None:
    """Make `name` the champion and remember the one before. Call it inside `alone`."""
    before, was = former(home), current(home)
    if was and was != name:
        _replace(home / "former_champions", [*before, was][-KEPT:])
    _replace(home / "champion", [name])


def point_back(home: Path) -> str:
    """Make the latest former champion the champion, and forget the present one. Call it inside `alone`."""
    *older, name = former(home)
    _replace(home / "champion", [name])
    _replace(home / "former_champions", older)
    return name


def settle(folder: Path) -> None:
    """See to it that a bundle is on disk, not only in memory, before a pointer names it."""
    for file in (*folder.iterdir(), folder, folder.parent):
        _sync(file)


def sweep(bundles: Path) -> None:
    """Remove half a bundle that a killed promotion left in hiding. Call it inside `alone`."""
    for left in bundles.glob(".*/"):
        shutil.rmtree(left, ignore_errors=True)


def _names(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in lines if NAME.fullmatch(line)]


def _replace(file: Path, names: list[str]) -> None:
    """In one step: a reader sees all of the old content or all of the new."""
    beside = file.with_name(f".{file.name}.new")
    beside.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    _sync(beside)
    beside.replace(file)
    _sync(file.parent)


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
