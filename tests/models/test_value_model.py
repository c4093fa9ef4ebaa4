"""Expected value out of what the Boosters and the rhythm of purchases say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.linear import Linear
from models.value_model import ValueMixture, expected

SAID = {"any": np.array([0.5, 0.1]), "amount": np.array([100.0, 20.0])}
RHYTHM = np.array([30.0, np.nan])
LINEAR = Linear(intercept=1.0)


def test_two_parts_are_multiplied() -> None:
    assert expected(ValueMixture(trees="two_part"), SAID).tolist() == [50.0, 2.0]


def test_tweedie_is_the_amount_itself() -> None:
    assert expected(ValueMixture(trees="tweedie"), SAID).tolist() == [100.0, 20.0]


def test_the_mean_of_a_lognormal_is_above_its_median() -> None:
    """Against the mean of draws: any · E[exp(Normal(mu, sigma))]."""
    mu, sigma = np.array([2.0, 4.0]), 0.7
    drawn = np.exp(np.random.default_rng(0).normal(mu, sigma, size=(200_000, 2))).mean(axis=0)
    found = expected(ValueMixture(trees="ziln", sigma=sigma), SAID | {"amount": mu})
    assert found == pytest.approx(SAID["any"] * drawn, rel=0.01)


def test_rhythm_alone_and_blended() -> None:
    assert expected(ValueMixture(trees=None, simple_weight=1.0), {}, RHYTHM).tolist() == [30.0, 0.0]
    blend = ValueMixture(trees="two_part", simple_weight=0.25)
    assert expected(blend, SAID, RHYTHM).tolist() == [0.75 * 50 + 0.25 * 30, 0.75 * 2]


def test_a_log_linear_member_has_its_weight_and_trees_have_what_is_left() -> None:
    model = ValueMixture(trees="two_part", simple_weight=0.25, linear_weight=0.25, linear=LINEAR)
    found = expected(model, SAID | {"linear": np.log([80.0, 40.0])}, RHYTHM)
    assert found == pytest.approx([0.5 * 50 + 0.25 * 30 + 0.25 * 80, 0.5 * 2 + 0.25 * 40])


def test_each_kind_has_its_name_and_its_boosters() -> None:
    assert ValueMixture(trees=None, simple_weight=1.0).kind == "bg_nbd"
    assert ValueMixture(trees="ziln", sigma=1.0, simple_weight=0.5).kind == "blend"
    assert ValueMixture(trees="ziln").kind == "ziln"
    mean = ValueMixture(trees="tweedie", simple_weight=0.25, linear_weight=0.25, linear=LINEAR)
    assert (mean.kind, mean.boosters) == ("mean", ("amount", "retained", "low", "high"))
    assert ValueMixture(trees=None, simple_weight=1.0).boosters == ("retained", "low", "high")
    assert ValueMixture(trees="two_part").boosters == ("any", "amount", "retained", "low", "high")
    assert ValueMixture(trees="tweedie").boosters == ("amount", "retained", "low", "high")


@given(
    mu=st.floats(-1e4, 1e4), sigma=st.floats(0, 50), log=st.floats(-1e4, 1e4),
    rhythm=st.floats(allow_nan=True, allow_infinity=True),
)  # fmt: skip
def test_it_is_a_finite_amount_whatever_is_said(mu: float, sigma: float, log: float, rhythm: float) -> None:
    said = {"any": np.array([1.0]), "amount": np.array([mu]), "linear": np.array([log])}
    model = ValueMixture(trees="ziln", sigma=sigma, simple_weight=0.5, linear_weight=0.25, linear=LINEAR)
    found = expected(model, said, np.array([rhythm]))
    assert 0 <= found[0] < np.inf


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValidationError, match="exactly where there are no trees"):
        ValueMixture(trees=None, simple_weight=0.5)
    with pytest.raises(ValidationError, match="exactly where there are no trees"):
        ValueMixture(trees="tweedie", simple_weight=1.0)
    with pytest.raises(ValidationError, match="sigma belongs to the lognormal"):
        ValueMixture(trees="tweedie", sigma=1.0)
    with pytest.raises(ValidationError, match="belong together"):
        ValueMixture(trees="tweedie", linear_weight=0.5)
    with pytest.raises(ValidationError, match="belong together"):
        ValueMixture(trees="tweedie", linear=LINEAR)
    with pytest.raises(ValidationError, match="leave them some"):
        ValueMixture(trees="tweedie", simple_weight=0.5, linear_weight=0.5, linear=LINEAR)
    with pytest.raises(ValueError, match="needs rhythm_value"):
        expected(ValueMixture(trees="two_part", simple_weight=0.5), SAID)
