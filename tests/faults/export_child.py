"""Runs exports that are killed: of a home to a target."""

import functools
from pathlib import Path

from features.settings import Settings
from serving.export import exporting
from serving.export.reading import Reading
from tests.faults.forks import obey

BATCH = 250


def export(home: str, to: str) -> None:
    setattr(exporting, "Reading", functools.partial(Reading, batch=BATCH))  # noqa: B010  # small, to be killed between
    exporting.run_export(exporting.Request(to), Settings(home=Path(home)))


if __name__ == "__main__":
    obey(export)
