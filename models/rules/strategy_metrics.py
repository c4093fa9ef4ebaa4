"""The metrics of the strategy table (D3; formulas: project default), computed from what customers did in a period.

Each takes the segment's customers at the period's start and gives how many counted, how many did it, and the value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from features.clock import DAY
from models.rules.schema.segments import Formula, Strategies

MONTH = 30 * DAY


class Result(NamedTuple):
    """`customers`: the whole (subscriptions due, for renewal); `done`: those who did it; `value` None without data."""

    customers: int
    done: int | None
    value: float | None


@dataclass(frozen=True)
class Period:
    """What happened from `start` to `as_of` (half-open, Int64 microseconds) and in the same length before.

    `orders`: customer_id, t, net, one row a purchase. `subscriptions`: customer_id, started_at, ended_at, perhaps
    term_ends_at and product. `contacts`: customer_id, t, perhaps topic. `surveys`: customer_id, t, score.
    """

    start: int
    as_of: int
    orders: pl.DataFrame
    subscriptions: pl.DataFrame | None
    contacts: pl.DataFrame | None
    surveys: pl.DataFrame | None
    grace_days: float

    @property
    def before(self) -> int:
        """The start of the period of the same length before."""
        return 2 * self.start - self.as_of

    @property
    def purchases(self) -> pl.DataFrame:
        """customer_id, t of every order and every start of a subscription: who subscribes buys (RULES, conventions)."""
        orders = self.orders.select("customer_id", "t")
        if self.subscriptions is None:
            return orders
        return pl.concat([orders, self.subscriptions.select("customer_id", t="started_at")])

    def moved_back(self) -> "Period":
        """The period of the same length before."""
        return Period(self.before, self.start, self.orders, self.subscriptions, None, None, self.grace_days)


@dataclass(frozen=True)
class Members:
    """A segment's customers at the start (one column, customer_id), and at the start of the period before, if known."""

    now: pl.DataFrame
    before: pl.DataFrame | None


def within(frame: pl.DataFrame, members: pl.DataFrame, start: int, end: int) -> pl.DataFrame:
    """The rows of `frame` of `members` with start ≤ t < end."""
    return frame.filter((pl.col("t") >= start) & (pl.col("t") < end)).join(members, on="customer_id", how="semi")


def rate(done: int, whole: int) -> float | None:
    """done / whole; 0/0 is missing."""
    return done / whole if whole else None


def change(now: float | None, before: float | None) -> float | None:
    """now / before − 1; missing without both, or with a `before` that is not above 0."""
    return now / before - 1 if now is not None and before is not None and before > 0 else None


def repurchase_rate(members: Members, period: Period, _: Strategies) -> Result:
    """Customers of the segment at period start who order in it / all of them; unknown where nobody ever ordered."""
    if period.orders.is_empty():
        return Result(members.now.height, None, None)
    return _share_buying(members.now, period.orders, period.start, period.as_of)


def order_value_change(members: Members, period: Period, _: Strategies) -> Result:
    """Mean order value against the same length before, same customers."""
    now = within(period.orders, members.now, period.start, period.as_of)
    before = within(period.orders, members.now, period.before, period.start)
    return Result(members.now.height, now["customer_id"].n_unique(), change(_mean(now["net"]), _mean(before["net"])))


def satisfaction(members: Members, period: Period, _: Strategies) -> Result:
    """Mean survey answer of the period, 1 to 5."""
    if period.surveys is None:
        return Result(members.now.height, None, None)
    answers = within(period.surveys, members.now, period.start, period.as_of)
    return Result(members.now.height, answers["customer_id"].n_unique(), _mean(answers["score"]))


def renewal_rate(members: Members, period: Period, _: Strategies) -> Result:
    """Subscriptions due in the period, grace period closed, that continue within it / all of those.

    Due at the end of the term agreed in advance; continued if a subscription (of the same product, where known) runs
    at any moment from then to the end of the grace period.
    """
    rows, grace = period.subscriptions, round(period.grace_days * DAY)
    if rows is None or "term_ends_at" not in rows.columns:
        return Result(0, None, None)
    rows = rows.join(members.now, on="customer_id", how="semi").with_row_index("due_row")
    decided = (pl.col("term_ends_at") >= period.start) & (pl.col("term_ends_at") + grace < period.as_of)
    given_up_before = (pl.col("ended_at") < pl.col("term_ends_at")).fill_null(False)
    due = rows.filter(decided & ~given_up_before)
    keys = ["customer_id", *(["product"] if "product" in rows.columns else [])]
    pairs = due.select(*keys, "due_row", due="term_ends_at").join(rows.drop("due_row"), on=keys, nulls_equal=True)
    runs = (pl.col("started_at") <= pl.col("due") + grace) & (
        pl.col("ended_at").is_null() | (pl.col("ended_at") > pl.col("due"))
    )
    continued = pairs.filter(runs)["due_row"].n_unique()
    return Result(due.height, continued, rate(continued, due.height))


def interaction_frequency(members: Members, period: Period, _: Strategies) -> Result:
    """Contacts per customer and month of 30 days."""
    whole = members.now.height
    if period.contacts is None:
        return Result(whole, None, None)
    contacts = within(period.contacts, members.now, period.start, period.as_of)
    months = (period.as_of - period.start) / MONTH
    return Result(whole, contacts["customer_id"].n_unique(), contacts.height / whole / months if whole else None)


def customers_reactivated(members: Members, period: Period, numbers: Strategies) -> Result:
    """At risk or dormant at start, and ordering (or subscribing) within 90 days of it / all of them."""
    end = min(period.as_of, _limit(period, numbers, "customers_reactivated"))
    return _share_buying(members.now, period.purchases, period.start, end)


def second_purchase_amount(members: Members, period: Period, numbers: Strategies) -> Result:
    """Mean of what each of the reactivated bought within the 90 days."""
    end = min(period.as_of, _limit(period, numbers, "second_purchase_amount"))
    back = within(period.orders, members.now, period.start, end)
    return Result(members.now.height, back["customer_id"].n_unique(), _mean(_sums(back)))


def conversion(members: Members, period: Period, _: Strategies) -> Result:
    """Prospects with a first order or subscription in the period / all."""
    return _share_buying(members.now, period.purchases, period.start, period.as_of)


def enquiry_to_deal_days(members: Members, period: Period, _: Strategies) -> Result:
    """Mean days from the first enquiry to the first order or subscription, of the prospects who bought."""
    if period.contacts is None or "topic" not in period.contacts.columns:
        return Result(members.now.height, None, None)
    deals = _first(within(period.purchases, members.now, period.start, period.as_of), "deal")
    asked = _first(period.contacts.filter(pl.col("topic") == "enquiry"), "asked")
    both = deals.join(asked, on="customer_id").filter(pl.col("asked") <= pl.col("deal"))
    days = both.select((pl.col("deal") - pl.col("asked")) / DAY).to_series()
    return Result(members.now.height, both.height, _mean(days))


def retention_change(members: Members, period: Period, _: Strategies) -> Result:
    """Share of the segment's customers who stay, against that of the period before and its customers."""
    now = _stayed(members.now, period)
    before = _stayed(members.before, period.moved_back()) if members.before is not None else None
    return Result(now.customers, now.done, change(now.value, before.value if before else None))


def churn_change(members: Members, period: Period, _: Strategies) -> Result:
    """Share of the segment's customers who leave, against that of the period before and its customers."""
    now = _left(_stayed(members.now, period))
    before = _left(_stayed(members.before, period.moved_back())) if members.before is not None else None
    return Result(now.customers, now.done, change(now.value, before.value if before else None))


def purchase_frequency_change(members: Members, period: Period, _: Strategies) -> Result:
    """Orders per customer against the same length before, same customers."""
    now = within(period.orders, members.now, period.start, period.as_of)
    before = within(period.orders, members.now, period.before, period.start)
    return Result(members.now.height, now["customer_id"].n_unique(), change(now.height, before.height))


FORMULAS: Mapping[Formula, Callable[[Members, Period, Strategies], Result]] = {
    "repurchase_rate": repurchase_rate,
    "order_value_change": order_value_change,
    "satisfaction": satisfaction,
    "renewal_rate": renewal_rate,
    "interaction_frequency": interaction_frequency,
    "customers_reactivated": customers_reactivated,
    "second_purchase_amount": second_purchase_amount,
    "conversion": conversion,
    "enquiry_to_deal_days": enquiry_to_deal_days,
    "retention_change": retention_change,
    "churn_change": churn_change,
    "purchase_frequency_change": purchase_frequency_change,
}


def _share_buying(members: pl.DataFrame, purchases: pl.DataFrame, start: int, end: int) -> Result:
    done = within(purchases, members, start, end)["customer_id"].n_unique()
    return Result(members.height, done, rate(done, members.height))


def _stayed(members: pl.DataFrame, period: Period) -> Result:
    """Ordered in the period, or has a subscription that runs at its end."""
    stayed = within(period.orders, members, period.start, period.as_of).select("customer_id")
    if (rows := period.subscriptions) is not None:
        begun = pl.col("started_at") < period.as_of
        runs = rows.filter(begun & (pl.col("ended_at").is_null() | (pl.col("ended_at") >= period.as_of)))
        stayed = pl.concat([stayed, runs.join(members, on="customer_id", how="semi").select("customer_id")])
    done = stayed["customer_id"].n_unique()
    return Result(members.height, done, rate(done, members.height))


def _left(stayed: Result) -> Result:
    done = stayed.customers - (stayed.done or 0)
    return Result(stayed.customers, done, rate(done, stayed.customers))


def _limit(period: Period, numbers: Strategies, metric: Formula) -> int:
    """The last moment that counts for a metric with a time limit."""
    days = numbers.metrics[metric].days
    return period.as_of if days is None else period.start + round(days.value * DAY)


def _sums(orders: pl.DataFrame) -> pl.Series:
    return orders.group_by("customer_id").agg(pl.col("net").sum()).sort("customer_id")["net"]


def _first(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    return rows.group_by("customer_id").agg(pl.col("t").min().alias(name))


def _mean(values: pl.Series) -> float | None:
    """The mean of the sorted values: the same in whatever order they come."""
    mean = values.drop_nulls().sort().cast(pl.Float64).mean()
    return mean if isinstance(mean, float) else None
