"""What customers say when asked: NPS answers and satisfaction surveys."""

import numpy as np
import polars as pl

from features.demo.events import Events, scatter
from features.demo.latent import History
from features.demo.population import Population, pick
from features.demo.timeline import Numbers, Timeline, stream

RESPONDENTS = ("buyer", "admin", "user", "executive")
PRAISE = ("does what we need", "the team loves it", "great support")
MIDDLING = ("fine, some rough edges", "reports could be faster", "okay for the price")
BLAME = ("price too high", "slow service", "missing features", "a competitor is cheaper")
TOPICS = ("onboarding", "support", "product", "value for money")
SUGGESTIONS = ("more templates", "faster answers", "better mobile app", "clearer invoices")


def nps_responses(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), score, respondent, comment."""
    rng = stream(seed, "nps")
    weekly = 0.1 * population.talkative[:, None] * np.ones_like(history.mood)
    answers = scatter(rng, history, timeline, weekly)
    score = np.clip(np.round(8.2 + 1.7 * _feeling(answers, history) + rng.normal(0, 1.4, len(answers))), 0, 10) + 0.0
    return pl.DataFrame({
        "customer": answers.customer,
        "at": answers.at,
        "score": score,
        "respondent": pick(rng, RESPONDENTS, len(answers), (2, 3, 4, 1)),
        "comment": _comments(rng, score),
    })  # fmt: skip


def satisfaction_surveys(seed: int, population: Population, history: History, timeline: Timeline) -> pl.DataFrame:
    """customer (index), at (day), score, topic, suggestion, respondent; monthly at first, then each half year."""
    rng = stream(seed, "satisfaction")
    weekly = np.where(history.tenure < 90, 0.14, 0.022) * (0.4 + 0.6 * population.talkative[:, None])
    answers = scatter(rng, history, timeline, weekly)
    score = np.clip(np.round(3.9 + 0.6 * _feeling(answers, history) + rng.normal(0, 0.8, len(answers))), 1, 5)
    suggests = rng.random(len(answers)) < 0.35
    return pl.DataFrame({
        "customer": answers.customer,
        "at": answers.at,
        "score": score,
        "topic": pick(rng, TOPICS, len(answers)),
        "suggestion": pick(rng, SUGGESTIONS, len(answers)).zip_with(pl.Series(suggests), _nothing(len(answers))),
        "respondent": pick(rng, RESPONDENTS, len(answers), (1, 4, 4, 1)),
    })  # fmt: skip


def _feeling(answers: Events, history: History) -> Numbers:
    """Half of what is, half of what is remembered."""
    return 0.5 * answers.of(history.health) + 0.5 * answers.of(history.mood)


def _comments(rng: np.random.Generator, score: Numbers) -> pl.Series:
    size = len(score)
    good, middling, bad = (pick(rng, words, size) for words in (PRAISE, MIDDLING, BLAME))
    said = good.zip_with(pl.Series(score >= 9), middling.zip_with(pl.Series(score >= 7), bad))
    return said.zip_with(pl.Series(rng.random(size) < 0.4), _nothing(size))


def _nothing(size: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String).new_from_index(0, size)
