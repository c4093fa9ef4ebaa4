"""Health score, alerts, feedback words and service deadlines (RULES §2)."""

import datetime as dt
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from models.rules.schema.alert_rules import Role, Rules
from models.rules.schema.entries import Label, Number, Part, Sourced, Text

HealthBasis = Literal["rfm_and_nps", "rfm", "no_purchases"]


class HealthBases(Part):
    """What a health score rests on, as a person reads it."""

    rfm_and_nps: Label
    rfm: Label
    no_purchases: Label


class Health(Part):
    """health = 100·(rfm_share·(mean(R, F, M) − 1)/4 + nps_share·(NPS + 100)/200); shares add up to 1."""

    label: Label
    rfm_share: Number
    nps_share: Number
    basis: HealthBases

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        rfm, nps = self.rfm_share.value, self.nps_share.value
        if abs(rfm + nps - 1) > 1e-9 or min(rfm, nps) < 0:
            raise ValueError(f"rfm_share and nps_share must be 0 or more and add up to 1, but are {rfm:g} and {nps:g}")
        return self


class Alerts(Part):
    """The rules, who answers them, and how many alerts a week are too many."""

    label: Label
    contacts_per_week: Number
    owner_limit: Number
    unlimited: tuple[Text, ...] = ()
    seniority: tuple[Text, ...]
    severity: tuple[Text, ...]
    with_signs: Label
    between_signs: Label
    signs: dict[str, Label]
    held_back: Label
    roles: dict[str, Role] = Field(min_length=1)
    rules: Rules

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        problems = [*self._orders(), *self._owners()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _orders(self) -> Iterator[str]:
        """Seniority names every role, severity every rule, each once."""
        for key, named, known in (
            ("seniority", self.seniority, set(self.roles)),
            ("severity", self.severity, set(self.rules.by_key)),
        ):
            missing, unknown = known - set(named), set(named) - known
            if missing or unknown or len(set(named)) < len(named):
                told = ", ".join([*(f"{name!r} missing" for name in sorted(missing)), *map(repr, sorted(unknown))])
                yield f"{key} must name each of {', '.join(sorted(known))} once; wrong: {told or 'one comes twice'}"

    def _owners(self) -> Iterator[str]:
        for key, rule in self.rules.by_key.items():
            if rule.owner not in self.roles:
                yield f"rules.{key}.owner: {rule.owner!r} is not a role; use one of {', '.join(self.roles)}"
        for role in self.unlimited:
            if role not in self.roles:
                yield f"unlimited: {role!r} is not a role; use one of {', '.join(self.roles)}"


class Words(Sourced):
    """Substrings that name a reason, in either language; case does not matter."""

    zh: tuple[Text, ...] = Field(min_length=1)
    en: tuple[Text, ...] = Field(min_length=1)


class Reason(Part):
    """One reason of a loss: for leads, churn and win-back alike (RULES §4)."""

    label: Label
    words: Words


class Feedback(Part):
    """The one list of reasons."""

    price: Reason
    service: Reason
    product_fit: Reason
    competitor: Reason
    need_changed: Reason

    @property
    def reasons(self) -> dict[str, Reason]:
        """Key → reason."""
        return {name: getattr(self, name) for name in Feedback.model_fields}


class PersonBy(Sourced):
    """A time of day, "HH:MM"."""

    time: Text

    @field_validator("time")
    @classmethod
    def _is_time(cls, text: str) -> str:
        try:
            dt.datetime.strptime(text, "%H:%M")
        except ValueError:
            raise ValueError(f"{text!r} is not a time of day; write HH:MM, for example 09:00") from None
        return text


class NextDay(Sourced):
    """Which day counts as the next one."""

    counts: Literal["calendar", "working"]


class Deadlines(Part):
    """Outside working hours a person answers by `person_by` of the next day; 7×24 customers have no such hours."""

    person_by: PersonBy
    next_day: NextDay
    delivery_days: Number
    emergency: Label
