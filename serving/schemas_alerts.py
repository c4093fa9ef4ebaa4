"""The JSON of alerts, as `serving.alert_page` tells them."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from features.language import Lang

State = Literal["open", "held_back", "closed"]


class AlertsQuery(BaseModel):
    """Which part of the alerts."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    limit: int = Field(50, ge=1, le=500)
    after: str | None = Field(None, max_length=1000, description="`next` of the page before.")
    state: State = "open"
    rule: str | None = None
    owner: str | None = Field(None, description="A person, or a role.")
    customer: str | None = None
    include_snoozed: bool = Field(False, description="Also those put off.")
    lang: Lang = "en"


class AlertShown(BaseModel):
    """An alert: what the rules say, and what people did about it."""

    key: str
    customer_id: str
    name: str | None
    rule: str
    text: str
    severity: int
    state: str
    owner: str | None
    owner_role: str | None
    anchor: AwareDatetime | None
    opened_as_of: AwareDatetime
    due_at: AwareDatetime | None
    closed_as_of: AwareDatetime | None
    signs: Any
    acknowledged_at: AwareDatetime | None
    acknowledged_by: str | None
    snoozed_until: AwareDatetime | None
    snooze_reason: str | None
    contacted_at: AwareDatetime | None
    contacted_by: str | None
    outcome: str | None
    outcome_at: AwareDatetime | None


class AlertsResponse(BaseModel):
    """Alerts, the most severe and the soonest due first; `next` is what `after` takes for the page that follows."""

    alerts: list[AlertShown]
    next: str | None
