"""Segments, reviews and the strategy table (RULES §3) in the pack."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from models.rules.schema.entries import Label, Number, Part, Percent, Sourced, Text

Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Formula = Literal[
    "repurchase_rate", "order_value_change", "satisfaction", "renewal_rate", "interaction_frequency",
    "customers_reactivated", "second_purchase_amount", "conversion", "enquiry_to_deal_days",
    "retention_change", "churn_change", "purchase_frequency_change",
]  # fmt: skip


class Share(Sourced):
    """A percentage, 0 to 100."""

    value: Percent


class Count(Sourced):
    """A number above 0."""

    value: Positive


class Segment(Part):
    """A segment and the metrics that decide it (keys of `segments.metrics`)."""

    label: Label
    metrics: tuple[Text, ...] = ()


class Scheme(Part):
    label: Label
    segments: dict[str, Segment] = Field(min_length=1)


class ValueRule(Part):
    """D3: yearly spend or profit; the percentiles stand in where the money is not the pack's."""

    by: Literal["spend", "profit"]
    spend: tuple[Text, ...] = Field(min_length=1)
    profit: tuple[Text, ...] = Field(min_length=1)
    currency: Text
    high: Number
    backbone: Number
    high_percentile: Share
    backbone_percentile: Share
    money_off: Label

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.backbone.value < self.high.value:
            raise ValueError("backbone must lie above 0 and below high; correct the lower bounds")
        if not self.backbone_percentile.value < self.high_percentile.value:
            raise ValueError("backbone_percentile must lie below high_percentile; correct one of them")
        return self


class ContributionRule(Part):
    """D1: loyal customers by yearly spend and tenure."""

    spend_weight: Count
    tenure_weight: Count
    core_share: Share
    potential_share: Share
    lower_percentile: Share
    upper_percentile: Share

    @model_validator(mode="after")
    def _parts(self) -> Self:
        if self.core_share.value + self.potential_share.value > 100:
            raise ValueError("core_share and potential_share add up to more than 100; lower one of them")
        if not self.lower_percentile.value < self.upper_percentile.value:
            raise ValueError("lower_percentile must lie below upper_percentile; correct one of them")
        return self


class Position(Sourced):
    """A standing in the industry: the words for it, and what it is worth on the potential axis, 0 to 1."""

    words: tuple[Text, ...] = Field(min_length=1)
    worth: Annotated[float, Field(strict=True, ge=0, le=1)]


class AbcRule(Part):
    """D5. `growth`: least growth of spend against the 90 days before, a share."""

    sales_share: Share
    growth: Number
    expanding_percentile: Share
    rare_orders: Number
    positions: dict[str, Position]


class BehaviourRule(Part):
    frequent_per_month: Count
    dormant_days: Count


class NeedRule(Part):
    """Least shares (0 to 1) and tickets per order. `premium_price_percentile`: of unit prices, for `features.facts`."""

    discount_share: Count
    premium_share: Count
    tickets_per_order: Count
    premium_price_percentile: Share


class LifecycleRule(Part):
    new_days: Count
    at_risk_days: Count


class LoyalRule(Part):
    """D1: tenure, and none of `risk_alerts` open."""

    tenure_days: Count
    risk_alerts: tuple[Text, ...]


class StageRule(Part):
    """Contacts with a prospect from which it counts as contacted, and as a relationship being built."""

    contacted: Count
    building: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.contacted.value >= self.building.value:
            raise ValueError("contacted must lie below building; correct one of them")
        return self


class CooperationRule(Part):
    first_order_days: Count


class OpportunityRule(Part):
    enquiries: Count


class Middling(Sourced):
    """Percentiles of spend so far between which it is middling."""

    low: Percent
    high: Percent

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("low must lie below high; correct one of them")
        return self


class Metric(Part):
    """What a change of segment is explained with; `changed` takes {before} and {after}, `first` takes {after}."""

    label: Label
    shown_as: Literal["number", "money", "days", "share"] = "number"


class Rhythm(Part):
    label: Label
    every_months: Count


class Wording(Part):
    """Sentences about a change of segment."""

    change: Label
    because: Label
    metric: Label
    metric_first: Label
    metric_last: Label
    first_seen: Label
    thresholds: Label
    unknown: Label
    joined_by: Label


class Segments(Part):
    """RULES §3: the schemes and their numbers."""

    schemes: dict[str, Scheme]
    value: ValueRule
    contribution: ContributionRule
    abc: AbcRule
    behaviour: BehaviourRule
    need: NeedRule
    lifecycle: LifecycleRule
    loyal: LoyalRule
    stage: StageRule
    cooperation: CooperationRule
    opportunity: OpportunityRule
    middling: Middling
    metrics: dict[str, Metric]
    reviews: dict[str, Rhythm]
    wording: Wording

    @model_validator(mode="after")
    def _metrics_exist(self) -> Self:
        for scheme, entry in self.schemes.items():
            for name, segment in entry.segments.items():
                if unknown := set(segment.metrics) - set(self.metrics):
                    known = ", ".join(self.metrics)
                    raise ValueError(f"schemes.{scheme}.segments.{name}.metrics: no {sorted(unknown)}; use {known}")
        return self


class StrategyMetric(Part):
    label: Label
    shown_as: Literal["percent", "change", "number", "money", "days"]
    days: Count | None = None


class Goal(Part):
    """A metric to reach; without a target it is only shown. A target below 0 is reached from above."""

    metric: Formula
    target: Number | None = None


class Due(Part):
    """When results are due: the end of the quarter or month, some days after the start, or always."""

    rule: Literal["quarter_end", "month_end", "days", "ongoing", "none"]
    days: Count | None = None
    label: Label

    @model_validator(mode="after")
    def _days_given(self) -> Self:
        if (self.rule == "days") != (self.days is not None):
            raise ValueError('rule "days" and days go together; add or remove days')
        return self


class Strategy(Sourced):
    """A row of the strategy table: the customers in any of `segments` and in none of `unless`."""

    label: Label
    segments: tuple[Text, ...] = Field(min_length=1)
    unless: tuple[Text, ...] = ()
    traits: Label | None = None
    relation: Label | None = None
    goal: Label
    measures: Label | None = None
    owner: Label | None = None
    due: Due
    goals: tuple[Goal, ...] = Field(min_length=1)


class Strategies(Part):
    """D3's strategy table and the company's goals (D2, D3)."""

    metrics: dict[Formula, StrategyMetric]
    with_target: Label
    without_target: Label
    no_data: Label
    rows: dict[str, Strategy]
    company: dict[str, Strategy]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        rows = {**self.rows, **self.company}
        used = {goal.metric for row in rows.values() for goal in row.goals}
        if missing := sorted(used - set(self.metrics)):
            raise ValueError(f"metrics: no {', '.join(missing)}; add them")
        if both := sorted(set(self.rows) & set(self.company)):
            raise ValueError(f"rows and company both have {', '.join(both)}; rename one")
        return self
