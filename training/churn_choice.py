"""Which churn model is served: trees, a logistic regression, BG/NBD alone, or a blend, decided on an earlier period.

The members are fitted on training cut-offs whose window closes before the latest one and judged there, on customers
that calibration never sees. So the choice knows nothing of the test period, and what is chosen is fitted anew on all
training cut-offs.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import moment
from features.settings import Definition
from models.basis import BEST, TOO_FEW, UNJUDGED
from models.booster import Booster
from models.calibration import sigmoid
from models.churn import SEED, Matrix, Vector, fit_churn
from models.design import Design
from models.fit_linear import fit_logistic, linear_of
from models.linear import Linear
from models.mixture import Kind, Mixture
from training.inner import inner_plan
from training.metrics import log_loss, roc_auc
from training.split import Plan

Simple = Literal["linear", "bg_nbd"]
SIMPLE: tuple[Simple, ...] = ("linear", "bg_nbd")
Tuned = Mapping[str, int | float]

PURCHASES = ("rfm_recency_days", "rfm_tenure_days", "rfm_orders_count", "rfm_amount_mean", "rhythm_no_purchase")
"""What the logistic regression reads under `no_purchase`: recency, frequency, monetary, tenure, and what the rhythm
makes of them. All purchase features together ranked no better on windows before the tests, with weights that nobody
could explain."""

OWN_FAMILIES: dict[Definition, tuple[str, ...]] = {
    "inactive": ("usage_",),
    "cancelled": ("subscription_", "usage_"),
    "labelled": ("",),
}
"""Other definition → the families whose numbers it reads: those of the definition's own tables."""

SHARES = (0.25, 0.5, 0.75)
"""Weights of the trees that a blend may have; the simple member gets the rest."""


class Compared(BaseModel):
    """One candidate on the judged rows; `log_loss` (nats) is before calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind
    simple: Simple | None = None
    trees_weight: float
    roc_auc: FiniteFloat
    log_loss: FiniteFloat


class Recipe(BaseModel):
    """What to mix: trees by `trees_weight`, the `simple` member by the rest; and how that was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind
    simple: Simple | None = None
    trees_weight: float
    why: str
    compared: tuple[Compared, ...] = ()


@dataclass(frozen=True)
class Members:
    """Fitted on the same rows: the trees as text (None where too few churners are known), and the simple ones."""

    trees: str | None
    simple: Mapping[Simple, Linear]

    def mixture(self, recipe: Recipe) -> Mixture:
        """The members mixed by `recipe`, on the log-odds."""
        linear = self.simple[recipe.simple] if recipe.simple else None
        rest = 1.0 - recipe.trees_weight if linear else 0.0
        return Mixture(
            kind=recipe.kind, trees_weight=recipe.trees_weight, linear_weight=rest, linear=linear, why=recipe.why
        )


def fit_members(
    rows: pl.DataFrame, design: Design, definition: Definition, trees: bool, tuned: Tuned | None = None,
    wanted: Collection[Simple] = SIMPLE,
) -> Members:  # fmt: skip
    """Fit on `rows` (customer_id, churned, features) the trees, unless without `trees`, and the `wanted` simple ones.

    BG/NBD is there only where churn is silence and a rhythm is known.
    """
    matrix, churned = design.matrix(rows), rows["churned"].cast(pl.Float64).to_numpy()
    text = fit_churn(matrix, churned, design.categories, tuned) if trees else None
    simple: dict[Simple, Linear] = {}
    if "linear" in wanted:
        own = [column.name for column in design.described if column.kind == "number" and _own(column.name, definition)]
        simple["linear"] = fit_logistic(matrix, design.names, churned, own, rows["customer_id"].to_numpy(), SEED)
    if "bg_nbd" in wanted and definition == "no_purchase" and "rhythm_no_purchase" in design.names:
        level = float(np.log(churned.mean()) - np.log1p(-churned.mean()))
        simple["bg_nbd"] = linear_of("rhythm_no_purchase", "logit", level)
    return Members(text, simple)


def choose(
    rows: pl.DataFrame, plan: Plan, window_days: int, design: Design, definition: Definition, trees: bool,
    tuned: Tuned | None = None,
) -> Recipe:  # fmt: skip
    """The candidate with the highest ROC AUC on the judged rows, the simpler one where two are equal.

    `rows` are those at stake. `design` is fitted on what was known at the earlier of the training cut-offs, see
    `training.fit`. Where no earlier period can judge, the members are mixed half and half: an average is the safest
    guess.
    """
    fitted, judged, where = judging(rows, plan, window_days)
    if min(_fewest(fitted), _fewest(judged)) == 0:
        return _unjudged(trees)
    members = fit_members(fitted, design, definition, trees, tuned)
    compared = tuple(_judge(members, design.matrix(judged), judged["churned"].to_numpy(), design.names))
    best = max(compared, key=lambda candidate: candidate.roc_auc)
    among = f"of {len(compared)} candidates" if trees else f"{TOO_FEW}; of the others"
    why = f"{among} {BEST} {where}: {best.roc_auc:.3f}"
    return Recipe(kind=best.kind, simple=best.simple, trees_weight=best.trees_weight, why=why, compared=compared)


def judging(rows: pl.DataFrame, plan: Plan, window_days: int) -> tuple[pl.DataFrame, pl.DataFrame, str]:
    """Rows to fit candidates on, rows to judge them on, and where the latter are from, in words.

    The latest training cut-off judges where an earlier window had closed by then; otherwise a fifth of the customers
    (fold 2, which neither calibrates nor tests). Customers set aside for calibration or test are in neither.
    """
    aside = (0,) if plan.later_period else (0, 1)
    mine = rows.filter(~pl.col("fold").is_in(aside))
    inner = inner_plan(plan, window_days)
    if inner is None:
        mine, third = mine.filter(pl.col("as_of").is_in(plan.training)), pl.col("fold") == 2
        return mine.filter(~third), mine.filter(third), "on a fifth of the training customers"
    fitted = mine.filter(pl.col("as_of").is_in(inner.training))
    return fitted, mine.filter(pl.col("as_of") == inner.test), f"at the earlier cut-off {moment(inner.test):%Y-%m-%d}"


def _judge(members: Members, matrix: Matrix, churned: Vector, names: tuple[str, ...]) -> Iterator[Compared]:
    """Every candidate, the simplest first."""
    simplest_first = [*members.simple.items()][::-1]
    odds = {simple: linear.predict_raw(matrix, names) for simple, linear in simplest_first}
    for simple in odds:
        yield _compared(simple, simple, 0.0, odds[simple], churned)
    if members.trees is None:
        return
    grown = Booster.from_text(members.trees).predict_raw(matrix)
    yield _compared("trees", None, 1.0, grown, churned)
    for simple, share in product(odds, SHARES):
        yield _compared("blend", simple, share, share * grown + (1 - share) * odds[simple], churned)


def _compared(kind: Kind, simple: Simple | None, share: float, odds: Vector, churned: Vector) -> Compared:
    """Digits beyond the ninth depend on the order in which threads add up."""
    auc, loss = (float(f"{metric:.9g}") for metric in (roc_auc(churned, odds), log_loss(churned, sigmoid(odds))))
    return Compared(kind=kind, simple=simple, trees_weight=share, roc_auc=auc, log_loss=loss)


def _unjudged(trees: bool) -> Recipe:
    if not trees:
        return Recipe(kind="linear", simple="linear", trees_weight=0.0, why=TOO_FEW)
    why = f"history has {UNJUDGED}: the average of both"
    return Recipe(kind="blend", simple="linear", trees_weight=0.5, why=why)


def _own(name: str, definition: Definition) -> bool:
    return name in PURCHASES if definition == "no_purchase" else name.startswith(OWN_FAMILIES[definition])


def _fewest(rows: pl.DataFrame) -> int:
    churned = rows["churned"]
    return int(min(churned.sum(), rows.height - churned.sum())) if rows.height else 0
