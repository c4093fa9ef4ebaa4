"""What the documented rules ask of a customer beyond the features: facts as of a date, never learnt from.

Every fact is read from rows known before `as_of` (see `features.point_in_time`); a window counts what is known, however
young its table is. A column is there exactly if the table it comes from is; times are Int64 microseconds UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from features.point_in_time import Tables


@dataclass(frozen=True)
class Fact:
    """One column: the table it comes from, its Polars type and its meaning."""

    table: str
    kind: pl.DataType | type[pl.DataType]
    meaning: str


_TIMES, _COUNTS = pl.Int64, pl.Float64

FACTS: Mapping[str, Fact] = {
    # transactions: a purchase is an order with a net amount ≥ 0 (see features.rfm.orders); spend is net of returns
    "order_first_at": Fact("transactions", _TIMES, "first purchase; null: never bought"),
    "order_last_at": Fact("transactions", _TIMES, "last purchase; null: never bought"),
    "orders_total": Fact("transactions", _COUNTS, "purchases so far"),
    "orders_90d": Fact("transactions", _COUNTS, "purchases in the last 90 days"),
    "orders_90d_before": Fact("transactions", _COUNTS, "purchases in the 90 days before those"),
    "orders_365d": Fact("transactions", _COUNTS, "purchases in the last 365 days"),
    "order_gap_median_days": Fact("transactions", _COUNTS, "median gap between purchases; null below 3 purchases"),
    "spend_total": Fact("transactions", _COUNTS, "net spend so far"),
    "spend_365d": Fact("transactions", _COUNTS, "net spend in the last 365 days"),
    "spend_90d": Fact("transactions", _COUNTS, "net spend in the last 90 days"),
    "spend_90d_before": Fact("transactions", _COUNTS, "net spend in the 90 days before those"),
    "profit_365d": Fact("transactions", _COUNTS, "gross margin in the last 365 days; null without any margin"),
    "discount_share_365d": Fact("transactions", _COUNTS, "share of purchases of 365 days with a discount; null: none"),
    "premium_share_365d": Fact("transactions", _COUNTS, "share of spend of 365 days at a unit price ≥ premium_price"),
    # subscriptions
    "subscribed": Fact("subscriptions", pl.Boolean, "a subscription runs"),
    "subscription_first_at": Fact("subscriptions", _TIMES, "first subscription"),
    "subscription_paid_365d": Fact("subscriptions", _COUNTS, "paid for subscriptions in the last 365 days"),
    "subscription_due_at": Fact("subscriptions", _TIMES, "next end of a term agreed in advance; null: none known"),
    # usage_events
    "usage_last_at": Fact("usage_events", _TIMES, "last use"),
    "unused_features": Fact("usage_events", pl.List(pl.String), "core features not used for 90 days, by their name"),
    # interactions
    "interaction_last_at": Fact("interactions", _TIMES, "last contact"),
    "interactions_90d": Fact("interactions", _COUNTS, "contacts in the last 90 days"),
    "interactions_total": Fact("interactions", _COUNTS, "contacts so far"),
    "interaction_gap_mean_days": Fact("interactions", _COUNTS, "mean gap between contacts; null below 2"),
    "enquiries_total": Fact("interactions", _COUNTS, "contacts with topic enquiry so far"),
    "channel_last": Fact("interactions", pl.String, "channel of the last contact"),
    # tickets (complaints: is_complaint; without that column, contacts with topic complaint)
    "ticket_last_at": Fact("tickets", _TIMES, "last ticket"),
    "tickets_365d": Fact("tickets", _COUNTS, "tickets in the last 365 days"),
    "tickets_open": Fact("tickets", _COUNTS, "tickets not closed"),
    "ticket_open_since": Fact("tickets", _TIMES, "the oldest ticket that is not closed"),
    "complaints_total": Fact("tickets", _COUNTS, "complaints so far"),
    "complaints_365d": Fact("tickets", _COUNTS, "complaints in the last 365 days"),
    "complaint_last_at": Fact("tickets", _TIMES, "last complaint"),
    # nps_responses
    "nps": Fact("nps_responses", _COUNTS, "100 · (share of 9–10 − share of 0–6) of own answers of 365 days"),
    "nps_last_at": Fact("nps_responses", _TIMES, "last answer"),
    # satisfaction_surveys
    "survey_last_at": Fact("satisfaction_surveys", _TIMES, "last answer"),
    "satisfaction_last": Fact("satisfaction_surveys", _COUNTS, "last answer, 1 to 5"),
    "satisfaction_mean_365d": Fact("satisfaction_surveys", _COUNTS, "mean answer of 365 days, 1 to 5"),
    # words of customers: cancellations (reason, feedback), nps comments, survey suggestions, outcomes of contacts
    "feedback": Fact("", pl.List(pl.String), "reasons heard so far, keys of the patterns passed in, sorted"),
    "feedback_last_at": Fact("", _TIMES, "when the last of them was heard"),
    # customers: who they are, as they stand
    "name": Fact("customers", pl.String, "what people call the customer"),
    "signed_up_at": Fact("customers", _TIMES, "when the relationship began"),
    "birthday": Fact("customers", _TIMES, "birthday or founding day"),
    "industry": Fact("customers", pl.String, "line of business"),
    "industry_growth_rate": Fact("customers", _COUNTS, "yearly growth of the industry, share"),
    "industry_position": Fact("customers", pl.String, "standing in the industry"),
    "account_owner": Fact("customers", pl.String, "who looks after the customer"),
    "preferred_channel": Fact("customers", pl.String, "how the customer wants to be reached"),
    "preferred_form": Fact("customers", pl.String, "form of address"),
    "preferred_cadence": Fact("customers", pl.String, "how often the customer wants to hear from us"),
    "acquisition_channel": Fact("customers", pl.String, "how the customer was won"),
    "acquisition_cost": Fact("customers", _COUNTS, "what winning the customer cost"),
}  # fmt: skip
"""Column → what it is. `Fact.table` "" means: there if any of the tables is that people's words come from."""


def facts(
    tables: Tables,
    as_of: int,
    *,
    core_features: Sequence[str] = (),
    premium_price: float | None = None,
    patterns: Mapping[str, Sequence[str]] | None = None,
) -> pl.DataFrame:
    """One row per customer in any table before `as_of`: customer_id and FACTS; counts of a customer without rows are 0.

    `patterns` maps a reason's key to the words that name it, in any language; case does not matter.
    """
    raise NotImplementedError
