"""Metrics of many draws at once equal the plain metric of the rows of each draw."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.drawn import Drawn, Scored
from training.intervals import PROBABILITY, RANKING, VALUE

CHURN = {**RANKING, **PROBABILITY}
TIED = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


def drawn_of(y, p, weights):
    y, p, weights = (np.asarray(each, dtype=float) for each in (y, p, weights))
    truth = Drawn(Scored.of(y, y), weights, weights * y)
    return Drawn(Scored.of(y, p), weights, weights * y, truth)


@st.composite
def cases(draw, outcome, score):
    n = draw(st.integers(1, 12))
    rows = [draw(st.lists(each, min_size=n, max_size=n)) for each in (outcome, score)]
    weights = draw(st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=3))
    return *map(np.array, rows), np.array(weights, dtype=float)


def check(metrics, y, p, weights):
    for name, both in metrics.items():
        found = both.drawn(drawn_of(y, p, weights))
        times = weights.astype(int)
        expected = [both.plain(np.repeat(y, w), np.repeat(p, w)) for w in times]
        assert found == pytest.approx(expected, nan_ok=True, abs=1e-12), name


@settings(max_examples=150, deadline=None)
@given(cases(st.sampled_from([0.0, 1.0]), TIED))
def test_churn_metrics_are_those_of_the_repeated_rows(case):
    y, p, weights = case
    weights = weights[weights.sum(axis=1) > 0]
    if len(weights):
        check(CHURN, y, p, weights)


@settings(max_examples=150, deadline=None)
@given(cases(st.sampled_from([-20.0, 0.0, 0.0, 5.0, 300.0]), st.sampled_from([-1.0, 0.0, 4.0, 80.0])))
def test_value_metrics_are_those_of_the_repeated_rows(case):
    y, p, weights = case
    weights = weights[weights.sum(axis=1) > 0]
    if len(weights):
        check(VALUE, y, p, weights)


def test_without_ties_too():
    rng = np.random.default_rng(0)
    p, weights = rng.random(300), rng.poisson(1, (20, 300)).astype(float)
    check(CHURN, (rng.random(300) < p).astype(float), p, weights)
    check(VALUE, rng.lognormal(0, 1, 300) - 0.5, p, weights)


def test_a_score_of_infinity_is_the_highest():
    y, p = np.array([1.0, 0, 1, 0]), np.array([np.inf, 3, 4, np.inf])
    check(RANKING, y, p, np.array([[1.0, 2, 1, 1], [0, 1, 3, 1]]))
