"""Tuning: nothing of test or calibration is seen, the same again, never knowingly worse."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.build import Fitted
from features.clock import DAY
from models.churn import PARAMETERS, Vector, fit_churn
from models.manifest import FeatureColumn
from models.matrix import to_matrix
from training import tune as tuning
from training.metrics import log_loss
from training.snapshots import Snapshots
from training.split import Plan, folds
from training.tune import TuneError, default_parameters, levelled_log_loss, tune

PLAN = Plan(test=240 * DAY, training=tuple(day * DAY for day in (30, 60, 90, 120, 150)), later_period=True)
SHORT = Plan(test=150 * DAY, training=(150 * DAY,), later_period=False)
WINDOW = 60
COLUMNS = (
    FeatureColumn(name="recency"),
    FeatureColumn(name="noise"),
    FeatureColumn(name="plan", kind="category", levels=("a", "b")),
)


def snapshots(customers: int = 120, seed: int = 7) -> Snapshots:
    """Customers at every cut-off of PLAN; recency raises the risk, which shifts with the season."""
    rng = np.random.default_rng(seed)
    ids = [f"C{number:03}" for number in range(customers)]
    frames = []
    for cutoff in PLAN.cutoffs:
        recency = rng.normal(size=customers)
        risk = 1 / (1 + np.exp(-(2 * recency + (cutoff // DAY % 7 - 3) / 2)))
        frames.append({"customer_id": ids, "as_of": cutoff, "fold": folds(ids), "at_stake": True, "value": None,
                       "churned": rng.random(customers) < risk, "recency": recency,
                       "noise": rng.normal(size=customers), "plan": rng.choice(["a", "b"], customers)})  # fmt: skip
    return Snapshots(pl.concat([pl.DataFrame(frame) for frame in frames]), COLUMNS, {}, Fitted())


def poisoned(found: Snapshots, rows: pl.Expr) -> Snapshots:
    """Labels and features of `rows` turned round."""
    churned = pl.when(rows).then(~pl.col("churned")).otherwise("churned")
    recency = pl.when(rows).then(pl.col("recency") * -9).otherwise("recency")
    return Snapshots(found.rows.with_columns(churned=churned, recency=recency), COLUMNS, {}, found.fitted)


ASIDE = (pl.col("as_of") == PLAN.test) | (pl.col("fold") == 0)


@pytest.fixture(scope="module")
def eight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuning.Tuning]:
    home = tmp_path_factory.mktemp("tuned")
    return home, tune(snapshots(), PLAN, WINDOW, home, trials=8)


def timeless(found: tuning.Tuning) -> dict[str, object]:
    trials = [trial.model_dump(exclude={"seconds"}) for trial in found.trials]
    return {**found.model_dump(exclude={"seconds", "trials"}), "trials": trials}


def test_neither_test_nor_calibration_is_seen(eight: tuple[Path, tuning.Tuning], tmp_path: Path) -> None:
    """The very same study: its name is a hash of all that it reads."""
    found = tune(poisoned(snapshots(), ASIDE), PLAN, WINDOW, tmp_path, trials=8)
    assert timeless(found) == timeless(eight[1])


@pytest.mark.parametrize(
    "rows", [(pl.col("as_of") == PLAN.training[0]) & (pl.col("fold") == 3), (pl.col("as_of") == PLAN.training[-1])]
)
def test_what_trains_is_seen(eight: tuple[Path, tuning.Tuning], tmp_path: Path, rows: pl.Expr) -> None:
    found = tune(poisoned(snapshots(), rows), PLAN, WINDOW, tmp_path, trials=1)
    assert found.study != eight[1].study
    assert found.default != eight[1].default


def test_no_fold_is_fitted_on_a_window_that_is_open_where_it_judges() -> None:
    rows = snapshots().rows
    for name, fits, judges in tuning._by_time(rows, PLAN, WINDOW):
        (judged,) = judges["as_of"].unique()
        assert name == f"time {judged // DAY}"
        assert fits.is_empty() or fits["as_of"].max() + WINDOW * DAY <= judged  # type: ignore[operator]
        assert judged < PLAN.test
    used = [name for name, fits, _ in tuning._by_time(rows, PLAN, WINDOW) if fits.height]
    assert used == ["time 90", "time 120", "time 150"]


def test_interrupted_and_resumed_is_the_same_as_in_one_go(eight: tuple[Path, tuning.Tuning], tmp_path: Path) -> None:
    for trials in (1, 2, 7, 8, 8):
        found = tune(snapshots(), PLAN, WINDOW, tmp_path, trials=trials)
        assert len(found.trials) == trials
    assert timeless(found) == timeless(eight[1])


@pytest.mark.parametrize("fits", [2, 20])
def test_stopped_in_the_middle_of_a_trial(
    eight: tuple[Path, tuning.Tuning], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    """The study then holds a trial that runs for ever, as after a kill: the default's own, or a later one."""
    calls = []

    def stops(*given: Any) -> str:
        calls.append(given)
        if len(calls) == fits:
            raise KeyboardInterrupt
        return fit_churn(*given)

    monkeypatch.setattr(tuning, "fit_churn", stops)
    with pytest.raises(KeyboardInterrupt):
        tune(snapshots(), PLAN, WINDOW, tmp_path, trials=8)
    monkeypatch.setattr(tuning, "fit_churn", fit_churn)
    assert timeless(tune(snapshots(), PLAN, WINDOW, tmp_path, trials=8)) == timeless(eight[1])


def test_the_defaults_come_first_and_nothing_worse_is_chosen(eight: tuple[Path, tuning.Tuning]) -> None:
    found = eight[1]
    training = snapshots().rows.filter(~ASIDE)
    assert found.trials[0].parameters == default_parameters(training.height)
    assert found.trials[0].value == found.default
    assert found.best == min(trial.value for trial in found.trials if trial.value is not None) <= found.default
    assert len({str(trial.parameters) for trial in found.trials}) == len(found.trials)
    best = next(trial for trial in found.trials if trial.value == found.best)
    assert found.parameters == ({} if best.number == 0 else best.parameters)


def test_the_value_of_the_defaults_is_that_of_the_untuned_model(eight: tuple[Path, tuning.Tuning]) -> None:
    """Recomputed by lightgbm's own predictions and a search over shifts."""
    import lightgbm

    rows = snapshots().rows.filter(~ASIDE).sort("as_of", "customer_id")
    leaf = {"min_data_in_leaf": 20}
    total, count = 0.0, 0
    for day in (90, 120, 150):
        fits = rows.filter(pl.col("as_of") <= (day - WINDOW) * DAY)
        judges = rows.filter(pl.col("as_of") == day * DAY)
        text = fit_churn(to_matrix(fits, COLUMNS), labels(fits), [2], leaf)
        odds = lightgbm.Booster(model_str=text).predict(to_matrix(judges, COLUMNS), raw_score=True)
        best = min(log_loss(labels(judges), 1 / (1 + np.exp(-(odds + by)))) for by in np.linspace(-5, 5, 1001))
        total, count = total + best * len(odds), count + len(odds)
    assert eight[1].default == pytest.approx(total / count, abs=1e-4)


def labels(rows: pl.DataFrame) -> Vector:
    return np.asarray(rows["churned"].cast(pl.Float64).to_numpy())


def test_what_is_tried_stays_explainable(eight: tuple[Path, tuning.Tuning]) -> None:
    for trial in eight[1].trials:
        assert trial.parameters["num_leaves"] <= 31
        assert trial.parameters["max_depth"] <= 6
        assert set(trial.parameters) <= {*PARAMETERS, "min_data_in_leaf"}


def test_the_clearly_worse_are_cut_short(tmp_path: Path) -> None:
    found = tune(snapshots(), PLAN, WINDOW, tmp_path, trials=14)
    assert all(trial.value is not None for trial in found.trials[: tuning.UNPRUNED])
    assert any(trial.value is None for trial in found.trials)


def test_minutes_count_the_time_already_spent(tmp_path: Path) -> None:
    first = tune(snapshots(), PLAN, WINDOW, tmp_path, minutes=0.0)
    assert len(first.trials) == 1
    more = tune(snapshots(), PLAN, WINDOW, tmp_path, minutes=(first.seconds + 1e-6) / 60)
    assert len(more.trials) == 2
    assert tune(snapshots(), PLAN, WINDOW, tmp_path, minutes=(first.seconds + 1e-6) / 60) == more


def test_without_a_later_period_customers_are_the_folds(tmp_path: Path) -> None:
    found = tune(snapshots(), SHORT, WINDOW, tmp_path, trials=1)
    assert found.folds == ("customers 2", "customers 3", "customers 4")
    aside = poisoned(snapshots(), (pl.col("fold") <= 1) | (pl.col("as_of") != SHORT.test))
    assert tune(aside, SHORT, WINDOW, tmp_path, trials=1) == found


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match="set minutes, trials or both"):
        tune(snapshots(), PLAN, WINDOW, tmp_path)
    calm = snapshots()
    nobody = Snapshots(calm.rows.with_columns(churned=pl.lit(False)), COLUMNS, {}, calm.fitted)
    with pytest.raises(TuneError, match="train without tuning"):
        tune(nobody, PLAN, WINDOW, tmp_path, trials=1)


def test_it_is_quiet_and_says_where_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import optuna

    before, steps = optuna.logging.get_verbosity(), []
    tune(snapshots(40), PLAN, WINDOW, tmp_path, trials=2, progress=steps.append)
    assert (capfd.readouterr(), optuna.logging.get_verbosity()) == (("", ""), before)
    assert [step.split(":")[0] for step in steps] == ["1", "2"]
    assert logging.getLogger("optuna").level != logging.NOTSET


@given(
    st.lists(st.tuples(st.floats(-6, 6), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({churned for _, churned in rows}) == 2
    ),
    st.floats(-4, 4),
)
def test_the_level_of_a_season_does_not_count(rows: list[tuple[float, bool]], shift: float) -> None:
    odds, churned = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    best = levelled_log_loss(odds, churned)
    assert levelled_log_loss(odds + shift, churned) == pytest.approx(best, abs=1e-6)
    for by in (-1.0, -0.1, 0.0, 0.1, 1.0):
        assert best <= log_loss(churned, 1 / (1 + np.exp(-(odds + by)))) + 1e-9
