"""The composite score of RULES §1 in the pack: dimensions, indicators, tiers, and bands of risk."""

from typing import Literal, Self

from pydantic import Field, StrictBool, model_validator

from models.rules.schema.entries import Interval, Label, Number, Part, Percent, Real, Sourced, Text

Method = Literal["dimension", "points"]


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
