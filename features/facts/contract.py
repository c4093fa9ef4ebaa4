"""What a fact is called, where it comes from and what it means: the contract between `facts` and the rules."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Fact:
    """One column: the table it comes from, its Polars type, its meaning, and what a customer without rows has.

    `others` are tables that make it as well. A column that its table needs and lacks leaves the fact null for all.
    """

    table: str
    kind: pl.DataType | type[pl.DataType]
    meaning: str
    empty: float | bool | tuple[str, ...] | None = None
    others: tuple[str, ...] = ()

    def there(self, tables: Mapping[str, object]) -> bool:
        """Whether one of its tables is."""
        return not tables.keys().isdisjoint((self.table, *self.others))


def moment(table: str, meaning: str, **more: tuple[str, ...]) -> Fact:
    """A time: Int64 microseconds UTC; null for a customer without rows."""
    return Fact(table, pl.Int64, meaning, **more)


def count(table: str, meaning: str, **more: tuple[str, ...]) -> Fact:
    """A count or a sum: 0 for a customer without rows."""
    return Fact(table, pl.Float64, meaning, 0.0, **more)


def value(table: str, meaning: str) -> Fact:
    """A number that nothing says of a customer without rows: null."""
    return Fact(table, pl.Float64, meaning)


def word(table: str, meaning: str) -> Fact:
    """Text."""
    return Fact(table, pl.String, meaning)


def words(table: str, meaning: str, **more: tuple[str, ...]) -> Fact:
    """Several words: an empty list for a customer without rows."""
    return Fact(table, pl.List(pl.String), meaning, (), **more)


TICKETS_ELSE_CONTACTS = ("interactions",)
VOICES = ("nps_responses", "satisfaction_surveys", "interactions")

FACTS: Mapping[str, Fact] = {
    # a purchase is an order with a net amount ≥ 0 (see features.rfm.orders); spend is net of returns
    "order_first_at": moment("transactions", "first purchase; null: never bought"),
    "order_last_at": moment("transactions", "last purchase; null: never bought"),
    "orders_total": count("transactions", "purchases so far"),
    "orders_90d": count("transactions", "purchases in the last 90 days"),
    "orders_90d_before": count("transactions", "purchases in the 90 days before those"),
    "orders_365d": count("transactions", "purchases in the last 365 days"),
    "order_gap_median_days": value("transactions", "median gap between purchases; null below 3 purchases"),
    "spend_total": count("transactions", "net spend so far"),
    "spend_365d": count("transactions", "net spend in the last 365 days"),
    "spend_90d": count("transactions", "net spend in the last 90 days"),
    "spend_90d_before": count("transactions", "net spend in the 90 days before those"),
    "profit_365d": count("transactions", "known gross margin of the last 365 days; null: orders, but no margin known"),
    "product_last": word("transactions", "what was bought last; the least name where several were"),
    "discount_share_365d": value("transactions", "share of purchases of 365 days with a discount; null: no purchase"),
    "premium_share_365d": value("transactions", "share of spend of 365 days at a unit price ≥ premium_price"),
    "subscribed": Fact("subscriptions", pl.Boolean, "a subscription runs", False),
    "subscription_first_at": moment("subscriptions", "first subscription"),
    "subscription_ended_at": moment("subscriptions", "last end of a subscription so far; null: none has ended"),
    "subscription_paid_365d": count("subscriptions", "paid for subscriptions in the last 365 days"),
    "subscription_due_at": moment("subscriptions", "next end of a running term agreed in advance; null: none known"),
    "usage_last_at": moment("usage_events", "last use"),
    "unused_features": words("usage_events", "core features not used for 90 days, by their name, in their order"),
    "interaction_last_at": moment("interactions", "last contact"),
    "interactions_90d": count("interactions", "contacts in the last 90 days"),
    "interactions_total": count("interactions", "contacts so far"),
    "interaction_gap_mean_days": value("interactions", "mean gap between contacts; null below 2"),
    "enquiries_total": count("interactions", "contacts with topic enquiry so far"),
    "channel_last": word("interactions", "channel of the last contact"),
    "ticket_last_at": moment("tickets", "last ticket"),
    "tickets_365d": count("tickets", "tickets in the last 365 days"),
    "tickets_open": count("tickets", "tickets not closed"),
    "ticket_open_since": moment("tickets", "when the oldest ticket that is not closed came in"),
    # tickets with is_complaint; without that column, contacts with topic complaint
    "complaints_total": count("tickets", "complaints so far", others=TICKETS_ELSE_CONTACTS),
    "complaints_365d": count("tickets", "complaints in the last 365 days", others=TICKETS_ELSE_CONTACTS),
    "complaint_last_at": moment("tickets", "last complaint", others=TICKETS_ELSE_CONTACTS),
    "nps": value("nps_responses", "100 · (share of 9–10 − share of 0–6) of own answers of 365 days"),
    "nps_last_at": moment("nps_responses", "last answer"),
    "survey_last_at": moment("satisfaction_surveys", "last answer"),
    "satisfaction_last": value("satisfaction_surveys", "last answer, 1 to 5; the lowest of several at once"),
    "satisfaction_mean_365d": value("satisfaction_surveys", "mean answer of 365 days, 1 to 5"),
    # cancellations (reason, feedback), nps comments, survey suggestions with their topic, outcomes of contacts
    "feedback": words("cancellations", "reasons heard so far: keys of the patterns passed in, sorted", others=VOICES),
    "feedback_last_at": moment("cancellations", "when the last of them was heard", others=VOICES),
    # who they are, as they stand today
    "name": word("customers", "what people call the customer"),
    "signed_up_at": moment("customers", "when the relationship began"),
    "birthday": moment("customers", "birthday or founding day"),
    "industry": word("customers", "line of business"),
    "industry_growth_rate": value("customers", "yearly growth of the industry, share"),
    "industry_position": word("customers", "standing in the industry"),
    "account_owner": word("customers", "who looks after the customer"),
    "preferred_channel": word("customers", "how the customer wants to be reached"),
    "preferred_form": word("customers", "form of address"),
    "preferred_cadence": word("customers", "how often the customer wants to hear from us"),
    "acquisition_channel": word("customers", "how the customer was won"),
    "acquisition_cost": value("customers", "what winning the customer cost"),
}
"""Column → what it is, in the order of the columns."""
