"""The JSON that goes in and out of the API, as strict models; its OpenAPI description derives from them."""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, ValidationError

from models.prediction import CurvePoint, Prediction, Reason
from serving.errors import InvalidRequestError
from serving.schemas_alerts import AlertShown
from serving.times import Moment

MAX_CUSTOMERS: Final = 1000
MAX_PROBLEMS: Final = 20
MOST_ERRORS: Final = 10_000

Include = Literal["composite"]
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CustomerFeatures(Strict):
    """One customer to predict."""

    customer_id: str = Field(min_length=1, max_length=256, examples=["C-1042"])
    features: dict[str, Any] = Field(
        description="Feature name → number, or text for a category; null where it is not known.",
        json_schema_extra={"additionalProperties": {"type": ["number", "string", "null"]}},
        examples=[{"rfm_recency_days": 74.0, "rfm_orders_count_365d": 9, "nps_score_last": None}],
    )


class PredictRequest(Strict):
    """Customers to predict, by their features.

    A feature that the model does not know is refused, and so is one left out that was never unknown in training; any
    other may be left out, and is listed in the answer as missing.
    """

    customers: list[CustomerFeatures] = Field(min_length=1, max_length=MAX_CUSTOMERS)
    as_of: Moment | None = Field(
        None, description="As of when the features hold, for the answer to repeat; default: now."
    )
    explain: bool = Field(False, description="Also the reasons, in plain words.")
    include: list[Include] = Field(
        default_factory=list, description="What to work out besides the models' numbers.", max_length=1
    )


class PredictedCustomer(BaseModel):
    """The prediction for one customer, in the words of the output contract."""

    customer_id: str
    churn_probability: float = Field(ge=0, le=1)
    churn_horizon_days: int
    risk_band: str
    churn_curve: list[CurvePoint] | None
    expected_days: float | None
    expected_value: float | None
    value_low: float | None
    value_high: float | None
    value_if_retained: float | None
    value_horizon_days: int | None
    value_at_risk: float | None
    expected_profit: float | None
    composite_score: float | None = Field(ge=0, le=100)
    composite_coverage: float | None = Field(ge=0, le=1)
    tier: str | None
    reasons: list[Reason]
    playbook: str | None
    basis: str
    missing: list[str] = Field(description="Features of the model that were left out.")


class Versions(BaseModel):
    """What an answer rests on, as of when it holds, and when the next one is due."""

    model_version: str = Field(examples=["2026-06-13.ab12cd34"])
    rules_version: str = Field(examples=["2026.1+1f0c9a77"])
    bundle_version: str = Field(description="SHA-256 of all that the bundle holds.")
    as_of: AwareDatetime
    valid_until: AwareDatetime


class PredictResponse(Versions):
    """Predictions in the order of the request."""

    predictions: list[PredictedCustomer]


class ScoredAccount(Prediction):
    """The current score of a customer, and who it is about."""

    name: str | None
    owner: str | None
    backfill: bool


class PastScore(BaseModel):
    """What was said of a customer as of one date."""

    as_of: AwareDatetime
    at_stake: bool
    churn_probability: float | None
    risk_band: str | None
    expected_value: float | None
    value_at_risk: float | None
    composite_score: float | None
    tier: str | None
    basis: str
    model_version: str
    rules_version: str
    scored_at: AwareDatetime


class CustomerResponse(BaseModel):
    """The current score of a customer with its reasons, what was said before (newest first), and the open alerts."""

    customer: ScoredAccount
    valid_until: AwareDatetime
    bundle_version: str | None = Field(description="SHA-256 of the bundle in service; null where there is none.")
    history: list[PastScore]
    alerts: list[AlertShown]


class CustomerQuery(BaseModel):
    """How much of the past."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    history: int = Field(12, ge=0, le=200, description="Earlier scores to tell.")


class AtRiskQuery(BaseModel):
    """Which part of the ranked list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: int = Field(50, ge=1, le=500)
    after: str | None = Field(None, max_length=1000, description="`next` of the page before.")
    tier: str | None = None
    owner: str | None = None
    segment: str | None = Field(None, description="A segment, as the scores name it.")
    band: str | None = Field(None, description="A risk band, as the scores name it.")
    min_value: float | None = Field(None, allow_inf_nan=False, description="Least value if retained.")
    min_probability: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    worth_acting: bool = Field(
        False, description="Only customers on whom acting is expected to earn something, the highest profit first."
    )


class AtRiskResponse(BaseModel):
    """Customers at stake, the most value at risk (or the highest profit) first; `total` counts those that match.

    `next` is what `after` takes for the page that follows; null on the last one.
    """

    total: int
    accounts: list[ScoredAccount]
    next: str | None


class Problem(BaseModel):
    """What is wrong and where; an empty field is the request itself."""

    field: str
    reason: str


class ProblemReport(BaseModel):
    """The body of every answer that is not a success (application/problem+json, RFC 9457).

    `type` is stable: programs go by it. `problems` names every field that is wrong.
    """

    type: str = Field(examples=["urn:remora:problem:invalid-request"])
    title: str
    status: int
    detail: str
    problems: list[Problem] = []


class Readiness(BaseModel):
    """Whether predictions are served and by which model; `problem` says what to mend."""

    ready: bool
    model_version: str | None
    problem: str | None


class Live(BaseModel):
    """The process answers."""

    live: Literal[True]


class FeatureNeeded(BaseModel):
    """A feature of the model; one that is not required may be left out."""

    name: str
    kind: Literal["number", "category"]
    levels: list[str]
    required: bool


class ModelResponse(BaseModel):
    """The model in service: what it predicts, how it was judged, and its card (Markdown)."""

    model_version: str
    rules_version: str
    bundle_version: str
    trained_as_of: AwareDatetime
    created_at: AwareDatetime
    definition: str
    churn_horizon_days: int
    value_horizon_days: int | None
    basis: str
    features: list[FeatureNeeded]
    metrics: dict[str, Any]
    card: str | None


def parse(kind: type[M], body: bytes) -> M:
    """Read JSON; raises InvalidRequestError naming every field and reason."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error, tagged=issubclass(kind, RootModel)) from None


def refusal(error: ValidationError, tagged: bool = False) -> InvalidRequestError:
    """The same errors as fields and reasons; a flood of them is counted and not told.

    `tagged`: of several models one was chosen by a tag, which pydantic puts before the field.
    """
    if error.error_count() > MOST_ERRORS:
        return InvalidRequestError(f"{error.error_count()} problems; see the schema in /openapi.json")
    told = error.errors(include_url=False, include_input=False, include_context=False)
    return invalid((".".join(map(str, e["loc"][tagged:])), e["msg"]) for e in told)


def invalid(problems: Iterable[tuple[str, str]]) -> InvalidRequestError:
    """An InvalidRequestError of (field, reason) pairs, the first MAX_PROBLEMS of them and a count of the rest."""
    found = list(problems)
    shown = found[:MAX_PROBLEMS]
    if len(found) > len(shown):
        shown.append(("", f"and {len(found) - len(shown)} more problems"))
    return InvalidRequestError(*(reason for _, reason in shown), fields=tuple(field for field, _ in shown))
