"""What came true, and what was going to: labels and true probabilities."""

import datetime as dt

import polars as pl

from features.demo.latent import History, leave_probability
from features.demo.population import Population
from features.demo.timeline import Timeline, stream

HORIZON_DAYS = 90
GRACE_DAYS = 14


def truth(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """Month-start cut-offs × customers that run: customer_id, as_of (date), true_probability, churned (null = open)."""
    stays = _stays(population, history, timeline)
    frames = []
    for as_of in timeline.firsts():
        rng = stream(seed, f"truth {as_of}")
        who, chance = leave_probability(rng, history, population.traits, timeline.day(as_of), HORIZON_DAYS, GRACE_DAYS)
        frame = pl.DataFrame({"customer_id": population.ids.gather(who), "true_probability": chance})
        came_true = churned(stays, as_of) if _closed(as_of, timeline) else _unknown(stays)
        frames.append(frame.join(came_true, on="customer_id", how="left").with_columns(as_of=pl.lit(as_of)))
    return pl.concat(frames).select("customer_id", "as_of", "true_probability", "churned").sort("as_of", "customer_id")


def labels(subscriptions: pl.DataFrame, transactions: pl.DataFrame, timeline: Timeline) -> pl.DataFrame:
    """Quarterly cut-offs with a closed window × customers at stake as known then: churned, value of the horizon."""
    frames = []
    for as_of in timeline.firsts(every_months=3):
        if _closed(as_of, timeline):
            known = subscriptions.filter(pl.col("recorded_at") < as_of, pl.col("customer_id").is_not_null())
            at_stake = _running(known, as_of, as_of).select("customer_id").unique()
            label = at_stake.join(churned(subscriptions, as_of), on="customer_id").join(
                _worth(transactions, as_of), on="customer_id", how="left"
            )
            moment = pl.lit(as_of, pl.Datetime("us"))
            frames.append(label.with_columns(as_of=moment, value=pl.col("value").fill_null(0.0)))
    empty = pl.DataFrame(schema={"customer_id": pl.String, "as_of": pl.Datetime("us"), "churned": pl.Boolean,
                                 "value": pl.Float64})  # fmt: skip
    return pl.concat([empty, *(frame.select(empty.columns) for frame in frames)]).sort("as_of", "customer_id")


def churned(subscriptions: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """customer_id, churned: whether nothing runs at any moment of [T + horizon, T + horizon + grace)."""
    begins = as_of + dt.timedelta(days=HORIZON_DAYS)
    still = _running(subscriptions, begins, begins + dt.timedelta(days=GRACE_DAYS))["customer_id"].unique()
    return (
        subscriptions.select("customer_id").unique().with_columns(churned=~pl.col("customer_id").is_in(still.to_list()))
    )


def _running(subscriptions: pl.DataFrame, begins: dt.date, ends: dt.date) -> pl.DataFrame:
    """Rows that run at some moment of [begins, ends); before `begins` where the two are the same."""
    ended = pl.col("ended_at")
    return subscriptions.filter(pl.col("started_at") < ends, ended.is_null() | (ended > begins))


def _worth(transactions: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    within = pl.col("occurred_at").is_between(as_of, as_of + dt.timedelta(days=HORIZON_DAYS), closed="left")
    return transactions.filter(within).group_by("customer_id").agg(value=pl.col("amount").sum().round(2))


def _closed(as_of: dt.date, timeline: Timeline) -> bool:
    return as_of + dt.timedelta(days=HORIZON_DAYS + GRACE_DAYS) <= timeline.end


def _stays(population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    return pl.DataFrame({
        "customer_id": population.ids.gather(history.stays.customer),
        "started_at": timeline.stamps(history.stays.began),
        "ended_at": timeline.stamps(history.stays.ended),
    })  # fmt: skip


def _unknown(stays: pl.DataFrame) -> pl.DataFrame:
    return stays.select("customer_id", churned=pl.lit(None, pl.Boolean)).unique()
