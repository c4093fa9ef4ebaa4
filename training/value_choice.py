"""Which value model is kept: decided on an earlier period, never on the test.

Candidates are fitted on the training cut-offs whose window closes before the latest training cut-off, and judged on
those at stake at that one (`training.inner`). The highest normalised Gini is best, and of those that it does not beat
surely (90 % interval of the paired difference, customers drawn with replacement) the first of these is kept:

    mean, blend, run_rate, bg_nbd, tweedie, two_part, ziln   (averages, then the simplest: 0, 7 numbers, Boosters)

The simple forecast is that of BG/NBD with Gamma-Gamma for purchases, and for subscriptions what they pay now, carried
on. The blend is the mean of it and trees, and `mean` that of BG/NBD, trees and a log-linear regression, for purchases
only. Equal weights are seldom worse than the better of two forecasts, and weights fitted in one season mislead in the
next (Clemen 1989, Combining forecasts): on five windows of online_retail_2 before its test the blend ranked better than
what the simplest-first rule kept in four, by up to 0.023, and fitted weights in none; on seven of it and seven of
cdnow_sample, all before their tests, the mean of three ranked better than the blend, by 0.0015 and 0.0065. Totals do
not decide: how far they are off depends on the season of one window, which the order of customers does not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import moment
from models.booster import Booster
from models.design import Design
from models.lifetime_value import fit_trees, spread_of_logs
from models.linear import Linear
from models.matrix import Float32
from models.value_model import RHYTHM, Kind, Trees, ValueMixture, expected
from training.bootstrap import Interval
from training.calibration import slice_rows
from training.fit_value_linear import fit_log_linear
from training.inner import inner_plan, training_rows
from training.intervals import VALUE, Judged, judge
from training.metrics import Floats, Values, normalised_gini
from training.split import Plan

PREFERRED: tuple[Kind, ...] = ("mean", "blend", "run_rate", "bg_nbd", "tweedie", "two_part", "ziln")
TREES: tuple[Trees, ...] = ("tweedie", "two_part", "ziln")


@dataclass(frozen=True)
class SimpleForecast:
    """A column of the matrix that, times `factor`, stands for value over its horizon."""

    column: str
    factor: float = 1.0


FALLBACK: Trees = "two_part"
"""Where nothing can be compared."""

WORDS: Mapping[Kind, str] = {"mean": "mean of BG/NBD, trees and a log-linear regression"}
"""Kinds whose name alone does not say what they are."""

GINI = "normalised_gini"
HALF = 0.5
THIRD = 1 / 3


class ComparedValue(BaseModel):
    """One candidate at the cut-off where they were judged. `behind`: Gini of the best less its own, None for the best.

    `total_ratio` is predicted / actual total, `mae` in the unit of value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: Kind
    kept: bool
    gini: Interval
    behind: Interval | None = None
    total_ratio: FiniteFloat | None = None
    mae: FiniteFloat | None = None


@dataclass(frozen=True)
class Choice:
    """The kind that is kept and the trees it has, a sentence why, and what was compared."""

    kind: Kind
    trees: tuple[Trees, ...]
    why: str
    compared: tuple[ComparedValue, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """A fitted model of expected value and its Boosters as text."""

    mixture: ValueMixture
    texts: Mapping[str, str] = field(default_factory=dict)

    def expected(self, matrix: Float32, names: Sequence[str]) -> Floats:
        """Money, shape (n,), from `matrix` (n, f) with columns `names`."""
        said = {name: Booster.from_text(text).predict(matrix) for name, text in self.texts.items()}
        if self.mixture.linear:
            said["linear"] = self.mixture.linear.predict_raw(matrix, names)
        return expected(self.mixture, said, column_of(matrix, names, self.mixture.column))


def choose(rows: pl.DataFrame, plan: Plan, design: Design, window_days: int, simple: SimpleForecast | None) -> Choice:
    """The kind to fit on `rows` (those of `training.snapshots` whose value is known), by the rule above.

    `simple`: the column that counts the same money as `value` does; None where none does.
    """
    inner = inner_plan(plan, window_days)
    if inner is None:
        return _not_compared("no window had closed before the latest training cut-off")
    judged = rows.filter((pl.col("as_of") == inner.test) & pl.col("at_stake"))
    actual = judged["value"].to_numpy()
    if not (training_rows(rows, inner)["value"] > 0).any() or not (actual > 0).any():
        return _not_compared("nobody had brought anything by the latest training cut-off")
    models, matrix = candidates(rows, inner, design, TREES, simple), design.matrix(judged)
    scores: dict[str, Values] = {kind: model.expected(matrix, design.names) for kind, model in models.items()}
    best = max(models, key=lambda kind: normalised_gini(actual, scores[kind]))
    found = judge(actual, scores, dict.fromkeys(scores, VALUE), judged["customer_id"].to_numpy(), reference=best)
    kept = next(kind for kind in PREFERRED if kind in found and not surely_behind(found[kind]))
    trees = models[kept].mixture.trees
    return Choice(kept, (trees,) if trees else (), _why(kept, best, inner), _table(found, kept))


def candidates(
    rows: pl.DataFrame, plan: Plan, design: Design, trees: Sequence[Trees], simple: SimpleForecast | None
) -> dict[Kind, Candidate]:
    """`trees`, and with `simple` that alone and its averages with the best of them, fitted on the rows that train.

    The spread of the lognormal and the best trees come from the customers set aside.
    """
    training, aside = training_rows(rows, plan), slice_rows(rows.filter(pl.col("at_stake")), plan)
    known, value = design.matrix(training), training["value"].to_numpy()
    texts = fit_trees(trees, known, value, design.categories)
    matrix, actual = design.matrix(aside), aside["value"].to_numpy()
    found: dict[Kind, Candidate] = {kind: _single(kind, texts[kind], matrix, actual) for kind in trees}
    if simple is None or simple.column not in design.names:
        return found
    alone = ValueMixture(trees=None, simple_weight=1.0, column=simple.column, factor=simple.factor)
    found[alone.kind] = Candidate(alone)
    if not trees:
        return found
    scores = {kind: found[kind].expected(matrix, design.names) for kind in trees}
    best = max(scores, key=lambda kind: normalised_gini(actual, scores[kind]))
    linear = fit_log_linear(known, value, design) if simple.column == RHYTHM else None
    return found | _averages(found[best], alone, linear)


def surely_behind(judged: Judged) -> bool:
    """Whether the interval of best − this lies above zero; an unknown one says nothing."""
    gap = judged.differences.get(GINI)
    return gap is not None and gap.low is not None and gap.low > 0


def column_of(matrix: Float32, names: Sequence[str], name: str) -> Floats | None:
    """The column `name` of `matrix`, shape (n,); None where there is none."""
    return matrix[:, list(names).index(name)].astype(np.float64) if name in names else None


def _single(kind: Trees, texts: Mapping[str, str], matrix: Float32, actual: Floats) -> Candidate:
    sigma = spread_of_logs(actual, Booster.from_text(texts["amount"]).predict(matrix)) if kind == "ziln" else 0.0
    return Candidate(ValueMixture(trees=kind, sigma=sigma), texts)


def _averages(grown: Candidate, alone: ValueMixture, linear: Linear | None) -> dict[Kind, Candidate]:
    """The mean of the simple forecast and the trees that order the customers set aside best; that of three."""
    of_trees = {"trees": grown.mixture.trees, "sigma": grown.mixture.sigma}
    both = alone.model_copy(update=of_trees | {"simple_weight": HALF})
    found: dict[Kind, Candidate] = {"blend": Candidate(both, grown.texts)}
    if linear:
        weights = {"simple_weight": THIRD, "linear_weight": THIRD, "linear": linear}
        found["mean"] = Candidate(both.model_copy(update=weights), grown.texts)
    return found


def _table(found: Mapping[str, Judged], kept: Kind) -> tuple[ComparedValue, ...]:
    return tuple(
        ComparedValue(
            kind=kind, kept=kind == kept, gini=found[kind].intervals[GINI], behind=found[kind].differences.get(GINI),
            total_ratio=found[kind].intervals["total_ratio"].estimate, mae=found[kind].intervals["mae"].estimate,
        )
        for kind in PREFERRED if kind in found
    )  # fmt: skip


def _why(kept: Kind, best: Kind, inner: Plan) -> str:
    place = f"at {moment(inner.test):%Y-%m-%d}, fitted on {len(inner.training)} cut-offs that had closed before"
    name = WORDS.get(kept, kept)
    if kept == best:
        return f"{name}: the highest Gini {place}"
    return f"{name}: the first by preference that {best} did not surely beat in Gini {place}"


def _not_compared(reason: str) -> Choice:
    return Choice(FALLBACK, (FALLBACK,), f"{FALLBACK}: {reason}, so nothing was compared")
