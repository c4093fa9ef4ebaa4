"""`remora rank`: by value at risk, or by what acting is expected to earn."""

import csv
import io
import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from models.prediction import SCHEMA
from serving import terminal
from serving.errors import InvalidRequestError
from serving.rank_cli import rank
from serving.store import open_store
from tests.serving.test_store import frame, row
from tests.serving.test_store_acting import CURVE

PRICED = "[action]\ncost = 10\nsuccess_rate = 0.5\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three customers of whom acting pays on two, most on the one with less at risk."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal.out, "_width", 200)
    rows = [
        row("C1", value_at_risk=90.0, expected_profit=35.0, churn_curve=CURVE),
        row("C2", value_at_risk=120.0, expected_profit=30.5),
        row("C3", value_at_risk=5.0, expected_profit=-7.5),
    ]
    with open_store(tmp_path / "home" / "remora.db") as store:
        store.save(frame(*rows))
    return tmp_path


def ranked(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(rank)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def listed(*arguments: object) -> list[str]:
    found = ranked(*arguments, "--json")
    assert found.exit_code == 0, found.output
    return [each["customer_id"] for each in json.loads(found.stdout)]


def test_worth_acting_lists_whom_it_pays_to_call_the_most_profitable_first(home: Path) -> None:
    (home / "remora.toml").write_text(PRICED)
    assert listed() == ["C2", "C1", "C3"]
    assert listed("--worth-acting") == ["C1", "C2"]
    assert listed("--worth-acting", "--limit", 1) == ["C1"]


def test_the_table_shows_what_acting_earns(home: Path) -> None:
    (home / "remora.toml").write_text(PRICED)
    shown, everyone = ranked("--worth-acting").output, ranked().output
    assert "Most profitable to act on: 2 of 2 accounts worth acting on" in shown
    assert "acting earns" in shown
    assert [words in shown for words in (" 35 ", " 30 ", "C3")] == [True, True, False]
    assert "Most value at risk: 3 of 3 accounts at stake" in everyone
    assert " -8 " in everyone


def test_csv_has_profit_and_curve_in_a_cell_each(home: Path) -> None:
    read = {each["customer_id"]: each for each in csv.DictReader(io.StringIO(ranked("--format", "csv").stdout))}
    assert set(SCHEMA) - {"points"} <= set(read["C1"])
    assert (read["C1"]["expected_profit"], read["C3"]["expected_profit"]) == ("35.0", "-7.5")
    assert (read["C1"]["churn_curve"], read["C2"]["churn_curve"]) == ("30 days 0.0400; 90 days 0.2500", "")


def test_without_a_price_it_says_what_to_set(home: Path) -> None:
    refused = ranked("--worth-acting").exception
    assert isinstance(refused, InvalidRequestError)
    assert refused.problems == (
        "--worth-acting: acting has no price; set [action] cost and success_rate in remora.toml, then score again",
    )


def test_without_a_known_profit_there_is_no_column(home: Path) -> None:
    with open_store(home / "home" / "remora.db") as store:
        store.save(frame(*(row(who, scored_at=row()["scored_at"]) for who in ("C1", "C2", "C3"))))
    assert "acting earns" not in ranked().output
