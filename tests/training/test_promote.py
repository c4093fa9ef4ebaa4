"""From a registered version to the bundle that serves."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from features.settings import Settings
from models.bundle import Bundle, BundleError
from tests.company import MLFLOW, REASON, Trained
from training import registry
from training.gate import GateDecision
from training.promote import GateRefused, promote

MODEL = "value_amount.txt"
pytestmark = pytest.mark.filterwarnings(MLFLOW)

NUMBERS = (
    "ROC AUC over the recency rule: lower bound of the paired 90 % interval is -0.0400, must be above 0",
    "calibration error is 0.2000, must be at most 0.1 ([gate] max_calibration_error)",
)


@pytest.fixture
def record(trained: Trained, home_copy: Path) -> "Record":
    return Record(trained, home_copy)


class Record:
    """Versions of other bundles, as the gate might have judged them."""

    def __init__(self, trained: Trained, home: Path) -> None:
        self.trained, self.home = trained, home

    def add(self, *refusals: str, bundle: Bundle | None = None) -> registry.Version:
        decision = GateDecision(not refusals, refusals)
        candidate = dataclasses.replace(self.trained.candidate, decision=decision)
        candidate = dataclasses.replace(candidate, bundle=bundle) if bundle else candidate
        return registry.record(candidate, {}, Settings.model_construct(home=self.home))

    @property
    def pointer(self) -> str:
        return (self.home / "champion").read_text()


def other_bundle(trained: Trained) -> Bundle:
    """The draft of the training: the same models, another id."""
    draft = trained.candidate.bundle.folder.parent / "draft"
    found = Bundle.load(draft)
    assert found.id != trained.candidate.bundle.id
    return found


def test_what_the_gate_refused_is_not_promoted(record: Record) -> None:
    before, refused = record.pointer, record.add(*NUMBERS)
    with pytest.raises(GateRefused) as caught:
        promote(record.home)
    told = caught.value.problems
    assert told[:2] == tuple(f"version {refused.number} refused: {number}" for number in NUMBERS)
    assert len(told) == 3
    assert "--force" in told[2]
    assert record.pointer == before
    assert registry.version(record.home, "1").champion
    with pytest.raises(GateRefused):
        promote(record.home, force_reason="  ")


def test_a_reason_overrules_it_and_is_kept(record: Record) -> None:
    refused = record.add(*NUMBERS, bundle=other_bundle(record.trained))
    promote(record.home, refused.number, "the pilot needs one")
    assert registry.version(record.home, refused.number).champion
    assert _tags(record, refused)["promotion.forced"] == "the pilot needs one"
    assert record.pointer == refused.bundle_id + "\n"


def test_one_that_passed_needs_no_reason_and_keeps_none(record: Record) -> None:
    passed = record.add()
    assert promote(record.home, None, "not needed").number == passed.number
    assert "promotion.forced" not in _tags(record, passed)
    assert [v.number for v in registry.versions(record.home) if v.champion] == [passed.number]


def test_the_session_champion_was_forced(trained: Trained) -> None:
    if not trained.candidate.decision.passed:
        tags = registry._client(trained.home).get_model_version("remora", "1").tags
        assert tags["promotion.forced"] == REASON
    assert registry.version(trained.home, "1").champion
    assert (trained.home / "champion").read_text() == trained.candidate.bundle.id + "\n"
    Bundle.load(trained.home / "bundles" / trained.candidate.bundle.id).check_golden()


def test_the_pointer_is_replaced_in_one_step_and_may_go_back(record: Record) -> None:
    """The old file is never written to: who has it open reads the old name to the end."""
    newer = record.add(bundle=other_bundle(record.trained))
    pointer = record.home / "champion"
    with pointer.open() as still:
        inode = pointer.stat().st_ino
        promote(record.home)
        assert still.read().strip() == record.trained.candidate.bundle.id
    assert pointer.stat().st_ino != inode
    assert record.pointer.strip() == newer.bundle_id
    assert [file.name for file in record.home.iterdir() if file.name.startswith("champion")] == ["champion"]
    promote(record.home, "1", "the newer one was worse")
    assert record.pointer.strip() == record.trained.candidate.bundle.id
    assert registry.version(record.home, "1").champion


@pytest.mark.parametrize("damage", ["cut off", "rewritten"])
def test_a_damaged_bundle_is_not_promoted_and_the_old_one_stays(record: Record, damage: str) -> None:
    """Damaged where MLflow keeps it. The rewritten one has right hashes, and would abort the process that loads it."""
    bundle = other_bundle(record.trained)
    before, newer = record.pointer, record.add(bundle=bundle)
    kept = next(record.trained.home.glob(f"artifacts/{newer.run_id}/**/bundle"))
    text = (kept / MODEL).read_text()
    if damage == "cut off":
        (kept / MODEL).write_text(text[: len(text) // 2])
    else:
        _rewrite(kept, text.replace("split_feature=", "split_feature=999 "))
    with pytest.raises(BundleError, match="value_amount" if damage == "cut off" else "holds another bundle"):
        promote(record.home, newer.number)
    assert record.pointer == before
    assert registry.version(record.home, "1").champion
    assert not registry.version(record.home, newer.number).champion


def _rewrite(folder: Path, text: str) -> None:
    """The same bundle with another model, hashes and id made right."""
    from models.manifest import read_manifest, sha256

    manifest = read_manifest(folder)
    (folder / MODEL).write_text(text)
    hashes = {**manifest.sha256, MODEL: sha256(folder / MODEL)}
    whole = manifest.model_copy(update={"sha256": hashes}).with_id()
    (folder / "manifest.json").write_text(whole.to_json())


def test_promoting_again_mends_a_damaged_local_copy(record: Record) -> None:
    """It is what every message about a damaged bundle says to do."""
    local = record.home / "bundles" / record.trained.candidate.bundle.id
    (local / MODEL).write_text("tree\n")
    (local / "stray").touch()
    promote(record.home, "1", "again")
    Bundle.load(local).check_golden()
    assert [file.name for file in local.parent.iterdir() if not file.name.startswith(".")] == [local.name]


def test_two_downloads_at_once_leave_one_whole_bundle(trained: Trained, tmp_path: Path) -> None:
    chosen = registry.version(trained.home, "1")
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: registry.download(trained.home, chosen, tmp_path / "bundles"), range(3)))
    assert len(set(found)) == 1
    Bundle.load(found[0])
    assert json.loads((found[0] / "manifest.json").read_text())["id"] == chosen.bundle_id


def test_with_nothing_registered_it_says_what_to_do(trained: Trained, home_copy: Path) -> None:
    client = registry._client(home_copy)
    client.delete_model_version("remora", "1")
    with pytest.raises(registry.RegistryError, match="no version is registered; run `remora train DATA` first"):
        promote(home_copy)


def _tags(record: Record, version: registry.Version) -> dict[str, str]:
    tags: dict[str, str] = registry._client(record.home).get_model_version("remora", version.number).tags
    return tags
