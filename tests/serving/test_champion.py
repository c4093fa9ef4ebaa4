"""The champion in service: what it switches to, what it refuses, and what it tells of both."""

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.bundle import BundleError
from models.trial import trial_load
from serving import champion
from serving.champion import NOTHING_PROMOTED, Champion, load
from serving.errors import NotReadyError
from serving.home import Home
from tests.serving.running import promote
from tests.small_bundle import make_it_abort, write_small_bundle


class Told:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.switches: list[str] = []
        self.refusals: list[str] = []

    def switched(self, model_version: str) -> None:
        self.switches.append(model_version)

    def refused(self, problem: str) -> None:
        self.refusals.append(problem)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every trial that is made, really made."""
    made: list[Path] = []

    def counted(folder: Path) -> None:
        made.append(folder)
        trial_load(folder)

    monkeypatch.setattr(champion, "trial_load", counted)
    return made


def bundle(home: Home, name: str) -> str:
    """A promoted bundle in a folder of that name; returns its id."""
    made = write_small_bundle(home.bundles / name, rules=True, remark=name).id
    promote(home, name)
    return made


def test_from_nothing_past_refusals_to_another(home: Home) -> None:
    told = Told()
    watched = Champion(home, observer=told)
    watched.refresh()
    assert (watched.in_service.model_version, watched.in_service.problem) == (None, NOTHING_PROMOTED)
    assert watched.in_service.refusals == 0
    with pytest.raises(NotReadyError, match="remora promote"):
        watched.predictor()

    one, before = bundle(home, "one"), time.time()
    watched.refresh()
    assert (watched.predictor().model_version, told.switches) == (one, [one])
    assert before <= (watched.in_service.loaded_at or 0) <= time.time()

    bundle(home, "fatal")
    make_it_abort(home.bundles / "fatal")
    watched.refresh()
    watched.refresh()
    assert (watched.predictor().model_version, watched.in_service.refusals, len(told.refusals)) == (one, 1, 1)
    assert told.refusals == [watched.problem]
    assert "killed by signal" in told.refusals[0]

    two = bundle(home, "two")
    watched.refresh()
    found = watched.in_service
    assert (found.model_version, found.problem, found.switches, found.refusals) == (two, None, 2, 1)


def test_what_is_refused_while_none_serves_is_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bundle(home, "one")
    text = (home.bundles / "one" / "churn.txt").read_text()
    (home.bundles / "one" / "churn.txt").write_text("tree\n")
    watched = Champion(home)
    watched.refresh()
    assert "churn.txt is damaged" in (watched.problem or "")
    (home.bundles / "one" / "churn.txt").write_text(text)
    watched.refresh()
    assert watched.current is None
    later = time.monotonic() + champion.RETRY_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    watched.refresh()
    assert (watched.predictor().model_version, watched.in_service.refusals) == (made, 1)


def test_workers_that_switch_together_make_one_trial(home: Home, trials: list[Path]) -> None:
    made = bundle(home, "one")
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: load(home).model_version, range(3)))
    assert (found, len(trials)) == ([made] * 3, 1)


def grow_old(home: Home) -> None:
    then = time.time() - champion.TRIED_SECONDS - 1
    os.utime(home.bundles / ".tried", (then, then))


def come_from_the_future(home: Home) -> None:
    then = time.time() + 100
    os.utime(home.bundles / ".tried", (then, then))


def tear(home: Home) -> None:
    mark = home.bundles / ".tried"
    mark.write_text(mark.read_text()[:-1])


def rewrite(home: Home) -> None:
    shutil.rmtree(home.bundles / "one")
    write_small_bundle(home.bundles / "one", rules=True, remark="another")


@pytest.mark.parametrize("change", [grow_old, come_from_the_future, tear, rewrite])
def test_a_trial_counts_only_just_now_and_for_the_same_content(
    home: Home, trials: list[Path], change: Callable[[Home], None]
) -> None:
    bundle(home, "one")
    load(home)
    load(home)
    assert len(trials) == 1
    change(home)
    load(home)
    assert len(trials) == 2


def test_a_file_damaged_after_the_trial_is_refused_all_the_same(home: Home, trials: list[Path]) -> None:
    bundle(home, "one")
    load(home)
    with (home.bundles / "one" / "churn.txt").open("a") as file:
        file.write(" ")
    with pytest.raises(BundleError, match=r"churn\.txt is damaged"):
        load(home)
    assert len(trials) == 1


def test_where_nothing_can_be_written_each_makes_its_own_trial(home: Home, trials: list[Path]) -> None:
    made = bundle(home, "one")
    (home.bundles / ".trial.lock").mkdir()
    (home.bundles / ".tried").mkdir()
    assert [load(home).model_version for _ in range(2)] == [made, made]
    assert len(trials) == 2


def test_a_folder_named_by_an_id_holds_that_bundle_or_none(home: Home) -> None:
    one, two = bundle(home, "one"), bundle(home, "two")
    (home.bundles / "two").rename(home.bundles / one)
    promote(home, one)
    with pytest.raises(BundleError, match=f"{one}: holds another bundle, {two}"):
        load(home)


@pytest.mark.parametrize("content", [b"../one", b"", b"one\ntwo", b"\xff", b".hidden"])
def test_a_pointer_that_names_no_bundle(home: Home, content: bytes) -> None:
    bundle(home, "one")
    home.champion.write_bytes(content)
    with pytest.raises(BundleError, match="promote a version again"):
        load(home)
