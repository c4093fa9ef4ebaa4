"""Fitting: the published estimates, planted parameters, and data as they come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bg_nbd import BgNbd
from models.fit_bg_nbd import (
    RhythmError,
    _bg_nbd,
    _gamma_gamma,
    bg_nbd_log_likelihood,
    fit_bg_nbd,
    fit_gamma_gamma,
    gamma_gamma_log_likelihood,
)
from models.gamma_gamma import GammaGamma
from tests.models.histories import Histories, cdnow, simulated


@pytest.fixture(scope="module")
def sample() -> Histories:
    return cdnow()


def test_the_published_estimates_of_bg_nbd(sample: Histories) -> None:
    """Fader, Hardie and Lee (2005), table 2: weeks."""
    x, last, age = sample.frequency, sample.recency / 7, sample.age / 7
    model = fit_bg_nbd(x, last, age)
    assert len(x) == 2357
    assert [model.r, model.alpha, model.a, model.b] == pytest.approx([0.243, 4.414, 0.793, 2.426], abs=5e-4)
    assert bg_nbd_log_likelihood(model, x, last, age) == pytest.approx(-9582.4, abs=0.05)


def test_the_published_estimates_of_gamma_gamma(sample: Histories) -> None:
    """Fader and Hardie (2013): p 6.25, q 3.74, γ 15.44 on the 946 customers who came again."""
    assert sample.mean is not None
    assert int((sample.frequency > 0).sum()) == 946
    model = fit_gamma_gamma(sample.frequency, sample.mean)
    assert [model.p, model.q, model.gamma] == pytest.approx([6.25, 3.74, 15.44], abs=0.006)


def test_the_39_weeks_that_followed(sample: Histories) -> None:
    """The paper's hold-out: a correlation of 0.63 with what was bought, of which an eighth was not foreseen."""
    model = fit_bg_nbd(sample.frequency, sample.recency, sample.age)
    expected = model.expected_purchases(sample.frequency, sample.recency, sample.age, 39 * 7.0)
    assert sample.later is not None
    assert np.corrcoef(expected, sample.later)[0, 1] == pytest.approx(0.63, abs=0.01)
    assert 0.85 < expected.sum() / sample.later.sum() < 1


def test_a_day_is_a_seventh_of_a_week(sample: Histories) -> None:
    weeks = fit_bg_nbd(sample.frequency, sample.recency / 7, sample.age / 7)
    days = fit_bg_nbd(sample.frequency, sample.recency, sample.age)
    assert [days.r, days.alpha, days.a, days.b] == pytest.approx([weeks.r, 7 * weeks.alpha, weeks.a, weeks.b], rel=1e-4)


def test_no_neighbour_is_likelier(sample: Histories) -> None:
    assert sample.mean is not None
    history = (sample.frequency, sample.recency, sample.age)
    model = fit_bg_nbd(*history)
    best = bg_nbd_log_likelihood(model, *history)
    again = sample.frequency > 0
    amounts = (sample.frequency[again], np.maximum(sample.mean[again], 0.01))
    money = fit_gamma_gamma(*amounts)
    best_money = gamma_gamma_log_likelihood(money, *amounts)
    for factor in (0.98, 1.02):
        for name, value in model.model_dump().items():
            assert bg_nbd_log_likelihood(model.model_copy(update={name: value * factor}), *history) < best
        for name, value in money.model_dump().items():
            assert gamma_gamma_log_likelihood(money.model_copy(update={name: value * factor}), *amounts) < best_money


def test_the_likelihood_of_a_mean_is_that_of_a_scaled_beta_prime(sample: Histories) -> None:
    """Its density, from another book: x·z/γ of Gamma(p·x) over Gamma(q) is beta prime."""
    from scipy.stats import betaprime

    assert sample.mean is not None
    known = (sample.frequency > 0) & (sample.mean > 0)
    x, mean, model = sample.frequency[known], sample.mean[known], GammaGamma(p=6.25, q=3.74, gamma=15.44)
    expected = betaprime.logpdf(mean, model.p * x, model.q, scale=model.gamma / x).sum()
    assert gamma_gamma_log_likelihood(model, x, mean) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.5])
def test_slopes_are_those_of_the_likelihood(sample: Histories, shift: float) -> None:
    """A wrong slope would still end at the top, by the slow way."""
    assert sample.mean is not None
    ones, known = np.ones(len(sample.age)), (sample.frequency > 0) & (sample.mean > 0)
    process = _bg_nbd(sample.frequency, sample.recency / 100, sample.age / 100, ones)
    money = _gamma_gamma(sample.frequency[known], sample.mean[known] / 30, ones[known])
    for likelihood, at in ((process, np.array([-1.0, 0.3, -0.2, 0.9])), (money, np.array([1.8, 1.0, -0.6]))):
        for i, step in enumerate(np.eye(len(at)) * 1e-5):
            above, below = likelihood(at + shift + step)[0], likelihood(at + shift - step)[0]
            assert likelihood(at + shift)[1][i] == pytest.approx((above - below) / 2e-5, rel=1e-4, abs=1e-7)


def test_weights_stand_for_customers(sample: Histories) -> None:
    twice = [np.concatenate([column, column]) for column in (sample.frequency, sample.recency, sample.age)]
    once = fit_bg_nbd(sample.frequency, sample.recency, sample.age, np.full(len(sample.age), 2.0))
    assert once.model_dump() == pytest.approx(fit_bg_nbd(*twice).model_dump(), rel=1e-6)


@pytest.mark.parametrize("planted", [BgNbd(r=0.6, alpha=40.0, a=0.9, b=3.0), BgNbd(r=2.0, alpha=15.0, a=1.5, b=12.0)])
def test_planted_parameters_are_found_again(planted: BgNbd) -> None:
    found = simulated(planted, np.random.default_rng(1).uniform(0, 700, 20_000), 0.0, seed=2)
    fitted = fit_bg_nbd(found.frequency, found.recency, found.age)
    assert fitted.model_dump() == pytest.approx(planted.model_dump(), rel=0.12)


def test_planted_amounts_are_found_again() -> None:
    rng, planted = np.random.default_rng(3), GammaGamma(p=4.0, q=3.0, gamma=50.0)
    x = 1.0 + rng.geometric(0.3, 20_000)
    rate = rng.gamma(planted.q, 1 / planted.gamma, len(x))
    fitted = fit_gamma_gamma(x, rng.gamma(planted.p * x, 1 / (rate * x)))
    assert fitted.model_dump() == pytest.approx(planted.model_dump(), rel=0.08)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 60), st.integers(0, 10_000), st.sampled_from([1.0, 24.0, 1 / 365]))
def test_few_customers_of_any_kind_give_a_model_that_answers(n: int, seed: int, unit: float) -> None:
    rng = np.random.default_rng(seed)
    x = np.floor(rng.exponential(rng.choice([0.5, 5.0, 200.0]), n))
    x[0], age = 1.0 + x[0], rng.choice([0.0, 1.0, 50.0, 800.0], n) * unit
    age[0] = 1.0 * unit
    last = np.where(x > 0, age * rng.choice([0.0, 0.5, 1.0], n), 0.0)
    model = fit_bg_nbd(x, last, age)
    silent = model.no_purchase(x, last, age, 90 * unit)
    assert ((silent >= 0) & (silent <= 1)).all()
    assert np.isfinite(model.expected_purchases(x, last, age, 365 * unit)).all()


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.floats(0.01, 1e6)), min_size=2, max_size=50))
def test_few_amounts_of_any_kind_give_a_model_that_answers(rows: list[tuple[int, float]]) -> None:
    x, mean = np.array(rows, dtype=float).T
    if len(np.unique(mean)) > 1:
        expected = fit_gamma_gamma(x, mean).expected_amount(x, mean)
        assert (expected > 0).all()
        assert np.isfinite(expected).all()


@pytest.mark.parametrize(
    ("x", "last", "age", "told"),
    [
        ([0, 0], [0, 0], [5, 9], "nobody bought twice"),
        ([1, 0], [0, 0], [0, 0], "first purchase is today"),
        ([1, 2], [3, 10], [5, 9], "recency must lie between 0 and age"),
        ([-1, 2], [3, 4], [5, 9], "frequency must be a whole number"),
        ([1, np.nan], [3, 4], [5, 9], "leave out who never bought"),
    ],
)
def test_histories_without_a_rhythm_are_refused(x: list[float], last: list[float], age: list[float], told: str) -> None:
    with pytest.raises(RhythmError, match=told):
        fit_bg_nbd(*(np.array(column, dtype=float) for column in (x, last, age)))


@pytest.mark.parametrize(("x", "mean"), [([1, 2, 3], [20, 20, 20]), ([0, 1], [30, 20]), ([1, 2], [-3, 0]), ([], [])])
def test_amounts_without_a_spread_are_refused(x: list[float], mean: list[float]) -> None:
    with pytest.raises(RhythmError, match="take that amount for everyone"):
        fit_gamma_gamma(np.array(x, dtype=float), np.array(mean, dtype=float))


def test_returns_teach_no_amount() -> None:
    x, mean = np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 35.0, -50.0])
    assert fit_gamma_gamma(x, mean) == fit_gamma_gamma(x[:3], mean[:3])
