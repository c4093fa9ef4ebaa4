"""How value moves in the course of a relationship, where its level shifts, and which actions came before a rise (D5).

Months are counted from the first purchase (month 0) and are 30.4375 days long. Only customers observed through a whole
month count in it, whether they bought or left, so a young customer is never a zero. Months 1 on are searched for
shifts of the level (month 0 holds the first purchase by definition): `ruptures` proposes break points by the curve's
own noise, and each has to be confirmed by the customers: the mean of (own monthly value after − before), over those
observed before and at least `minimum_months` after, over its standard error, beyond Student's bound of `alpha` shared
by all pairs of neighbouring stretches that the search could have chosen.
So neither a change in who is observed nor the search itself makes a shift. What follows is not what is caused.

Reference: Killick, Fearnhead and Eckley 2012, J. Am. Stat. Assoc. 107 (PELT).
"""

from collections.abc import Sequence
from math import comb, inf, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl
import ruptures
from pydantic import BaseModel, ConfigDict, FiniteFloat
from scipy.stats import t as student

from features.clock import DAY, MONTH_DAYS
from models.rules.pack import Lang, RulePack
from models.rules.schema.curves import ValueCurve

MONTH = int(MONTH_DAYS * DAY)
INBOUND = "inbound"  # the contract's word: what the customer did is no action of ours
_SMALLEST_NOISE = 1e-6  # of the curve's spread: a curve without any noise would else break everywhere


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CurveMonth(Result):
    """One month: customers observed through it, value per customer, share of them with any row."""

    month: int
    customers: int
    value: FiniteFloat
    active: FiniteFloat


class Action(Result):
    """What was logged in the months `since` to `until` (included) before a rise, for `customers` of `of`.

    `usual`: share of them with it in as many other months of theirs. `proposed`: more often than usual.
    """

    channel: str
    topic: str | None
    since: int
    until: int
    customers: int
    of: int
    usual: FiniteFloat
    proposed: bool


class Break(Result):
    """From `month` on the level differs. `before`, `after`: value per customer and month of the same `customers`.

    `change` is relative to `before` (None where that is 0); `actions` only before a rise.
    """

    month: int
    before: FiniteFloat
    after: FiniteFloat
    change: FiniteFloat | None
    customers: int
    p_value: FiniteFloat
    actions: tuple[Action, ...] = ()

    @property
    def rises(self) -> bool:
        """Whether value is higher afterwards."""
        return self.after > self.before


class Curve(Result):
    """The value curve."""

    months: tuple[CurveMonth, ...]
    breaks: tuple[Break, ...]


def purchase_values(transactions: pl.DataFrame) -> pl.DataFrame:
    """customer_id, t, value out of the contract's transactions; returns are negative value."""
    rows = transactions.filter(pl.col("customer_id").is_not_null(), pl.col("amount").is_not_null())
    return rows.select("customer_id", t="occurred_at", value="amount")


def subscription_values(subscriptions: pl.DataFrame, as_of: int) -> pl.DataFrame:
    """customer_id, t, value: what each running month of a subscription is worth, the last one by the part it ran."""
    end = pl.min_horizontal(pl.col("ended_at").fill_null(as_of), pl.lit(as_of))
    rows = subscriptions.with_columns(end=end).filter(pl.col("end") > pl.col("started_at"))
    starts = pl.int_ranges("started_at", "end", MONTH, dtype=pl.Int64)
    each = rows.with_columns(t=starts).explode("t")
    part = pl.min_horizontal(pl.col("end") - pl.col("t"), pl.lit(MONTH)) / MONTH
    return each.select("customer_id", "t", value=pl.col("monthly_amount") * part)


def value_curve(values: pl.DataFrame, pack: RulePack, as_of: int, interactions: pl.DataFrame | None = None) -> Curve:
    """The curve as of `as_of` (microseconds), its confirmed break points and the actions before rises.

    `values`: customer_id, t, value (see `purchase_values`), `interactions`: the contract's; both known before `as_of`.
    """
    rules, starts = pack.value_curve, _starts(values, as_of)
    monthly = _by_month(values, starts).group_by("customer_id", "month", "observed").agg(pl.col("value").sum())
    months = _months(monthly, starts, int(rules.minimum_customers.value))
    breaks = _confirmed(_proposed([m.value for m in months], rules), monthly, starts, len(months), rules)
    logged = None if interactions is None else _logged(interactions, starts)
    told = [found.model_copy(update={"actions": _actions(found, starts, logged, rules)}) for found in breaks]
    return Curve(months=months, breaks=tuple(told))


def proposed_now(
    values: pl.DataFrame, curve: Curve, as_of: int, interactions: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Customers who are now in the month of a proposed action and had it not yet in that stretch.

    Columns: customer_id, month (of the relationship), channel, topic.
    """
    now = _starts(values, as_of).select("customer_id", month="observed")
    proposals = {
        (action.channel, action.topic, month)
        for found in curve.breaks
        for action in found.actions
        if action.proposed
        for month in range(action.since, action.until + 1)
    }
    schema = {"channel": pl.String, "topic": pl.String, "month": pl.Int64}
    due = now.join(pl.DataFrame(sorted(proposals, key=str), schema=schema, orient="row"), on="month")
    if interactions is not None:
        done = _logged(interactions, _starts(values, as_of), ongoing=True)
        keys = ["customer_id", "channel", "topic", "month"]
        due = due.join(done, on=keys, how="anti", nulls_equal=True)
    return due.select("customer_id", "month", "channel", "topic").sort("month", "customer_id", "channel", "topic")


def curve_texts(curve: Curve, pack: RulePack, lang: Lang = "en") -> list[str]:
    """A sentence for each break point, and one for each proposed action: it "followed", nothing is said to cause."""
    return [text for found in curve.breaks for text in _told(found, pack.value_curve, lang)]


def _told(found: Break, rules: ValueCurve, lang: Lang) -> list[str]:
    sentence = (rules.rises if found.rises else rules.falls).text(lang)
    change = "–" if found.change is None else f"{found.change:+.0%}"
    shift = sentence.format(month=found.month, before=_money(found.before), after=_money(found.after), change=change)
    followed = [
        rules.followed.text(lang).format(
            month=found.month, action=" / ".join(filter(None, (action.channel, action.topic))),
            customers=action.customers, of=action.of, usual=f"{action.usual:.0%}",
            at=action.since if action.since == action.until else f"{action.since}–{action.until}",
        )
        for action in found.actions if action.proposed
    ]  # fmt: skip
    return [shift, *followed]


def _money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _starts(values: pl.DataFrame, as_of: int) -> pl.DataFrame:
    """customer_id, start (first purchase), observed (whole months since)."""
    known = values.filter(pl.col("t") < as_of, pl.col("value") >= 0)
    starts = known.group_by("customer_id").agg(start=pl.col("t").min())
    return starts.with_columns(observed=(pl.lit(as_of) - pl.col("start")) // MONTH)


def _by_month(rows: pl.DataFrame, starts: pl.DataFrame, ongoing: bool = False) -> pl.DataFrame:
    """Rows with their month of the relationship, of months that the customer was observed through."""
    placed = rows.join(starts, on="customer_id").with_columns(month=(pl.col("t") - pl.col("start")) // MONTH)
    last = pl.col("observed") + int(ongoing)
    return placed.filter(pl.col("t") >= pl.col("start"), pl.col("month") < last)


def _months(monthly: pl.DataFrame, starts: pl.DataFrame, least: int) -> tuple[CurveMonth, ...]:
    """The curve, up to the last month with enough customers."""
    observed = np.sort(starts["observed"].to_numpy())
    totals = monthly.group_by("month").agg(pl.col("value").sum(), pl.len())
    by_month = {month: (value, rows) for month, value, rows in totals.rows()}
    counts = [
        len(observed) - int(np.searchsorted(observed, m, side="right")) for m in range(int(max(observed, default=0)))
    ]
    return tuple(
        CurveMonth(month=m, customers=n, value=value / n, active=active / n)
        for m, n in enumerate(counts)
        if n >= least
        for value, active in (by_month.get(m, (0.0, 0)),)
    )


def _proposed(values: Sequence[float], rules: ValueCurve) -> list[int]:
    """Months at which the level of the curve may shift; month 0 is left out."""
    signal = np.asarray(values[1:], dtype=float)
    shortest = int(rules.minimum_months.value)
    if len(signal) < 2 * shortest or not np.ptp(signal):
        return []
    noise = max(_noise(signal), _SMALLEST_NOISE * float(np.ptp(signal)))
    search = ruptures.Pelt(model="l2", min_size=shortest, jump=1).fit(signal)
    found = search.predict(pen=rules.penalty.value * noise**2 * log(len(signal)))
    return [1 + int(place) for place in found[:-1]]


def _noise(signal: npt.NDArray[np.float64]) -> float:
    """Standard deviation of a month around its level, from the median absolute difference of neighbours."""
    return float(np.median(np.abs(np.diff(signal)))) / (NormalDist().inv_cdf(0.75) * sqrt(2))


def _confirmed(
    proposed: Sequence[int], monthly: pl.DataFrame, starts: pl.DataFrame, months: int, rules: ValueCurve
) -> list[Break]:
    """Break points that customers confirm: the least sure one goes until every one holds."""
    tried, least = comb(months, 3), int(rules.minimum_months.value)
    kept = list(proposed)
    while kept:
        edges = [1, *kept, months]
        shifts = [_shift(monthly, starts, edges[place : place + 3], least) for place in range(len(kept))]
        doubtful = [shift for shift in shifts if not _holds(shift, tried, rules)]
        if not doubtful:
            return shifts
        kept.remove(max(doubtful, key=lambda shift: shift.p_value).month)
    return []


def _holds(shift: Break, tried: int, rules: ValueCurve) -> bool:
    large = shift.change is None or abs(shift.change) >= rules.minimum_shift.value
    return large and shift.p_value <= rules.alpha.value / tried


def _shift(monthly: pl.DataFrame, starts: pl.DataFrame, edges: Sequence[int], least: int) -> Break:
    """The level in [first, month) against [month, end), by customer, over those observed `least` months after.

    A customer's level after is that of the months until `end` that it was observed through.
    """
    first, month, end = edges
    enough = pl.col("observed") >= month + least
    customers = int(starts.select(enough.sum()).item())
    inside = monthly.filter(enough, pl.col("month").is_between(first, end - 1))
    early = pl.col("month") < month
    levels = inside.group_by("customer_id", "observed").agg(
        before=pl.col("value").filter(early).sum() / (month - first),
        after=pl.col("value").filter(~early).sum() / (pl.col("observed").first().clip(None, end) - month),
    )
    before, after = (float(levels[side].sum()) / customers for side in ("before", "after"))
    gain, squares = after - before, float(((levels["after"] - levels["before"]) ** 2).sum())
    error = sqrt(max(squares / customers - gain**2, 0.0) / max(customers - 1, 1))
    z = abs(gain) / error if error > 0 else (inf if gain else 0.0)
    p_value = 2 * float(student.sf(z, max(customers - 1, 1)))
    change = gain / abs(before) if before else None
    return Break(month=month, before=before, after=after, change=change, customers=customers, p_value=p_value)


def _logged(interactions: pl.DataFrame, starts: pl.DataFrame, ongoing: bool = False) -> pl.DataFrame:
    """Our own actions: customer_id, observed, month, channel, topic, each once; month of the relationship."""
    rows = interactions.with_columns(t=pl.col("occurred_at"))
    if "topic" not in rows.columns:
        rows = rows.with_columns(topic=pl.lit(None, pl.String))
    if "direction" in rows.columns:
        rows = rows.filter(pl.col("direction").str.to_lowercase().ne_missing(INBOUND))
    placed = _by_month(rows, starts, ongoing)
    return placed.select("customer_id", "observed", "month", "channel", "topic").unique()


def _actions(found: Break, starts: pl.DataFrame, logged: pl.DataFrame | None, rules: ValueCurve) -> tuple[Action, ...]:
    """What was logged right before a rise, by the customers that show it; the most frequent first."""
    if logged is None or not found.rises:
        return ()
    since, until = max(found.month - int(rules.lookback_months.value), 0), found.month - 1
    enough = pl.col("observed") >= found.month + int(rules.minimum_months.value)
    inside = pl.col("month").is_between(since, until)
    counted = (
        logged.filter(enough)
        .group_by("channel", "topic")
        .agg(
            customers=pl.col("customer_id").filter(inside).n_unique(),
            elsewhere=pl.col("customer_id").filter(~inside).len(),
        )
        .filter(pl.col("customers") >= rules.minimum_actions.value)
        .sort("customers", "channel", "topic", descending=[True, False, False])
    )
    stretch = until - since + 1
    chances = (int(starts.filter(enough)["observed"].sum()) - found.customers * stretch) / stretch
    return tuple(
        Action(
            channel=row["channel"], topic=row["topic"], since=since, until=until, customers=row["customers"],
            of=found.customers, usual=row["elsewhere"] / chances,
            proposed=row["customers"] / found.customers > row["elsewhere"] / chances,
        )
        for row in counted.to_dicts()
    )  # fmt: skip
