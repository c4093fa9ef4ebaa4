"""A bundle: one immutable, hash-checked folder that holds everything needed to predict, and predicting with it.

manifest.json        what the models are, feature order, calibration, sha256 of every other file
churn.txt            LightGBM, log-odds of churn; absent where a linear predictor serves alone
value_*.txt          LightGBM, one file for each name of `ValueMixture.boosters`; absent where there is no value data
pack.toml            the rule pack
reference.parquet    a sample of the training features and predictions, for monitoring
churn_curve.txt      LightGBM, log-odds of the event in an interval; absent where there is no curve
card.md              the model card, where training wrote one
golden.json          rows with the predictions they must give, and what all else was when written, see `models.golden`
"""

import datetime as dt
import hashlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from features.errors import raise_all
from models.booster import Booster, BoosterError
from models.churn_curve import CurveModel
from models.churn_model import ChurnModel
from models.consistent import retained
from models.design import Cell, Design
from models.golden import golden, golden_problem
from models.manifest import (
    GOLDEN,
    REMEDY,
    SCHEMA,
    BundleError,
    Manifest,
    ManifestParts,
    read_manifest,
    verify_files,
)
from models.matrix import Float32
from models.predicted import Float64, Predicted
from models.tree_text import check_trees
from models.value_model import expected
from models.value_range import value_range

if TYPE_CHECKING:
    import polars as pl  # half of the time that a trial takes would go into its import

__all__ = ["Bundle", "BundleError", "ManifestParts", "Predicted", "write_bundle"]

CHURN: Final = "churn.txt"
CARD: Final = "card.md"
CURVE: Final = "churn_curve.txt"


@dataclass(frozen=True)
class Bundle:
    """A verified bundle. May be used by several threads at once."""

    folder: Path
    manifest: Manifest
    churn: ChurnModel
    value: Mapping[str, Booster]
    curve: CurveModel | None

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Verify every file of `folder` against the manifest, then read the models.

        Raises BundleError naming each file that is missing, damaged or not listed, and what to do.
        """
        manifest = read_manifest(folder)
        verify_files(folder, manifest)
        return cls._read(folder, manifest)

    @classmethod
    def _read(cls, folder: Path, manifest: Manifest) -> "Bundle":
        part, design = manifest.churn, Design(manifest.features, manifest.rhythm)
        try:
            trees = Booster.from_file(folder / CHURN) if part.mixture.trees_weight else None
            hazard = Booster.from_file(folder / CURVE) if manifest.curve else None
            value = {name: Booster.from_file(folder / value_file(name)) for name in _value_names(manifest)}
        except BoosterError as error:
            raise BundleError(*(f"bundle {folder}: {problem}" for problem in error.problems)) from None
        churn = ChurnModel(part.mixture, part.calibration, trees, design.names)
        curve = CurveModel(manifest.curve, hazard) if manifest.curve and hazard else None
        bundle = cls(folder, manifest, churn, value, curve)
        bundle._check_widths()
        return bundle

    @property
    def id(self) -> str:
        """The name of this version, e.g. "2011-06-30.ab12cd34"."""
        return self.manifest.id

    @cached_property
    def pack_text(self) -> str:
        """The rule pack (TOML) that was fitted with these models."""
        return (self.folder / "pack.toml").read_text(encoding="utf-8")

    def reference(self) -> "pl.DataFrame":
        """The sample of training features and predictions."""
        import polars as pl

        return pl.read_parquet(self.folder / "reference.parquet")

    @cached_property
    def design(self) -> Design:
        """How features become rows of the matrix."""
        return Design(self.manifest.features, self.manifest.rhythm)

    def matrix(self, frame: "pl.DataFrame") -> Float32:
        """The matrix of `frame`, see `Design.matrix`; raises BundleError naming every column that does not fit."""
        return self.design.matrix(frame)

    def rows(self, customers: Sequence[Mapping[str, Cell]]) -> Float32:
        """The matrix of the few customers of one request, see `Design.rows`."""
        return self.design.rows(customers)

    def predict(self, matrix: Float32, threads: int = 0) -> Predicted:
        """Everything the models say about each row of `matrix`."""
        churn = self.churn.probability(matrix, threads)
        told = self._curve(matrix, churn, threads)
        part = self.manifest.value
        if part is None:
            return told
        said = {name: _run(booster, matrix, threads) for name, booster in self.value.items()}
        if linear := part.mixture.linear:
            said["linear"] = linear.predict_raw(matrix, self.design.names)
        worth = expected(part.mixture, said, self.design.column(matrix, part.mixture.column))
        low, high = value_range(said["low"], said["high"], part.range)
        return told._replace(
            expected_value=worth,
            value_low=low,
            value_high=high,
            value_if_retained=retained(churn, worth, said["retained"]),
        )

    def _curve(self, matrix: Float32, churn: Float64, threads: int) -> Predicted:
        """The probabilities `churn`, and those of the other horizons where the bundle has a curve."""
        if self.curve is None:
            return Predicted(churn)
        told = self.curve.probabilities(matrix, churn, threads)
        return Predicted(churn, churn_curve=told, expected_days=self.curve.fitted.expected_days(told))

    def check_golden(self) -> None:
        """Predict the golden rows; raises BundleError where a prediction or a file is not the one recorded."""
        if problem := golden_problem(self):
            raise BundleError(f"bundle {self.folder}: golden rows: {problem}; {REMEDY}")

    def check_trees(self) -> None:
        """Read the trees of every Booster; raises BundleError naming each file that is not sound."""
        problems = []
        for file in self.trees:
            try:
                check_trees((self.folder / file).read_text(encoding="utf-8"))
            except BoosterError as error:
                problems.append(f"bundle {self.folder}: {file}: {error}; {REMEDY}")
        raise_all(BundleError, problems)

    @cached_property
    def trees(self) -> dict[str, Booster]:
        """Every Booster, by the name of its file."""
        named = {CHURN: self.churn.trees, CURVE: self.curve and self.curve.trees}
        values = {value_file(name): booster for name, booster in self.value.items()}
        return {name: booster for name, booster in named.items() if booster} | values

    def _check_widths(self) -> None:
        width = len(self.design.names)
        for file, booster in self.trees.items():
            takes = width + 1 if file == CURVE else width
            if booster.num_features != takes:
                raise BundleError(
                    f"bundle {self.folder}: {file} takes {booster.num_features} features, "
                    f"the manifest makes {takes}; {REMEDY}"
                )


def _run(booster: Booster, matrix: Float32, threads: int) -> Float64:
    """One row takes the single-row path: a third of the time, the same result."""
    return np.array([booster.predict_one(matrix)]) if len(matrix) == 1 else booster.predict(matrix, threads)


def write_bundle(
    folder: Path,
    parts: ManifestParts,
    *,
    churn: str | None,
    value: Mapping[str, str],
    pack: str,
    reference: "pl.DataFrame",
    created_at: dt.datetime,
    card: str = "",
    curve: str | None = None,
) -> Bundle:
    """Write a bundle to `folder` (which must not exist) and return it loaded.

    `churn`, `curve` and `value` (name of `ValueMixture.boosters` → text) are LightGBM models. `reference` holds all
    features and may hold more; some of its rows become the golden rows. The folder appears whole or not at all: it is
    written beside and renamed.
    """
    if set(value) != set(_value_names(parts)) or _odd(churn, curve, parts):
        raise BundleError("the models are not those that the manifest names: give exactly these")
    if folder.exists():
        raise BundleError(f"bundle {folder}: exists already; bundles are never changed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        texts = _texts(churn, value, pack, {CARD: card, CURVE: curve or ""})
        _fill(beside, parts, created_at, reference, texts | {"reference.parquet": _parquet(reference)})
        beside.chmod(0o755)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return Bundle.load(folder)


def _odd(churn: str | None, curve: str | None, parts: ManifestParts) -> bool:
    """Whether the trees of churn or of its curve are there unasked by the manifest, or not there though it asks."""
    return bool(churn) != bool(parts.churn.mixture.trees_weight) or bool(curve) != bool(parts.curve)


def value_file(name: str) -> str:
    """The file of a value Booster, one of `ValueMixture.boosters`."""
    return f"value_{name}.txt"


def _value_names(parts: ManifestParts) -> tuple[str, ...]:
    return parts.value.mixture.boosters if parts.value else ()


def _texts(churn: str | None, value: Mapping[str, str], pack: str, more: Mapping[str, str]) -> dict[str, bytes]:
    """File name → content."""
    models = {CHURN: churn or "", **{value_file(name): text for name, text in value.items()}}
    return {"pack.toml": pack.encode(), **{name: text.encode() for name, text in {**models, **more}.items() if text}}


def _parquet(frame: "pl.DataFrame") -> bytes:
    frame.write_parquet(content := io.BytesIO())
    return content.getvalue()


def _fill(
    folder: Path, parts: ManifestParts, created_at: dt.datetime, reference: "pl.DataFrame", files: dict[str, bytes]
) -> None:
    """Every hash is of what is to be written: what the disk makes of it is then found out."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    draft = Manifest(**parts.model_dump(), schema=SCHEMA, id="", created_at=created_at, sha256=hashes)
    draft = Manifest.model_validate_json(draft.to_json())  # what a reader will see
    bundle = Bundle._read(folder, draft)
    bundle.check_trees()
    told = golden(bundle, reference).encode()
    (folder / GOLDEN).write_bytes(told)
    hashes[GOLDEN] = hashlib.sha256(told).hexdigest()
    whole = draft.model_copy(update={"sha256": hashes}).with_id()
    (folder / "manifest.json").write_text(whole.to_json(), encoding="utf-8")
    verify_files(folder, read_manifest(folder))
