"""The JSON that goes in and out of the API, as strict models; its OpenAPI description derives from them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.prediction import CurvePoint, Prediction, Reason
from serving.errors import InvalidRequestError

MAX_CUSTOMERS: Final = 100
MAX_PROBLEMS: Final = 20
_LARGEST: Final = float(np.finfo(np.float32).max)

Cell = float | str | None
Include = Literal["reasons", "composite"]
M = TypeVar("M", bound=BaseModel)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CustomerFeatures(Strict):
    """One customer to predict."""

    customer_id: str = Field(min_length=1, max_length=256)
    features: dict[str, Any] = Field(
        description="Feature name → number, or text for a category; null where it is not known.",
        json_schema_extra={"additionalProperties": {"type": ["number", "string", "null"]}},
    )


class PredictRequest(Strict):
    """Customers to predict. Every feature of the model must be there, null where not known, unless `partial`."""

    customers: list[CustomerFeatures] = Field(min_length=1, max_length=MAX_CUSTOMERS)
    partial: bool = Field(False, description="Take a feature that is left out as not known, instead of refusing.")
    include: list[Include] = Field(
        ["reasons", "composite"], description="What to work out besides the models' numbers; [] is the fastest."
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


class PredictResponse(BaseModel):
    """Predictions in the order of the request, and what they rest on."""

    model_version: str
    rules_version: str
    predictions: list[PredictedCustomer]


class ScoredAccount(Prediction):
    """The current score of a customer, and who it is about."""

    name: str | None
    owner: str | None
    backfill: bool


class AtRiskQuery(BaseModel):
    """Which part of the ranked list."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: int = Field(50, ge=1, le=500)
    offset: int = Field(0, ge=0, le=10_000_000)
    tier: str | None = None
    owner: str | None = None
    min_probability: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    worth_acting: bool = Field(
        False, description="Only customers on whom acting is expected to earn something, the highest profit first."
    )


class AtRiskResponse(BaseModel):
    """Customers at stake, the most value at risk (or the highest profit) first; `total` counts those that match."""

    total: int
    accounts: list[ScoredAccount]


class Problem(BaseModel):
    """What is wrong and where; an empty field is the request itself."""

    field: str
    reason: str


class ProblemReport(BaseModel):
    """The body of every answer that is not a success (application/problem+json, RFC 9457)."""

    status: int
    title: str
    problems: list[Problem]


class Readiness(BaseModel):
    """Whether predictions are served and by which model; `problem` says what to mend."""

    ready: bool
    model_version: str | None
    problem: str | None


def parse(kind: type[M], body: bytes) -> M:
    """Read JSON; raises InvalidRequestError naming every field and reason."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from None


def refusal(error: ValidationError) -> InvalidRequestError:
    """The same errors as fields and reasons."""
    return invalid((".".join(map(str, e["loc"])), e["msg"]) for e in error.errors(include_url=False))


def invalid(problems: Iterable[tuple[str, str]]) -> InvalidRequestError:
    """An InvalidRequestError of (field, reason) pairs, the first MAX_PROBLEMS of them and a count of the rest."""
    found = list(problems)
    shown = found[:MAX_PROBLEMS]
    if len(found) > len(shown):
        shown.append(("", f"and {len(found) - len(shown)} more problems"))
    return InvalidRequestError(*(reason for _, reason in shown), fields=tuple(field for field, _ in shown))


def check_features(
    customers: list[CustomerFeatures], kinds: Mapping[str, str], required: frozenset[str], partial: bool
) -> list[dict[str, Cell]]:
    """The features of each customer, those left out as None; raises InvalidRequestError naming each that is wrong.

    `kinds` maps every name that may be given to "number" or "category"; `required` are those that must be.
    """
    problems: list[tuple[str, str]] = []
    for i, customer in enumerate(customers):
        place = f"customers.{i}.features"
        problems += _misnamed(customer.features, kinds, frozenset() if partial else required, place)
        problems += _misfits(customer.features, kinds, place)
    if problems:
        raise invalid(problems)
    nothing = dict.fromkeys(kinds)
    return [nothing | customer.features for customer in customers]


def _misnamed(
    given: Mapping[str, Any], kinds: Mapping[str, str], required: frozenset[str], place: str
) -> Iterator[tuple[str, str]]:
    for name in given.keys() - kinds.keys():
        yield f"{place}.{name}", "not a feature of this model; remove it or correct its name"
    if not required <= given.keys():
        for name in sorted(required - given.keys()):
            yield f"{place}.{name}", "missing; give it, or null where it is not known"


def _misfits(given: Mapping[str, Any], kinds: Mapping[str, str], place: str) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        if value is None:
            continue
        kind = kinds.get(name)
        if kind == "number" and not (type(value) in (float, int) and abs(value) <= _LARGEST):
            yield f"{place}.{name}", "must be a finite number or null"
        elif kind == "category" and type(value) is not str:
            yield f"{place}.{name}", "must be text or null"
