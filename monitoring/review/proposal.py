"""A proposal for weights (D2), learnt from who stayed. People decide: nothing here changes a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import FiniteFloat

from features.clock import DAY
from models.rules.pack import RulePack
from models.rules.schema.entries import Label
from monitoring.review.figures import day, numbered, said
from monitoring.review.weights import inside, learn
from training.bootstrap import Interval, percentile_interval, replicates
from training.evaluate import Report
from training.metrics import Floats, roc_auc
from training.split import FOLDS, folds

DRAWS = 500
"""Draws of customers behind each interval of the review."""

Tested = Literal["later period", "cross-validation by customer"]


class Weight(Report):
    """An indicator's weight in the pack's own unit; weights of a dimension add up to the same, today and proposed.

    `coefficient`: of the standardised indicator in the log-odds of staying, never below 0.
    """

    indicator: str
    dimension: str
    today: FiniteFloat
    proposed: FiniteFloat
    coefficient: FiniteFloat


class Proposal(Report):
    """Weights beside today's, and what they would have been worth on rows they were not learnt from.

    `difference`: proposed − today in ROC AUC. Without enough data there are no weights, and `text` says why.
    """

    text: Label
    weights: tuple[Weight, ...] = ()
    tested: Tested | None = None
    learnt_from: tuple[str, ...] = ()
    tested_on: tuple[str, ...] = ()
    rows: int = 0
    today: Interval | None = None
    proposed: Interval | None = None
    difference: Interval | None = None


@dataclass(frozen=True)
class _Points:
    """Rows × indicators: `x` standardised 0..1, `most` points to earn; `left` 0 or 1; `today` the score as it was."""

    names: tuple[str, ...]
    customers: npt.NDArray[Any]
    as_of: Floats
    x: Floats
    most: Floats
    left: Floats
    today: Floats

    def only(self, rows: Any) -> "_Points":
        """The rows picked by a mask."""
        return _Points(
            self.names, self.customers[rows], self.as_of[rows], self.x[rows], self.most[rows],
            self.left[rows], self.today[rows],
        )  # fmt: skip


def propose(
    rows: pl.DataFrame, earlier: pl.DataFrame | None, pack: RulePack, window_days: float = 0.0, draws: int = DRAWS
) -> Proposal:
    """Learn weights on the earlier dates and test them on the later; with one period only, cross-validate by customer.

    `rows`: customer_id, as_of (Int64 microseconds), composite_score, left, points. `earlier`: more of them, only to
    learn from; without it, dates of `rows` at least `window_days` before the last one, which is the test.
    """
    both = rows if earlier is None else pl.concat([earlier, rows], how="diagonal")
    if "points" not in both.columns or (data := _points(both, pack)) is None:
        return Proposal(text=said(pack.review.proposal.no_points))
    test_from = float(rows["as_of"].max() if earlier is None else rows["as_of"].min())  # type: ignore[arg-type]
    embargo = 0.0 if earlier is not None else window_days * DAY
    learns = (data.as_of < test_from) & (data.as_of + embargo <= test_from)
    if short := _too_few(data.only(learns) if learns.any() else data, pack):
        return Proposal(text=short)
    if learns.any():
        return _on_later_period(data.only(learns), data.only(data.as_of >= test_from), pack, draws)
    return _cross_validated(data, pack, draws)


def _points(rows: pl.DataFrame, pack: RulePack) -> _Points | None:
    """The indicators of the pack that every scored row has; None without any."""
    known = rows.filter(pl.col("points").list.len() > 0).with_row_index("row")
    long = known.select("row", "points").explode("points", empty_as_null=True, keep_nulls=True).unnest("points")
    counts = dict(long.group_by("indicator").agg(pl.len()).iter_rows())
    names = tuple(name for name in pack.composite.enabled if counts.get(name) == known.height)
    if known.is_empty() or not names:
        return None
    wide = long.filter(pl.col("indicator").is_in(names)).pivot(
        "indicator", index="row", values=["standardised", "weight"]
    )
    wide = wide.sort("row")
    columns = (_matrix(wide, kind, names) for kind in ("standardised", "weight"))
    numbers = (known[name].cast(pl.Float64).to_numpy() for name in ("as_of", "left", "composite_score"))
    (as_of, left, today), (x, most) = numbers, columns
    return _Points(names, known["customer_id"].to_numpy(), as_of, x, most, left, today)


def _matrix(wide: pl.DataFrame, kind: str, names: tuple[str, ...]) -> Floats:
    """Rows × indicators; with one indicator only, the pivot names its columns all the same."""
    return wide.select(f"{kind}_{name}" for name in names).cast(pl.Float64).to_numpy()


def _too_few(data: _Points, pack: RulePack) -> Label | None:
    rule = pack.review.proposal
    left = int(data.left.sum())
    stayed = len(data.left) - left
    if min(left, stayed) >= rule.minimum_each.value:
        return None
    return said(rule.too_few, left=f"{left:,}", stayed=f"{stayed:,}", needed=f"{rule.minimum_each.value:g}")


def _on_later_period(training: _Points, test: _Points, pack: RulePack, draws: int) -> Proposal:
    coefficients = _learnt(training, pack)
    scores = _rescored(test, coefficients, pack)
    return _proposal(coefficients, training, test, scores, "later period", pack, draws)


def _cross_validated(data: _Points, pack: RulePack, draws: int) -> Proposal:
    """Each fifth of customers is scored with weights that it had no part in; what is shown is learnt from all."""
    fold, scores = folds(map(str, data.customers)), np.zeros(len(data.left))
    for turn in range(FOLDS):
        out = fold == turn
        if out.any() and not out.all():
            scores[out] = _rescored(data.only(out), _learnt(data.only(~out), pack), pack)
    return _proposal(_learnt(data, pack), data, data, scores, "cross-validation by customer", pack, draws)


def _learnt(data: _Points, pack: RulePack) -> Floats:
    return learn(data.x, 1 - data.left, _prior(data), pack.review.proposal.penalty.value)


def _prior(data: _Points) -> Floats:
    """Today's effective weights, adding up to 1."""
    mean = data.most.mean(axis=0)
    return np.asarray(mean / mean.sum())


def _rescored(data: _Points, coefficients: Floats, pack: RulePack) -> Floats:
    """The score of each row had the proposal been in force: a dimension keeps its points, its indicators share anew."""
    names = np.asarray(_dimensions(data.names, pack))
    shares = inside(coefficients, _dimensions(data.names, pack), _prior(data))
    same = names[:, None] == names[None, :]
    return np.asarray((data.x * (data.most @ same) * shares).sum(axis=1))


def _dimensions(names: Sequence[str], pack: RulePack) -> list[str]:
    return [pack.composite.indicators[name].dimension for name in names]


def _weights(data: _Points, coefficients: Floats, pack: RulePack) -> tuple[Weight, ...]:
    """In the unit of the pack's `weight`."""
    dimensions = _dimensions(data.names, pack)
    shares = inside(coefficients, dimensions, _prior(data))
    today = {name: pack.composite.indicators[name].weight.value for name in data.names}
    total = {
        d: sum(w for name, w in today.items() if pack.composite.indicators[name].dimension == d) for d in dimensions
    }
    return tuple(
        Weight(indicator=name, dimension=d, today=today[name], proposed=total[d] * float(share), coefficient=float(w))
        for name, d, share, w in zip(data.names, dimensions, shares, coefficients, strict=True)
    )


def _proposal(
    coefficients: Floats, training: _Points, test: _Points, scores: Floats, tested: Tested, pack: RulePack, draws: int
) -> Proposal:
    today, proposed, gap = _compared(test, scores, pack.review.level.value, draws)
    rule = pack.review.proposal
    text = numbered(
        rule.better if _worth_it(gap, rule.minimum_gain.value) else rule.not_better, gap, len(test.left), "+",
        today=_shown(today), proposed=_shown(proposed),
        tested=rule.later_period if tested == "later period" else rule.cross_validated,
    )  # fmt: skip
    return Proposal(
        text=text,
        weights=_weights(training, coefficients, pack),
        tested=tested,
        learnt_from=_days(training),
        tested_on=_days(test),
        rows=len(test.left),
        today=today,
        proposed=proposed,
        difference=gap,
    )


def _compared(test: _Points, scores: Floats, level: float, draws: int) -> tuple[Interval, Interval, Interval]:
    """AUC of leaving by today's score, by the proposal's, and proposed − today, from the same draws of customers."""
    risks = [100 - test.today, 100 - scores]
    drawn = replicates(roc_auc, test.left, risks, test.customers, draws)
    today, proposed = (roc_auc(test.left, risk) for risk in risks)
    return (
        percentile_interval(today, drawn[:, 0], level),
        percentile_interval(proposed, drawn[:, 1], level),
        percentile_interval(proposed - today, drawn[:, 1] - drawn[:, 0], level),
    )


def _worth_it(gap: Interval, minimum: float) -> bool:
    return gap.estimate is not None and gap.low is not None and gap.low > 0 and gap.estimate >= minimum


def _days(data: _Points) -> tuple[str, ...]:
    return tuple(day(int(at)) for at in np.unique(data.as_of))


def _shown(interval: Interval) -> str:
    return "–" if interval.estimate is None else f"{interval.estimate:.3f}"
