"""A bundle damaged in 600 ways: all refused, by the way the service takes, and no worker dies."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE
from threading import Event

import httpx
import numpy as np
import pytest

from features.errors import RemoraError
from models.bundle import Bundle
from models.golden import OTHER
from models.manifest import BundleError, read_manifest
from serving.champion import load
from serving.home import Home
from tests.company import program
from tests.faults.conftest import Figure
from tests.faults.damages import MODELS, Damage, behind_right_hashes, damaged, flipped, plain, vouched, whole_bundle
from tests.serving.running import promote, running
from tests.small_bundle import customers, rehash


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return whole_bundle(tmp_path_factory.mktemp("whole"))


def homes(tmp_path: Path) -> Iterator[Home]:
    for number in range(1000):
        home = Home(tmp_path / str(number))
        home.bundles.mkdir(parents=True)
        yield home


def test_there_are_six_hundred_and_no_two_are_the_same(whole: Bundle) -> None:
    for damages in (plain(whole.folder), behind_right_hashes()):
        assert len(set(map(str, damages))) == len(damages) == 300


def test_the_whole_one_is_served(whole: Bundle, tmp_path: Path) -> None:
    home = next(homes(tmp_path))
    damaged(Damage("", "", lambda folder: None), whole.folder, home.bundles)
    promote(home, whole.id)
    assert load(home).model_version == whole.id


def test_what_the_manifest_does_not_vouch_for_is_refused(whole: Bundle, tmp_path: Path) -> None:
    served = []
    for damage, home in zip(plain(whole.folder), homes(tmp_path), strict=False):
        damaged(damage, whole.folder, home.bundles)
        promote(home, whole.id)
        try:
            served.append((str(damage), load(home)))
        except RemoraError:
            continue
    assert served == []


def test_what_a_new_manifest_vouches_for_under_the_old_name_is_refused(whole: Bundle, tmp_path: Path) -> None:
    """Promotion names the folder by the id, the record knows it: other content has another."""
    for damage, home in zip(behind_right_hashes(), homes(tmp_path), strict=False):
        rehash(folder := damaged(damage, whole.folder, home.bundles))
        with pytest.raises(BundleError, match="holds another bundle"):
            read_manifest(folder)
        promote(home, whole.id)
        with pytest.raises(BundleError):
            load(home)


TRIALS = """
import os, sys
from pathlib import Path
from models.booster import _library
from models.bundle import Bundle
from models.trial import _trial
_library()
for line in sys.stdin:
    if (child := os.fork()) == 0:
        try:
            _trial(Path(line.rstrip()))
        except BaseException as error:
            print("\\nsaid", str(error).replace("\\n", " "), flush=True)  # LightGBM prints too
            os._exit(1)
        os._exit(0)
    print("\\nended", os.waitpid(child, 0)[1], flush=True)
"""


def trials(folders: list[Path]) -> list[tuple[int, str]]:
    """How the trial of each ended, and what it said.

    Each is a process of its own, forked from one that has imported what a trial imports.
    """
    child = program(TRIALS, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    out, err = child.communicate("\n".join(map(str, folders)) + "\n", timeout=600)
    assert child.returncode == 0, err
    found, said = [], ""
    for line in out.splitlines():
        what, _, rest = line.partition(" ")
        if what == "said":
            said = rest
        elif what == "ended":
            found.append((int(rest), said))
            said = ""
    assert len(found) == len(folders)
    return found


def test_what_all_vouches_for_is_told_by_the_trial(whole: Bundle, tmp_path: Path, figure: Figure) -> None:
    """Name, id, seal and hashes are right: left are what the models do and what golden.json records."""
    damages = behind_right_hashes()
    folders = [
        vouched(damaged(d, whole.folder, home.bundles)) for d, home in zip(damages, homes(tmp_path), strict=False)
    ]
    ended = trials(folders)
    assert [str(damage) for damage, (status, _) in zip(damages, ended, strict=True) if status == 0] == []
    recorded = [(d, f) for d, f, (_, said) in zip(damages, folders, ended, strict=True) if OTHER in said and sound(f)]
    assert [str(damage) for damage, folder in recorded if not same(Bundle.load(folder), whole)] == []
    assert {damage.kind for damage, _ in recorded} <= {"bit flip"}
    killed = sum(0 < status < 256 for status, _ in ended)
    figure(
        "300 damaged bundles, all hashes, seal, id and name made right",
        f"all refused: {300 - len(recorded)} by what the models do ({killed} killed), {len(recorded)} that change no "
        "prediction of 1,000 customers by what golden.json records",
    )


def sound(folder: Path) -> bool:
    """Whether the trees tell nothing of the damage either."""
    try:
        Bundle.load(folder).check_trees()
    except BundleError:
        return False
    return True


def test_a_flipped_bit_of_what_is_no_model_is_told_by_the_golden_rows(whole: Bundle, tmp_path: Path) -> None:
    """Of the rule pack, the sample and golden.json itself: 60 that no prediction depends on, hashes made right."""
    rng = np.random.default_rng(3)
    damages = [flipped(name, rng) for name in ("golden.json", "pack.toml", "reference.parquet") for _ in range(20)]
    for damage, home in zip(damages, homes(tmp_path), strict=False):
        folder = vouched(damaged(damage, whole.folder, home.bundles))
        with pytest.raises(BundleError, match="golden rows"):
            Bundle.load(folder).check_golden()


@pytest.mark.parametrize("kind", ["truncated", "bit flip", "feature list", "Boosters swapped", "Booster replaced"])
def test_the_service_takes_the_same_way(whole: Bundle, tmp_path: Path, kind: str) -> None:
    home = next(homes(tmp_path))
    damage = [d for d in behind_right_hashes() if d.kind == kind][30 if kind == "truncated" else 0]
    promote(home, vouched(damaged(damage, whole.folder, home.bundles)).name)
    with pytest.raises(BundleError, match="trial in a child process failed"):
        load(home)


def same(one: Bundle, other: Bundle) -> bool:
    """Whether both predict the same for a thousand customers, nine in ten of whom no golden row was chosen from."""
    rows = one.matrix(customers())
    told, wanted = one.predict(rows), other.predict(rows)
    explained, meant = one.churn.contributions(rows), other.churn.contributions(rows)
    return np.allclose(explained[0], meant[0], rtol=1e-6) and all(
        np.allclose(getattr(told, name), getattr(wanted, name), rtol=1e-6)
        for name in wanted._fields
        if getattr(wanted, name) is not None
    )


def test_requests_go_on_while_the_pointer_moves_through_damaged_bundles(whole: Bundle, tmp_path: Path) -> None:
    """Every answer is the old model's, and the worker that began is the one that ends: it was initialised once."""
    home = Home(tmp_path / "home")
    served = damaged(Damage("", "", lambda folder: None), whole.folder, home.bundles)
    promote(home, served.name)
    asked = {"customers": [{"customer_id": "a", "features": dict.fromkeys(whole.manifest.names)}]}
    answers: Counter[tuple[int, str]] = Counter()
    with running(home.folder) as service, httpx.Client(base_url=service.url, timeout=30, trust_env=False) as client:
        service.wait_until(lambda ready: ready["model_version"] == whole.id)
        done = Event()

        def ask() -> None:
            while not done.is_set():
                answer = client.post("/v1/predict", json=asked)
                answers[answer.status_code, answer.json().get("model_version")] += 1

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask)
            try:
                for number, damage in enumerate(a_few(whole)):
                    folder = vouched(damaged(damage, whole.folder, tmp_path / str(number)))
                    promote(home, shutil.move(folder, home.bundles / f"bad{number}").name)
                    found = service.wait_until(lambda ready, name=f"bad{number}:": name in str(ready["problem"]))
                    assert (found["ready"], found["model_version"]) == (True, whole.id)
            finally:
                done.set()
            asking.result()
        again = whole_bundle(tmp_path / "again", remark="again").folder
        promote(home, shutil.move(again, home.bundles / again.name).name)
        service.wait_until(lambda ready: ready["model_version"] == again.name and ready["problem"] is None)
        assert service.log.read_text().count("Service remora initialized") == 1
    assert set(answers) == {(200, whole.id)}


def a_few(whole: Bundle) -> list[Damage]:
    """Of every kind, and those on which LightGBM aborts."""
    count = 20 if os.environ.get("REMORA_FAULTS") == "full" else 6
    abort = [Damage("abort", name, lambda folder, name=name: astray(folder / name)) for name in MODELS]
    others = [d for d in behind_right_hashes() if d.kind != "bit flip"]
    return [*abort[: count // 2], *others[:: len(others) // (count - count // 2)]][:count]


def astray(model: Path) -> None:
    """A child that leads out of its tree."""
    lines = model.read_text().splitlines(keepends=True)
    model.write_text("".join("left_child=999999 -1\n" if line.startswith("left_child=") else line for line in lines))
