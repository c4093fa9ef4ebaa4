"""Contributions to the worth add up to the logarithm of what `value_model.expected` says, for every kind."""

import numpy as np
import pytest

from models.contributions import Contributions
from models.linear import Linear
from models.value_contributions import value_parts
from models.value_model import ValueMixture, expected

NAMES = ("rfm_recency_days", "rfm_amount_sum_90d", "rhythm_value")
RNG = np.random.default_rng(5)
ANY = Contributions(NAMES, RNG.normal(0, 1, (50, 3)), np.full(50, 0.4))
AMOUNT = Contributions(NAMES, RNG.normal(0, 0.7, (50, 3)), np.full(50, 5.0))
RHYTHM = RNG.gamma(2, 60, 50)
MATRIX = np.column_stack([RNG.gamma(2, 50, (50, 2)), RHYTHM]).astype(np.float32)
LINEAR = Linear(
    columns=NAMES[1:], transforms=("log1p",) * 2, centers=(4.0, 4.5), scales=(0.8, 0.7), weights=(0.6, -0.4),
    intercept=4.5,
)  # fmt: skip
PARTS, BASE = LINEAR.contributions(MATRIX, NAMES)
TOLD = {"any": ANY, "amount": AMOUNT, "linear": Contributions(NAMES, PARTS, np.full(50, BASE))}
SAID = {
    "any": 1 / (1 + np.exp(-ANY.total)), "amount": np.exp(AMOUNT.total), "linear": LINEAR.predict_raw(MATRIX, NAMES)
}  # fmt: skip


@pytest.mark.parametrize("model", [
    ValueMixture(trees="tweedie"), ValueMixture(trees="two_part"), ValueMixture(trees="ziln", sigma=0.8),
    ValueMixture(trees="two_part", simple_weight=0.3), ValueMixture(trees="ziln", sigma=0.5, simple_weight=0.7),
    ValueMixture(trees=None, simple_weight=1.0),
    ValueMixture(trees="tweedie", linear_weight=0.4, linear=LINEAR),
    ValueMixture(trees="two_part", simple_weight=1 / 3, linear_weight=1 / 3, linear=LINEAR),
    ValueMixture(trees="ziln", sigma=0.5, simple_weight=0.2, linear_weight=0.5, linear=LINEAR),
], ids=lambda model: f"{model.kind} {model.trees}")  # fmt: skip
def test_they_add_up(model: ValueMixture) -> None:
    said = SAID | {"amount": AMOUNT.total} if model.trees == "ziln" else SAID
    found = value_parts(model, NAMES, TOLD, RHYTHM, average=100.0)
    assert found.total == pytest.approx(np.log(expected(model, said, RHYTHM)), abs=1e-8)
    assert np.ptp(found.base) == pytest.approx(0, abs=1e-12)  # of the average customer, the same for all


def test_the_rhythm_alone_has_one_driver() -> None:
    found = value_parts(
        ValueMixture(trees=None, simple_weight=1.0), NAMES, {}, np.array([200.0, np.nan]), average=100.0
    )
    assert found.parts.tolist() == [[0, 0, pytest.approx(np.log(2))], [0, 0, pytest.approx(np.log(1e-6 / 100))]]


def test_without_its_column_the_rhythm_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="rhythm_value"):
        value_parts(ValueMixture(trees=None, simple_weight=1.0), NAMES, {})
