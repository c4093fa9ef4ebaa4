"""Use of the product: one row per day and feature, with how often."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from features.demo.events import within
from features.demo.latent import History
from features.demo.population import Population
from features.demo.timeline import Timeline, in_hours, stream

FEATURES = ("dashboards", "reports", "exports", "api", "automations", "integrations", "mobile", "admin")
DAILY = np.array([0.95, 0.6, 0.36, 0.42, 0.3, 0.24, 0.4, 0.14])  # chance-like rate of a workday at health 0
OFTEN = np.array([3.0, 1.2, 0.8, 9.0, 4.0, 2.0, 1.5, 0.3])  # uses of a day with use, for one seat
WITH_HEALTH = np.array([0.5, 0.6, 0.65, 0.5, 0.7, 0.65, 0.6, 0.3])  # how much a point of health moves the rate
ADOPTED = np.array([1.0, 0.9, 0.75, 0.5, 0.6, 0.6, 0.8, 0.9])  # share of customers that ever take a feature up


def usage_events(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), feature, quantity."""
    rng = stream(seed, "usage")
    customer, week = np.nonzero(history.running)
    day = 7 * week[:, None] + np.arange(7)
    days = np.arange(7.0 * timeline.weeks)
    busy = (timeline.workday(days) * timeline.season_of_use(days)).astype(np.float32)
    rate = _weekly_rate(rng, population, history)[customer, week]
    chance = -np.expm1(-rate[:, None, :] * busy[day][:, :, None])
    cell, nth, feature = np.nonzero(rng.random(chance.shape, dtype=np.float32) < chance)
    who, when = customer[cell], week[cell]
    at = in_hours(rng, day[cell, nth])
    known = within(history, who, when, at)
    who, when, feature, at = who[known], when[known], feature[known], at[known]
    seats = history.seats[who, when].astype(np.float64)
    often = OFTEN[feature] * population.intensity[who] * np.sqrt(seats) * np.exp(0.2 * history.health[who, when])
    return pl.DataFrame({
        "customer": who,
        "at": at,
        "feature": pl.Series(FEATURES).gather(feature),
        "quantity": (1 + rng.poisson(often)).astype(np.float64),
    })  # fmt: skip


def _weekly_rate(rng: np.random.Generator, population: Population, history: History) -> NDArray[np.float32]:
    """Rate of use a workday: customers × weeks × features."""
    size = (population.size, len(FEATURES))
    taste = (DAILY * rng.gamma(3, 1 / 3, size) * (rng.random(size) < ADOPTED)).astype(np.float32)
    breadth = 0.4 + 0.6 * (1 - np.exp(-history.tenure / 45))  # learning the product takes weeks
    mild = np.clip(history.health, -5, 3).astype(np.float32)[:, :, None]
    level = (0.8 * breadth)[:, :, None].astype(np.float32)
    rate: NDArray[np.float32] = taste[:, None, :] * level * np.exp(mild * WITH_HEALTH.astype(np.float32))
    return rate
