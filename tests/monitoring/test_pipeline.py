"""Monitoring as a whole: drift against the bundle's reference, and earlier scores against what came of them."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from features.clock import micros
from features.engines import Source, open_source
from features.settings import Gate, Settings
from monitoring.pipeline import MonitorReport, monitor, outcomes, scored_population, write
from serving.score import score
from serving.store import open_store
from tests.company import MLFLOW, Trained
from tests.literal import written

pytestmark = pytest.mark.filterwarnings(MLFLOW)

WINDOW = dt.timedelta(days=90 + 14)


def watched(
    trained: Trained, kept: pl.DataFrame, source: Source | None = None, gate: Gate | None = None
) -> MonitorReport:
    settings = trained.settings.model_copy(update={"gate": gate or trained.settings.gate})
    return monitor(source or trained.source, trained.as_of, trained.candidate.bundle, settings, kept)


@pytest.fixture(scope="module")
def closed(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The store's history after the company was scored one window ago."""
    date = trained.date - WINDOW
    rows = score(
        trained.source.until(micros(date)), micros(date), trained.candidate.bundle, trained.settings, date
    ).rows
    with open_store(tmp_path_factory.mktemp("closed") / "store.db") as store:
        store.save(rows)
        return store.history(trained.date)


@pytest.fixture(scope="module")
def report(trained: Trained, closed: pl.DataFrame) -> MonitorReport:
    return watched(trained, closed)


def test_the_population_the_model_learnt_from_has_not_drifted(report: MonitorReport, trained: Trained) -> None:
    assert report.drift.status == "compared"
    assert report.drift.named("drifted") == []
    assert report.drift.reference_rows == report.drift.current_rows == trained.candidate.bundle.reference().height
    compared = set(report.drift.named("stable"))
    assert {"churn_probability", "expected_value"} <= compared
    assert (report.as_of, report.model_version) == ("2026-07-01", trained.candidate.bundle.id)


def test_the_population_is_those_at_stake_with_predictions(trained: Trained) -> None:
    found = scored_population(trained.source, trained.as_of, trained.candidate.bundle)
    assert found.columns == [*trained.candidate.bundle.manifest.names, "churn_probability", "expected_value"]
    scores = score(trained.source, trained.as_of, trained.candidate.bundle, trained.settings, trained.date).rows
    assert found.height == scores["at_stake"].sum()
    assert found["churn_probability"].mean() == pytest.approx(scores["churn_probability"].mean(), rel=1e-5)


def test_earlier_scores_are_judged_by_what_came_of_them(
    report: MonitorReport, closed: pl.DataFrame, trained: Trained
) -> None:
    """The same rows as the test of the training, which was at that cut-off: the same AUC and Brier score."""
    found, known = report.realised, trained.candidate.churn
    assert found.status == "measured"
    assert (found.rows, found.churners) == (known.rows, known.churners)
    assert found.auc is not None
    assert found.auc.estimate == pytest.approx(known.model.roc_auc.estimate, abs=1e-6)
    assert found.brier == pytest.approx(known.model.brier_score, abs=1e-6)
    assert found.actual_value == pytest.approx(_brought(trained, closed), rel=1e-9)
    assert found.model_versions == (trained.candidate.bundle.id,)


def _brought(trained: Trained, closed: pl.DataFrame) -> float:
    since, end = (day.replace(tzinfo=None) for day in (trained.date - WINDOW, trained.date - dt.timedelta(days=14)))
    lines = pl.read_parquet(trained.folder / "transactions.parquet")
    inside = lines.filter(pl.col("occurred_at").is_between(since, end, closed="left"))
    staked = closed.filter("at_stake")["customer_id"]
    return float(inside.filter(pl.col("customer_id").is_in(staked.implode()))["amount"].sum())


def test_nothing_is_due_while_model_and_world_agree(report: MonitorReport) -> None:
    assert (report.retraining_due, report.reasons) == (False, ())


def test_a_window_that_is_open_by_a_day_is_not_judged(trained: Trained, closed: pl.DataFrame) -> None:
    def judged(kept: pl.DataFrame) -> int:
        return outcomes(trained.source, trained.as_of, trained.candidate.bundle, trained.settings, kept).height

    assert judged(closed) > 100
    assert judged(closed.with_columns(as_of=pl.col("as_of") + dt.timedelta(days=1))) == 0


def test_without_earlier_scores_only_drift_speaks(trained: Trained, tmp_path: Path) -> None:
    with open_store(tmp_path / "store.db") as store:
        found = watched(trained, store.history(trained.date))
    assert found.realised.text.startswith("not enough closed rows: 0 scored customers")
    assert not found.retraining_due


def test_too_few_churners_are_not_judged(trained: Trained, closed: pl.DataFrame) -> None:
    assert watched(trained, closed, gate=Gate(min_churners=5000)).realised.status == "not enough closed rows"


def test_a_model_that_turned_out_wrong_is_to_be_retrained(trained: Trained, closed: pl.DataFrame) -> None:
    found = watched(trained, closed.with_columns(churn_probability=1 - pl.col("churn_probability")))
    assert found.retraining_due
    assert found.realised.below_gate
    assert any("calibration error" in reason for reason in found.reasons)
    assert not found.drift.retraining_due


def test_a_changed_world_is_to_be_retrained_for(trained: Trained, closed: pl.DataFrame, tmp_path: Path) -> None:
    """Half the customers' events are gone from the last year on, and every amount is thirty times what it was."""
    year = dt.datetime(2025, 7, 1)
    tables = {}
    for file in trained.folder.glob("*.parquet"):
        frame = pl.read_parquet(file)
        if "occurred_at" in frame.columns:
            frame = frame.filter((pl.col("occurred_at") < year) | (pl.col("customer_id").hash(3) % 2 == 0))
        amounts = [name for name in ("amount", "monthly_amount", "gross_margin") if name in frame.columns]
        tables[file.stem] = frame.with_columns(pl.col(amounts) * 30)
    changed = open_source(written(tmp_path, tables), trained.settings)
    found = watched(trained, closed.head(0), changed)
    assert found.drift.retraining_due
    assert found.retraining_due
    assert found.drift.drifted_gain_share >= 0.2
    assert found.reasons == (found.drift.text,)


def test_drift_on_what_carries_little_gain_is_reported_and_no_more(trained: Trained, closed: pl.DataFrame) -> None:
    gains = trained.candidate.bundle.manifest.metrics["importance"]["churn"]
    assert sum(gains.values()) == pytest.approx(1)
    least = [name for name, share in gains.items() if share < 0.005 and name.startswith(("nps", "support"))][:3]
    assert least
    manifest = trained.candidate.bundle.manifest
    from monitoring.drift import drift

    reference = trained.candidate.bundle.reference()
    current = reference.with_columns(pl.col(least).fill_null(0) * 50 + 1000)
    found = drift(reference, current, kinds={c.name: c.kind for c in manifest.features}, gain=gains)
    assert set(found.named("drifted")) == set(least)
    assert not found.retraining_due


def test_the_reports_are_written_as_json(report: MonitorReport, tmp_path: Path) -> None:
    files = write(report, tmp_path / "monitoring", html=False)
    assert [file.name for file in files] == ["monitor.json", "drift.json"]
    assert MonitorReport.model_validate(json.loads(files[0].read_text())).realised == report.realised
    assert json.loads(files[1].read_text()) == json.loads(files[0].read_text())["drift"]
    assert [file.name for file in (tmp_path / "monitoring").iterdir() if file not in files] == []


def test_nothing_after_the_date_is_read(trained: Trained, closed: pl.DataFrame, tmp_path: Path) -> None:
    date = trained.date - dt.timedelta(days=10)
    day = date.replace(tzinfo=None)
    tables = {}
    for file in trained.folder.glob("*.parquet"):
        frame = pl.read_parquet(file)
        dates = [name for name in ("occurred_at", "started_at", "recorded_at") if name in frame.columns]
        past = pl.all_horizontal(pl.lit(True), *(pl.col(n).is_null() | (pl.col(n) < day) for n in dates))
        tables[file.stem] = frame.filter(past)
    cut = open_source(written(tmp_path, tables), trained.settings)
    kept = closed.with_columns(as_of=pl.col("as_of") - dt.timedelta(days=10))
    bundle, settings = trained.candidate.bundle, trained.settings
    left, right = (monitor(each, micros(date), bundle, settings, kept) for each in (trained.source, cut))
    assert left.realised == right.realised
    assert left.realised.status == "measured"
    assert [(c.column, c.status) for c in left.drift.columns] == [(c.column, c.status) for c in right.drift.columns]


def test_labels_of_ones_own_have_no_window_to_judge(trained: Trained, closed: pl.DataFrame) -> None:
    bundle = trained.candidate.bundle
    part = bundle.manifest.churn.model_copy(update={"definition": "labelled"})
    import dataclasses

    other = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"churn": part}))
    settings = Settings.model_construct(gate=Gate())
    assert outcomes(trained.source, trained.as_of, other, settings, closed).height == 0
