"""What a scored row rests on, in one line: a model, and which, or the rules, and why."""

from typing import Final

from features.language import N_
from models.mixture import Mixture

NO_PURCHASE: Final = "rhythm_no_purchase"
MODEL: Final = N_("model")
"""How every basis of a modelled row begins; rows scored before Remora told which model say no more."""

TREES: Final = N_("model: trees")
LINEAR: Final = N_("model: logistic regression")
BG_NBD: Final = N_("model: BG/NBD")
TREES_AND_LINEAR: Final = N_("model: trees and logistic regression")
TREES_AND_BG_NBD: Final = N_("model: trees and BG/NBD")


def basis_of(mixture: Mixture) -> str:
    """The basis of the rows that a churn model of this `mixture` speaks for.

    In a blend, a linear predictor of nothing but the rhythm's chance of no purchase is BG/NBD.

    >>> basis_of(Mixture())
    'model: trees'
    """
    if mixture.kind != "blend":
        return {"trees": TREES, "linear": LINEAR, "bg_nbd": BG_NBD}[mixture.kind]
    return TREES_AND_BG_NBD if mixture.linear and mixture.linear.columns == (NO_PURCHASE,) else TREES_AND_LINEAR


def is_modelled(basis: str) -> bool:
    """Whether a row of this `basis` rests on a model.

    >>> is_modelled("model"), is_modelled(BG_NBD), is_modelled("rules: no model has been promoted")
    (True, True, False)
    """
    return basis.partition(":")[0] == MODEL
