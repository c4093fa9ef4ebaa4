"""The contract between features and models: every feature's name, unit, meaning, and the meaning of missing.

Names are `family_what` or `family_what_window`; `describe` reads a name against the rows below, so a window or a
part of the product needs no row of its own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from features.errors import RemoraError

FAMILIES = ("rfm", "usage", "nps", "support", "engagement", "subscription", "profile")


class UnknownFeature(RemoraError):
    """A feature name that the catalog cannot explain."""


@dataclass(frozen=True)
class Feature:
    """One feature: `base` is its name without the window; `zero` says that missing rows mean 0."""

    name: str
    base: str
    unit: str
    meaning: str
    missing: str
    days: int | None = None
    needs_days: int | None = None

    @property
    def zero(self) -> bool:
        """Whether a customer without a row in the table has 0 rather than an unknown value."""
        return self.missing == NONE


NONE = "there was none: 0"
NEVER = "never happened"
FEW = "too few to say"
UNKNOWN = "not known"

# base name → (unit, meaning, meaning of missing); "{}" in a meaning takes the value
_ROWS: dict[str, tuple[str, str, str]] = {
    "rfm_recency_days": ("days", "last purchase {} days ago", NEVER),
    "rfm_tenure_days": ("days", "first purchase {} days ago", NEVER),
    "rfm_gap_mean_days": ("days", "{} days between purchases on average", FEW),
    "rfm_gap_std_days": ("days", "gaps between purchases spread by {} days", FEW),
    "rfm_recency_in_gaps": ("gaps", "silent for {} times the usual gap between purchases", FEW),
    "rfm_orders_count": ("orders", "{} orders", NONE),
    "rfm_amount_sum": ("money", "net spend of {}", NONE),
    "rfm_amount_mean": ("money", "{} an order on average", NEVER),
    "rfm_amount_std": ("money", "order values spread by {}", FEW),
    "rfm_orders_trend": ("−1..1", "orders against the period before: {}", FEW),
    "rfm_amount_trend": ("−1..1", "spend against the period before: {}", FEW),
    "rfm_returns_count": ("returns", "{} returns", NONE),
    "rfm_returns_share": ("share", "returned {} of what was bought", FEW),
    "rfm_margin_rate": ("share", "margin rate of {}", FEW),
    "rfm_discount_mean": ("share", "discount of {} on average", FEW),
    "rfm_amount_monthly": ("money a month", "net spend of {} a month since the first purchase", NEVER),
    "rfm_orders_monthly": ("orders a month", "{} orders a month since the first purchase", NEVER),
    "rfm_amount_per_seat": ("money a seat", "spend of {} a seat", FEW),
    "usage_recency_days": ("days", "last used {} days ago", NEVER),
    "usage_tenure_days": ("days", "first used {} days ago", NEVER),
    "usage_gap_mean_days": ("days", "{} days between days of use on average", FEW),
    "usage_gap_std_days": ("days", "gaps between days of use spread by {} days", FEW),
    "usage_recency_in_gaps": ("gaps", "not used for {} times the usual gap", FEW),
    "usage_events_count": ("events", "{} usage events", NONE),
    "usage_quantity_sum": ("uses", "{} uses", NONE),
    "usage_quantity_trend": ("−1..1", "use against the period before: {}", FEW),
    "usage_active_days": ("days", "{} days of use", NONE),
    "usage_active_days_trend": ("−1..1", "days of use against the period before: {}", FEW),
    "usage_depth": ("share", "{} of the core features used", NONE),
    "usage_quantity_per_seat": ("uses a seat", "{} uses a seat", FEW),
    "usage_quantity_per_amount": ("uses per money", "{} uses for each unit of money paid a month", FEW),
    "nps_score_last": ("points", "last NPS answer was {} of 10", NEVER),
    "nps_score_mean": ("points", "NPS answers average {} of 10", NEVER),
    "nps_score": ("−100..100", "own NPS of {}", NEVER),
    "nps_answers_count": ("answers", "{} NPS answers", NONE),
    "nps_score_trend": ("points", "NPS answers moved by {} points", FEW),
    "nps_silence_days": ("days", "last NPS answer {} days ago", NEVER),
    "nps_satisfaction_last": ("points", "last satisfaction answer was {} of 5", NEVER),
    "nps_satisfaction_mean": ("points", "satisfaction answers average {} of 5", NEVER),
    "support_recency_days": ("days", "last ticket {} days ago", NEVER),
    "support_tickets_count": ("tickets", "{} tickets", NONE),
    "support_tickets_trend": ("−1..1", "tickets against the period before: {}", FEW),
    "support_tickets_open": ("tickets", "{} tickets open", NONE),
    "support_hours_to_close_mean": ("hours", "tickets took {} hours to close", NEVER),
    "support_first_response_mean": ("minutes", "first answer took {} minutes", NEVER),
    "support_satisfaction_mean": ("points", "satisfaction with solutions averages {} of 5", NEVER),
    "support_complaints_count": ("complaints", "{} complaints", NONE),
    "support_complaint_satisfaction": ("points", "satisfaction after complaints averages {} of 5", NEVER),
    "support_complaint_rate": ("share", "complaint rate of {}", FEW),
    "engagement_recency_days": ("days", "last contact {} days ago", NEVER),
    "engagement_tenure_days": ("days", "first contact {} days ago", NEVER),
    "engagement_gap_mean_days": ("days", "{} days between contacts on average", FEW),
    "engagement_gap_std_days": ("days", "gaps between contacts spread by {} days", FEW),
    "engagement_recency_in_gaps": ("gaps", "no contact for {} times the usual gap", FEW),
    "engagement_interactions_count": ("contacts", "{} contacts", NONE),
    "engagement_interactions_trend": ("−1..1", "contacts against the period before: {}", FEW),
    "engagement_inbound_share": ("share", "{} of contacts came from the customer", FEW),
    "engagement_complaints_count": ("contacts", "{} contacts to complain", NONE),
    "engagement_enquiries_count": ("contacts", "{} enquiries", NONE),
    "engagement_channels_count": ("channels", "{} channels used", NONE),
    "subscription_tenure_days": ("days", "first subscribed {} days ago", NEVER),
    "subscription_recency_days": ("days", "latest subscription began {} days ago", NEVER),
    "subscription_periods_count": ("periods", "{} subscriptions or periods so far", NONE),
    "subscription_running_count": ("subscriptions", "{} subscriptions running", NONE),
    "subscription_amount": ("money a month", "pays {} a month", NONE),
    "subscription_amount_change": ("money a month", "monthly payment changed by {}", NONE),
    "subscription_amount_sum": ("money", "paid {} in subscriptions", NONE),
    "subscription_ended_count": ("subscriptions", "{} subscriptions ended", NONE),
    "subscription_seats": ("seats", "{} seats", NONE),
    "subscription_discount_mean": ("share", "discount of {}", FEW),
    "subscription_renews_share": ("share", "{} of subscriptions renew by themselves", FEW),
    "subscription_days_to_renewal": ("days", "renewal in {} days", "no term known"),
    "subscription_amount_per_seat": ("money a seat", "pays {} a seat", FEW),
    "subscription_cancellation_recency_days": ("days", "last cancellation {} days ago", NEVER),
    "subscription_cancellations_count": ("cancellations", "{} cancellations", NONE),
    "profile_tenure_days": ("days", "customer for {} days", UNKNOWN),
    "profile_signed_up_days": ("days", "signed up {} days ago", UNKNOWN),
}

_PART = re.compile(r"^usage_(?P<part>.+)_sum_(?P<days>\d+)d$")


def describe(name: str) -> Feature:
    """What `name` means. Raises UnknownFeature when no row of the catalog explains it.

    >>> describe("rfm_orders_trend_90d").needs_days
    180
    """
    base, days = split_window(name)
    if base not in _ROWS and (part := _PART.match(name)):
        label = part["part"].replace("_", " ")
        return Feature(name, f"usage_{part['part']}", "uses", f"{{}} uses of {label}", NONE, days, days)
    if base not in _ROWS and name.startswith("profile_"):
        return Feature(name, name, "", f"{name.removeprefix('profile_').replace('_', ' ')}: {{}}", UNKNOWN)
    if base not in _ROWS:
        raise UnknownFeature(f"feature {name}: not in the catalog; add a row for {base} to features/catalog.py")
    unit, meaning, missing = _ROWS[base]
    needs = days * (2 if base.endswith(("_trend", "_score_trend")) else 1) if days else None
    return Feature(name, base, unit, meaning, missing, days, needs)


def split_window(name: str) -> tuple[str, int | None]:
    """The name without its window, and the window in days.

    >>> split_window("rfm_orders_count_90d")
    ('rfm_orders_count', 90)
    """
    found = re.match(r"^(.+)_(\d+)d$", name)
    return (found[1], int(found[2])) if found else (name, None)


def phrase(name: str, value: float | str | None) -> str:
    """The feature and its value in plain words.

    >>> phrase("rfm_recency_days", 74.0), phrase("rfm_orders_count_90d", 2.0)
    ('last purchase 74 days ago', '2 orders in the last 90 days')
    """
    feature = describe(name)
    window = f" in the last {feature.days} days" if feature.days else ""
    if value is None:
        return f"{_subject(feature)}{window}: {feature.missing}"
    return feature.meaning.replace("{}", _shown(feature.unit, value)) + window


def kinds(frame: pl.DataFrame) -> dict[str, str]:
    """Feature column → "number" or "category"."""
    return {
        name: "category" if dtype == pl.String else "number"
        for name, dtype in frame.schema.items()
        if name != "customer_id"
    }


def table(names: Iterable[str]) -> pl.DataFrame:
    """The catalog of `names` as a frame: name, unit, meaning, missing."""
    rows = [describe(name) for name in names]
    return pl.DataFrame(
        {
            "name": [r.name for r in rows],
            "unit": [r.unit for r in rows],
            "meaning": [r.meaning for r in rows],
            "missing": [r.missing for r in rows],
        }
    )


def _subject(feature: Feature) -> str:
    """What the value would have been of: the name without its family."""
    return feature.base.split("_", 1)[-1].replace("_", " ")


def _shown(unit: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{value:.0%}"
    if unit == "−1..1":
        return f"{value:+.0%}"
    return f"{value:,.0f}" if abs(value) >= 20 or value == round(value) else f"{value:.2g}"
