"""The command line: one story a command, JSON for machines, one line for every mistake."""

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from features.clock import micros
from models.prediction import SCHEMA, Prediction
from serving import terminal
from serving.cli import app, main
from serving.score import score
from serving.store import open_store
from tests.company import AS_OF, MLFLOW, Trained, finished, program, shop
from tests.literal import ago, rows, written

pytestmark = pytest.mark.filterwarnings(MLFLOW)


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))

    @property
    def problems(self) -> list[str]:
        assert "Traceback" not in self.err
        assert self.code == 2
        assert self.out == ""
        return [line.removeprefix("remora: ") for line in self.err.splitlines() if line.startswith("remora: ")]


Remora = Callable[..., Answer]


@pytest.fixture
def remora(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Remora:
    """The command in this process, in a folder of its own, with the terminal of a wide-screen user."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal.out, "_width", 300)  # Rich looks at COLUMNS once, when it is imported

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["remora", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Answer(int(left.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def scored(home_copy: Path, trained: Trained, remora: Remora, scored_once: dict[str, Any]) -> Answer:
    """A home where the company was scored on its last day, and what the command said."""
    if not scored_once:
        scored_once["said"] = remora("score", trained.folder, "--as-of", AS_OF, "--json")
        scored_once["store"] = (home_copy / "remora.db").read_bytes()
    (home_copy / "remora.db").write_bytes(scored_once["store"])
    said: Answer = scored_once["said"]
    return said


@pytest.fixture(scope="module")
def scored_once() -> dict[str, Any]:
    return {}


def test_score_then_rank_then_explain(scored: Answer, remora: Remora, tmp_path: Path) -> None:
    assert scored.code == 0
    assert scored.json["customers"] > scored.json["at_stake"] > 100
    assert sum(scored.json["risk_bands"].values()) == scored.json["at_stake"]
    listed = remora("rank", "--limit", 5, "--json").json
    assert len(listed) == 5
    first = Prediction.model_validate(listed[0])
    assert first.value_at_risk == max(each["value_at_risk"] for each in listed)
    assert remora("rank", "--limit", 5, "--format", "json").json == listed
    found = remora("explain", first.customer_id, "--json")
    assert Prediction.model_validate(found.json) == first
    page = remora("explain", first.customer_id)
    assert (page.code, page.err) == (0, "")
    for words in (first.customer_id, first.reasons[0].text, "at stake", "What to do"):
        assert words in page.out


def test_rank_as_csv_and_as_a_table(scored: Answer, remora: Remora) -> None:
    table = remora("rank", "--limit", 3)
    assert table.code == 0
    assert f"3 of {scored.json['at_stake']} accounts at stake" in table.out
    read = list(csv.DictReader(io.StringIO(remora("rank", "--limit", 3, "--format", "csv").out)))
    listed = remora("rank", "--limit", 3, "--json").json
    assert [row["customer_id"] for row in read] == [row["customer_id"] for row in listed]
    assert set(SCHEMA) - {"points"} <= set(read[0])
    assert {"name", "owner"} <= set(read[0])
    assert float(read[0]["value_at_risk"]) == listed[0]["value_at_risk"]
    assert listed[0]["reasons"][0]["text"] in read[0]["reasons"]
    assert read[0]["name"] in table.out


def test_rank_filters(scored: Answer, remora: Remora) -> None:
    everyone = list(csv.DictReader(io.StringIO(remora("rank", "--limit", 1000, "--format", "csv").out)))
    assert len(everyone) == scored.json["at_stake"]
    owner, tier = everyone[0]["owner"], everyone[0]["tier"]
    of_owner = remora("rank", "--limit", 1000, "--owner", owner, "--json").json
    assert [row["customer_id"] for row in of_owner] == [r["customer_id"] for r in everyone if r["owner"] == owner]
    of_tier = remora("rank", "--limit", 1000, "--tier", tier, "--json").json
    assert [row["customer_id"] for row in of_tier] == [row["customer_id"] for row in everyone if row["tier"] == tier]
    assert 0 < len(of_owner) < len(everyone)


@pytest.mark.parametrize("style", ["json", "csv"])
def test_an_empty_list_is_still_readable_by_machines(remora: Remora, style: str) -> None:
    found = remora("rank", "--format", style)
    assert found.code == 0
    if style == "json":
        assert found.json == []
    else:
        assert found.out.startswith("customer_id,as_of,at_stake,")
        assert list(csv.DictReader(io.StringIO(found.out))) == []


def test_a_name_with_brackets_is_shown_as_it_is(scored: Answer, home_copy: Path, remora: Remora) -> None:
    """Rich would take [/b] for markup and fail."""
    with open_store(home_copy / "remora.db") as store:
        first = store.at_risk(limit=1).accounts[0].prediction.customer_id
        store.save_customers(pl.DataFrame({"customer_id": [first], "name": ["[bold]Acme[/b] [/red]"]}))
    assert "[bold]Acme[/b] [/red]" in remora("rank").out
    assert "[bold]Acme[/b] [/red]" in remora("explain", first).out


def test_score_writes_the_file_too(home_copy: Path, trained: Trained, remora: Remora, tmp_path: Path) -> None:
    told = remora("score", trained.folder, "--out", tmp_path / "scores.parquet")
    assert told.code == 0
    assert pl.read_parquet(tmp_path / "scores.parquet").schema == pl.Schema(SCHEMA)
    assert "scores.parquet" in told.out
    assert "(rules only" not in told.out


def test_monitor_reports_in_json_and_says_whether_retraining_is_due(
    home_copy: Path, trained: Trained, remora: Remora
) -> None:
    same = remora("monitor", trained.folder, "--as-of", AS_OF, "--json")
    assert (same.code, same.json["retraining_due"]) == (0, False)
    assert same.json["model_version"] == trained.candidate.bundle.id
    written_to = home_copy / "monitoring" / AS_OF
    assert {file.name for file in written_to.iterdir()} == {"monitor.json", "drift.json"}
    assert json.loads((written_to / "monitor.json").read_text()) == same.json
    words = remora("monitor", trained.folder, "--as-of", AS_OF)
    assert words.code == 0
    assert "Retraining is not due." in words.out


def test_a_model_that_turned_out_wrong_exits_with_3(home_copy: Path, trained: Trained, remora: Remora) -> None:
    """Scores of one window ago, kept as the store keeps them, that said the opposite of what came."""
    earlier = trained.date - dt.timedelta(days=104)
    rows_ = score(trained.source, micros(earlier), trained.candidate.bundle, trained.settings, earlier).rows
    with open_store(home_copy / "remora.db") as store:
        store.save(rows_.with_columns(churn_probability=1 - pl.col("churn_probability")))
    told = remora("monitor", trained.folder, "--as-of", AS_OF, "--config", _reachable(home_copy), "--json")
    assert (told.code, told.json["retraining_due"]) == (3, True)
    assert told.json["realised"]["below_gate"]
    assert "calibration error" in told.json["reasons"][0]


def _reachable(home: Path) -> Path:
    """Settings whose gate needs few churners."""
    file = home / "quick.toml"
    file.write_text('[churn]\ndefinition = "cancelled"\n[value]\nsource = "transactions"\n[gate]\nmin_churners = 5\n')
    return file


def test_run_scores_and_monitors(home_copy: Path, trained: Trained, remora: Remora) -> None:
    told = remora("run", trained.folder, "--as-of", AS_OF, "--json")
    assert told.code == 0
    assert set(told.json) == {"check", "scores", "monitor"}
    assert len(remora("rank", "--json").json) == 20


def test_run_without_a_model_scores_by_the_rules(tmp_path: Path, remora: Remora) -> None:
    told = remora("run", rules_only(tmp_path / "calm"), "--as-of", AS_OF, "--json")
    assert told.code == 0
    assert told.json["monitor"] is None
    assert told.json["scores"]["model_version"] == "none"


def test_promote_refuses_with_each_number_and_obeys_a_reason(home_copy: Path, trained: Trained, remora: Remora) -> None:
    assert not trained.candidate.decision.passed  # so small a company cannot convince the gate
    refused = remora("promote")
    assert len(refused.problems) == len(trained.candidate.decision.refusals) + 1
    assert "lower bound of the paired 90 % interval" in refused.err
    told = remora("promote", "1", "--force", "for the pilot", "--json")
    assert told.code == 0
    assert told.json == {
        "version": "1",
        "bundle": trained.candidate.bundle.id,
        "passed": False,
        "forced": "for the pilot",
        "audit": None,
    }


TINY = """\
[churn]
definition = "no_purchase"
horizon_days = 60
[snapshots]
count = 1
[gate]
min_churners = {least}
"""


@pytest.fixture
def small_shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    written(folder, {"transactions": shop(120)})
    (folder / "remora.toml").write_text(TINY.format(least=5))
    return folder


def test_train_prints_the_model_beside_its_baselines(home_copy: Path, small_shop: Path, remora: Remora) -> None:
    told = remora("train", small_shop, "--as-of", AS_OF, "--json")
    assert told.code == 0, told.err
    assert told.json["version"] == "2"
    assert {"recency rule", "base rate", "composite score"} < set(told.json["churn"]["baselines"])
    assert "run rate" in told.json["value"]["baselines"]
    assert told.json["chosen"]["rung"]
    assert isinstance(told.json["gate"]["passed"], bool)
    assert told.json["training"]["churners"] >= 5


def test_features_writes_one_row_a_customer(small_shop: Path, remora: Remora, tmp_path: Path) -> None:
    told = remora("features", small_shop, "--as-of", AS_OF, "--out", tmp_path / "f.parquet", "--json")
    assert told.code == 0
    wide = pl.read_parquet(tmp_path / "f.parquet")
    assert told.json == {"file": str(tmp_path / "f.parquet"), "customers": wide.height, "features": wide.width - 1}
    assert wide["customer_id"].is_unique().all()


def test_check_reports_in_json(small_shop: Path, remora: Remora) -> None:
    told = remora("check", small_shop, "--as-of", AS_OF, "--json")
    assert told.code == 0, told.err
    assert "transactions" in told.out
    words = remora("check", small_shop)
    assert (words.code, "transactions" in words.out) == (0, True)


def test_init_proposes_and_does_not_overwrite(small_shop: Path, remora: Remora, tmp_path: Path) -> None:
    (small_shop / "remora.toml").unlink()
    proposed = remora("init", small_shop, "--json")
    assert proposed.code == 0, proposed.err
    assert "no_purchase" in proposed.json["toml"]
    assert not Path("remora.toml").exists()
    assert remora("init", small_shop).code == 0
    assert Path("remora.toml").exists()
    assert "exists already" in remora("init", small_shop).problems[0]


def rules_only(folder: Path) -> Path:
    running = rows(
        "customer_id started_at ended_at monthly_amount", *((f"C{n}", ago(400), None, 9.0) for n in range(30))
    )
    folder.mkdir()
    written(folder, {"subscriptions": running})
    (folder / "remora.toml").write_text('[churn]\ndefinition = "cancelled"\nhorizon_days = 60\n')
    return folder


def test_too_few_churners_are_refused_and_the_rules_still_score(remora: Remora, tmp_path: Path) -> None:
    folder = rules_only(tmp_path / "calm")
    refused = remora("train", folder, "--as-of", AS_OF)
    assert len(refused.problems) == 1
    told = remora("score", folder, "--as-of", AS_OF)
    assert told.code == 0
    assert "30 customers scored, 30 at stake" in told.out
    assert "rules only: no model promoted" in told.out
    assert remora("rank", "--json").json


def _bad_csv(folder: Path) -> Path:
    folder.mkdir()
    (folder / "transactions.csv").write_text("customer_id,occurred_at,amount\nA,2026-01-01,1\nB,yesterday,x\n")
    return folder


def _bad_settings(folder: Path) -> Path:
    rules_only(folder)
    (folder / "remora.toml").write_text('[churn]\nhorizon_days = 0\ndefinition = "gone"\n[gaet]\nx = 1\n')
    return folder


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (lambda folder: folder, ("train",), ["no such folder"]),
        (_empty, ("train",), ["none of the tables"]),
        (_bad_csv, ("check",), ["column occurred_at: 1 values", "column amount: 1 values"]),
        (_bad_settings, ("score",), ["churn.definition", "churn.horizon_days", "gaet"]),
        (rules_only, ("score", "--as-of", "30.6.2026"), ["'30.6.2026' is not a date; write YYYY-MM-DD"]),
        (rules_only, ("score", "--config", "nowhere.toml"), ["nowhere.toml: not found"]),
        (rules_only, ("score", "--out", "no/such/scores.parquet"), ["there is no folder"]),
        (rules_only, ("monitor", "--as-of", AS_OF), ["no model is promoted yet; run `remora train DATA`"]),
    ],
)
def test_a_mistake_is_one_line_each_and_exit_code_2(
    remora: Remora, tmp_path: Path, make: Callable[[Path], Path], arguments: tuple[str, ...], says: list[str]
) -> None:
    folder = make(tmp_path / "data")
    told = remora(arguments[0], folder, *arguments[1:])
    assert len(told.problems) == len(says), told.err
    for problem, words in zip(sorted(told.problems), sorted(says), strict=True):
        assert any(each in problem for each in says), problem
        assert words in told.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("explain", "nobody"), "customer nobody: never scored; run `remora score DATA` first"),
        (("rank", "--format", "xml"), "--format xml: not known; choose one of table, csv, json"),
    ],
)
def test_mistakes_about_what_was_scored(remora: Remora, arguments: tuple[str, ...], says: str) -> None:
    told = remora(*arguments)
    assert len(told.problems) == 1
    assert says in told.problems[0]


def test_promoting_nothing_says_what_to_do(home_copy: Path, remora: Remora) -> None:
    assert remora("promote", "99").problems == ["version 99: not registered; there are 1"]


@pytest.mark.parametrize("arguments", [("rank", "--limit", "0"), ("score",), ("nonsense",), ("rank", "--nonsense")])
def test_wrong_usage_exits_with_2_and_no_traceback(remora: Remora, arguments: tuple[str, ...]) -> None:
    told = remora(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "Usage: remora" in told.err
    assert "Traceback" not in told.err


def test_every_command_speaks_json() -> None:
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    below = [each.commands.items() for each in commands.values() if hasattr(each, "commands")]
    each_one = [(name, each) for group in (commands.items(), *below) for name, each in group if each.params[1:]]
    assert {name for name, _ in each_one} >= {"score", "explain", "alerts", "leads", "diff", "cross-sell"}
    assert [name for name, each in each_one if not any("--json" in p.opts for p in each.params)] == []


def test_a_problem_stays_on_one_line_in_a_log(tmp_path: Path) -> None:
    command = "import sys; sys.argv = ['remora', 'check', sys.argv[1]]; from serving.cli import main; main()"
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with program(command, "a-folder-that-is-not-there/" * 6, cwd=tmp_path, **streams) as child:
        code, out, err = finished(child)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1


LIGHT = """
import sys
sys.argv = ["remora", *sys.argv[1:]]
from serving.cli import main
try:
    main()
except SystemExit as left:
    code = left.code
heavy = {"lightgbm", "mlflow", "evidently", "sklearn", "scipy", "pandas", "duckdb", "bentoml", "altair", "training"}
print("loaded:", sorted(heavy & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", [("--help",), ("rank", "--json"), ("train", "--help")])
def test_help_and_rank_load_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    env = {"REMORA_HOME": str(tmp_path / "home")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with program(LIGHT, *arguments, env=env, cwd=tmp_path, **streams) as child:
        code, out, err = finished(child)
    assert (code, err) == (0, "loaded: []\n")
    assert out


def test_a_real_run_says_nothing_but_what_it_means(tmp_path: Path) -> None:
    """No warning, and none of what DuckDB's binding says of leaks at exit."""
    command = "import sys; sys.argv = ['remora', *sys.argv[1:]]; from serving.cli import main; main()"
    env, streams = {"REMORA_HOME": str(tmp_path / "home")}, {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    arguments = ("score", rules_only(tmp_path / "calm"), "--as-of", AS_OF, "--json")
    with program(command, *arguments, env=env, cwd=tmp_path, **streams) as child:
        code, out, err = finished(child)
    assert (code, json.loads(out)["customers"]) == (0, 30)
    assert [line for line in err.splitlines() if line and not line.startswith("score as of 2026-07-01: ")] == []


def test_the_installed_command_answers(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("remora")
    found = subprocess.run([command, "explain", "nobody"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("remora: customer nobody: never scored")
