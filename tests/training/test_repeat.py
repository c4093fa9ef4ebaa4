"""A training done again: byte for byte the same, or a line for each thing that is not."""

import datetime as dt
import hashlib
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from mlflow import MlflowClient

from features.clock import micros
from features.engines import fingerprint, open_source
from features.settings import Churn, Gate, RulesSection, Settings, Snapshots, TableMapping, Value
from models.churn import SEED, fit_churn
from models.matrix import to_matrix
from models.rules import DEFAULT_PACK
from tests.company import AS_OF, MLFLOW, finished, program, shop
from tests.literal import written
from tests.real_data import real_data, real_settings
from training import registry, repeat
from training.fit import roles
from training.pipeline import Candidate, train
from training.registry import RegistryError, like, record
from training.repeat import Provenance, RepeatError, differences, outcome, provenance
from training.snapshots import fit_population, take
from training.targets import targets
from training.tune import TrialRecord, Tuning

pytestmark = pytest.mark.filterwarnings(MLFLOW)

MADE = dt.datetime(2026, 8, 1, tzinfo=dt.UTC)
DATE = dt.datetime.fromisoformat(AS_OF).replace(tzinfo=dt.UTC)
SMALL = Settings.model_construct(
    churn=Churn(horizon_days=60), value=Value(), snapshots=Snapshots(every_days=30, count=2), gate=Gate(min_churners=1)
)
DATA: dict[str, dict[str, Any]] = {
    "transactions": {"rows": 1200, "first": 1, "last": 2, "hash": "duckdb-2.0:ab"},
    "tickets": {"rows": 5, "first": 1, "last": 2, "hash": "duckdb-2.0:cd"},
}
TUNING = Tuning(
    study="churn-1", folds=("time 1",), parameters={"max_depth": 2}, default=0.5, best=0.4, seconds=3.0,
    trials=(TrialRecord(number=0, parameters={"max_depth": 3}, value=0.5, seconds=1.0),
            TrialRecord(number=1, parameters={"max_depth": 2}, value=0.4, seconds=1.0),
            TrialRecord(number=2, parameters={"max_depth": 6}, value=None, seconds=1.0)),
)  # fmt: skip


@dataclass(frozen=True)
class Once:
    """A small shop, trained on once and recorded."""

    folder: Path
    settings: Settings
    candidate: Candidate
    run_id: str


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    place = tmp_path_factory.mktemp("once")
    folder = place / "shop"
    folder.mkdir()
    written(folder, {"transactions": shop(120)})
    settings = Settings.model_construct(**{**dict(SMALL), "home": place / "home"})
    source = open_source(folder, settings)
    candidate = train(source, micros(DATE), settings, MADE, place / "trained", tuned=TUNING.parameters)
    tables = source.until(micros(DATE)).tables
    version = record(replace(candidate, tuning=TUNING), tables, settings, source.place)
    return Once(folder, settings, candidate, version.run_id)


def test_a_run_holds_all_that_it_takes(once: Once, tmp_path: Path) -> None:
    then = like(once.settings.home, once.run_id)
    settings = then.settings_at(once.settings.home, tmp_path / "pack")
    source = open_source(then.place, settings)
    candidate = train(
        source, micros(then.as_of), settings, MADE.replace(year=2027), tmp_path / "again", tuned=then.tuned
    )
    data = fingerprint(source.until(micros(then.as_of)).tables)
    bundle = candidate.bundle
    now = provenance(settings, then.as_of, source.place, data, bundle.pack_text, bundle.id, then.tuned)
    assert then == now
    assert [line for line in differences(then, now) if "without a commit" not in line] == []
    assert outcome(then, bundle.id) == f"The bundle is identical: {once.candidate.bundle.id}."
    for file in once.candidate.bundle.folder.glob("*.txt"):
        assert (bundle.folder / file.name).read_bytes() == file.read_bytes()


def test_a_changed_table_is_told(once: Once, tmp_path: Path) -> None:
    then = like(once.settings.home, once.run_id)
    written(tmp_path, {"transactions": shop(121)})
    now = then.model_copy(update={"data": fingerprint(open_source(tmp_path, once.settings).tables)})
    (line,) = [line for line in differences(then, now) if line.startswith("data")]
    rows = [shop(120).height, shop(121).height]
    assert line == f"data: transactions: {rows[0]:,} rows then, {rows[1]:,} now"


def test_trials_are_runs_below_the_training(once: Once) -> None:
    uri = f"sqlite:///{once.settings.home / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(registry.EXPERIMENT)
    assert experiment is not None
    below = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{once.run_id}'")
    found = {run.info.run_name: (run.data.params, run.data.metrics, run.info.status) for run in below}
    assert found == {
        "trial 0": ({"max_depth": "3"}, {"log_loss": 0.5, "seconds": 1.0}, "FINISHED"),
        "trial 1": ({"max_depth": "2"}, {"log_loss": 0.4, "seconds": 1.0}, "FINISHED"),
        "trial 2": ({"max_depth": "6"}, {"seconds": 1.0}, "FINISHED"),
    }
    run = client.get_run(once.run_id).data
    assert (run.metrics["tuning.default"], run.metrics["tuning.best"]) == (0.5, 0.4)
    assert run.params["tuned.max_depth"] == "2"
    assert like(once.settings.home, once.run_id).tuned == {"max_depth": 2}
    with pytest.raises(RegistryError, match=r"holds no provenance\.json"):
        like(once.settings.home, below[0].info.run_id)


def test_a_run_that_is_not_there(once: Once) -> None:
    with pytest.raises(RegistryError, match=f"run nothing: not in the record; there are {once.run_id}"):
        like(once.settings.home, "nothing")


TRAIN = """
import sys
from pathlib import Path
from models import churn
from tests.training import test_repeat
churn.SMALL = 0  # LightGBM then takes as many threads as it is given, though the data are small
print(getattr(test_repeat, sys.argv[1])(Path(sys.argv[2]), Path(sys.argv[3])))
"""


def trees_of_the_shop(data: Path, folder: Path) -> str:
    """The hash of the churn model's trees, from tables to text."""
    past = open_source(data, SMALL).until(micros(DATE))
    aims = targets(past, micros(DATE), SMALL)
    snapshots = take(past, aims, fit_population(past, aims.churn.calibration, aims.definition, SMALL), SMALL)
    rows = roles(snapshots.rows.filter("at_stake"), aims.churn).training
    text = fit_churn(to_matrix(rows, snapshots.columns), rows["churned"].cast(pl.Float64).to_numpy())
    return hashlib.sha256(text.encode()).hexdigest()


def bundle_of_online_retail(data: Path, folder: Path) -> str:
    """The hash of all Boosters of a whole training, and the bundle's id, which covers every file."""
    few = {"snapshots": Snapshots(every_days=90, count=3)}  # enough for every step, refit included
    settings = real_settings("online_retail_2").model_copy(update=few)
    as_of = micros(dt.datetime(2011, 3, 31, tzinfo=dt.UTC))
    bundle = train(open_source(data, settings), as_of, settings, MADE, folder).bundle
    boosters = b"".join(file.read_bytes() for file in sorted(bundle.folder.glob("*.txt")))
    return f"{bundle.id} {hashlib.sha256(boosters).hexdigest()}"


def again(threads: int, *arguments: object) -> str:
    env = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}  # a busy machine has no core to spin on
    with program(TRAIN, *arguments, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        code, out, err = finished(child, 900)
    assert (code, err) == (0, "")
    return out.strip()


def test_fresh_processes_with_one_and_two_threads_give_the_same_bytes(tmp_path: Path) -> None:
    written(tmp_path, {"transactions": shop(120)})
    here = trees_of_the_shop(tmp_path, tmp_path)
    assert [again(threads, "trees_of_the_shop", tmp_path, tmp_path) for threads in (1, 2)] == [here, here]


@pytest.mark.slow
def test_so_does_a_whole_training_on_real_data(tmp_path: Path) -> None:
    data = real_data("online_retail_2")
    one, two = (again(threads, "bundle_of_online_retail", data, tmp_path / str(threads)) for threads in (1, 2))
    assert one == two


OWN = DEFAULT_PACK.read_text(encoding="utf-8") + "\n# ours\n"


def made(**changes: Any) -> Provenance:
    base = {
        "place": "/data", "as_of": DATE, "settings": {"churn": {"horizon_days": 90}}, "pack": OWN, "data": DATA,
        "commit": "a" * 40, "changed": False, "versions": {"python": "3.11", "lightgbm": "4.7.0"}, "bundle": "b.1",
    }  # fmt: skip
    return Provenance.model_validate({**base, **changes})


def table(**changes: Any) -> dict[str, dict[str, Any]]:
    return {**DATA, "transactions": {**DATA["transactions"], **changes}}


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({}, []),
        ({"place": "/elsewhere", "bundle": "b.2"}, []),
        ({"data": table(rows=1201)}, ["data: transactions: 1,200 rows then, 1,201 now"]),
        ({"data": table(hash="duckdb-2.0:ee")}, ["data: transactions: as many rows, but not the same"]),
        (
            {"data": table(hash="duckdb-2.1:ee")},
            ["data: transactions: as many rows, hashed by duckdb-2.0 then and duckdb-2.1 now: not comparable"],
        ),
        ({"data": table(hash="duckdb-2.1:ee", last=3)}, ["data: transactions: as many rows, but not the same"]),
        (
            {"data": {"transactions": DATA["transactions"], "customers": DATA["tickets"]}},
            ["data: tickets: is not there any more", "data: customers: was not there then"],
        ),
        ({"commit": "c" * 40}, ["commit: aaaaaaaaaaaa then, cccccccccccc now"]),
        ({"changed": True}, ["commit: aaaaaaaaaaaa then, aaaaaaaaaaaa with uncommitted changes now"]),
        (
            {"versions": {"python": "3.12", "lightgbm": "4.7.0", "optuna": "5.0.0"}},
            ["python: 3.11 then, 3.12 now", "optuna: none then, 5.0.0 now"],
        ),
        ({"seed": SEED + 1}, [f"seed: {SEED} then, {SEED + 1} now"]),
        ({"tuned": {"max_depth": 2}}, ["tuned: {} then, {'max_depth': 2} now"]),
        (
            {"settings": {"churn": {"horizon_days": 60}}},
            ["settings: [churn]: {'horizon_days': 90} then, {'horizon_days': 60} now"],
        ),
        ({"pack": ""}, ["rule pack: another text"]),
    ],
)
def test_each_difference_is_a_line(changes: dict[str, Any], lines: list[str]) -> None:
    assert differences(made(), made(**changes)) == lines


def test_changes_without_a_commit_are_never_sure() -> None:
    (line,) = differences(made(changed=True), made(changed=True))
    assert "may differ" in line


def test_what_came_out() -> None:
    assert outcome(made(), "b.1") == "The bundle is identical: b.1."
    assert outcome(made(), "b.2") == "The bundle is not identical: b.1 then, b.2 now."


def test_settings_and_pack_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they were, not as remora.toml and variables would have them today; nothing of the machine is kept."""
    file = tmp_path / "own.toml"
    file.write_text(OWN, encoding="utf-8")
    mapping = TableMapping.model_validate({"from": "sales", "customer_id": "Customer ID", "ended_at_is_term": True})
    settings = Settings.model_construct(
        **{
            **dict(SMALL), "home": tmp_path, "store": "postgresql://crm:secret@db/crm",
            "tables": {"transactions": mapping}, "rules": RulesSection(pack=file),
        }
    )  # fmt: skip
    then = provenance(settings, DATE, "postgresql://crm:…@db/crm", DATA, OWN, "b.1")
    text = then.model_dump_json()
    assert "secret" not in text
    assert str(tmp_path) not in text
    (tmp_path / "remora.toml").write_text("[churn]\nhorizon_days = 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMORA_CHURN__HORIZON_DAYS", "8")
    found = Provenance.model_validate_json(text).settings_at(tmp_path / "home", tmp_path / "pack")
    assert type(found) is Settings
    assert found.churn == SMALL.churn
    assert found.tables == settings.tables
    assert (found.home, found.store) == (tmp_path / "home", None)
    assert found.rules.pack is not None
    assert found.rules.pack.read_text(encoding="utf-8") == OWN


def test_the_pack_that_ships_needs_no_file(tmp_path: Path) -> None:
    found = made(pack=DEFAULT_PACK.read_text(encoding="utf-8")).settings_at(tmp_path, tmp_path / "pack")
    assert found.rules.pack is None
    assert not (tmp_path / "pack").exists()


def test_a_setting_of_another_time_is_told(tmp_path: Path) -> None:
    with pytest.raises(RepeatError, match=r"settings of the run: churn\.colour: not known to this Remora"):
        made(settings={"churn": {"colour": "red"}}).settings_at(tmp_path, tmp_path)


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert (repeat.commit(), repeat.changed()) == ("unknown", False)
