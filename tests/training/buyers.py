"""Simulated buyers at several cut-offs, for tests of value: Poisson orders of lognormal amounts, some stop for good."""

import numpy as np
import polars as pl

from features.clock import DAY
from models.design import Design
from models.fit_bg_nbd import fit_rhythm
from models.manifest import FeatureColumn
from models.matrix import to_matrix
from training.split import Plan, folds
from training.value_choice import SimpleForecast

HORIZON = 60
PLAN = Plan(test=420 * DAY, training=tuple(day * DAY for day in (240, 270, 300, 330, 360)), later_period=True)
SHORT = Plan(test=420 * DAY, training=(420 * DAY,), later_period=False)
SIMPLE = SimpleForecast("rhythm_value")
COLUMNS = tuple(
    FeatureColumn(name=name)
    for name in ("rfm_orders_count", "rfm_recency_days", "rfm_tenure_days", "rfm_amount_mean", "rfm_amount_sum")
)


def snapshots(customers: int = 1000, sales: float = 1.0, seed: int = 3) -> pl.DataFrame:
    """Rows as `training.snapshots` makes them, everyone at stake; `sales` times as much is spent from day 420 on."""
    rng = np.random.default_rng(seed)
    ids = [f"C{number}" for number in range(customers)]
    starts, rate = rng.uniform(0, 200, customers), rng.gamma(1.0, 1 / 15, customers)
    ends = starts + rng.exponential(800, customers)
    counts = rng.poisson(rate * 500) + 1
    who = np.repeat(np.arange(customers), counts)
    day = np.where(np.append(True, who[1:] != who[:-1]), starts[who], starts[who] + rng.uniform(0, 500, len(who)))
    kept = day <= ends[who]
    orders = pl.DataFrame({"who": who[kept], "day": day[kept]}).with_columns(
        amount=pl.Series(np.exp(np.log(rng.gamma(4, 10, customers))[who[kept]] + 0.4 * rng.normal(size=kept.sum())))
    )
    orders = orders.with_columns(amount=pl.col("amount") * pl.when(pl.col("day") >= 420).then(sales).otherwise(1.0))
    people = pl.DataFrame(
        {"who": range(customers), "customer_id": ids, "fold": folds(ids)}, schema_overrides={"who": pl.Int64}
    )
    return pl.concat(_at(orders, people, day) for day in (240, 270, 300, 330, 360, 420)).drop("who")


def _at(orders: pl.DataFrame, people: pl.DataFrame, day: int) -> pl.DataFrame:
    past, time = orders.filter(pl.col("day") < day), pl.col("day")
    features = past.group_by("who").agg(
        rfm_orders_count=pl.len().cast(pl.Float64), rfm_recency_days=day - time.max(), rfm_tenure_days=day - time.min(),
        rfm_amount_mean=pl.col("amount").mean(), rfm_amount_sum=pl.col("amount").sum(),
    )  # fmt: skip
    ahead = orders.filter(time.is_between(day, day + HORIZON, closed="left")).group_by("who")
    rows = people.join(features, on="who").join(ahead.agg(value=pl.col("amount").sum()), on="who", how="left")
    return rows.sort("who").with_columns(
        as_of=pl.lit(day * DAY, pl.Int64), at_stake=pl.lit(True), value=pl.col("value").fill_null(0.0),
        churned=pl.col("value").is_null().cast(pl.Float64),
    )  # fmt: skip


def design(rows: pl.DataFrame) -> Design:
    """The columns and the rhythm of purchases known at the latest training cut-off."""
    names = [column.name for column in COLUMNS]
    known = rows.filter(pl.col("as_of") == PLAN.calibration)
    return Design(COLUMNS, fit_rhythm(to_matrix(known, COLUMNS), names, HORIZON, HORIZON))
