"""What a bundle says about itself: `manifest.json`, as strict models."""

import datetime as dt
import hashlib
import json
import re
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from features.errors import RemoraError, raise_all
from models.calibration import Calibration
from models.churn_curve import ChurnCurve
from models.derived import Rhythm
from models.mixture import Mixture
from models.part import Part
from models.value_model import ValueMixture
from models.value_range import ValueRange

SCHEMA: Final = 4
"""The layout this version reads and writes."""
GOLDEN: Final = "golden.json"
NAME: Final = re.compile(r"\w[\w.+-]*")
"""What a bundle's folder may be called."""
ID: Final = re.compile(r"\d{4}-\d{2}-\d{2}\.[0-9a-f]{8}")
"""A folder of such a name holds the bundle of this id and no other: what was put there later is refused."""
REMEDY: Final = "promote the version again, or train a new one"


class BundleError(RemoraError):
    """A bundle is damaged, of another schema, or does not fit the data it is given."""


class ChurnPart(Part):
    """The churn model: what was predicted, over which horizon, by what; base_rate is that of its training rows."""

    definition: Literal["no_purchase", "cancelled", "inactive", "labelled"]
    horizon_days: int = Field(ge=1)
    active_within_days: int = Field(ge=1)
    grace_days: int = Field(ge=0)
    base_rate: float = Field(gt=0, lt=1)
    mixture: Mixture = Mixture()
    calibration: Calibration = Calibration()


class ValuePart(Part):
    """The value model: what is counted over which horizon, in the data's currency, and what predicts it."""

    source: Literal["transactions", "subscriptions", "both", "labels"]
    measure: Literal["revenue", "margin"]
    horizon_days: int = Field(ge=1)
    annual_discount_rate: float = Field(0.0, ge=0)
    mixture: ValueMixture = ValueMixture()
    range: ValueRange


class FeatureColumn(Part):
    """One column of the matrix. A category's code is the index of its level; unknown and missing are NaN."""

    name: str
    kind: Literal["number", "category"] = "number"
    levels: tuple[str, ...] = Field((), strict=False)


class ManifestParts(Part):
    """What training says about the models it hands over; the rest of the manifest follows from the files."""

    as_of: dt.datetime = Field(strict=False)
    churn: ChurnPart
    value: ValuePart | None = None
    features: tuple[FeatureColumn, ...] = Field(min_length=1, strict=False)
    rhythm: Rhythm | None = None
    curve: ChurnCurve | None = None
    dtype: Literal["float32"] = "float32"
    fitted: dict[str, Any] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len({feature.name for feature in self.features}) < len(self.features):
            raise ValueError("features: a name occurs twice")
        return self


class Manifest(ManifestParts):
    """The whole of `manifest.json`.

    `id` is the training date and a hash of what the models are: the same training gives the same id. `seal` is the
    sha256 of everything else in the file.
    """

    schema_version: Literal[4] = Field(SCHEMA, alias="schema")
    id: str
    created_at: dt.datetime = Field(strict=False)
    sha256: dict[str, str]
    seal: str = ""

    @property
    def names(self) -> list[str]:
        """Features in the order of the matrix."""
        return [feature.name for feature in self.features]

    def content_id(self) -> str:
        """The id that belongs to this content."""
        return f"{self.as_of:%Y-%m-%d}.{self._digest('id', 'created_at', 'seal')[:8]}"

    def with_id(self) -> "Manifest":
        """The same, named by its content and sealed."""
        named = self.model_copy(update={"id": self.content_id()})
        return named.model_copy(update={"seal": named._digest("seal")})

    def made_of(self) -> dict[str, str]:
        """The sha256 of every file: of golden.json, which records them, none; of this one what training said."""
        files = {name: digest for name, digest in self.sha256.items() if name != GOLDEN}
        return files | {"manifest.json": self._digest("id", "created_at", "sha256", "seal")}

    def _digest(self, *without: str) -> str:
        content = self.model_dump(mode="json", by_alias=True, exclude=set(without))
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"


def read_manifest(folder: Path) -> Manifest:
    """The manifest of `folder`; raises BundleError when it is absent, of another schema, or changed since.

    Where the folder is named by an id, as promotion names it, the id must be this manifest's: a manifest that was
    rewritten to vouch for other content is then refused, however well it vouches.
    """
    file = folder / "manifest.json"
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text).get("schema")
    except FileNotFoundError:
        raise BundleError(f"bundle {folder}: manifest.json is missing; {REMEDY}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise BundleError(f"bundle {folder}: manifest.json is not readable: {error}; {REMEDY}") from None
    if found != SCHEMA:
        raise BundleError(f"bundle {folder}: schema {found!r}, this version of Remora reads {SCHEMA}; train again")
    return _validated(folder, text)


def _validated(folder: Path, text: str) -> Manifest:
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        places = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BundleError(*(f"bundle {folder}: manifest.json: {place}; {REMEDY}" for place in places)) from None
    if text != manifest.with_id().to_json():
        raise BundleError(f"bundle {folder}: manifest.json was changed after it was written; {REMEDY}")
    if ID.fullmatch(folder.name) and folder.name != manifest.id:
        raise BundleError(f"bundle {folder}: holds another bundle, {manifest.id}; {REMEDY}")
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Raise BundleError naming every file of `folder` that is missing, damaged or not in `manifest`."""
    there = {file.name for file in folder.iterdir()} - {"manifest.json"}
    problems = [f"{name} is not in the manifest; remove it" for name in sorted(there - set(manifest.sha256))]
    for name, expected in manifest.sha256.items():
        if name not in there:
            problems.append(f"{name} is missing; {REMEDY}")
        elif not (folder / name).is_file() or sha256(folder / name) != expected:
            problems.append(f"{name} is damaged (its sha256 differs from the manifest's); {REMEDY}")
    raise_all(BundleError, [f"bundle {folder}: {problem}" for problem in problems])


def sha256(file: Path) -> str:
    """The hash of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
