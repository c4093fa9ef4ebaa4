"""What the composite score learns from the population once: kept in the bundle, passed in, never refitted per batch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Basis = Literal["pack", "data", "pack and data"]


class FittedIndicator(BaseModel):
    """One indicator that has data.

    `low`, `high`: the values worth 0 and 1. `at_bound`: what a value is worth that equals both, where they coincide.
    `mean`: fills missing values. `winsor_low`, `winsor_high`: the limits inside which the mean was taken.
    `basis`: whose bounds these are. `currency_off`: the pack's bounds are money in another currency than the data's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    feature: str
    low: float
    high: float
    at_bound: float
    mean: float
    winsor_low: float | None = None
    winsor_high: float | None = None
    basis: Basis
    currency_off: bool = False


class FittedComposite(BaseModel):
    """The fitted values of the composite score: indicator → its values; `absent` are the indicators without data."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rules_version: str
    indicators: dict[str, FittedIndicator]
    absent: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "FittedComposite":
        """The inverse of `to_dict`."""
        return cls.model_validate(values)
