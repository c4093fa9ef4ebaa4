"""Contacts with customers: interactions, tickets, cancellations, interventions."""

import numpy as np
import polars as pl

from features.demo.events import Events, scatter
from features.demo.latent import CONTROL, NOT_HELPED, History
from features.demo.population import OWNERS, Population, pick
from features.demo.timeline import Flags, Numbers, Timeline, Whole, in_hours, stream

TOPICS = ("check_in", "enquiry", "need_change", "intent", "payment")
OUTCOMES = ("done", "follow-up agreed", "no answer", "forwarded")
CATEGORIES = ("how to", "bug", "performance", "access", "billing", "integration")
SEVERITIES = ("low", "medium", "high", "critical")
REASONS = ("price", "service", "product fit", "competitor", "need changed")
FEEDBACK = ("price too high", "slow service", "missing features", "a competitor is cheaper", "project ended")
PLAYBOOKS = ("executive call", "win-back offer", "training session", "service review")


def interactions(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), channel, direction, topic, outcome."""
    rng = stream(seed, "interactions")
    weekly = (0.11 + 0.09 * population.plan)[:, None] * np.exp(-0.12 * history.health) + 0.25 * (history.tenure < 30)
    contacts = scatter(rng, history, timeline, weekly)
    size, health = len(contacts), contacts.of(history.health)
    complains = pl.Series(rng.random(size) < _likely(-2.9 - 0.7 * health))
    topic = pick(rng, TOPICS, size, (5, 3, 1, 1.2, 0.8))
    inbound = pl.Series(rng.random(size) < 0.42) | complains
    return pl.DataFrame({
        "customer": contacts.customer,
        "at": contacts.at,
        "channel": _channels(rng, population, contacts),
        "direction": _always("inbound", size).zip_with(inbound, _always("outbound", size)),
        "topic": _always("complaint", size).zip_with(complains, topic),
        "outcome": pick(rng, OUTCOMES, size, (5, 2, 2, 1)),
    })  # fmt: skip


def tickets(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), the answer's times in days (NaN = not yet) and the contract's other columns."""
    rng = stream(seed, "tickets")
    size_factor = np.log1p(history.seats) / 3
    weekly = 0.11 * population.careful[:, None] * size_factor * np.exp(-0.35 * history.health)
    raised = scatter(rng, history, timeline, weekly)
    size, health = len(raised), raised.of(history.health)
    first = rng.lognormal(3.4 - 0.1 * health, 0.9)
    solved = raised.at + first / 1440 + rng.lognormal(-1.5, 1.0, size)
    closed = solved + rng.lognormal(-0.3, 1.1, size)
    rated = (closed < timeline.days) & (rng.random(size) < 0.5)
    satisfaction = np.clip(np.round(3.9 + 0.5 * health - 0.25 * (closed - raised.at) + rng.normal(0, 0.9, size)), 1, 5)
    answered = raised.at + first / 1440 < timeline.days
    return pl.DataFrame({
        "customer": raised.customer,
        "at": raised.at,
        "first_response_minutes": pl.Series(np.where(answered, first.round(1), np.nan)).fill_nan(None),
        "first_solution_at": np.where(solved < timeline.days, solved, np.nan),
        "closed_at": np.where(closed < timeline.days, closed, np.nan),
        "is_complaint": rng.random(size) < _likely(-1.8 - 0.7 * health),
        "satisfaction": pl.Series(np.where(rated, satisfaction, np.nan)).fill_nan(None),
        "category": pick(rng, CATEGORIES, size, (5, 3, 2, 2, 1, 2)),
        "severity": pick(rng, SEVERITIES, size, (5, 4, 2, 0.5)),
    })  # fmt: skip


def cancellations(seed: int, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), reason, feedback: what most leavers say, on the day or within ten."""
    rng = stream(seed, "cancellations")
    left = ~np.isnan(history.stays.ended) & (rng.random(len(history.stays.ended)) < 0.85)
    customer, ended = history.stays.customer[left], history.stays.ended[left]
    later = np.where(rng.random(len(ended)) < 0.6, 0.0, 10 * rng.random(len(ended)))
    reason = rng.choice(len(REASONS), len(ended), p=[0.27, 0.2, 0.2, 0.15, 0.18])
    frame = pl.DataFrame({
        "customer": customer,
        "at": ended + later,
        "reason": pl.Series(REASONS).gather(reason),
        "feedback": pl.Series(FEEDBACK).gather(reason),
    })  # fmt: skip
    return frame.filter(pl.col("at") < timeline.days)


def interventions(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """What was done for customers in a bad mood; times in days. The control arm was left alone."""
    rng = stream(seed, "interventions")
    customer, week = np.nonzero(history.help != NOT_HELPED)
    closed = history.closed[customer, week]
    size = len(customer)
    at = in_hours(rng, 7 * week + rng.integers(0, 5, size))
    control = history.help[customer, week] == CONTROL
    plan = np.where(control | (rng.random(size) < 0.3), np.nan, at + rng.uniform(1, 15, size))
    known = at + rng.uniform(20, 60, size)
    kept = _runs(history, timeline, customer, known)
    frame = pl.DataFrame({
        "customer": customer,
        "at": at,
        "playbook": pick(rng, PLAYBOOKS, size),
        "arm": _always("control", size).zip_with(pl.Series(control), _always("treatment", size)),
        "owner": pl.Series(OWNERS).gather(population.owner[customer]),
        "due_at": at + 30,
        "reason": pick(rng, ("use is falling", "unhappy answers", "complaints"), size),
        "plan_submitted_at": np.where(plan < timeline.days, plan, np.nan),
        "outcome": _always("kept", size).zip_with(pl.Series(kept), _always("lost", size)),
        "outcome_at": np.where(known < timeline.days, known, np.nan),
    })  # fmt: skip
    return frame.filter(pl.Series(at < closed)).with_columns(
        outcome=pl.when(pl.col("outcome_at").is_not_nan()).then("outcome")
    )


def _runs(history: History, timeline: Timeline, customer: Whole,
          at: Numbers) -> Flags:  # fmt: skip
    week = np.minimum(at // 7, timeline.weeks - 1).astype(np.int64)
    opened, closed = history.opened[customer, week], history.closed[customer, week]
    return (at >= opened) & (at < closed)


def _channels(rng: np.random.Generator, population: Population, contacts: Events) -> pl.Series:
    """Mostly what the customer prefers."""
    preferred = population.customers["preferred_channel"].gather(contacts.customer)
    other = pick(rng, ("mail", "call", "visit", "chat"), len(contacts), (5, 3, 1, 2))
    return preferred.zip_with(pl.Series(rng.random(len(contacts)) < 0.55), other)


def _likely(logit: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-logit))


def _always(word: str, size: int) -> pl.Series:
    return pl.Series([word]).new_from_index(0, size)
