"""The rule pack: the schema of `pack.toml` and how to load it."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, model_validator

from features.errors import RemoraError, raise_all
from models.rules.checks import cross_checks

DEFAULT_PACK = Path(__file__).with_name("pack.toml")

Lang = Literal["en", "zh"]
Method = Literal["dimension", "points"]
Source = Literal["D1", "D2", "D3", "D4", "D5", "project default"]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, ge=0, le=100)]
Text = Annotated[str, Field(min_length=1)]


class PackError(RemoraError):
    """The rule pack breaks its schema; each problem names the path inside the file."""


class Part(BaseModel):
    """A table of the pack: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(Part):
    """A part that says which document its numbers come from."""

    source: Source = Field(alias="from")


class Label(Part):
    """What a person sees, in Chinese and English."""

    zh: Text
    en: Text

    def text(self, lang: Lang) -> str:
        """The label in `lang`."""
        return self.zh if lang == "zh" else self.en


class Number(Sourced):
    """One number and its document."""

    value: Real


class Interval(Sourced):
    """From `low` to `high`; an end left out is open."""

    low: Real | None = None
    high: Real | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class Bounds(Interval):
    """The values worth 0 and 1; an end left out is fitted. With `currency`, used only for data in that currency."""

    currency: Text | None = None


class Percentiles(Sourced):
    """Two percentiles, 0 to 100."""

    low: Percent
    high: Percent


class Band(Sourced):
    """A target size: 1 from `low` to `high`, falling linearly to 0 at `zero_below` and `zero_above`."""

    features: tuple[Text, ...]
    low: Real
    high: Real
    zero_below: Real
    zero_above: Real

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.zero_below < self.low <= self.high < self.zero_above:
            raise ValueError("expected zero_below < low ≤ high < zero_above")
        return self


class Dimension(Part):
    label: Label
    share: Number


class Indicator(Part):
    """One measured thing: where it is read, how it is cleaned and standardised, what it weighs."""

    enabled: StrictBool = True
    label: Label
    dimension: Text
    weight: Number
    features: tuple[Text, ...] = Field(min_length=1)
    direction: Literal["higher", "lower", "band"]
    shown_as: Literal["money", "days", "count", "percent", "number"] = "number"
    bounds: Bounds | None = None
    possible: Interval | None = None
    winsorise: Percentiles | None = None
    band: Band | None = None

    @model_validator(mode="after")
    def _band_given(self) -> Self:
        if (self.direction == "band") != (self.band is not None):
            raise ValueError('direction "band" and a [band] table go together')
        if self.weight.value <= 0:
            raise ValueError("weight must be above 0; set enabled = false to leave an indicator out")
        return self


class Tier(Sourced):
    """A tier of the composite score and what to do with its customers."""

    label: Label
    score: Interval
    trait: Label
    strategy: Label
    owner: Label
    cadence: Label


class Composite(Part):
    """RULES §1."""

    method: Method
    label: Label
    minimum_coverage: Number
    lower_percentile: Number
    upper_percentile: Number
    unknown: Label
    dimensions: dict[str, Dimension]
    indicators: dict[str, Indicator]
    tiers: dict[str, Tier] = Field(min_length=1)

    @property
    def enabled(self) -> dict[str, Indicator]:
        """The indicators that count, in the order of the file."""
        return {name: indicator for name, indicator in self.indicators.items() if indicator.enabled}


class RiskBand(Part):
    """A band of churn probability, from `times_base_rate` × the churn rate in training."""

    label: Label
    times_base_rate: Number


class RulePack(Part):
    """Every number of the documented rules."""

    format: Literal[1]
    version: Text
    composite: Composite
    risk_bands: dict[str, RiskBand] = Field(min_length=1)

    @property
    def rules_version(self) -> str:
        """The pack's version and a hash of its content (comments and layout do not count): "2026.1+ab12cd34"."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.version}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def using(self, method: Method) -> "RulePack":
        """The same pack scored by the other `method`."""
        return self.model_copy(update={"composite": self.composite.model_copy(update={"method": method})})


def load_pack(path: Path | None = None) -> RulePack:
    """Read and check the pack at `path` (default: the one that ships with Remora).

    Raises PackError with all problems at once, each naming the path inside the file.
    """
    file = path or DEFAULT_PACK
    place = str(path) if path else file.name
    raw = _read(file, place)
    problems = [*cross_checks(raw)]
    try:
        pack = RulePack.model_validate(raw)
    except ValidationError as error:
        problems = [*map(_problem, error.errors()), *problems]
    raise_all(PackError, [f"{place}: {problem}" for problem in problems])
    return pack


def _read(file: Path, place: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackError(f"{place}: cannot be read ({error.strerror}); name an existing rule pack") from None
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise PackError(f"{place}: not valid TOML: {error}") from None


def _problem(error: Any) -> str:
    path = ".".join(map(str, error["loc"]))
    message = error["msg"].removeprefix("Value error, ")
    plain = {"extra_forbidden": "unknown key; remove or correct it", "missing": "missing; add it"}
    return f"{path}: {plain.get(error['type'], message)}"
