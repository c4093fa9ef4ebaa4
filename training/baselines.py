"""What a model has to beat, on the very same rows: rules anyone can follow, and simple models fitted elsewhere."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from features.build import beginnings
from features.clock import DAY
from features.point_in_time import Tables, known_before
from features.settings import ValueSource
from training.labels import realised_value
from training.metrics import Floats, Values
from training.reports import BASE_RATE, BG_NBD, COMPOSITE, GAMMA_GAMMA, LAST_YEAR, LOGISTIC, RECENCY, RUN_RATE

YEAR = 365
PROBABILITIES = (BASE_RATE, LOGISTIC, BG_NBD)
"""Churn baselines that are probabilities."""

PAID_IN: Mapping[ValueSource, tuple[str, ...]] = {
    "transactions": ("transactions",),
    "subscriptions": ("subscriptions",),
    "both": ("transactions", "subscriptions"),
}
"""Value source → the tables that money is read from; labels of one's own have no past."""


def churn_baselines(
    days_since_event: Values | None,
    composite_score: Values | None,
    base_rate: float,
    rows: int,
    logistic: Values | None = None,
    bg_nbd: Values | None = None,
) -> dict[str, Floats]:
    """Scores to beat, name → shape (rows,), higher = riskier.

    `days_since_event`: days since the latest event of the definition's own table, NaN = none = riskiest; None where
    the definition has no events. `composite_score`: 0 to 100, high = loyal; a customer without one gets the median;
    None (or nothing known) leaves the baseline out. `base_rate`: of training, what one says who knows nothing.
    `logistic` (regularised, on recency, frequency and monetary value) and `bg_nbd` are probabilities of churn.
    """
    baselines: dict[str, Floats] = {}
    if days_since_event is not None:
        days = np.asarray(days_since_event, dtype=float)
        baselines[RECENCY] = np.where(np.isnan(days), np.inf, days)
    baselines[BASE_RATE] = np.full(rows, base_rate)
    if composite_score is not None:
        score = np.asarray(composite_score, dtype=float)
        if not np.isnan(score).all():
            baselines[COMPOSITE] = 100 - np.where(np.isnan(score), np.nanmedian(score), score)
    return baselines | _given({LOGISTIC: logistic, BG_NBD: bg_nbd})


def value_baselines(
    spend: Values,
    window_days: float,
    horizon_days: float,
    last_year: Values | None = None,
    gamma_gamma: Values | None = None,
) -> dict[str, Floats]:
    """Predictions of value to beat, in money over the horizon, name → shape (rows,).

    Run rate: what came in over the last `window_days`, scaled to the horizon; NaN spend is none. `last_year`: see
    `last_year_spend`. `gamma_gamma`: purchases expected by BG/NBD times their mean by Gamma-Gamma.
    """
    spend = np.asarray(spend, dtype=float)
    run_rate = np.where(np.isnan(spend), 0.0, spend) * horizon_days / window_days
    return {RUN_RATE: run_rate} | _given({LAST_YEAR: last_year, GAMMA_GAMMA: gamma_gamma})


def last_year_spend(
    tables: Tables,
    rows: pl.DataFrame,
    source: ValueSource,
    horizon_days: int,
    measure: str,
    annual_discount_rate: float = 0.0,
) -> Floats | None:
    """Money in [T − 365 days, T − 365 days + horizon) of each of `rows` (customer_id, as_of = T), shape (rows,).

    As it was known before T, worth what it was at the start; who brought none has 0. None where one T has no such
    period: history begins later, the horizon is longer than a year, or values are labels of one's own.
    """
    if source not in PAID_IN or horizon_days > YEAR:
        return None
    parts = []
    for as_of in rows["as_of"].unique().sort():
        known = known_before({name: tables[name] for name in PAID_IN[source]}, as_of)
        start = as_of - YEAR * DAY
        if not _reaches(known, start):
            return None
        worth = realised_value(known, start, source, horizon_days, measure, annual_discount_rate)
        parts.append(worth.with_columns(as_of=pl.lit(as_of, pl.Int64)))
    if not parts:
        return None
    spent = rows.select("customer_id", "as_of").join(
        pl.concat(parts), on=["customer_id", "as_of"], how="left", maintain_order="left"
    )
    return spent["value"].fill_null(0.0).to_numpy()


def _reaches(known: Tables, start: int) -> bool:
    """Whether every table has a row from before the end of the day of `start`."""
    begins = beginnings(known)
    return all(name in begins and begins[name] // DAY * DAY <= start for name in known)


def _given(scores: Mapping[str, Values | None]) -> dict[str, Floats]:
    return {name: np.asarray(score, dtype=float) for name, score in scores.items() if score is not None}
