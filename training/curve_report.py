"""Whether the churn curve is worth keeping: it is compared with a model of its own for every horizon.

Both learn from the same customers and cut-offs, are calibrated on the same customers set aside, and are judged on the
same others: at the latest training cut-off, where the horizon closes before the test and an earlier one had closed by
then (`training.inner`); otherwise on a fifth of the training customers. The curve is judged as it is served, anchored
at the churn horizon by the model of that horizon, so there the two are one.

Rule: the curve is kept unless at some horizon it is surely worse than the model of its own, that is the paired 90 %
interval of the difference (customers drawn with replacement) lies above zero for log loss or below it for ROC AUC.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import moment
from models.booster import Booster
from models.calibration import calibrate
from models.churn import fit_churn
from models.churn_curve import ChurnCurve, CurveModel, survival_losses
from training.bootstrap import Interval
from training.hazard import Flags, Known, Task, aside_of, fit_hazard, platt
from training.inner import inner_plan
from training.intervals import PROBABILITY, RANKING, Judged, judge
from training.metrics import Floats
from training.split import Plan

DRAWS = 500
_METRICS = {"log_loss": PROBABILITY["log_loss"], "roc_auc": RANKING["roc_auc"]}
_TOO_FEW = "too little history, or only one outcome, to compare"


class Scores(BaseModel):
    """Mean log loss in nats, and the chance to rank a churner above a stayer."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    log_loss: FiniteFloat
    roc_auc: FiniteFloat


class ComparedEdge(BaseModel):
    """The curve and the model of one horizon on the same rows; differences are curve − single.

    `unanchored` is the hazard model by itself. Without scores `why_not` says what was missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    days: int
    rows: int = 0
    churners: int = 0
    where: str = ""
    curve: Scores | None = None
    single: Scores | None = None
    unanchored: Scores | None = None
    log_loss_difference: Interval | None = None
    roc_auc_difference: Interval | None = None
    why_not: str = ""

    @property
    def surely_worse(self) -> bool:
        """Whether an interval shows the curve behind; an unknown one shows nothing."""
        loss, auc = self.log_loss_difference, self.roc_auc_difference
        lost = loss is not None and loss.low is not None and loss.low > 0
        return lost or (auc is not None and auc.high is not None and auc.high < 0)


class CurveReport(BaseModel):
    """Whether the curve is kept, why, and what was compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    kept: bool
    why: str
    edges: tuple[ComparedEdge, ...] = ()


@dataclass(frozen=True)
class Place:
    """Rows that fit, calibrate and judge, and in words where that is."""

    fitted: Known
    aside: Known
    judged: Known
    where: str

    def usable(self, k: int) -> bool:
        """Whether edge `k` has both outcomes among those who fit and those who judge."""
        return _both(self.fitted.events[:, k]) and _both(self.judged.events[:, k])


def compare(found: Known, plan: Plan, window_days: int, task: Task) -> CurveReport:
    """The curve next to a model of its own for every edge, and whether it is kept."""
    ahead = _ahead(found, plan, window_days, task)
    later = dict(_compared(ahead, range(len(task.edges)), task)) if ahead else {}
    rest = [k for k in range(len(task.edges)) if k not in later or later[k].why_not]
    among = dict(_compared(_among(found, plan), rest, task)) if rest else {}
    return ruled(tuple((later | among)[k] for k in range(len(task.edges))), task.churn.horizon_days)


def ruled(edges: tuple[ComparedEdge, ...], horizon_days: int) -> CurveReport:
    """The rule above; what is equal by construction, the churn horizon, shows nothing."""
    compared = [edge.days for edge in edges if edge.curve and edge.days != horizon_days]
    worse = [edge.days for edge in edges if edge.surely_worse]
    if not compared:
        return CurveReport(kept=False, why="no curve: it could not be compared at any other horizon", edges=edges)
    if worse:
        why = f"no curve: at {_listed(worse)} days it is surely worse than a model of that horizon"
        return CurveReport(kept=False, why=why, edges=edges)
    why = f"one model for all horizons, not surely worse at {_listed(compared)} days than models of their own"
    return CurveReport(kept=True, why=why, edges=edges)


def _ahead(found: Known, plan: Plan, window_days: int, task: Task) -> Place | None:
    """The latest training cut-off, judged by what was known there; None without an earlier closed window."""
    inner = inner_plan(plan, window_days)
    if inner is None:
        return None
    fold, as_of = found.integers("fold"), found.integers("as_of")
    then, closed = found.at(inner.test, task), np.isin(as_of, inner.training)
    judged = found.where((as_of == inner.test) & (fold != 0))
    where = f"at the earlier cut-off {moment(inner.test):%Y-%m-%d}"
    return Place(then.where(closed & (fold != 0)), then.where(closed & (fold == 0)), judged, where)


def _among(found: Known, plan: Plan) -> Place:
    """A fifth of the training customers (fold 2), at the same cut-offs as the others."""
    fold, aside = found.integers("fold"), aside_of(plan)
    others: Flags = (fold > aside) & (fold != 2)
    where = "on a fifth of the training customers, at the same cut-offs"
    return Place(found.where(others), found.where(fold == aside), found.where(fold == 2), where)


def _compared(place: Place, columns: Sequence[int], task: Task) -> Iterator[tuple[int, ComparedEdge]]:
    """Each of the edges `columns`, compared at one place."""
    usable = [k for k in columns if place.usable(task.horizon) and place.usable(k)]
    yield from ((k, ComparedEdge(days=task.edges[k], why_not=_TOO_FEW)) for k in columns if k not in usable)
    if not usable:
        return
    count = int(np.isfinite(place.fitted.events).any(axis=0).sum())
    curve, text = fit_hazard(place.fitted.up_to(count), place.aside, task)
    raw = CurveModel(curve, Booster.from_text(text)).raw(place.judged.matrix)
    horizon = _single(place, task.horizon, task)
    served, alone = curve.probabilities(raw, horizon), _unanchored(curve, raw)
    for k in usable:
        single = horizon if k == task.horizon else _single(place, k, task)
        yield k, _scored(place, k, task, {"curve": served[:, k], "single": single, "unanchored": alone[:, k]})


def _single(place: Place, k: int, task: Task) -> Floats:
    """Calibrated churn probabilities of the judged by a model of edge `k` alone, (n,)."""
    fitted, aside = (part.where(np.isfinite(part.events[:, k])) for part in (place.fitted, place.aside))
    text = fit_churn(fitted.matrix, _churned(fitted, k, task), task.design.categories, task.tuned)
    trees = Booster.from_text(text)
    calibration = platt(trees.predict_raw(aside.matrix), _churned(aside, k, task))
    return calibrate(trees.predict_raw(place.judged.matrix), calibration)


def _unanchored(curve: ChurnCurve, raw: Floats) -> Floats:
    """Churn probabilities (n, K) by the hazards alone."""
    survival = np.exp(-survival_losses(raw, curve.calibration))
    return np.asarray(1.0 - survival if curve.rising else survival)


def _churned(part: Known, k: int, task: Task) -> Floats:
    return part.events[:, k] if task.rising else 1.0 - part.events[:, k]


def _scored(place: Place, k: int, task: Task, scores: Mapping[str, Floats]) -> ComparedEdge:
    seen = np.isfinite(place.judged.events[:, k])
    judged = place.judged.where(seen)
    truth, said = _churned(judged, k, task), {name: score[seen] for name, score in scores.items()}
    customers = judged.rows["customer_id"].to_numpy()
    found = judge(truth, said, dict.fromkeys(said, _METRICS), customers, reference="curve", draws=DRAWS)
    differences = {f"{metric}_difference": each for metric, each in found["single"].differences.items()}
    return ComparedEdge(
        days=task.edges[k],
        rows=len(truth),
        churners=int(truth.sum()),
        where=place.where,
        **{name: _scores(found[name]) for name in said},
        **differences,
    )


def _scores(judged: Judged) -> Scores:
    return Scores.model_validate({metric: found.estimate for metric, found in judged.intervals.items()})


def _both(events: Floats) -> bool:
    """Whether some of the known `events` (n,) came and some did not."""
    seen = events[np.isfinite(events)]
    return bool(0 < seen.sum() < len(seen))


def _listed(days: Sequence[int]) -> str:
    return ", ".join(map(str, days))
