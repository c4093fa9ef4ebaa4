"""The record of trainings, in a real MLflow on SQLite."""

import json
import os
import subprocess
from pathlib import Path

import polars as pl
import pytest
from mlflow import MlflowClient

from features.engines import fingerprint
from features.settings import Settings
from models.bundle import Bundle
from models.churn import SEED
from tests.company import MLFLOW, Trained, shop
from tests.literal import source
from training import registry

pytestmark = pytest.mark.filterwarnings(MLFLOW)

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client(trained: Trained) -> MlflowClient:
    uri = f"sqlite:///{trained.home / 'mlflow.db'}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture(scope="module")
def artifacts(trained: Trained, client: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(client.download_artifacts(trained.version.run_id, "", str(tmp_path_factory.mktemp("artifacts"))))


def test_several_processes_may_meet_on_a_fresh_record(trained: Trained) -> None:
    """They met before the training was recorded there; see `tests.company.trained`."""
    assert len(trained.openings) >= 2
    assert [code for code, _ in trained.openings] == [0] * len(trained.openings), trained.openings


def test_one_run_a_training(trained: Trained, client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name("remora")
    assert experiment is not None
    run = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])[0]
    assert (run.info.run_id, run.info.status) == (trained.version.run_id, "FINISHED")
    assert run.info.run_name == trained.candidate.bundle.id


def test_parameters_say_what_the_run_rests_on(trained: Trained, client: MlflowClient) -> None:
    told = client.get_run(trained.version.run_id).data.params
    found = trained.candidate
    assert told["seed"] == str(SEED)
    assert told["git.changed"] in ("True", "False")
    assert told["as_of"] == "2026-07-01"
    assert told["churn.definition"] == "cancelled"
    assert told["churn.horizon_days"] == "90"
    assert told["value.source"] == "transactions"
    assert told["gate.min_churners"] == "5"
    assert told["split"] == "later period"
    assert told["cutoffs.test"] == "2026-03-19"
    assert len(told["cutoffs.training"].split(", ")) == 2
    assert told["features.count"] == str(len(found.snapshots.columns))
    commit = ["git", "cat-file", "-t", told["git.commit"]]
    found_in = subprocess.run(commit, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told["git.commit"] == "unknown" or found_in.stdout == "commit\n"


def test_metrics_are_the_reports_numbers(trained: Trained, client: MlflowClient) -> None:
    told = client.get_run(trained.version.run_id).data.metrics
    found = trained.candidate
    assert found.value is not None
    assert told["churn.model.roc_auc.estimate"] == found.churn.model.roc_auc.estimate
    assert told["churn.baselines.recency_rule.difference.low"] == found.churn.baselines["recency rule"].difference.low  # type: ignore[union-attr]
    assert told["churn.model.calibration_error"] == found.churn.model.calibration_error
    assert told["value.model.normalised_gini.estimate"] == found.value.model.normalised_gini.estimate
    assert told["training.rows"] == found.training_rows
    assert told["training.churners"] == found.training_churners


def test_the_bundle_goes_in_and_comes_out_whole(trained: Trained, artifacts: Path) -> None:
    found = Bundle.load(artifacts / "bundle")
    assert found.id == trained.version.bundle_id == trained.candidate.bundle.id
    found.check_golden()
    for file in trained.candidate.bundle.folder.iterdir():
        assert (artifacts / "bundle" / file.name).read_bytes() == file.read_bytes()


def test_plots_reports_and_notes_lie_beside_it(trained: Trained, artifacts: Path) -> None:
    plots = {file.stem for file in (artifacts / "plots").iterdir()}
    for wanted in ("reliability", "gain", "decile", "importance"):
        assert any(wanted in name for name in plots), (wanted, plots)
    assert all(file.stat().st_size > 500 for file in (artifacts / "plots").iterdir())
    assert json.loads((artifacts / "churn.json").read_text()) == trained.candidate.churn.model_dump(mode="json")
    notes = json.loads((artifacts / "training.json").read_text())
    assert notes["left_out"] == dict(trained.candidate.snapshots.left_out)
    assert notes["gate"]["refusals"] == list(trained.candidate.decision.refusals)
    assert notes["data"]["transactions"]["rows"] == _lines(trained)
    assert pl.read_csv(artifacts / "features.csv").height == len(trained.candidate.snapshots.columns)


def _lines(trained: Trained) -> int:
    rows: pl.DataFrame = trained.source.tables["transactions"].collect("polars").to_native()
    return rows.filter(pl.col("customer_id").is_not_null()).height


def test_the_fingerprint_is_of_what_was_read(trained: Trained, artifacts: Path) -> None:
    again = fingerprint(trained.source.until(trained.as_of).tables)
    assert json.loads((artifacts / "training.json").read_text())["data"] == again


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_it_changes_with_a_row_and_not_with_their_order(tmp_path: Path, engine: str) -> None:
    def of(name: str, lines: pl.DataFrame) -> dict[str, object]:
        (tmp_path / name).mkdir()
        return fingerprint(source(tmp_path / name, engine, {"transactions": lines}).tables)["transactions"]  # type: ignore[arg-type]

    lines = shop(40)
    first = of("first", lines)
    assert of("shuffled", lines.sample(fraction=1.0, shuffle=True, seed=1)) == first
    assert first["rows"] == lines.height
    middle = pl.int_range(pl.len()) == lines.height // 2
    dearer = lines.with_columns(amount=pl.when(middle).then(pl.col("amount") + 0.01).otherwise("amount"))
    other = lines.with_columns(customer_id=pl.when(middle).then(pl.lit("S999")).otherwise("customer_id"))
    hashes = {of(name, rows)["hash"] for name, rows in {"dearer": dearer, "other": other}.items()}
    assert len({*hashes, first["hash"]}) == 3
    twice = of("twice", pl.concat([lines, lines[:2]]))  # an even number of copies must not cancel out
    assert twice["hash"] != first["hash"]
    assert len({of("swapped", _swapped(lines))["hash"], first["hash"]}) == 2


def _swapped(lines: pl.DataFrame) -> pl.DataFrame:
    """The same cells in every column, in other rows."""
    return lines.with_columns(amount=pl.col("amount").reverse())


def test_the_version_is_registered_and_says_what_the_gate_said(trained: Trained) -> None:
    found = registry.version(trained.home, trained.version.number)
    assert (found.number, found.run_id, found.bundle_id) == ("1", trained.version.run_id, trained.candidate.bundle.id)
    assert (found.passed, found.refusals) == (trained.candidate.decision.passed, trained.candidate.decision.refusals)


def test_versions_come_newest_first_and_default_to_the_newest(trained: Trained, home_copy: Path) -> None:
    settings = Settings.model_construct(home=home_copy)
    second = registry.record(trained.candidate, trained.source.tables, settings)
    assert [v.number for v in registry.versions(home_copy)] == [second.number, "1"] == ["2", "1"]
    assert registry.version(home_copy).number == "2"
    assert registry.version(home_copy, "1").number == "1"


@pytest.mark.parametrize("number", ["7", "x", "", "1; DROP TABLE"])
def test_an_unknown_version_names_those_there_are(trained: Trained, number: str) -> None:
    with pytest.raises(registry.RegistryError, match=r"not registered; there are 1$"):
        registry.version(trained.home, number)


def test_nothing_of_this_reaches_out(trained: Trained) -> None:
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    found = [file.suffix for file in trained.home.rglob("*") if file.is_file()]
    assert not {".pkl", ".pickle", ".joblib", ".skops"} & set(found)
