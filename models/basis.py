"""What a scored row rests on, in one line: a model, and which, or the rules, and why."""

from collections.abc import Mapping
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

TOO_FEW: Final = "too few churners or customers for trees"
UNJUDGED: Final = "no earlier period to judge on"
BEST: Final = "the highest ROC AUC"
"""What `Mixture.why` says among other things: the reason of the basis is the first of these that it holds."""

_REASONED: Final[Mapping[tuple[str, str], str]] = {
    (LINEAR, TOO_FEW): N_("model: logistic regression (too few churners or customers for trees)"),
    (BG_NBD, TOO_FEW): N_("model: BG/NBD (too few churners or customers for trees)"),
    (TREES_AND_LINEAR, UNJUDGED): N_("model: trees and logistic regression (no earlier period to compare on)"),
    (TREES, BEST): N_("model: trees (ranked best of those compared)"),
    (LINEAR, BEST): N_("model: logistic regression (ranked best of those compared)"),
    (BG_NBD, BEST): N_("model: BG/NBD (ranked best of those compared)"),
    (TREES_AND_LINEAR, BEST): N_("model: trees and logistic regression (ranked best of those compared)"),
    (TREES_AND_BG_NBD, BEST): N_("model: trees and BG/NBD (ranked best of those compared)"),
}


def basis_of(mixture: Mixture) -> str:
    """The basis of the rows that a churn model of this `mixture` speaks for: which, and, where its `why` tells, why.

    >>> basis_of(Mixture())
    'model: trees'
    >>> basis_of(Mixture(why="of 5 candidates the highest ROC AUC at the earlier cut-off 2026-01-01: 0.750"))
    'model: trees (ranked best of those compared)'
    """
    model = _model(mixture)
    reason = next((each for each in (TOO_FEW, UNJUDGED, BEST) if each in mixture.why), "")
    return _REASONED.get((model, reason), model)


def _model(mixture: Mixture) -> str:
    """In a blend, a linear predictor of nothing but the rhythm's chance of no purchase is BG/NBD."""
    if mixture.kind != "blend":
        return {"trees": TREES, "linear": LINEAR, "bg_nbd": BG_NBD}[mixture.kind]
    return TREES_AND_BG_NBD if mixture.linear and mixture.linear.columns == (NO_PURCHASE,) else TREES_AND_LINEAR


def is_modelled(basis: str) -> bool:
    """Whether a row of this `basis` rests on a model.

    >>> is_modelled("model"), is_modelled(BG_NBD), is_modelled("rules: no model has been promoted")
    (True, True, False)
    """
    return basis.partition(":")[0] == MODEL
