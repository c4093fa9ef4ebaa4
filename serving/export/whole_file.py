"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from serving.export.errors import ExportError


@contextmanager
def appearing(file: Path) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of `file` at the end, at once and on disk; after an error nothing does.

    Raises ExportError when the file cannot be written, or another process is writing it.
    """
    if not file.parent.is_dir():
        raise ExportError(f"--to {file}: there is no folder {file.parent}; make it, or name another file")
    beside = file.with_name(f".{file.name}.new")
    try:
        with FileLock(file.with_name(f".{file.name}.lock"), timeout=0):
            yield from _written(beside, file)
    except Timeout:
        raise ExportError(f"--to {file}: another export is writing it; wait for it to end") from None
    except OSError as error:
        raise ExportError(f"--to {file}: {error.strerror}; name a file in a folder you may write, with room") from None


def _written(beside: Path, file: Path) -> Iterator[BinaryIO]:
    try:
        with beside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
        _to_disk(file.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _to_disk(folder: Path) -> None:
    """Make a rename last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
