"""What BG/NBD says of a customer, against the published formulas, scipy and its own story played out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bg_nbd import BgNbd
from tests.models.histories import simulated

CDNOW = BgNbd(r=0.243, alpha=4.414 * 7, a=0.793, b=2.426)
POSITIVE = st.floats(0.05, 50.0)
MODELS = st.builds(BgNbd, r=POSITIVE, alpha=st.floats(0.5, 1000.0), a=POSITIVE, b=POSITIVE)


@st.composite
def customers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = draw(st.integers(0, 500))
    age = draw(st.floats(0.0, 3000.0))
    last = age * draw(st.floats(0.0, 1.0)) if x else 0.0
    return np.array([float(x)]), np.array([last]), np.array([age])


def published(model: BgNbd, x: float, last: float, age: float, days: float) -> float:
    """Eq 10 of Fader, Hardie and Lee (2005), letter by letter."""
    from scipy.special import hyp2f1

    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    shrink = ((alpha + age) / (alpha + age + days)) ** (r + x)
    gauss = hyp2f1(r + x, b + x, a + b + x - 1, days / (alpha + age + days))
    stopped = (a / (b + x - 1)) * ((alpha + age) / (alpha + last)) ** (r + x) if x > 0 else 0.0
    return float((a + b + x - 1) / (a - 1) * (1 - shrink * gauss) / (1 + stopped))


def test_the_customer_of_the_paper() -> None:
    """x = 2, t_x = 30.43 weeks, T = 38.86 weeks: 1.226 purchases in the next 39 weeks."""
    x, last, age = np.array([2.0]), np.array([30.43 * 7]), np.array([38.86 * 7])
    assert CDNOW.expected_purchases(x, last, age, 39 * 7.0)[0] == pytest.approx(1.226, abs=5e-4)
    stopped = 0.793 / 3.426 * ((4.414 + 38.86) / (4.414 + 30.43)) ** 2.243
    assert CDNOW.alive(x, last, age)[0] == pytest.approx(1 / (1 + stopped), rel=1e-9)


@pytest.mark.parametrize("days", [1.0, 90.0, 365.0, 3650.0])
@pytest.mark.parametrize("a", [0.01, 0.793, 0.999, 1.01, 2.5])
@pytest.mark.parametrize(("x", "last", "age"), [(0, 0, 0), (0, 0, 400), (1, 0, 10), (3, 200, 400), (120, 390, 400)])
def test_expected_purchases_are_those_of_scipys_gauss_function(
    days: float, a: float, x: float, last: float, age: float
) -> None:
    model = BgNbd(r=0.24, alpha=5.0, a=a, b=2.4)  # 3650 days from the first purchase: z = 0.9986
    found = model.expected_purchases(*(np.array([float(cell)]) for cell in (x, last, age)), days)[0]
    assert found == pytest.approx(published(model, x, last, age, days), rel=1e-8)


def test_a_of_exactly_one_lies_between_its_neighbours() -> None:
    """There the published formula divides zero by zero."""
    x, last, age = np.array([3.0]), np.array([200.0]), np.array([400.0])
    low, one, high = (BgNbd(r=0.5, alpha=30.0, a=a, b=2.0).expected_purchases(x, last, age, 90.0)[0]
                      for a in (0.999, 1.0, 1.001))  # fmt: skip
    assert high < one < low
    assert one == pytest.approx((low + high) / 2, rel=1e-5)


def test_thousands_of_purchases_do_not_underflow() -> None:
    """P(N = 0) is below the smallest float; who never stops goes on at the rate seen."""
    model = BgNbd(r=1.0, alpha=10.0, a=1e-6, b=1e3)
    found = model.expected_purchases(np.array([5000.0]), np.array([365.0]), np.array([365.0]), 365.0)[0]
    assert found == pytest.approx(5001 / 375 * 365, rel=1e-4)


def test_the_formulas_come_true_in_customers_who_live_the_story() -> None:
    model = BgNbd(r=0.6, alpha=40.0, a=0.9, b=3.0)
    found = simulated(model, np.random.default_rng(5).uniform(0, 400, 60_000), 90.0, seed=6)
    history = (found.frequency, found.recency, found.age)
    assert found.later is not None
    assert found.alive is not None
    silent = found.age - found.recency > 100
    for group in (found.frequency == 0, found.frequency == 1, (found.frequency > 1) & silent, found.frequency > 4):
        pairs = [
            (model.alive(*history), found.alive),
            (model.no_purchase(*history, 90.0), found.later == 0),
            (model.expected_purchases(*history, 90.0), found.later),
        ]
        for expected, realised in pairs:
            error = realised[group].std() / np.sqrt(group.sum())
            assert abs(expected[group].mean() - realised[group].mean()) < 4 * error + 1e-12


@settings(max_examples=40, deadline=None)
@given(MODELS, customers(), st.floats(0.0, 1000.0))
def test_chances_are_chances(model: BgNbd, customer: tuple[np.ndarray, ...], days: float) -> None:
    alive, silent = model.alive(*customer)[0], model.no_purchase(*customer, days)[0]
    expected = model.expected_purchases(*customer, days)[0]
    assert 0 <= alive <= 1
    assert 1 - alive <= silent <= 1
    assert 1 - silent <= expected + 1e-9  # Markov: the chance of any is at most the number to expect
    assert expected <= (model.r + customer[0][0]) / (model.alpha + customer[2][0]) * days * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(MODELS, customers(), st.floats(0.0, 300.0), st.floats(1.0, 300.0))
def test_silence_and_time_have_their_direction(
    model: BgNbd, customer: tuple[np.ndarray, ...], days: float, more: float
) -> None:
    x, last, age = customer
    assert model.alive(x, last, age + more)[0] <= model.alive(x, last, age)[0] + 1e-12
    assert model.no_purchase(x, last, age, days + more)[0] <= model.no_purchase(x, last, age, days)[0] + 1e-12
    grown = model.expected_purchases(x, last, age, days + more)[0]
    assert grown >= model.expected_purchases(x, last, age, days)[0] * (1 - 1e-9)


@settings(max_examples=40, deadline=None)
@given(MODELS, st.lists(customers(), min_size=2, max_size=9), st.floats(0.0, 1000.0))
def test_a_customer_alone_gets_the_numbers_of_a_customer_among_many(
    model: BgNbd, several: list[tuple[np.ndarray, ...]], days: float
) -> None:
    together = [np.concatenate(column) for column in zip(*several, strict=True)]
    alone = [model.expected_purchases(*customer, days)[0] for customer in several]
    assert model.expected_purchases(*together, days).tolist() == alone
    assert model.no_purchase(*together, days).tolist() == [model.no_purchase(*c, days)[0] for c in several]


def test_nothing_is_expected_of_no_days() -> None:
    x, last, age = np.array([0.0, 3.0]), np.array([0.0, 50.0]), np.array([0.0, 60.0])
    assert CDNOW.expected_purchases(x, last, age, 0.0).tolist() == [0.0, 0.0]
    assert CDNOW.no_purchase(x, last, age, 0.0).tolist() == [1.0, 1.0]
