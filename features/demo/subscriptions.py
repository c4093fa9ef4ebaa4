"""Subscriptions: a row each time that seats, term or module change."""

import numpy as np
import polars as pl

from features.demo.latent import History, Spans
from features.demo.population import PLANS, Population
from features.demo.timeline import YEAR_DAYS, Numbers, Timeline, Whole, stream

SEAT_PRICE = np.array([24.0, 39.0, 58.0])  # a month, by plan
MODULE, MODULE_PRICE = "Insights", 9.0
YEARLY_RISE = 0.03  # of list prices; a running row keeps its price


def rows(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """All subscription rows in days: customer (index), stay_began, term_began, began, ended (NaN = running), seats,
    monthly_amount, term_ends, product, discount. Base rows follow each other without a gap within a stay.
    """
    base = _base(population, history, timeline)
    module = _modules(stream(seed, "modules"), population, history)
    return pl.concat([base, module], how="diagonal").filter(pl.col("ended").is_nan() | (pl.col("ended") > 0))


def table(subscriptions: pl.DataFrame, population: Population, timeline: Timeline) -> pl.DataFrame:
    """`rows` as the table of the contract, without recorded_at."""
    days = {name: subscriptions[name].fill_null(np.nan).to_numpy() for name in ("began", "ended", "term_ends")}
    return pl.DataFrame({
        "customer_id": population.ids.gather(subscriptions["customer"]),
        "started_at": timeline.stamps(days["began"]),
        "ended_at": timeline.stamps(days["ended"]),
        "term_ends_at": timeline.stamps(days["term_ends"]),
        "renews": subscriptions["renews"],
        **{name: subscriptions[name] for name in ("monthly_amount", "product", "seats", "discount")},
    })  # fmt: skip


def _base(population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    cuts = pl.concat([
        _cut(history.stays.customer, history.stays.began, _first_seats(population, history), 0),
        _renewals(history.stays, population, timeline),
        _cut(history.changes.customer, history.changes.day, history.changes.seats, 2),
    ]).sort("customer", "began", "kind")  # fmt: skip
    stays = pl.DataFrame({"customer": history.stays.customer, "stay_began": history.stays.began,
                          "stay_ended": history.stays.ended}).sort("stay_began")  # fmt: skip
    annual = pl.Series(population.traits.annual).gather(cuts["customer"])
    segments = (
        cuts.with_columns(annual=annual, seats=pl.col("seats").forward_fill().over("customer"))
        .unique(["customer", "began"], keep="last", maintain_order=True)
        .sort("began")
        .join_asof(stays, left_on="began", right_on="stay_began", by="customer", check_sortedness=False)
        .sort("customer", "began")
        .with_columns(following=pl.col("began").shift(-1).over("customer", "stay_began"))
        .with_columns(ended=pl.coalesce("following", "stay_ended"))
    )
    return _priced(segments.with_columns(_term()), population)


def _first_seats(population: Population, history: History) -> Whole:
    """Seats at the beginning of each stay; no seat changes in the week of an arrival."""
    who, began = history.stays.customer, history.stays.began
    later = history.seats[who, np.maximum(began // 7, 0).astype(np.int64)]
    return np.where(began < 0, population.traits.seats[who], later)


def _cut(customer: Whole, began: Numbers, seats: Whole | None, kind: int) -> pl.DataFrame:
    counts = pl.Series([None] * len(customer), dtype=pl.Int64) if seats is None else pl.Series(seats)
    return pl.DataFrame({"customer": customer, "began": began, "seats": counts}).with_columns(kind=pl.lit(kind))


def _renewals(stays: Spans, population: Population, timeline: Timeline) -> pl.DataFrame:
    until = np.where(np.isnan(stays.ended), timeline.days, stays.ended)
    annual = population.traits.annual[stays.customer]
    # a term that ends with the stay is not renewed
    times = np.where(annual, np.ceil((until - stays.began) / YEAR_DAYS - 1e-9) - 1, 0).astype(np.int64)
    stay = np.repeat(np.arange(len(times)), times)
    nth = np.arange(len(stay)) - np.repeat(np.cumsum(times) - times, times) + 1
    return _cut(stays.customer[stay], stays.began[stay] + YEAR_DAYS * nth, None, 1)


def _term() -> list[pl.Expr]:
    """Where the annual term that a row belongs to begins and ends."""
    whole = ((pl.col("began") - pl.col("stay_began")) / YEAR_DAYS + 1e-9).floor() * YEAR_DAYS
    term_began = pl.when("annual").then(pl.col("stay_began") + whole)
    return [term_began.alias("term_began"), (term_began + YEAR_DAYS).alias("term_ends")]


def _priced(segments: pl.DataFrame, population: Population) -> pl.DataFrame:
    customer, began, seats = (segments[name].to_numpy() for name in ("customer", "began", "seats"))
    plan, discount = population.plan[customer], population.discount[customer]
    rise = (1 + YEARLY_RISE) ** np.floor(began / YEAR_DAYS)
    return segments.select("customer", "stay_began", "term_began", "term_ends", "began", "ended", "seats").with_columns(
        monthly_amount=pl.Series((SEAT_PRICE[plan] * seats * rise * (1 - discount)).round(2)),
        product=pl.Series(PLANS).gather(plan),
        discount=pl.Series(discount),
        renews=pl.Series(population.renews[customer]),
    )


def _modules(rng: np.random.Generator, population: Population, history: History) -> pl.DataFrame:
    spans = history.modules
    share = rng.beta(2, 3, len(spans.customer))
    seats = np.maximum(np.round(population.traits.seats[spans.customer] * share), 1)
    return pl.DataFrame({
        "customer": spans.customer,
        "stay_began": spans.began,
        "began": spans.began,
        "ended": spans.ended,
        "seats": seats.astype(np.int64),
        "monthly_amount": (MODULE_PRICE * seats).round(2),
    }).with_columns(product=pl.lit(MODULE), discount=pl.lit(0.0), renews=pl.lit(True))  # fmt: skip
