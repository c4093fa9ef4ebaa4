"""The contract between features and models: every feature's name, unit, meaning, and the meaning of missing.

Names are `family_what` or `family_what_window`; `describe` reads a name against the rows below, so a window or a
part of the product needs no row of its own.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import polars as pl

from features.errors import RemoraError
from features.language import N_, Lang, translator

FAMILIES = {
    "rfm": N_("purchases"),
    "usage": N_("product use"),
    "nps": N_("NPS and satisfaction"),
    "support": N_("support"),
    "engagement": N_("contacts"),
    "subscription": N_("subscriptions"),
    "profile": N_("profile"),
    "rhythm": N_("rhythm of purchases"),
}
"""How a name begins → what its features are about. `rhythm` is what a model makes of a customer's purchases."""


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


NONE = N_("there was none: 0")
NEVER = N_("never happened")
FEW = N_("too few to say")
UNKNOWN = N_("not known")
NO_PURCHASES = N_("no purchases to go by")

# base name → (unit, meaning, meaning of missing); "{}" in a meaning takes the value. Names are for translators to say
# in words: in English they say it themselves
_ROWS: dict[str, tuple[str, str, str]] = {
    N_("rfm_recency_days"): ("days", N_("last purchase {} days ago"), NEVER),
    N_("rfm_tenure_days"): ("days", N_("first purchase {} days ago"), NEVER),
    N_("rfm_gap_mean_days"): ("days", N_("{} days between purchases on average"), FEW),
    N_("rfm_gap_std_days"): ("days", N_("gaps between purchases spread by {} days"), FEW),
    N_("rfm_recency_in_gaps"): ("gaps", N_("silent for {} times the usual gap between purchases"), FEW),
    N_("rfm_orders_count"): ("orders", N_("{} orders"), NONE),
    N_("rfm_amount_sum"): ("money", N_("net spend of {}"), NONE),
    N_("rfm_amount_year_ago"): ("money", N_("net spend of {} in the 90 days that began a year ago"), NONE),
    N_("rfm_amount_mean"): ("money", N_("{} an order on average"), NEVER),
    N_("rfm_amount_std"): ("money", N_("order values spread by {}"), FEW),
    N_("rfm_orders_trend"): ("−1..1", N_("orders against the period before: {}"), FEW),
    N_("rfm_amount_trend"): ("−1..1", N_("spend against the period before: {}"), FEW),
    N_("rfm_returns_count"): ("returns", N_("{} returns"), NONE),
    N_("rfm_returns_share"): ("share", N_("returned {} of what was bought"), FEW),
    N_("rfm_margin_rate"): ("share", N_("margin rate of {}"), FEW),
    N_("rfm_discount_mean"): ("share", N_("discount of {} on average"), FEW),
    N_("rfm_amount_monthly"): ("money a month", N_("net spend of {} a month since the first purchase"), NEVER),
    N_("rfm_orders_monthly"): ("orders a month", N_("{} orders a month since the first purchase"), NEVER),
    N_("rfm_amount_per_seat"): ("money a seat", N_("spend of {} a seat"), FEW),
    N_("usage_recency_days"): ("days", N_("last used {} days ago"), NEVER),
    N_("usage_tenure_days"): ("days", N_("first used {} days ago"), NEVER),
    N_("usage_gap_mean_days"): ("days", N_("{} days between days of use on average"), FEW),
    N_("usage_gap_std_days"): ("days", N_("gaps between days of use spread by {} days"), FEW),
    N_("usage_recency_in_gaps"): ("gaps", N_("not used for {} times the usual gap"), FEW),
    N_("usage_events_count"): ("events", N_("{} usage events"), NONE),
    N_("usage_quantity_sum"): ("uses", N_("{} uses"), NONE),
    N_("usage_quantity_trend"): ("−1..1", N_("use against the period before: {}"), FEW),
    N_("usage_active_days"): ("days", N_("{} days of use"), NONE),
    N_("usage_active_days_trend"): ("−1..1", N_("days of use against the period before: {}"), FEW),
    N_("usage_depth"): ("share", N_("{} of the core features used"), NONE),
    N_("usage_quantity_per_seat"): ("uses a seat", N_("{} uses a seat"), FEW),
    N_("usage_quantity_per_amount"): ("uses per money", N_("{} uses for each unit of money paid a month"), FEW),
    N_("nps_score_last"): ("points", N_("last NPS answer was {} of 10"), NEVER),
    N_("nps_score_mean"): ("points", N_("NPS answers average {} of 10"), NEVER),
    N_("nps_score"): ("−100..100", N_("own NPS of {}"), NEVER),
    N_("nps_answers_count"): ("answers", N_("{} NPS answers"), NONE),
    N_("nps_score_trend"): ("points", N_("NPS answers moved by {} points"), FEW),
    N_("nps_silence_days"): ("days", N_("last NPS answer {} days ago"), NEVER),
    N_("nps_satisfaction_last"): ("points", N_("last satisfaction answer was {} of 5"), NEVER),
    N_("nps_satisfaction_mean"): ("points", N_("satisfaction answers average {} of 5"), NEVER),
    N_("support_recency_days"): ("days", N_("last ticket {} days ago"), NEVER),
    N_("support_tickets_count"): ("tickets", N_("{} tickets"), NONE),
    N_("support_tickets_trend"): ("−1..1", N_("tickets against the period before: {}"), FEW),
    N_("support_tickets_open"): ("tickets", N_("{} tickets open"), NONE),
    N_("support_hours_to_close_mean"): ("hours", N_("tickets took {} hours to close"), NEVER),
    N_("support_first_response_mean"): ("minutes", N_("first answer took {} minutes"), NEVER),
    N_("support_satisfaction_mean"): ("points", N_("satisfaction with solutions averages {} of 5"), NEVER),
    N_("support_complaints_count"): ("complaints", N_("{} complaints"), NONE),
    N_("support_complaint_satisfaction"): ("points", N_("satisfaction after complaints averages {} of 5"), NEVER),
    N_("support_complaint_rate"): ("share", N_("complaint rate of {}"), FEW),
    N_("engagement_recency_days"): ("days", N_("last contact {} days ago"), NEVER),
    N_("engagement_tenure_days"): ("days", N_("first contact {} days ago"), NEVER),
    N_("engagement_gap_mean_days"): ("days", N_("{} days between contacts on average"), FEW),
    N_("engagement_gap_std_days"): ("days", N_("gaps between contacts spread by {} days"), FEW),
    N_("engagement_recency_in_gaps"): ("gaps", N_("no contact for {} times the usual gap"), FEW),
    N_("engagement_interactions_count"): ("contacts", N_("{} contacts"), NONE),
    N_("engagement_interactions_trend"): ("−1..1", N_("contacts against the period before: {}"), FEW),
    N_("engagement_inbound_share"): ("share", N_("{} of contacts came from the customer"), FEW),
    N_("engagement_complaints_count"): ("contacts", N_("{} contacts to complain"), NONE),
    N_("engagement_enquiries_count"): ("contacts", N_("{} enquiries"), NONE),
    N_("engagement_channels_count"): ("channels", N_("{} channels used"), NONE),
    N_("subscription_tenure_days"): ("days", N_("first subscribed {} days ago"), NEVER),
    N_("subscription_recency_days"): ("days", N_("latest subscription began {} days ago"), NEVER),
    N_("subscription_periods_count"): ("periods", N_("{} subscriptions or periods so far"), NONE),
    N_("subscription_running_count"): ("subscriptions", N_("{} subscriptions running"), NONE),
    N_("subscription_amount"): ("money a month", N_("pays {} a month"), NONE),
    N_("subscription_amount_change"): ("money a month", N_("monthly payment changed by {}"), NONE),
    N_("subscription_amount_sum"): ("money", N_("paid {} in subscriptions"), NONE),
    N_("subscription_ended_count"): ("subscriptions", N_("{} subscriptions ended"), NONE),
    N_("subscription_seats"): ("seats", N_("{} seats"), NONE),
    N_("subscription_discount_mean"): ("share", N_("discount of {}"), FEW),
    N_("subscription_renews_share"): ("share", N_("{} of subscriptions renew by themselves"), FEW),
    N_("subscription_days_to_renewal"): ("days", N_("renewal in {} days"), N_("no term known")),
    N_("subscription_amount_per_seat"): ("money a seat", N_("pays {} a seat"), FEW),
    N_("subscription_cancellation_recency_days"): ("days", N_("last cancellation {} days ago"), NEVER),
    N_("subscription_cancellations_count"): ("cancellations", N_("{} cancellations"), NONE),
    N_("profile_tenure_days"): ("days", N_("customer for {} days"), UNKNOWN),
    N_("profile_signed_up_days"): ("days", N_("signed up {} days ago"), UNKNOWN),
    N_("rhythm_alive"): ("share", N_("by the rhythm of purchases, {} likely to be a customer still"), NO_PURCHASES),
    N_("rhythm_no_purchase"): (
        "share",
        N_("by the rhythm of purchases, {} likely to buy nothing this period"),
        NO_PURCHASES,
    ),
    N_("rhythm_purchases"): (
        "purchases",
        N_("by the rhythm of purchases, {} purchases expected this period"),
        NO_PURCHASES,
    ),
    N_("rhythm_value"): ("money", N_("by the rhythm of purchases, a spend of {} expected this period"), NO_PURCHASES),
}

RHYTHMS = {f"{family}_recency_days": f"{family}_gap_mean_days" for family in ("rfm", "usage", "engagement")}
"""Days since the last event → the customer's own usual days between two of them."""

_NEEDS = {"rfm_amount_year_ago": 365}
"""Days of history that features without a window of their own need."""

_RELATIVE = ("−1..1", "gaps")
"""Units of features that compare a customer with itself: what is normal is in them."""

_PROFILE = (
    N_("profile_industry"), N_("profile_industry_growth_rate"), N_("profile_industry_position"), N_("profile_size_fit"),
    N_("profile_employees"), N_("profile_annual_revenue"), N_("profile_region"), N_("profile_country"),
    N_("profile_account_owner"), N_("profile_preferred_channel"), N_("profile_preferred_form"),
    N_("profile_preferred_cadence"), N_("profile_acquisition_channel"), N_("profile_acquisition_cost"),
)  # fmt: skip
"""Columns of the contract's customers as features: they need no row above, but a name in Chinese."""

_USES, _IS = N_("{} uses of {about}"), N_("{about}: {}")
"""Meaning of a part of the product, and of a column of `customers`."""

_PART = re.compile(r"^usage_(?P<part>.+)_sum_(?P<days>\d+)d$")


def describe(name: str) -> Feature:
    """What `name` means. Raises UnknownFeature when no row of the catalog explains it.

    >>> describe("rfm_orders_trend_90d").needs_days
    180
    """
    base, days = split_window(name)
    if base not in _ROWS and (part := _PART.match(name)):
        about = f"usage_{part['part']}"
        return Feature(name, about, "uses", _USES.replace("{about}", _words(about)), NONE, days, days)
    if base not in _ROWS and name.startswith("profile_"):
        return Feature(name, name, "", _IS.replace("{about}", _words(name)), UNKNOWN)
    if base not in _ROWS:
        raise UnknownFeature(f"feature {name}: not in the catalog; add a row for {base} to features/catalog.py")
    unit, meaning, missing = _ROWS[base]
    needs = days * (2 if base.endswith(("_trend", "_score_trend")) else 1) if days else _NEEDS.get(base)
    return Feature(name, base, unit, meaning, missing, days, needs)


def split_window(name: str) -> tuple[str, int | None]:
    """The name without its window, and the window in days.

    >>> split_window("rfm_orders_count_90d")
    ('rfm_orders_count', 90)
    """
    found = re.match(r"^(.+)_(\d+)d$", name)
    return (found[1], int(found[2])) if found else (name, None)


def phrase(name: str, value: float | str | None, lang: Lang = "en") -> str:
    """The feature and its value in plain words, in either language.

    >>> phrase("rfm_recency_days", 74.0), phrase("rfm_orders_count_90d", 2.0)
    ('last purchase 74 days ago', '2 orders in the last 90 days')
    >>> phrase("rfm_orders_count_90d", 2.0, "zh")
    '近90天下单2次'
    """
    words = _wording(name, lang)
    return words.missing if value is None else words.meaning.replace("{}", shown(words.unit, value))


def usual(name: str, normal: float | str, own: bool, lang: Lang = "en") -> str | None:
    """What is normal, in plain words: the customer's `own` rhythm, else what most customers have; None if it is told.

    >>> usual("rfm_recency_days", 21.0, True), usual("rfm_orders_count_90d", 5.0, False)
    ('usually every 21 days', 'typical: 5')
    """
    _, unit = translator(lang).gettext, describe(name).unit
    if unit in _RELATIVE:
        return None
    if own:
        return _("usually every {days} days").format(days=shown(unit, normal))
    told = _("most often: {value}") if isinstance(normal, str) else _("typical: {value}")
    return told.format(value=shown(unit, normal))


def moved(name: str, before: float | str | None, after: float | str | None, lang: Lang = "en") -> str:
    """The feature, its value and the one it had before, in plain words.

    >>> moved("rfm_recency_days", 44.0, 74.0), moved("nps_score_last", None, 3.0)
    ('last purchase 74 days ago (was 44)', 'last NPS answer was 3 of 10 (before: never happened)')
    """
    _, feature = translator(lang).gettext, describe(name)
    if before is None:
        return _("{words} (before: {why})").format(words=phrase(name, after, lang), why=_(feature.missing))
    return _("{words} (was {before})").format(words=phrase(name, after, lang), before=shown(feature.unit, before))


def family_of(name: str) -> str:
    """The family that a feature belongs to: how its name begins.

    >>> family_of("rfm_orders_count_90d"), family_of("rhythm_alive")
    ('rfm', 'rhythm')
    """
    return name.split("_", 1)[0]


def family_label(family: str, lang: Lang = "en") -> str:
    """What the features of a family are about."""
    return translator(lang).gettext(FAMILIES[family])


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


@dataclass(frozen=True)
class _Wording:
    """What a feature says: with "{}" for its value, and where it is missing."""

    meaning: str
    missing: str
    unit: str


@cache
def _wording(name: str, lang: Lang) -> _Wording:
    feature, _ = describe(name), translator(lang).gettext
    meaning, subject = _meaning(feature, _), _subject(feature, _)
    if feature.days:
        within = _("{words} in the last {days} days")
        meaning = within.replace("{days}", str(feature.days)).replace("{words}", meaning)
        subject = within.format(words=subject, days=feature.days)
    return _Wording(meaning, _("{words}: {why}").format(words=subject, why=_(feature.missing)), feature.unit)


def _meaning(feature: Feature, _: Callable[[str], str]) -> str:
    """What the feature says, with "{}" for its value."""
    if feature.base in _ROWS:
        return _(feature.meaning)
    return _(_USES if feature.unit else _IS).replace("{about}", _subject(feature, _))


def _subject(feature: Feature, _: Callable[[str], str]) -> str:
    """What the value is of, or would have been."""
    translated = _(feature.base)
    return translated if translated != feature.base else _words(feature.base)


def _words(base: str) -> str:
    """The name without its family."""
    return base.split("_", 1)[-1].replace("_", " ")


def shown(unit: str, value: float | str) -> str:
    """A value of `unit` as people read it."""
    if isinstance(value, str):
        return value
    if unit == "share":
        return f"{value:.0%}"
    if unit == "−1..1":
        return f"{value:+.0%}"
    return f"{value:,.0f}" if abs(value) >= 20 or value == round(value) else f"{value:.2g}"
