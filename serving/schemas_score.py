"""The JSON of `POST /v1/score` and `POST /v1/leads/score`: rows of the input contract in, scores out."""

import datetime as dt
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, FailFast, Field, WithJsonSchema

from features.language import Lang
from features.sources import TABLES
from models.prediction import Prediction
from serving.request_rows import SCORED_TABLES, schema_of
from serving.schemas import Strict, Versions
from serving.times import Time

MAX_SCORED: Final = 100
"""Customers, or leads, of one request."""
MAX_ROWS: Final = 20_000
"""Rows of all tables of one request."""

_MAX_COLUMNS: Final = 500


def _table_schema(name: str) -> dict[str, Any]:
    meaning = (TABLES[name].__doc__ or "").strip()
    return {"type": "array", "maxItems": MAX_ROWS, "items": schema_of(name), "description": meaning}


_TABLES_SCHEMA: Final = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {name: _table_schema(name) for name in SCORED_TABLES},
}
_LEADS_SCHEMA: Final = {"type": "array", "minItems": 1, "maxItems": MAX_SCORED, "items": schema_of("leads")}

# what is in a row is checked by `request_rows`: here it would take half a gigabyte to say all that may be wrong
_Given = Annotated[list[Annotated[dict[str, Any], Field(max_length=_MAX_COLUMNS)]], FailFast()]
_Tables = Annotated[
    dict[str, Annotated[_Given, Field(max_length=MAX_ROWS)]],
    Field(max_length=len(TABLES)),
    WithJsonSchema(_TABLES_SCHEMA),
]
_Leads = Annotated[_Given, Field(min_length=1, max_length=MAX_SCORED), WithJsonSchema(_LEADS_SCHEMA)]

AS_OF: Final = "A date means 00:00 in the company's time zone, as does a time without one; the default is now."


class ScoreRequest(Strict):
    """What is known of up to 100 customers, as tables of the input contract: for new customers, and for what-if.

    A table that is left out is not known; one without rows says that there is nothing. Rows after `as_of` are not read.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "as_of": "2026-06-01",
                    "tables": {
                        "customers": [{"customer_id": "C1", "signed_up_at": "2024-03-01", "industry": "retail"}],
                        "transactions": [
                            {"customer_id": "C1", "occurred_at": "2026-05-02T10:30:00Z", "amount": 129.9},
                            {"customer_id": "C1", "occurred_at": "2026-02-11T16:00:00Z", "amount": 80},
                        ],
                        "tickets": [],
                    },
                }
            ]
        }
    )
    tables: _Tables = Field(description="Table → rows, 20 000 in all; names and types are the input contract's.")
    as_of: Time | None = Field(None, description=AS_OF)
    explain: bool = Field(True, description="Whether reasons and points are part of the answer.")


class ScoreResponse(Versions):
    """What batch scoring would say of these customers, sorted by customer_id, but for what it remembers of alerts."""

    tables_missing: list[str] = Field(description="Tables that the model was trained with and that were left out.")
    customers_unknown: list[str] = Field(description="Customers of whom nothing is known before `as_of`.")
    predictions: list[Prediction]


class LeadsScoreRequest(Strict):
    """Up to 100 leads, as rows of the input contract's table `leads`."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "leads": [
                        {"lead_id": "L1", "created_at": "2026-06-01T09:00:00Z", "budget": 25, "authority": 20,
                         "need": 25, "timing": 15, "industry": "retail", "employees": 40}
                    ],
                    "lang": "en",
                }
            ]
        }
    )  # fmt: skip
    leads: _Leads
    as_of: Time | None = Field(None, description=AS_OF)
    lang: Lang = Field("en", description="The language of labels, owner and action.")


class ScoredLead(BaseModel):
    """Grade, deadline and what to do about one lead; `grade`, `owner_key`, `action_key` and `tags` are keys."""

    lead_id: str
    bant_score: float | None
    bant_grade: str | None
    four_score: float | None
    four_grade: str | None
    grade: str | None
    grade_label: str | None
    grade_basis: str | None
    first_contact_due: dt.datetime | None
    contacted_late: bool | None
    owner_key: str | None
    owner: str | None
    action_key: str | None
    action: str | None
    tags: list[str]
    tag_labels: list[str]
    missing: list[str]


class LeadsScoreResponse(BaseModel):
    """Leads, the best grade first; those that came in after `as_of` are left out and listed."""

    as_of: dt.datetime
    rules_version: str
    leads_unknown: list[str]
    leads: list[ScoredLead]
