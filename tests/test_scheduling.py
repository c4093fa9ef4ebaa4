"""The pieces that the tests are dealt out in: the lists name what is there, and all of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.company import ROOT
from tests.scheduling import LONGEST, PARTED, TRAINED, piece_of, place_of

TESTS = sorted(Path(__file__).parent.rglob("test_*.py"))
ASKS = re.compile(r"^(?:    )?(?:async )?def (\w+)\([^)]*\b(?:trained|home_copy): ", re.M)
"""Who asks for the session's training."""


def test_what_asks_for_the_training_is_one_piece() -> None:
    asking = [
        f"{file.relative_to(ROOT).as_posix()}::{name}" for file in TESTS for name in ASKS.findall(file.read_text())
    ]
    assert len(asking) > 80
    assert [test for test in asking if piece_of(test) != "trained"] == []
    assert [given for given in TRAINED if not any(test.startswith(given) for test in asking)] == []


def test_every_file_named_is_there() -> None:
    named = {name.partition("::")[0].partition("[")[0] for name in (*TRAINED, *PARTED, *LONGEST)} - {"trained"}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_the_longest_come_first() -> None:
    some = ["tests/features/test_a.py::a", "tests/serving/test_skew.py::test_b", "tests/serving/test_cli.py::test_a"]
    assert sorted(some, key=place_of) == [some[2], some[1], some[0]]


KEPT = """
import pathlib, pytest

@pytest.mark.parametrize("number", range(6))
def test_kept(number, worker_id):
    with pathlib.Path(__file__).with_suffix(".workers").open("a") as file:
        print(worker_id, file=file)
"""


def test_a_file_is_run_by_one_worker(tmp_path: Path) -> None:
    """Looked at from outside: a scheduler that xdist does not ask any more would be missed by nobody."""
    files = [tmp_path / f"test_{name}.py" for name in "ab"]
    for file in files:
        file.write_text(KEPT)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "xdist",
               "-p", "tests.scheduling", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    workers = [file.with_suffix(".workers").read_text().split() for file in files]
    assert [len(each) for each in workers] == [6, 6]
    assert [len({*each}) for each in workers] == [1, 1]
    assert workers[0] != workers[1]
