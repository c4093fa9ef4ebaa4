"""Six hundred ways in which a bundle may be damaged: seeded, three hundred of them vouched for by a new manifest."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, cycle, islice, permutations
from pathlib import Path
from typing import Any

import numpy as np

from features.clock import micros
from models.bundle import Bundle, write_bundle
from models.manifest import Manifest
from models.rules.apply import FittedRules
from models.rules.pack import DEFAULT_PACK, load_pack
from tests.curve_bundle import curve_text, curved_parts
from tests.small_bundle import AS_OF, customers, rehash, texts, with_ids

MODELS = (
    "churn.txt",
    "churn_curve.txt",
    *(f"value_{name}.txt" for name in ("amount", "any", "high", "low", "retained")),
)
FILES = (*MODELS, "golden.json", "manifest.json", "pack.toml", "reference.parquet")


@dataclass(frozen=True)
class Damage:
    kind: str
    what: str
    do: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


def whole_bundle(bundles: Path, **metrics: object) -> Bundle:
    """A bundle of seven Boosters with a fitted rule pack, in a folder named by its id as promotion names it."""
    churn, values = texts()
    rules = FittedRules.fit(with_ids(), load_pack(), micros(AS_OF), "GBP", None, ()).model_dump(mode="json")
    parts = curved_parts().model_copy(update={"fitted": rules, "metrics": metrics})
    made = write_bundle(
        bundles / "made", parts, churn=churn, value=values, curve=curve_text(), reference=customers().head(200),
        pack=DEFAULT_PACK.read_text(encoding="utf-8"), created_at=AS_OF,
    )  # fmt: skip
    return Bundle.load(made.folder.rename(bundles / made.id))


def damaged(damage: Damage, whole: Path, bundles: Path) -> Path:
    """A copy of `whole` under its own name in another folder, damaged."""
    folder = Path(shutil.copytree(whole, bundles / whole.name))
    damage.do(folder)
    return folder


def vouched(folder: Path) -> Path:
    """The damaged bundle with every hash, the id, the seal and its own name made right, as a faulty writer would."""
    rehash(folder)
    manifest = Manifest.model_validate_json((folder / "manifest.json").read_text())
    return folder.rename(folder.parent / manifest.id)


def plain(whole: Path) -> list[Damage]:
    """300 that the manifest as it was tells."""
    rng = np.random.default_rng(1)
    lost = [Damage("file", f"{name} is gone", lambda folder, name=name: (folder / name).unlink()) for name in FILES[:8]]
    more = Damage("file", "one too many", lambda folder: (folder / "more.txt").touch())
    return [
        *(truncated(name, percent) for percent, name in zip(range(100), cycle(FILES), strict=False)),
        *(flipped(str(rng.choice(FILES)), rng) for _ in range(100)),
        *(wrong_hash(whole, rng) for _ in range(40)),
        *islice(feature_lists(), 30),
        *(swapped(*pair) for pair in combinations(MODELS, 2)),
        *lost,
        more,
    ]


def behind_right_hashes() -> list[Damage]:
    """300 for `vouched`: only what the models do, and what golden.json records, can tell."""
    rng = np.random.default_rng(2)
    return [
        *(truncated(name, percent) for percent, name in zip(range(100), cycle(MODELS), strict=False)),
        *(flipped(MODELS[number % 7], rng) for number in range(100)),
        *islice(feature_lists(), 37),
        *(swapped(*pair) for pair in combinations(MODELS, 2)),
        *(replaced(*pair) for pair in permutations(MODELS, 2)),
    ]


def truncated(name: str, percent: int) -> Damage:
    def do(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) * percent // 100])

    return Damage("truncated", f"{name} at {percent} %", do)


def flipped(name: str, rng: np.random.Generator) -> Damage:
    """One bit of a file; of a model, one of its trees (its parameters after them say only how it was fitted)."""
    share, bit = rng.random(), int(rng.integers(8))

    def do(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        end = content.find(b"end of trees") if name in MODELS else len(content)
        content[int(share * end)] ^= 1 << bit
        (folder / name).write_bytes(content)

    return Damage("bit flip", f"{name}, bit {bit} at {share:.6f}", do)


def wrong_hash(whole: Path, rng: np.random.Generator) -> Damage:
    name, place = str(rng.choice([name for name in FILES if name != "manifest.json"])), int(rng.integers(64))

    def change(manifest: dict[str, Any]) -> None:
        digits = list(manifest["sha256"][name])
        digits[place] = "0" if digits[place] != "0" else "1"
        manifest["sha256"][name] = "".join(digits)

    return Damage("wrong hash", f"{name}, digit {place}", rewriting(change))


def feature_lists() -> Iterator[Damage]:
    """37 manifests whose features are in another order, of other names, levels or kinds, too few or too many."""

    def told(what: str, change: Callable[[list[dict[str, Any]]], object]) -> Damage:
        return Damage("feature list", what, rewriting(lambda manifest: change(manifest["features"])))

    for i, j in combinations(range(6), 2):
        yield told(f"{i} and {j} swapped", lambda of, i=i, j=j: of.insert(j, of.pop(i)))
    for i in range(6):
        yield told(f"{i} renamed", lambda of, i=i: of[i].update(name="another"))
        yield told(f"{i} dropped", lambda of, i=i: of.pop(i))
    for levels in list(permutations(("France", "Germany", "Spain")))[1:]:
        yield told(f"levels {levels}", lambda of, levels=levels: of[5].update(levels=list(levels)))
    for i in range(5):
        yield told(f"{i} a category", lambda of, i=i: of[i].update(kind="category", levels=["France"]))


def swapped(one: str, other: str) -> Damage:
    def do(folder: Path) -> None:
        content = (folder / one).read_bytes()
        (folder / one).write_bytes((folder / other).read_bytes())
        (folder / other).write_bytes(content)

    return Damage("Boosters swapped", f"{one} and {other}", do)


def replaced(one: str, other: str) -> Damage:
    return Damage(
        "Booster replaced", f"{one} by {other}", lambda folder: shutil.copy(folder / other, folder / one) and None
    )


def rewriting(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))

    return do
