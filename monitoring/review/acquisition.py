"""What customers are worth by how they were won, and by what winning them cost (D2)."""

import numpy as np
import polars as pl
from pydantic import FiniteFloat

from features.clock import DAY
from features.point_in_time import Tables
from features.settings import ValueSource
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import rows_of, said
from monitoring.review.history import snapshot
from training.evaluate import Report
from training.labels import realised_value


class Worth(Report):
    """A group of customers, money in the data's currency; what is not known is None.

    `spend` is of the last days; `spend_per_cost` = spend / cost of those whose cost is known, `costed`.
    """

    customers: int
    costed: int
    cost: FiniteFloat
    spend: FiniteFloat
    spend_per_customer: FiniteFloat
    spend_per_cost: FiniteFloat | None
    expected_value_per_customer: FiniteFloat | None


class Channel(Worth):
    """Customers won through `channel`; None: not given."""

    channel: str | None


class CostBand(Worth):
    """Customers who cost from `low` to below `high` to win; the last band includes its end."""

    low: FiniteFloat
    high: FiniteFloat


class Acquisition(Report):
    text: Label
    channels: tuple[Channel, ...] = ()
    bands: tuple[CostBand, ...] = ()


def acquisition(
    tables: Tables, history: pl.DataFrame, end: int, pack: RulePack, source: ValueSource | None = None
) -> Acquisition:
    """Spend of the pack's days before `end` (microseconds), by channel and by quantiles of cost.

    `source` of the spend (default: transactions, else subscriptions: both would count an invoice twice); `history`:
    customer_id, as_of, and expected_value where known. Customers who have left count, with what they spent.
    """
    rule = pack.review.acquisition
    people = rows_of(tables, "customers", ("customer_id",), _COLUMNS)
    if people is None or all(people[name].is_null().all() for name in _COLUMNS):
        return Acquisition(text=said(rule.no_columns))
    source = source or next((name for name in _SOURCES if name in tables), None)
    if source is None:
        return Acquisition(text=said(rule.no_spend))
    rows = _valued(people, tables, history, end, source, rule.spend_days.value)
    channels = _channels(rows) if rows["acquisition_channel"].is_not_null().any() else ()
    return Acquisition(
        text=_text(rows, channels, pack), channels=channels, bands=_bands(rows, int(rule.cost_bands.value))
    )


_SOURCES: tuple[ValueSource, ...] = ("transactions", "subscriptions")
_COLUMNS = ("acquisition_channel", "acquisition_cost")


def _valued(
    people: pl.DataFrame, tables: Tables, history: pl.DataFrame, end: int, source: ValueSource, days: float
) -> pl.DataFrame:
    """customer_id, channel, cost, spend and expected_value (null where not scored)."""
    start = end - int(days * DAY)
    spend = realised_value(tables, start, source, int(days), "revenue").rename({"value": "spend"})
    rows = people.unique("customer_id", keep="first", maintain_order=True).with_columns(
        pl.col("acquisition_channel").cast(pl.String), pl.col("acquisition_cost").cast(pl.Float64)
    )
    rows = rows.join(spend, on="customer_id", how="left").with_columns(pl.col("spend").fill_null(0.0))
    if "expected_value" not in history.columns:
        return rows.with_columns(expected_value=pl.lit(None, pl.Float64))
    scored = snapshot(history, end).select("customer_id", pl.col("expected_value").cast(pl.Float64))
    return rows.join(scored, on="customer_id", how="left")


def _channels(rows: pl.DataFrame) -> tuple[Channel, ...]:
    """Most spend per unit of cost first; channels without a known cost last."""
    names = rows["acquisition_channel"].unique().sort().to_list()
    each = [
        Channel(channel=name, **_worth(rows.filter(pl.col("acquisition_channel").eq_missing(name)))) for name in names
    ]
    return tuple(
        sorted(each, key=lambda worth: -(worth.spend_per_cost if worth.spend_per_cost is not None else -np.inf))
    )


def _bands(rows: pl.DataFrame, count: int) -> tuple[CostBand, ...]:
    """Equally many customers a band; equal costs share one, so that there may be fewer."""
    costs = rows["acquisition_cost"].drop_nulls().to_numpy()
    if not len(costs):
        return ()
    edges = np.unique(np.quantile(costs, np.linspace(0, 1, count + 1)))
    if len(edges) == 1:
        edges = np.append(edges, edges)
    last = len(edges) - 2
    return tuple(
        CostBand(
            low=low,
            high=high,
            **_worth(rows.filter(pl.col("acquisition_cost").is_between(low, high, "both" if n == last else "left"))),
        )
        for n, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    )


def _worth(rows: pl.DataFrame) -> dict[str, float | None]:
    costed = rows.filter(pl.col("acquisition_cost").is_not_null())
    cost, spend = float(costed["acquisition_cost"].sum()), float(rows["spend"].sum())
    expected = rows["expected_value"].drop_nulls().to_numpy()
    return {
        "customers": rows.height,
        "costed": costed.height,
        "cost": cost,
        "spend": spend,
        "spend_per_customer": spend / rows.height,
        "spend_per_cost": float(costed["spend"].sum()) / cost if cost > 0 else None,
        "expected_value_per_customer": float(expected.mean()) if len(expected) else None,
    }


def _text(rows: pl.DataFrame, channels: tuple[Channel, ...], pack: RulePack) -> Label:
    rule = pack.review.acquisition
    numbers = {"customers": f"{rows.height:,}", "days": f"{rule.spend_days.value:g}"}
    best = channels[0] if channels and channels[0].spend_per_cost is not None else None
    if best is None:
        return said(rule.without_cost, **numbers)
    name = pack.review.headings["not_given"] if best.channel is None else best.channel
    return said(rule.result, best=name, spend_per_cost=f"{best.spend_per_cost:.2f}", **numbers)
