"""Tuning the churn model's parameters with Optuna, on the past before the test and on no customer set aside.

Fold k fits on the training cut-offs whose window closes by the training cut-off c_k and is judged at c_k: the way the
final test is made, one or more windows earlier. Only rows that train are ever read, so neither test nor calibration
labels can reach a choice. Where history has no room for that, the folds are the folds of customers.

The objective is the log loss pooled over the rows of all folds, each fold at its right level: log loss, because a
probability is what is sold, and it is less noisy than ROC AUC with few churners; at the right level, because a season
shifts all odds between cut-offs, which no parameter can know and which calibration is for.

What was found by looking at many values is flattered by it: the value of the best is no estimate of the test's.

Reference: Akiba et al. 2019, Optuna, KDD; Bergstra et al. 2011 (TPE), NeurIPS.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, FiniteFloat

from features.clock import DAY
from features.errors import RemoraError
from models.booster import Booster
from models.churn import PARAMETERS, ROUNDS, SEED, Matrix, Vector, fit_churn, smallest_leaf
from models.manifest import FeatureColumn
from models.matrix import to_matrix
from training.fit import roles
from training.snapshots import Snapshots
from training.split import Plan

if TYPE_CHECKING:
    from optuna import Study
    from optuna import Trial as OptunaTrial
    from optuna.trial import FrozenTrial

Numbers = dict[str, int | float]

DEPTH, LEAVES = (2, 6), (3, 31)
"""The cost of TreeSHAP grows with leaves × depth²: 6 and 31 still explain 700 rows a second and core."""
WHOLE: dict[str, tuple[int, int, bool]] = {
    "max_depth": (*DEPTH, False), "num_leaves": (*LEAVES, True), "min_data_in_leaf": (10, 300, True),
}  # fmt: skip
REAL: dict[str, tuple[float, float, bool]] = {
    "learning_rate": (0.01, 0.1, True), "lambda_l2": (0.1, 100.0, True),
    "feature_fraction": (0.1, 1.0, False), "bagging_fraction": (0.5, 1.0, False),
}  # fmt: skip
"""Parameter → lowest, highest, whether its logarithm is searched."""

MOST_FOLDS = 4
UNPRUNED = 5
"""Trials that are drawn at random and run whole, before others are drawn by what they found, and cut short."""


class TuneError(RemoraError):
    """There is nothing to tune on, or no budget."""


class TrialRecord(BaseModel):
    """One trial; `value` is its log loss, None where it was cut short."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    number: int
    parameters: Numbers
    value: FiniteFloat | None
    seconds: FiniteFloat


class Tuning(BaseModel):
    """What came of a study. `parameters` is empty where nothing beat the defaults.

    `default` and `best` are log losses, of the defaults and of the best; `folds` says how they were judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    study: str
    folds: tuple[str, ...]
    parameters: Numbers
    default: FiniteFloat
    best: FiniteFloat
    seconds: FiniteFloat
    trials: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class Fold:
    """Rows that fit and later rows (or other customers) that judge, as matrix and labels."""

    name: str
    matrix: Matrix
    churned: Vector
    judged: Matrix
    truth: Vector


def tune(
    snapshots: Snapshots,
    plan: Plan,
    window_days: int,
    home: Path,
    *,
    minutes: float | None = None,
    trials: int | None = None,
    seed: int = SEED,
    progress: Callable[[str], None] = lambda step: None,
) -> Tuning:
    """Search until the study holds `trials` finished trials or `minutes` of them, those of earlier runs included.

    The study lies in `home`/tuning.db under a name that follows from data, folds, columns and space: the same call
    goes on where an earlier one ended or was interrupted. With the same number of trials the best parameters are
    the same, however often it was interrupted; with minutes they are the best so far.
    `window_days`: from a cut-off until its label is known. Raises TuneError without a budget, or without a fold.
    """
    if minutes is None and trials is None:
        raise TuneError("tuning needs a budget: set minutes, trials or both")
    rows = roles(snapshots.rows.filter("at_stake"), plan).training.sort("as_of", "customer_id")
    folds = _folds(rows, plan, window_days, snapshots.columns)
    categories = [index for index, column in enumerate(snapshots.columns) if column.kind == "category"]
    start = default_parameters(rows.height)
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "tuning.lock"), _study(home / "tuning.db", _name(folds, snapshots.columns, seed)) as study:
        _forget_the_interrupted(study)
        while _goes_on(study, minutes, trials):
            tried = _try(study, folds, categories, start, seed)
            progress(f"{tried.number + 1}: {_said(tried)}, best {study.best_value:.5f}")
        return _told(study, folds)


def default_parameters(rows: int) -> Numbers:
    """The parameters that are used untuned, as a point of the search space, when `rows` train."""
    leaf = {"min_data_in_leaf": smallest_leaf(rows)}
    return {name: (PARAMETERS | leaf)[name] for name in (*WHOLE, *REAL)}  # type: ignore[misc]  # they are numbers


def levelled_log_loss(odds: Vector, churned: Vector) -> float:
    """Mean log loss after the shift of all `odds` (natural logarithm) that makes it smallest; both of shape (n,).

    >>> round(levelled_log_loss(np.array([5.0, 5.0]), np.array([0.0, 1.0])) / float(np.log(2)), 6)
    1.0
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    shift = brentq(lambda by: float(expit(odds + by).mean() - churned.mean()), -100.0, 100.0, xtol=1e-9)
    return float((np.logaddexp(0.0, odds + shift) - churned * (odds + shift)).mean())


def _folds(rows: pl.DataFrame, plan: Plan, window_days: int, columns: Sequence[FeatureColumn]) -> list[Fold]:
    """Folds in the order of time, the latest MOST_FOLDS; else by customer. Both classes on both sides."""
    chosen = [_fold(name, fits, judges, columns) for name, fits, judges in _by_time(rows, plan, window_days)]
    usable = [fold for fold in chosen if _both(fold)][-MOST_FOLDS:]
    if not usable:
        usable = [fold for parts in _by_customer(rows) if _both(fold := _fold(*parts, columns))]
    if not usable:
        raise TuneError(
            "tuning: no training cut-off leaves churners and stayers on both sides; bring more history, "
            "or train without tuning"
        )
    return usable


def _by_time(rows: pl.DataFrame, plan: Plan, window_days: int) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    for cutoff in plan.training if plan.later_period else ():
        closed = pl.col("as_of") + window_days * DAY <= cutoff
        yield f"time {cutoff // DAY}", rows.filter(closed), rows.filter(pl.col("as_of") == cutoff)


def _by_customer(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
    for fold in rows["fold"].unique().sort():
        yield f"customers {fold}", rows.filter(pl.col("fold") != fold), rows.filter(pl.col("fold") == fold)


def _fold(name: str, fits: pl.DataFrame, judges: pl.DataFrame, columns: Sequence[FeatureColumn]) -> Fold:
    (matrix, churned), (judged, truth) = (
        (to_matrix(part, columns), part["churned"].cast(pl.Float64).to_numpy()) for part in (fits, judges)
    )
    return Fold(name, matrix, churned, judged, truth)


def _both(fold: Fold) -> bool:
    return all(len(np.unique(labels)) == 2 for labels in (fold.churned, fold.truth))


def _name(folds: Sequence[Fold], columns: Sequence[FeatureColumn], seed: int) -> str:
    """Of everything that a trial's value depends on: another one is another study."""
    digest = hashlib.blake2b(digest_size=8)
    for fold in folds:
        for array in (fold.matrix, fold.churned, fold.judged, fold.truth):
            digest.update(np.ascontiguousarray(array).tobytes())
    versions = {name: version(name) for name in ("lightgbm", "optuna")}
    names = [fold.name for fold in folds], [column.model_dump() for column in columns]
    settings = (*names, PARAMETERS, ROUNDS, WHOLE, REAL, UNPRUNED, seed, versions)
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return f"churn-{digest.hexdigest()}"


@contextmanager
def _study(file: Path, name: str) -> "Iterator[Study]":
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file.resolve()}")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED)
    try:
        yield optuna.create_study(
            storage=storage, study_name=name, load_if_exists=True, direction="minimize", pruner=pruner
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()
        optuna.logging.set_verbosity(before)


def _forget_the_interrupted(study: "Study") -> None:
    """A trial whose process ended in the middle counts for nothing, and its place is tried again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
        study.tell(trial.number, state=TrialState.FAIL)


def _finished(study: "Study") -> "list[FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _goes_on(study: "Study", minutes: float | None, trials: int | None) -> bool:
    done = _finished(study)
    spent = sum(_seconds(trial) for trial in done)
    return not done or ((trials is None or len(done) < trials) and (minutes is None or spent < 60 * minutes))


def _try(study: "Study", folds: Sequence[Fold], categories: Sequence[int], start: Numbers, seed: int) -> "FrozenTrial":
    """One trial, drawn with a seed of its own: what it draws follows from the finished trials before it alone."""
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    done = len(_finished(study))
    study.sampler = TPESampler(n_startup_trials=UNPRUNED, seed=seed + done)
    if done == 0:
        study.enqueue_trial(start)
    trial = study.ask()
    value = _judge(trial, _suggested(trial), folds, categories)
    if value is None:
        return study.tell(trial, state=TrialState.PRUNED)
    return study.tell(trial, value)


def _suggested(trial: "OptunaTrial") -> Numbers:
    whole = {name: trial.suggest_int(name, low, high, log=log) for name, (low, high, log) in WHOLE.items()}
    return {**whole, **{n: trial.suggest_float(n, low, high, log=log) for n, (low, high, log) in REAL.items()}}


def _judge(trial: "OptunaTrial", parameters: Numbers, folds: Sequence[Fold], categories: Sequence[int]) -> float | None:
    """The pooled log loss, the latest fold first; None where it was worse than the median half-way."""
    total, rows = 0.0, 0
    for step, fold in enumerate(reversed(folds)):
        if step and trial.should_prune():
            return None
        text = fit_churn(fold.matrix, fold.churned, categories, parameters)
        odds = Booster.from_text(text).predict_raw(fold.judged, threads=1)
        total += levelled_log_loss(odds, fold.truth) * len(fold.truth)
        rows += len(fold.truth)
        trial.report(total / rows, step)
    return total / rows


def _told(study: "Study", folds: Sequence[Fold]) -> Tuning:
    done = _finished(study)
    best, default = study.best_trial, done[0]
    assert default.value is not None  # the first trial is never cut short
    better = best.number != default.number and study.best_value < default.value
    return Tuning(
        study=study.study_name,
        folds=tuple(fold.name for fold in folds),
        parameters=dict(best.params) if better else {},
        default=default.value,
        best=study.best_value,
        seconds=sum(_seconds(trial) for trial in done),
        trials=tuple(_record(place, trial) for place, trial in enumerate(done)),
    )


def _record(place: int, trial: "FrozenTrial") -> TrialRecord:
    whole = trial.state.name == "COMPLETE"
    value = trial.value if whole else None
    return TrialRecord(number=place, parameters=dict(trial.params), value=value, seconds=_seconds(trial))


def _seconds(trial: "FrozenTrial") -> float:
    return trial.duration.total_seconds() if trial.duration else 0.0


def _said(trial: "FrozenTrial") -> str:
    return "cut short" if trial.state.name == "PRUNED" else f"{trial.value:.5f}"
