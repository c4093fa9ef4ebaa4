"""What every part of a manifest is: frozen, strict, without unknown fields, without inf and NaN."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
