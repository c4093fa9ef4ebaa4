"""`remora backtest`: JSON for machines, a table for people, files where asked, one line for a mistake."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from features.errors import RemoraError
from serving import terminal
from serving.backtest_cli import backtest
from tests.company import MLFLOW, shop
from tests.literal import written
from training.backtest_report import Backtest

pytestmark = pytest.mark.filterwarnings(MLFLOW)

TOML = """
[churn]
definition = "no_purchase"
horizon_days = 30
active_within_days = 60
[gate]
min_churners = 10_000
"""
"""No date can train: the rules are judged alone, which is quick."""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shop up to 2026-07-01 that brings its settings."""
    here, folder = tmp_path / "here", tmp_path / "data"
    here.mkdir()
    folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal.out, "_width", 200)
    (folder / "remora.toml").write_text(TOML)
    sales = shop(60, days=160, end="2026-07-01")
    last = pl.DataFrame({"customer_id": ["S000"], "occurred_at": ["2026-06-30"], "amount": [1.0]}).with_columns(
        pl.col("occurred_at").str.to_datetime(time_unit="us")
    )
    return written(folder, {"transactions": pl.concat([sales, last])})


def told(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(backtest)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_json_is_the_whole_report_and_files_land_where_asked(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    answer = told(data, "--from", "2026-05-01", "--to", "2026-06-20", "--every", "25d", "--out", out, "--json")
    assert answer.exit_code == 0
    found = json.loads(answer.stdout, parse_constant=pytest.fail)
    report = Backtest.model_validate_json(answer.stdout)
    assert Backtest.model_validate_json((out / "backtest.json").read_text()) == report
    assert [(each["as_of"], each["status"]) for each in found["dates"]] == [
        ("2026-05-01", "judged"),
        ("2026-05-26", "judged"),
        ("2026-06-20", "open"),
    ]
    assert (found["definition"], found["window_days"], found["data_end"]) == ("no_purchase", 30, "2026-07-01")
    first = found["dates"][0]
    assert set(first["churn"]) == {"recency rule", "composite score"}
    assert set(first["churn"]["recency rule"]["intervals"]["roc_auc"]) == {"estimate", "low", "high", "level"}
    assert first["note"].startswith("rules only: ")
    assert (out / "backtest.png").exists()
    assert len(list((out / found["key"]).glob("*.parquet"))) == 3


def test_people_see_a_table_and_a_line_a_date(data: Path, tmp_path: Path) -> None:
    answer = told(data, "--from", "2026-05-26", "--to", "2026-06-20")
    assert answer.exit_code == 0
    assert "Backtest: no_purchase within 30 days" in answer.stdout
    assert "recency rule" in answer.stdout
    assert "2026-05-26: " in answer.stdout
    assert "[gate] min_churners" in " ".join(answer.stdout.split())  # brackets are no markup
    assert (tmp_path / "home" / "backtest" / "backtest.json").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--from", "2026-06-02", "--to", "2026-06-01"), "swap them"),
        (("--from", "2026-06-10", "--to", "2026-06-20"), "set --from to 2026-06-01 or earlier"),
        (("--from", "2026-05-01", "--to", "2026-06-20", "--every", "monthly"), "for example 30d"),
    ],
)
def test_a_mistake_is_one_line_with_its_remedy(data: Path, given: tuple[str, ...], words: str) -> None:
    answer = told(data, *given)
    assert isinstance(answer.exception, RemoraError)
    (problem,) = answer.exception.problems
    assert words in problem
