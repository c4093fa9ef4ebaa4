"""What a row rests on, from what the churn model is made of."""

import pytest

from features.language import translator
from models.basis import MODEL, basis_of, is_modelled
from models.linear import Linear
from models.mixture import Mixture


def linear(*columns: str) -> Linear:
    ones = (1.0,) * len(columns)
    zeros = (0.0,) * len(columns)
    transforms = ("identity",) * len(columns)
    return Linear(columns=columns, transforms=transforms, centers=zeros, scales=ones, weights=ones, intercept=0.1)


RFM, RHYTHM = linear("rfm_recency_days", "rhythm_no_purchase"), linear("rhythm_no_purchase")


@pytest.mark.parametrize(("mixture", "basis", "chinese"), [
    (Mixture(), "model: trees", "模型：决策树"),
    (Mixture(kind="linear", trees_weight=0, linear_weight=1, linear=RFM), "model: logistic regression",
     "模型：逻辑回归"),
    (Mixture(kind="linear", trees_weight=0, linear_weight=1, linear=linear()), "model: logistic regression",
     "模型：逻辑回归"),
    (Mixture(kind="bg_nbd", trees_weight=0, linear_weight=1, linear=RHYTHM), "model: BG/NBD", "模型：BG/NBD"),
    (Mixture(kind="blend", trees_weight=0.5, linear_weight=0.5, linear=RFM), "model: trees and logistic regression",
     "模型：决策树与逻辑回归"),
    (Mixture(kind="blend", trees_weight=0.25, linear_weight=0.75, linear=RHYTHM), "model: trees and BG/NBD",
     "模型：决策树与BG/NBD"),
])  # fmt: skip
def test_the_basis_names_the_model(mixture: Mixture, basis: str, chinese: str) -> None:
    assert basis_of(mixture) == basis
    assert translator("zh").gettext(basis) == chinese
    assert is_modelled(basis)


@pytest.mark.parametrize(
    ("basis", "modelled"),
    [(MODEL, True), ("rules: no model has been promoted", False), ("modelling clay", False), ("", False)],
)
def test_a_row_of_before_rests_on_a_model_too(basis: str, modelled: bool) -> None:
    assert is_modelled(basis) is modelled
