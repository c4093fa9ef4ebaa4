"""What every section of a rule pack is made of: labels in two languages, numbers with their document, intervals."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Lang = Literal["en", "zh"]
Source = Literal["D1", "D2", "D3", "D4", "D5", "project default", "own"]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Percent = Annotated[float, Field(strict=True, ge=0, le=100)]
Text = Annotated[str, Field(min_length=1)]


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
