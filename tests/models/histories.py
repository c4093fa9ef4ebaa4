"""Purchase histories to fit on: CDNOW's, as the literature counts it, and simulated ones."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.bg_nbd import BgNbd
from tests.real_data import real_data

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Histories:
    """(n,) each; `mean`: the average amount of repeat purchases, `later`: purchases after the as-of date."""

    frequency: Vector
    recency: Vector
    age: Vector
    mean: Vector | None = None
    later: Vector | None = None
    alive: Vector | None = None


def cdnow() -> Histories:
    """In days: one transaction a day, to 1997-09-30 inclusive; `later` counts the 39 weeks after it."""
    rows = pl.read_parquet(real_data("cdnow_sample") / "transactions.parquet")
    end = pl.datetime(1997, 9, 30)
    daily = rows.group_by("customer_id", "occurred_at").agg(pl.col("amount").sum()).sort("customer_id", "occurred_at")
    seen, t = pl.col("occurred_at") <= end, pl.col("occurred_at")
    table = daily.group_by("customer_id", maintain_order=True).agg(
        frequency=seen.sum().cast(pl.Float64) - 1,
        recency=(t.filter(seen).max() - t.min()).dt.total_days().cast(pl.Float64),
        age=(end - t.min()).dt.total_days().cast(pl.Float64),
        mean=pl.col("amount").filter(seen).slice(1).mean().fill_null(0.0),
        later=(~seen).sum().cast(pl.Float64),
    )
    return Histories(**{name: table[name].to_numpy() for name in table.columns if name != "customer_id"})


def simulated(model: BgNbd, age: Vector, days: float, seed: int) -> Histories:
    """Customers who buy by the model's own story: a rate each, and a coin after every purchase, the first included not.

    As in [1] of `bg_nbd`: nobody stops at the first purchase.
    """
    rng, n = np.random.default_rng(seed), len(age)
    rate, stop = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    now, alive, frequency, recency, later = np.zeros(n), np.ones(n, bool), np.zeros(n), np.zeros(n), np.zeros(n)
    stayed = np.ones(n, bool)
    while (going := alive & (now <= age + days)).any():
        now = now + rng.exponential(1 / rate)
        past, future = going & (now <= age), going & (now > age) & (now <= age + days)
        frequency, later = frequency + past, later + future
        recency = np.where(past, now, recency)
        stops = rng.uniform(size=n) < stop
        stayed &= ~(past & stops)
        alive &= ~stops
    return Histories(frequency, recency, age, later=later, alive=stayed)
