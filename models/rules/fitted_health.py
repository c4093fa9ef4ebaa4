"""What the health score learns from the population once: kept in the bundle, passed in, never refitted per batch."""

from pydantic import BaseModel, ConfigDict


class FittedHealth(BaseModel):
    """The edges between quintiles 1..5 (four each, rising): days since the last order, orders and spend of 365 days.

    Empty where nobody has ordered.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    rules_version: str
    recency: tuple[float, ...] = ()
    frequency: tuple[float, ...] = ()
    monetary: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain JSON types."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> "FittedHealth":
        """The inverse of `to_dict`."""
        return cls.model_validate(values)
