"""What data is like: rows that come late, come twice, or lack something."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from features.demo.timeline import Numbers

LATE = 0.035  # share of rows that come to be known days or weeks after
TWICE = 0.003
NOBODY = 0.0005  # share of rows without a customer
MISSING: Mapping[str, Mapping[str, float]] = {  # table → optional column → share of nulls
    "customers": {"industry_position": 0.15, "size_fit": 0.03, "employees": 0.02, "annual_revenue": 0.12,
                  "birthday": 0.3, "acquisition_cost": 0.06, "preferred_cadence": 0.2, "industry_growth_rate": 0.01,
                  "region": 0.01},
    "transactions": {"gross_margin": 0.02, "unit_price": 0.01, "discount": 0.03},
    "subscriptions": {"discount": 0.02},
    "usage_events": {"quantity": 0.004, "recorded_at": 0.0005},
    "nps_responses": {"respondent": 0.08},
    "satisfaction_surveys": {"respondent": 0.1, "topic": 0.05},
    "interactions": {"outcome": 0.2, "topic": 0.06, "direction": 0.01},
    "tickets": {"recorded_at": 0.002, "category": 0.03, "severity": 0.05, "is_complaint": 0.01},
    "cancellations": {"reason": 0.1, "feedback": 0.45},
    "leads": {"budget": 0.05, "timing": 0.05, "employees": 0.1, "tags": 0.3, "expected_amount": 0.08},
}  # fmt: skip


def known_at(rng: np.random.Generator, at: Numbers, most: float = 45.0) -> Numbers:
    """When each event came to be known (days): within minutes, for a few days or weeks later, at most `most` days."""
    soon = rng.exponential(4 / 1440, len(at))
    late = np.minimum(1 + rng.exponential(min(8.0, most / 3), len(at)), most)
    return at + np.where(rng.random(len(at)) < LATE, late, soon)


def blanked(rng: np.random.Generator, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with its share of nulls."""
    return frame.with_columns(
        pl.when(pl.Series(rng.random(len(frame)) >= share)).then(column).alias(column)
        for column, share in MISSING.get(name, {}).items()
    )


def soiled(rng: np.random.Generator, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with a few rows that lack the customer and a few exact duplicates."""
    known = pl.Series(rng.random(len(frame)) >= NOBODY)
    frame = frame.with_columns(customer_id=pl.when(known).then("customer_id"))
    again = np.flatnonzero(rng.random(len(frame)) < TWICE)
    return pl.concat([frame, frame[again]])
