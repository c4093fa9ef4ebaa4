"""Simulated customers for tests of the churn curve: orders at a rate of their own, subscriptions that end at one."""

from pathlib import Path

import numpy as np
import polars as pl

from features.clock import DAY
from features.point_in_time import Tables
from features.settings import Churn
from models.design import Design
from models.manifest import FeatureColumn
from tests.literal import source
from training.hazard import Known, Task, outcomes
from training.metrics import Floats
from training.split import Plan, folds

CUTOFFS = tuple(day * DAY for day in (240, 270, 300, 330, 360))
PLAN = Plan(test=420 * DAY, training=CUTOFFS, later_period=True)
SHORT = Plan(test=360 * DAY, training=(300 * DAY, 360 * DAY), later_period=False)
WINDOW = 60
BUYING = Churn(definition="no_purchase", horizon_days=60, active_within_days=365)
PAYING = Churn(definition="cancelled", horizon_days=60, grace_days=0)
DESIGN = Design((FeatureColumn(name="rate"), FeatureColumn(name="noise")))
TASK = Task((30, 60, 90, 180), "no_purchase", BUYING, DESIGN)


def rates(customers: int) -> Floats:
    """Events a day of each customer, (customers,)."""
    return np.random.default_rng(1).gamma(1.5, 1 / 60, customers)


def snapshots(customers: int = 500, cutoffs: tuple[int, ...] = (*CUTOFFS, PLAN.test)) -> pl.DataFrame:
    """Everyone at stake at every cut-off, with the rate as a feature."""
    ids = [f"C{number}" for number in range(customers)]
    people = pl.DataFrame({"customer_id": ids, "fold": folds(ids), "rate": rates(customers)})
    rows = pl.concat([people.with_columns(as_of=pl.lit(cutoff, pl.Int64), at_stake=pl.lit(True)) for cutoff in cutoffs])
    noise = np.random.default_rng(2).normal(size=rows.height)
    return rows.sample(fraction=1.0, shuffle=True, seed=3).with_columns(noise=pl.Series(noise))


def purchases(customers: int = 500) -> pl.DataFrame:
    """Poisson orders at each customer's rate over 600 days: what comes next does not depend on what came before."""
    rng, rate = np.random.default_rng(4), rates(customers)
    counts = rng.poisson(rate * 600)
    return pl.DataFrame(
        {
            "customer_id": np.repeat([f"C{number}" for number in range(customers)], counts),
            "occurred_at": (rng.uniform(0, 600, counts.sum()) * DAY).astype(np.int64),
            "amount": 1.0,
        }
    ).with_columns(pl.col("occurred_at").cast(pl.Datetime("us")))


def subscriptions(rows: pl.DataFrame, seed: int = 5) -> pl.DataFrame:
    """One subscription for each of `rows` (customer_id, as_of, rate): it begins the day before and ends at the rate.

    Customers of different cut-offs must differ, or theirs would run side by side.
    """
    waits = np.random.default_rng(seed).exponential(1 / rows["rate"].to_numpy())
    ends = pl.col("as_of") + pl.Series((waits * DAY).astype(np.int64))
    return rows.select(
        "customer_id",
        started_at=(pl.col("as_of") - DAY).cast(pl.Datetime("us")),
        ended_at=ends.cast(pl.Datetime("us")),
        monthly_amount=pl.lit(1.0),
    )


def bought(folder: Path, transactions: pl.DataFrame | None = None, rows: pl.DataFrame | None = None) -> Known:
    """What is known at the test cut-off of `rows`, by default all, after `transactions`, by default all."""
    tables = opened(folder, transactions=purchases() if transactions is None else transactions)
    return outcomes(tables, snapshots() if rows is None else rows, PLAN, TASK, PLAN.test)


def opened(folder: Path, **tables: pl.DataFrame) -> Tables:
    """As training reads them."""
    folder.mkdir(exist_ok=True)
    return source(folder, "polars", tables).tables
