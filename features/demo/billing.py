"""Transactions: invoices of the running subscriptions, one-off orders, credit notes."""

import numpy as np
import polars as pl

from features.clock import MONTH_DAYS
from features.demo.events import Events, scatter
from features.demo.latent import History
from features.demo.population import Population
from features.demo.timeline import Numbers, Timeline, Whole, in_hours, stream

ADD_ONS = ("Data migration", "Training day", "API credits", "Premium support", "Custom report", "Hardware key")
ADD_ON_PRICE = np.array([2400.0, 950.0, 120.0, 480.0, 640.0, 45.0])
ADD_ON_SHARE = np.array([0.1, 0.17, 0.28, 0.15, 0.12, 0.18])
MIGRATION, TRAINING = 0, 1
FOLLOWED = 0.5  # of those who order a data migration, a training day within 80 days
MARGIN = 0.78  # of subscriptions; one-off orders carry less
CURRENCY = "EUR"


def transactions(seed: int, population: Population, history: History, subscriptions: pl.DataFrame,
                 timeline: Timeline) -> pl.DataFrame:  # fmt: skip
    """customer (index), at (day) and the contract's columns but for its times."""
    rng = stream(seed, "billing")
    invoices = _numbered(_invoices(rng, subscriptions, population, timeline), "INV")
    orders = _orders(rng, population, history, timeline)
    notes = _numbered(_credit_notes(rng, invoices, history, timeline), "CN")
    return pl.concat([invoices, orders, notes], how="diagonal").with_columns(currency=pl.lit(CURRENCY))


def _invoices(rng: np.random.Generator, subscriptions: pl.DataFrame, population: Population,
              timeline: Timeline) -> pl.DataFrame:  # fmt: skip
    prepaid = pl.Series(population.prepaid).gather(subscriptions["customer"])
    yearly = prepaid & subscriptions["term_ends"].is_not_null()
    monthly = _monthly(subscriptions.filter(~yearly), timeline)
    billed = pl.concat([monthly, _yearly(subscriptions.filter(yearly))]).filter(pl.col("at") >= 0)
    margin = np.clip(rng.normal(MARGIN, 0.05, len(billed)), 0.4, 0.95)
    return billed.select(
        "customer", "at", "product", "discount", pl.col("amount").round(2),
        quantity=pl.col("seats").cast(pl.Float64),
        unit_price=(pl.col("monthly_amount") / pl.col("seats") / (1 - pl.col("discount"))).round(2),
        gross_margin=(pl.col("amount") * pl.Series(margin)).round(2),
    )  # fmt: skip


def _monthly(subscriptions: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """An invoice every month from the day that the stay began, at the price of the row that runs then."""
    stay, began, ended = (subscriptions[name].to_numpy() for name in ("stay_began", "began", "ended"))
    until = np.where(np.isnan(ended), timeline.days, ended)
    first = np.ceil((np.maximum(began, 0) - stay) / MONTH_DAYS - 1e-9).astype(np.int64)
    count = np.maximum(np.ceil((until - stay) / MONTH_DAYS - 1e-9).astype(np.int64) - first, 0)
    row = np.repeat(np.arange(len(count)), count)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    return subscriptions[row].with_columns(at=pl.Series(stay[row] + MONTH_DAYS * nth), amount="monthly_amount")


def _yearly(subscriptions: pl.DataFrame) -> pl.DataFrame:
    """The year in advance when a term begins; what is added within it, for the months that are left."""
    before = pl.col("monthly_amount").shift(1, fill_value=0.0).over("customer", "term_began", order_by="began")
    months = (pl.col("term_ends") - pl.col("began")) / MONTH_DAYS
    billed = subscriptions.with_columns(at="began", amount=months * (pl.col("monthly_amount") - before))
    return billed.filter(pl.col("amount") > 0)


def _numbered(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(6)
    return frame.sort("at", "customer", "product").with_columns(order_id=pl.lit(f"{prefix}-") + number)


def _orders(rng: np.random.Generator, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    season = timeline.season_of_spend(np.arange(0.0, 7 * timeline.weeks, 7))
    weekly = 0.028 * season * np.exp(0.35 * history.health) * (0.5 + 0.5 * population.plan[:, None])
    orders = scatter(rng, history, timeline, weekly)
    lines = 1 + rng.binomial(3, 0.22, len(orders))
    order = np.repeat(np.arange(len(orders)), lines)
    product = rng.choice(len(ADD_ONS), len(order), p=ADD_ON_SHARE)
    first = _order_lines(rng, population, orders, order, product)
    migrations = orders.keep(np.isin(np.arange(len(orders)), order[product == MIGRATION]))
    after = _follow_ups(rng, history, migrations)
    training = np.full(len(after), TRAINING, dtype=np.int64)
    later = _order_lines(rng, population, after, np.arange(len(after)), training)
    return _order_ids(pl.concat([first, later.with_columns(order=pl.col("order") + len(orders))]))


def _follow_ups(rng: np.random.Generator, history: History, orders: Events) -> Events:
    """A later order for some: on a day on which the subscription still runs."""
    at = in_hours(rng, orders.at + 4 + 76 * rng.random(len(orders)))
    week = (at // 7).astype(np.int64)
    known = (week < history.health.shape[1]) & (rng.random(len(orders)) < FOLLOWED)
    later = Events(orders.customer, week, at).keep(known)
    return later.keep((later.at >= later.of(history.opened)) & (later.at < later.of(history.closed)))


def _order_lines(rng: np.random.Generator, population: Population, orders: Events, order: Whole,
                 product: Whole) -> pl.DataFrame:  # fmt: skip
    customer, price = orders.customer[order], ADD_ON_PRICE[product]
    scale = np.where(price < 200, np.sqrt(population.traits.seats[customer]), 1)
    quantity = 1 + rng.poisson(0.5 * scale)
    discount = rng.choice([0, 0.1, 0.25], len(order), p=[0.75, 0.17, 0.08])
    amount = quantity * price * (1 - discount)
    return pl.DataFrame({
        "order": order,
        "customer": customer,
        "at": orders.at[order],
        "product": pl.Series(ADD_ONS).gather(product),
        "amount": amount.round(2),
        "quantity": quantity.astype(np.float64),
        "unit_price": price,
        "gross_margin": (amount * np.clip(rng.normal(0.42, 0.1, len(order)), 0.05, 0.8)).round(2),
        "discount": discount,
    })  # fmt: skip


def _order_ids(lines: pl.DataFrame) -> pl.DataFrame:
    rank = pl.col("order").rank("dense").cast(pl.String).str.zfill(6)
    return lines.with_columns(order_id=pl.lit("ORD-") + rank).drop("order")


def _credit_notes(rng: np.random.Generator, invoices: pl.DataFrame, history: History,
                  timeline: Timeline) -> pl.DataFrame:  # fmt: skip
    """Part of an invoice given back within three weeks, more often when things go badly."""
    customer, at = invoices["customer"].to_numpy(), invoices["at"].to_numpy()
    health: Numbers = history.health[customer, (at // 7).astype(np.int64)]
    chosen = np.flatnonzero(rng.random(len(at)) < np.minimum(0.018 * np.exp(-0.6 * health), 0.3))
    part = np.maximum(np.round(rng.beta(1.5, 3, len(chosen)), 2), 0.05)
    later = in_hours(rng, at[chosen] + 1 + 20 * rng.random(len(chosen)))
    notes = invoices[chosen].drop("order_id").with_columns(at=pl.Series(later))
    back = [(pl.col(name) * -pl.Series(part)).round(2) for name in ("amount", "gross_margin")]
    return notes.with_columns(*back, quantity=-pl.col("quantity")).filter(pl.col("at") < timeline.days)
