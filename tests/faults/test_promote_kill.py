"""kill -9 of `promote` and `rollback`: the old champion or the new one, never half, and the next run completes.

CI kills each command at four moments spread over its run, REMORA_FAULTS=full at fifty; besides, a process is killed at
every single step by which the pointer is moved. The commands run in forks of a process that has imported everything.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest

from models.bundle import Bundle
from serving.home import Home
from serving.rollback import follow, roll_back
from tests.company import MLFLOW, program
from tests.faults.forks import Child, working
from tests.faults.registered import register
from training import registry
from training.pointer import current, former
from training.promote import promote

pytestmark = pytest.mark.filterwarnings(MLFLOW)
KILLS = 50 if os.environ.get("REMORA_FAULTS") == "full" else 4


@dataclass(frozen=True)
class Two:
    """Two versions in the record; the first is promoted."""

    home: Home
    first: str
    second: str

    def copy(self, folder: Path) -> "Two":
        """The same elsewhere; the record's artifacts stay where they are, and are only read."""
        shutil.copytree(self.home.folder, folder / "home", ignore=shutil.ignore_patterns("artifacts"))
        return Two(Home(folder / "home"), self.first, self.second)

    def check(self) -> str:
        """What serves now, after seeing that nothing anywhere is half."""
        home = self.home.folder
        now = current(home)
        assert now in (self.first, self.second)
        assert self.home.champion.read_text() == f"{now}\n"
        for folder in self.home.bundles.iterdir():
            if not folder.name.startswith("."):
                Bundle.load(folder).check_golden()
        assert {now, *former(home)} <= {folder.name for folder in self.home.bundles.iterdir()}
        versions = registry.versions(home)
        assert sorted((v.number, v.bundle_id) for v in versions) == [("1", self.first), ("2", self.second)]
        assert sum(v.champion for v in versions) == 1
        return str(now)

    def settled(self, now: str, before: list[str]) -> None:
        """The pointer, its history and the record say the same, and nothing was left behind."""
        assert (self.check(), former(self.home.folder)) == (now, before)
        assert [v.bundle_id for v in registry.versions(self.home.folder) if v.champion] == [now]
        assert not list(self.home.bundles.glob(".*/"))


@pytest.fixture(scope="module")
def one_serves(tmp_path_factory: pytest.TempPathFactory) -> Two:
    folder = tmp_path_factory.mktemp("registered")
    home = folder / "home"
    first, second = (register(home, folder, remark).id for remark in ("first", "second"))
    promote(home, "1")
    return Two(Home(home), first, second)


@pytest.fixture
def two_serves(one_serves: Two, tmp_path: Path) -> Two:
    found = one_serves.copy(tmp_path)
    promote(found.home.folder, "2")
    return found


@pytest.fixture(scope="module")
def child(one_serves: Two) -> Iterator[Child]:
    """Ready: it has imported all, which would otherwise count as a part of the first run."""
    with working("tests.faults.promote_child") as started:
        started.work(one_serves.home.folder, "--help")
        yield started


def killed_at(moments: np.ndarray, child: Child, given: Two, folder: Path, *command: str) -> Iterator[Two]:
    """A home each in which the command was killed after so many of the seconds that it takes."""
    whole = given.copy(folder / "whole")
    assert not child.work(whole.home.folder, *command)
    seconds = child.lasted
    for number, share in enumerate(moments):
        found = given.copy(folder / str(number))
        child.work(found.home.folder, *command, kill_after=share * seconds)
        yield found


def moments(seed: int) -> np.ndarray:
    """Shares of the run, at times a little more than the whole."""
    return np.sort(np.random.default_rng(seed).uniform(0.0, 1.05, KILLS))


def test_promote_killed_leaves_the_old_champion_or_the_new(one_serves: Two, child: Child, tmp_path: Path) -> None:
    for found in killed_at(moments(1), child, one_serves, tmp_path, "promote", "2"):
        found.check()
        promote(found.home.folder, "2")
        found.settled(found.second, [found.first])


def test_rollback_killed_leaves_the_old_champion_or_the_new(two_serves: Two, child: Child, tmp_path: Path) -> None:
    for found in killed_at(moments(2), child, two_serves, tmp_path, "rollback"):
        now = found.check()
        if now == found.second:
            roll_back(found.home)
        assert follow(found.home, found.first) == ("1", None)
        found.settled(found.first, [])


STEPS = """
import json, os, signal, sys
from pathlib import Path
from training import pointer
home, move = Path(sys.argv[1]), sys.argv[2]
pointed, history = (home / "champion").read_text(), (home / "former_champions").read_text()

def may_die():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

def dying(step):
    def run(*arguments, **more):
        may_die()
        return step(*arguments, **more)
    return run

def torn(write):
    def run(path, text, **more):
        for part in ("", text[:1], text):
            may_die()
            write(path, part, **more)
    return run

def act():
    os.open, os.fsync, Path.replace = map(dying, (os.open, os.fsync, Path.replace))
    Path.write_text = torn(Path.write_text)
    with pointer.alone(home):
        pointer.point(home, sys.argv[3]) if move == "point" else pointer.point_back(home)
    os._exit(0)

status, steps = None, 0
while status != 0:
    (home / "champion").write_text(pointed)
    (home / "former_champions").write_text(history)
    left, child = steps, os.fork()
    if child == 0:
        act()
    status, steps = os.waitpid(child, 0)[1], steps + 1
    print(json.dumps([status, pointer.current(home), pointer.former(home)]), flush=True)
"""


@pytest.mark.parametrize("move", ["point", "back"])
def test_killed_at_every_step_of_moving_the_pointer(tmp_path: Path, move: str) -> None:
    """Killed before the first step, before the second, … until it comes through."""
    (tmp_path / "champion").write_text("b\n")
    (tmp_path / "former_champions").write_text("a\n")
    out, err = (child := program(STEPS, tmp_path, move, "a", stdout=PIPE, stderr=PIPE)).communicate(timeout=120)
    assert child.returncode == 0, err
    told = [json.loads(line) for line in out.splitlines()]
    new = ["a", ["a", "b"] if move == "point" else []]
    assert [state for _, *state in told if state not in (["b", ["a"]], new)] == []
    assert told[0] == [signal.SIGKILL, "b", ["a"]]
    assert told[-1] == [0, *new]
    assert len(told) > 8
