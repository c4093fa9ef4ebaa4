"""`remora rollback`: the bundle that served before serves again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.bundle import BundleError
from serving.access.audit import AuditLog
from serving.access.operator import operator
from serving.champion import promoted
from serving.home import Home
from serving.rollback import follow, roll_back
from serving.store import open_store
from tests.company import MLFLOW
from tests.faults.registered import register
from tests.small_bundle import write_small_bundle
from training import registry
from training.pointer import KEPT, PromotionError, alone, current, former, point
from training.promote import promote

pytestmark = pytest.mark.filterwarnings(MLFLOW)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Three bundles, promoted one after the other."""
    found = Home(tmp_path / "home")
    for remark in "abc":
        made(found, remark)
    return found


def made(home: Home, remark: str) -> str:
    bundle = write_small_bundle(home.bundles / remark, remark=remark)
    bundle.folder.rename(home.bundles / bundle.id)
    point(home.folder, bundle.id)
    return bundle.id


def remora(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from serving.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "REMORA_HOME": str(home.folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=home.folder)


def test_back_and_further_back_until_there_is_none(home: Home) -> None:
    a, b = former(home.folder)
    c = current(home.folder)
    assert roll_back(home) == (c, b)
    assert promoted(home).id == b  # type: ignore[union-attr]
    assert roll_back(home) == (b, a)
    with pytest.raises(PromotionError, match=r"no other bundle served before.*remora promote VERSION"):
        roll_back(home)
    assert current(home.folder) == a


def test_what_was_rolled_back_may_be_promoted_again(home: Home) -> None:
    a, b = former(home.folder)
    c = current(home.folder)
    roll_back(home)
    assert c is not None
    point(home.folder, c)
    point(home.folder, c)
    assert (former(home.folder), current(home.folder)) == ([a, b], c)


def test_a_champion_of_two_terms_is_remembered_twice(home: Home) -> None:
    a, b = former(home.folder)
    c = current(home.folder)
    point(home.folder, a)
    assert former(home.folder) == [a, b, c]
    assert roll_back(home) == (a, c)
    assert former(home.folder) == [a, b]


def test_only_the_latest_are_remembered(tmp_path: Path) -> None:
    for number in range(KEPT + 5):
        point(tmp_path, f"n{number}")
    assert former(tmp_path) == [f"n{number}" for number in range(4, KEPT + 4)]


def test_a_damaged_pointer_can_be_rolled_back_from(home: Home) -> None:
    b = former(home.folder)[-1]
    home.champion.write_bytes(b"\xff\n")
    assert roll_back(home) == (None, b)


def test_a_damaged_former_champion_is_not_gone_back_to(home: Home) -> None:
    b, c = former(home.folder)[-1], current(home.folder)
    (home.bundles / b / "churn.txt").write_text("tree\n")
    with pytest.raises(BundleError, match=r"(?s)churn\.txt is damaged.*the champion was not changed"):
        roll_back(home)
    assert (current(home.folder), former(home.folder)[-1]) == (c, b)


def test_the_command_without_a_record(home: Home) -> None:
    b, c = former(home.folder)[-1], current(home.folder)
    done = remora(home, "rollback", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "bundle": b,
        "was": c,
        "version": None,
        "record": "there is no MLflow record here",
        "audit": None,
    }
    assert current(home.folder) == b
    with open_store(home.store) as store:
        (entry,) = AuditLog(store.engine).entries()
    assert (entry.actor, entry.action, entry.detail) == (operator(), "model.rolled_back", {"bundle": b, "was": c})
    (home.folder / "remora.db").write_bytes(b"no database" * 1000)
    (home.folder / "mlflow.db").write_bytes(b"not a database at all" * 100)
    done = remora(home, "rollback")
    assert (done.returncode, "The record does not say so: MLflow: " in done.stdout) == (0, True), done.stdout
    assert "The audit log does not say so: " in done.stdout
    assert former(home.folder) == []
    done = remora(home, "rollback")
    assert (done.returncode, "no other bundle served before" in done.stderr) == (2, True)


def test_the_record_follows(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    one, two = (register(home.folder, tmp_path, remark).id for remark in ("one", "two"))
    promote(home.folder, "1")
    promote(home.folder, "2")
    assert roll_back(home) == (two, one)
    assert follow(home, one) == ("1", None)
    assert [(v.number, v.champion) for v in registry.versions(home.folder)] == [("2", False), ("1", True)]
    assert follow(home, "elsewhere") == (None, "no registered version holds elsewhere")


def test_who_comes_second_is_told_who_is_first(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.pointer._WAIT_SECONDS", 0.1)
    with alone(home.folder), pytest.raises(PromotionError, match=r"promotion\.lock: another promotion or rollback"):
        roll_back(home)
