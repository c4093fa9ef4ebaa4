"""The output contract: one row per customer known before `as_of`, shared by scoring, store, API and monitoring."""

import datetime as dt

import polars as pl
from pydantic import BaseModel, ConfigDict, Field


class Reason(BaseModel):
    """One driver of a prediction, in plain words.

    `size` is the share of the row's total absolute contribution (0..1); `direction` is "raises" or "lowers" the
    risk. For rows that rest on the rules, `size` is the share of the points lost or won.
    """

    model_config = ConfigDict(frozen=True)
    feature: str
    direction: str
    size: float
    text: str


class Prediction(BaseModel):
    """What Remora says about one customer as of a date. Probabilities are 0..1, money is in the data's currency."""

    model_config = ConfigDict(frozen=True)
    customer_id: str
    as_of: dt.datetime
    at_stake: bool
    churn_probability: float | None = Field(None, ge=0, le=1)
    churn_horizon_days: int
    risk_band: str | None = None
    expected_value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    value_if_retained: float | None = None
    value_horizon_days: int
    value_at_risk: float | None = None
    composite_score: float | None = Field(None, ge=0, le=100)
    composite_coverage: float | None = Field(None, ge=0, le=1)
    tier: str | None = None
    segments: list[str] = []
    alerts: list[str] = []
    reasons: list[Reason] = []
    playbook: str | None = None
    basis: str
    model_version: str
    rules_version: str
    scored_at: dt.datetime


TIME = pl.Datetime("us", "UTC")

REASON = pl.Struct({"feature": pl.String, "direction": pl.String, "size": pl.Float64, "text": pl.String})

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "as_of": TIME,
    "at_stake": pl.Boolean,
    "churn_probability": pl.Float64,
    "churn_horizon_days": pl.Int32,
    "risk_band": pl.String,
    "expected_value": pl.Float64,
    "value_low": pl.Float64,
    "value_high": pl.Float64,
    "value_if_retained": pl.Float64,
    "value_horizon_days": pl.Int32,
    "value_at_risk": pl.Float64,
    "composite_score": pl.Float64,
    "composite_coverage": pl.Float64,
    "tier": pl.String,
    "segments": pl.List(pl.String),
    "alerts": pl.List(pl.String),
    "reasons": pl.List(REASON),
    "playbook": pl.String,
    "basis": pl.String,
    "model_version": pl.String,
    "rules_version": pl.String,
    "scored_at": TIME,
}
"""Column → Polars type of `scores.parquet`, in order; the same names as `Prediction`."""
