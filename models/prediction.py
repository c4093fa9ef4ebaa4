"""The output contract: one row per customer known before `as_of`, shared by scoring, store, API and monitoring."""

import datetime as dt

import polars as pl
from pydantic import BaseModel, ConfigDict, Field


class Reason(BaseModel):
    """One driver of a prediction, in plain words.

    `size` is the share of the row's total absolute contribution (0..1); `direction` is "raises" or "lowers" the
    risk. For rows that rest on the rules, `size` is the share of the points lost or won. `value` is the feature's
    number, `level` its category; both null where it is not known.
    """

    model_config = ConfigDict(frozen=True)
    feature: str
    direction: str
    size: float
    text: str
    value: float | None = None
    level: str | None = None


class Points(BaseModel):
    """One indicator of the composite score: `weight` is the most it can earn, `points` = weight · standardised.

    `standardised` is 0..1, high is good; where `value` is null, `filled` (the mean that was fitted) stands in for it.
    """

    model_config = ConfigDict(frozen=True)
    indicator: str
    feature: str
    value: float | None = None
    filled: float | None = None
    standardised: float
    weight: float
    points: float


class CurvePoint(BaseModel):
    """One point of the churn curve: the probability (0..1) of having churned over `days` from the as-of date."""

    model_config = ConfigDict(frozen=True)
    days: int = Field(ge=1)
    probability: float = Field(ge=0, le=1)


class Prediction(BaseModel):
    """What Remora says about one customer as of a date. Probabilities are 0..1, money is in the data's currency.

    `churn_curve` rises with the days where churning is leaving, and falls where it is buying or using nothing;
    `expected_days` are those until the customer leaves, or returns, counted up to the curve's last edge within
    `models.churn_curve.RESTRICTED_DAYS`. `expected_profit` is that of acting, see `models.action`. All three are null
    where the customer is not at stake, or the bundle has no curve, or acting has no price.
    """

    model_config = ConfigDict(frozen=True)
    customer_id: str
    as_of: dt.datetime
    at_stake: bool
    churn_probability: float | None = Field(None, ge=0, le=1)
    churn_horizon_days: int
    risk_band: str | None = None
    churn_curve: list[CurvePoint] | None = None
    expected_days: float | None = Field(None, ge=0)
    expected_value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    value_if_retained: float | None = None
    value_horizon_days: int
    value_at_risk: float | None = None
    expected_profit: float | None = None
    composite_score: float | None = Field(None, ge=0, le=100)
    composite_coverage: float | None = Field(None, ge=0, le=1)
    points: list[Points] = []
    tier: str | None = None
    health_score: float | None = Field(None, ge=0, le=100)
    health_basis: str | None = None
    segments: list[str] = []
    alerts: list[str] = []
    reasons: list[Reason] = []
    playbook: str | None = None
    playbook_key: str | None = None
    playbook_owner: str | None = None
    playbook_cadence: str | None = None
    playbook_due: dt.datetime | None = None
    playbook_because: str | None = None
    basis: str
    model_version: str
    rules_version: str
    scored_at: dt.datetime


TIME = pl.Datetime("us", "UTC")

REASON = pl.Struct({
    "feature": pl.String, "direction": pl.String, "size": pl.Float64, "text": pl.String, "value": pl.Float64,
    "level": pl.String,
})  # fmt: skip

POINTS = pl.Struct({
    "indicator": pl.String, "feature": pl.String, "value": pl.Float64, "filled": pl.Float64,
    "standardised": pl.Float64, "weight": pl.Float64, "points": pl.Float64,
})  # fmt: skip

CURVE = pl.List(pl.Struct({"days": pl.Int32, "probability": pl.Float64}))

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "as_of": TIME,
    "at_stake": pl.Boolean,
    "churn_probability": pl.Float64,
    "churn_horizon_days": pl.Int32,
    "risk_band": pl.String,
    "churn_curve": CURVE,
    "expected_days": pl.Float64,
    "expected_value": pl.Float64,
    "value_low": pl.Float64,
    "value_high": pl.Float64,
    "value_if_retained": pl.Float64,
    "value_horizon_days": pl.Int32,
    "value_at_risk": pl.Float64,
    "expected_profit": pl.Float64,
    "composite_score": pl.Float64,
    "composite_coverage": pl.Float64,
    "points": pl.List(POINTS),
    "tier": pl.String,
    "health_score": pl.Float64,
    "health_basis": pl.String,
    "segments": pl.List(pl.String),
    "alerts": pl.List(pl.String),
    "reasons": pl.List(REASON),
    "playbook": pl.String,
    "playbook_key": pl.String,
    "playbook_owner": pl.String,
    "playbook_cadence": pl.String,
    "playbook_due": TIME,
    "playbook_because": pl.String,
    "basis": pl.String,
    "model_version": pl.String,
    "rules_version": pl.String,
    "scored_at": TIME,
}
"""Column → Polars type of `scores.parquet`, in order; the same names as `Prediction`."""
