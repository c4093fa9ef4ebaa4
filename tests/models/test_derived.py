"""Columns derived from the rhythm of purchases: right from the features, alone or among many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bg_nbd import BgNbd
from models.derived import BASE, DERIVED, DerivedError, Rhythm, derived, derived_names
from models.fit_bg_nbd import fit_rhythm
from models.gamma_gamma import GammaGamma
from tests.models.histories import simulated

PROCESS = BgNbd(r=0.6, alpha=40.0, a=0.9, b=3.0)
AMOUNTS = GammaGamma(p=2.4, q=3.5, gamma=390.0)
RHYTHM = Rhythm(process=PROCESS, amounts=AMOUNTS, churn_days=90, value_days=180)
NAN = float("nan")


def matrix(*rows: tuple[float, ...]) -> np.ndarray:
    """Rows of orders, days since the last, days since the first, mean amount."""
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def test_four_orders_are_three_after_the_first() -> None:
    """The last lay 30 days before the cut-off, the first 300: x = 3, t_x = 270, T = 300."""
    x, last, age = np.array([3.0]), np.array([270.0]), np.array([300.0])
    found = derived(RHYTHM, matrix((4, 30, 300, 25)), BASE)
    purchases = PROCESS.expected_purchases(x, last, age, 180.0)[0]
    amount = 2.4 * (390 + 4 * 25) / (2.4 * 4 + 2.5)
    expected = [PROCESS.alive(x, last, age)[0], PROCESS.no_purchase(x, last, age, 90.0)[0], purchases]
    assert found.dtype == np.float32
    assert found[0].tolist() == pytest.approx([*expected, purchases * amount], rel=1e-6)


def test_one_order_is_certain_not_to_have_been_followed_by_goodbye() -> None:
    assert derived(RHYTHM, matrix((1, 200, 200, 25)), BASE)[0, 0] == 1.0


def test_who_never_bought_has_no_rhythm_and_spoils_no_other() -> None:
    never, back = (0, NAN, NAN, NAN), (0, 20, 20, NAN)
    found = derived(RHYTHM, matrix(never, (4, 30, 300, 25), back), BASE)
    assert np.isnan(found[[0, 2]]).all()
    assert found[1].tolist() == derived(RHYTHM, matrix((4, 30, 300, 25)), BASE)[0].tolist()


def test_several_orders_of_one_day_and_a_first_order_today() -> None:
    found = derived(RHYTHM, matrix((3, 0, 0, 10), (1, 0, 0, 10), (300, 0.5, 20, 10)), BASE)
    assert np.isfinite(found).all()


def test_float32_may_say_that_the_last_order_came_before_the_first() -> None:
    assert np.isfinite(derived(RHYTHM, matrix((2, 300.00003, 300.0, 10)), BASE)).all()


def test_columns_are_found_by_name() -> None:
    row = matrix((4, 30, 300, 25))
    mixed = np.column_stack([row[:, [3]], row[:, [2]], np.full((1, 1), 7, np.float32), row[:, [0]], row[:, [1]]])
    names = [BASE[3], BASE[2], "nps_score", BASE[0], BASE[1]]
    assert derived(RHYTHM, mixed, names).tolist() == derived(RHYTHM, row, BASE).tolist()


def test_missing_columns_are_named() -> None:
    with pytest.raises(DerivedError, match="rfm_tenure_days, rfm_amount_mean"):
        derived(RHYTHM, matrix((4, 30, 300, 25))[:, :2], BASE[:2])


def test_without_amounts_there_is_no_value() -> None:
    bare = RHYTHM.model_copy(update={"amounts": None})
    assert derived_names(RHYTHM) == DERIVED
    assert derived_names(bare) == DERIVED[:3]
    assert derived(bare, matrix((4, 30, 300, 25)), BASE).shape == (1, 3)


def test_nobody_at_all() -> None:
    assert derived(RHYTHM, matrix(), BASE).shape == (0, 4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 900), st.floats(0, 900), st.floats(0, 1e4)), max_size=12))
def test_a_row_alone_gets_the_same_bits(rows: list[tuple[float, ...]]) -> None:
    many = matrix(*[(n, min(a, b), max(a, b), mean) for n, a, b, mean in rows])
    together = derived(RHYTHM, many, BASE)
    assert all(derived(RHYTHM, many[i : i + 1], BASE).tobytes() == together[i].tobytes() for i in range(len(many)))
    known = many[:, 0] > 0
    assert np.isfinite(together[known]).all()
    assert ((together[known, :2] >= 0) & (together[known, :2] <= 1)).all()


def test_the_rhythm_comes_back_from_the_features() -> None:
    """Simulated customers as a matrix of features: the planted process and amounts are found."""
    rng, n = np.random.default_rng(4), 10_000
    found = simulated(PROCESS, rng.uniform(0, 700, n), 0.0, seed=2)
    orders = found.frequency + 1
    mean = rng.gamma(AMOUNTS.p * orders, 1 / (rng.gamma(AMOUNTS.q, 1 / AMOUNTS.gamma, n) * orders))
    rows = np.column_stack([orders, found.age - found.recency, found.age, mean]).astype(np.float32)
    rhythm = fit_rhythm(np.vstack([rows, matrix((0, NAN, NAN, NAN))]), BASE, 90, 180)
    assert rhythm is not None
    assert rhythm.amounts is not None
    assert rhythm.process.model_dump() == pytest.approx(PROCESS.model_dump(), rel=0.15)
    assert rhythm.amounts.model_dump() == pytest.approx(AMOUNTS.model_dump(), rel=0.12)
    assert (rhythm.churn_days, rhythm.value_days) == (90, 180)


def test_too_few_who_came_again_have_no_rhythm() -> None:
    many = matrix(*[(2, 10 + i, 50 + 2 * i, 20 + i) for i in range(30)], *[(1, 5, 5, 20)] * 50)
    assert fit_rhythm(many, BASE, 90, 90) is not None
    assert fit_rhythm(many[1:], BASE, 90, 90) is None
    assert fit_rhythm(many[:, :3], BASE[:3], 90, 90) is None


def test_equal_amounts_leave_the_value_out() -> None:
    rhythm = fit_rhythm(matrix(*[(2, 10 + i, 50 + 2 * i, 20) for i in range(40)]), BASE, 90, 90)
    assert rhythm is not None
    assert rhythm.amounts is None


def test_a_first_order_today_for_everyone_is_no_rhythm() -> None:
    """What `fit_bg_nbd` refuses is no reason for a training run to stop."""
    assert fit_rhythm(matrix(*[(2, 0, 0, 20 + i) for i in range(40)]), BASE, 90, 90) is None
