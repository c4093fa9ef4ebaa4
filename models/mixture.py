"""What a churn model is made of, as kept in the manifest."""

from typing import Literal, Self

from pydantic import Field, model_validator

from models.linear import Linear
from models.part import Part

Kind = Literal["trees", "linear", "bg_nbd", "blend"]


class Mixture(Part):
    """What the raw log-odds are made of; `why` says in one sentence how it was chosen."""

    kind: Kind = "trees"
    trees_weight: float = Field(1.0, ge=0)
    linear_weight: float = Field(0.0, ge=0)
    linear: Linear | None = None
    why: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.linear is None) != (self.linear_weight == 0):
            raise ValueError("a linear predictor and its weight belong together")
        if self.trees_weight == self.linear_weight == 0:
            raise ValueError("a model of nothing: both weights are 0")
        return self
