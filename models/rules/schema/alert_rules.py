"""The alert rules of RULES §2 in the pack: one class a rule, its own numbers as fields."""

from typing import ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator

from models.rules.schema.entries import Label, Number, Part, Real, Sourced, Text

Kind = Literal["risk", "warning", "care", "service"]


class Deadline(Sourced):
    """By when an alert is answered: clock hours or calendar days, from the event (`per_event`) or else the alert."""

    hours: Real | None = None
    days: Real | None = None

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if (self.hours is None) == (self.days is None):
            raise ValueError("give either hours (clock hours) or days (calendar days)")
        if min(self.hours or 0, self.days or 0) < 0:
            raise ValueError("a deadline cannot lie before what it counts from; give 0 or more")
        if self.days is not None and self.days != int(self.days):
            raise ValueError(f"days are whole calendar days, not {self.days:g}; use hours for less than a day")
        return self


class Rule(Sourced):
    """What every alert rule has. `per_event`: each event is an episode of its own, and its deadline counts from it.

    `contact`: answering it is a proactive contact with the customer, which the weekly limit counts.
    `message` may name the rule's numbers in braces.
    """

    per_event: ClassVar[bool] = False
    enabled: StrictBool = True
    label: Label
    message: Label
    owner: Text
    kind: Kind
    contact: StrictBool
    deadline: Deadline

    @property
    def numbers(self) -> dict[str, float]:
        """The rule's numbers by name."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: part.value for name, part in found.items() if isinstance(part, Number)}

    @model_validator(mode="after")
    def _message_formats(self) -> Self:
        for text in (self.message.zh, self.message.en):
            try:
                text.format(**self.numbers)
            except (KeyError, IndexError, ValueError):
                known = ", ".join(self.numbers) or "none"
                raise ValueError(
                    f"message {text!r} names something in braces other than its numbers: {known}"
                ) from None
        return self


class WithMargin(Rule):
    """Leaves only when days are `margin` (share) below the threshold: an alert does not flap."""

    margin: Number

    @model_validator(mode="after")
    def _is_share(self) -> Self:
        if not 0 <= self.margin.value < 1:
            raise ValueError(f"margin is a share of the threshold, from 0 to below 1, not {self.margin.value:g}")
        return self


class HighChurnRisk(WithMargin):
    nps_below: Number
    nps_margin: Number
    days: Number


class LossRisk(WithMargin):
    """`strict`: D3's persona, that is, all signs together."""

    strict: StrictBool = False
    days: Number
    complaints: Number


class EarlyWarning(WithMargin):
    complaints: Number
    within_days: Number


class Silence(WithMargin):
    days: Number
    gaps: Number


class FallingOrders(Rule):
    share: Number
    share_margin: Number
    before: Number
    before_margin: Number


class RepurchaseDue(WithMargin):
    """`products`: product → its usual days between purchases; read where `product_last` is known."""

    orders: Number
    products: dict[str, Number] = Field({})


class LittleUsedFeature(WithMargin):
    used_within_days: Number


class SurveyDue(WithMargin):
    delivery_every_days: Number
    after_sale_days: Number
    bought_within_days: Number


class LowSatisfaction(WithMargin):
    at_most: Number
    at_most_margin: Number
    within_days: Number


class OpenTicket(Rule):
    """A ticket that waits for its first answer or solution."""

    per_event: ClassVar[bool] = True
    within_days: Number


class TicketAtRisk(Rule):
    """An open ticket of a customer at risk."""


class CareDate(Rule):
    """A day of the year, told `ahead_days` before."""

    per_event: ClassVar[bool] = True
    ahead_days: Number


class AfterFirstOrder(Rule):
    """A step after the first order; not begun later than `within_days` after it."""

    per_event: ClassVar[bool] = True
    within_days: Number


class Rules(Part):
    """Every alert rule; `enabled = false` switches one off."""

    high_churn_risk: HighChurnRisk
    loss_risk: LossRisk
    early_warning: EarlyWarning
    silence: Silence
    falling_orders: FallingOrders
    repurchase_due: RepurchaseDue
    little_used_feature: LittleUsedFeature
    survey_due: SurveyDue
    low_satisfaction: LowSatisfaction
    ticket_acknowledge: OpenTicket
    ticket_solution: OpenTicket
    ticket_at_risk: TicketAtRisk
    anniversary: CareDate
    birthday_gift: CareDate
    birthday_mail: CareDate
    holiday_mail: CareDate
    thank_you: AfterFirstOrder
    first_call: AfterFirstOrder
    value_report: AfterFirstOrder

    @property
    def by_key(self) -> dict[str, Rule]:
        """Key → rule."""
        return {name: getattr(self, name) for name in Rules.model_fields}


class Role(Part):
    """Who answers. `tiers`: of the composite score whose customers this role owns."""

    label: Label
    tiers: tuple[Text, ...] = ()


__all__ = ["Deadline", "Kind", "Role", "Rule", "Rules"]
