"""Runs promotions and rollbacks that are killed: `remora` with some words, under a home."""

import os
import sys
from importlib import import_module

from serving.cli import main
from tests.faults.forks import obey

LATER = (
    "mlflow.store.model_registry.sqlalchemy_workspace_store",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "serving.rollback",
    "serving.store",
    "training.promote",
)
"""What the commands import as they run; here before, so that forks need not."""


def act(home: str, *words: str) -> None:
    os.environ["REMORA_HOME"] = home
    os.chdir(home)
    quiet = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(quiet, stream)
    sys.argv = ["remora", *words]
    try:
        main()
    except SystemExit as left:
        os._exit(int(left.code or 0))


if __name__ == "__main__":
    for name in LATER:
        import_module(name)
    obey(act)
