"""What a row rests on, from what the churn model is made of."""

import pytest

from features.language import translator
from models.basis import _REASONED, MODEL, basis_of, is_modelled
from models.linear import Linear
from models.mixture import Mixture


def linear(*columns: str) -> Linear:
    ones = (1.0,) * len(columns)
    zeros = (0.0,) * len(columns)
    transforms = ("identity",) * len(columns)
    return Linear(columns=columns, transforms=transforms, centers=zeros, scales=ones, weights=ones, intercept=0.1)


RFM, RHYTHM = linear("rfm_recency_days", "rhythm_no_purchase"), linear("rhythm_no_purchase")
LOGISTIC = Mixture(kind="linear", trees_weight=0, linear_weight=1, linear=RFM)
BOTH = Mixture(kind="blend", trees_weight=0.5, linear_weight=0.5, linear=RFM)


@pytest.mark.parametrize(("mixture", "basis", "chinese"), [
    (Mixture(), "model: trees", "模型：决策树"),
    (LOGISTIC, "model: logistic regression", "模型：逻辑回归"),
    (Mixture(kind="linear", trees_weight=0, linear_weight=1, linear=linear()), "model: logistic regression",
     "模型：逻辑回归"),
    (Mixture(kind="bg_nbd", trees_weight=0, linear_weight=1, linear=RHYTHM), "model: BG/NBD", "模型：BG/NBD"),
    (BOTH, "model: trees and logistic regression", "模型：决策树与逻辑回归"),
    (Mixture(kind="blend", trees_weight=0.25, linear_weight=0.75, linear=RHYTHM), "model: trees and BG/NBD",
     "模型：决策树与BG/NBD"),
])  # fmt: skip
def test_the_basis_names_the_model(mixture: Mixture, basis: str, chinese: str) -> None:
    assert basis_of(mixture) == basis
    assert translator("zh").gettext(basis) == chinese
    assert is_modelled(basis)


@pytest.mark.parametrize(("mixture", "why", "basis"), [
    (Mixture(), "of 5 candidates the highest ROC AUC at the earlier cut-off 2026-01-01: 0.750",
     "model: trees (ranked best of those compared)"),
    (LOGISTIC, "too few churners or customers for trees; of the others the highest ROC AUC on a fifth: 0.7",
     "model: logistic regression (too few churners or customers for trees)"),
    (BOTH, "history has no earlier period to judge on: the average of both",
     "model: trees and logistic regression (no earlier period to compare on)"),
    (BOTH, "a sentence of another version", "model: trees and logistic regression"),
])  # fmt: skip
def test_the_basis_says_why(mixture: Mixture, why: str, basis: str) -> None:
    assert basis_of(mixture.model_copy(update={"why": why})) == basis


@pytest.mark.parametrize("basis", _REASONED.values())
def test_every_reason_is_a_models_and_speaks_chinese(basis: str) -> None:
    assert is_modelled(basis)
    assert translator("zh").gettext(basis).startswith("模型：")


@pytest.mark.parametrize(
    ("basis", "modelled"),
    [(MODEL, True), ("rules: no model has been promoted", False), ("modelling clay", False), ("", False)],
)
def test_a_row_of_before_rests_on_a_model_too(basis: str, modelled: bool) -> None:
    assert is_modelled(basis) is modelled
