"""Runs scorings that are killed: of the data in a folder, under a home, as of a date, to a file."""

import os
import sys
from pathlib import Path

import serving.score  # noqa: F401  # so that forks need not
from serving.cli import main
from tests.faults.forks import obey


def score(home: str, data: str, date: str, file: str) -> None:
    os.environ["REMORA_HOME"] = home
    os.chdir(Path(home).parent)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["remora", "score", data, "--as-of", date, "--out", file]
    try:
        main()
    except SystemExit as left:
        os._exit(int(left.code or 0))


if __name__ == "__main__":
    obey(score)
