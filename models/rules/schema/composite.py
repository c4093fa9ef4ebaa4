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


class Days(Sourced):
    """A length of time in days, above 0."""

    value: Real = Field(gt=0)


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


class When(Sourced):
    """The customers meant: whose `column` is one of `is_in` (text), or lies from `low` to `high` (a number)."""

    column: Text
    is_in: tuple[Text, ...] | None = Field(default=None, alias="in", min_length=1)
    low: Real | None = None
    high: Real | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.is_in is None) == (self.low is None and self.high is None):
            raise ValueError("say either `in` (texts) or `low` and `high` (numbers)")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class Profile(Part):
    """Shares and weights of one business or segment; what it does not name stays as it is for everyone (D2)."""

    enabled: StrictBool = True
    label: Label
    when: When
    shares: dict[str, Number] = Field(default_factory=dict)
    weights: dict[str, Number] = Field(default_factory=dict)


class Tier(Sourced):
    """A tier of the composite score and what to do with its customers.

    `role` and `cadence_days` say for machines what `owner` and `cadence` say for people. `plan_days`: a plan is due
    this long after the first follow-up. `expects`: dimension → the values (0..1) that the tier's trait speaks of.
    """

    label: Label
    score: Interval
    trait: Label
    strategy: Label
    role: Text
    owner: Label
    cadence: Label
    cadence_days: Days
    plan_days: Days | None = None
    expects: dict[str, Interval] = Field(default_factory=dict)


class Composite(Part):
    """RULES §1. `core_features`: the parts of the product whose use is depth; empty: the popular ones, as fitted."""

    method: Method
    label: Label
    minimum_coverage: Number
    lower_percentile: Number
    upper_percentile: Number
    consistency_limit: Number
    cadence_at_risk: Number
    core_features: tuple[Text, ...] = ()
    unknown: Label
    departs: Label
    departs_low: Label
    departs_high: Label
    dimensions: dict[str, Dimension]
    indicators: dict[str, Indicator]
    profiles: dict[str, Profile] = Field(default_factory=dict)
    tiers: dict[str, Tier] = Field(min_length=1)

    @property
    def enabled(self) -> dict[str, Indicator]:
        """The indicators that count, in the order of the file."""
        return {name: indicator for name, indicator in self.indicators.items() if indicator.enabled}

    @property
    def active_profiles(self) -> dict[str, Profile]:
        """The weight profiles that are switched on, in the order of the file: the first that fits a customer counts."""
        return {name: profile for name, profile in self.profiles.items() if profile.enabled}

    def weighted(self, profile: str | None) -> "Composite":
        """The same with the shares and weights of `profile`; itself for None."""
        if profile is None:
            return self
        given = self.profiles[profile]
        shares = {name: {"share": share} for name, share in given.shares.items()}
        weights = {name: {"weight": weight} for name, weight in given.weights.items()}
        return self.model_copy(
            update={
                "dimensions": {k: d.model_copy(update=shares.get(k, {})) for k, d in self.dimensions.items()},
                "indicators": {k: i.model_copy(update=weights.get(k, {})) for k, i in self.indicators.items()},
            }
        )


class RiskBand(Part):
    """A band of churn probability, from `times_base_odds` × the odds of the churn rate in training."""

    label: Label
    times_base_odds: Number
