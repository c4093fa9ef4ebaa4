"""`remora export` as it is typed: files, a database, alerts, maps; and what it says where it cannot."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from features.clock import micros
from features.errors import RemoraError
from models.rules.episodes import EPISODE, Changes
from serving.access.audit import AuditLog
from serving.access.operator import operator
from serving.export.errors import ExportError
from serving.export_cli import export
from serving.store import open_store
from tests.serving.export_setup import database as database
from tests.serving.export_setup import sql, table
from tests.serving.test_store import DAY, LATER, frame, row

REASONS = [{"feature": "f", "direction": "raises", "size": 0.4, "text": text} for text in ("-5 visits", "no order")]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two customers, one with a name and reasons, and three alerts, one of them held back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    with open_store(tmp_path / "home" / "remora.db") as store:
        store.save(
            frame(row("C1", reasons=REASONS, segments=["loyal", "big"], value_at_risk=-3.5), row("C2", scored_at=LATER))
        )
        store.save_customers(pl.DataFrame({"customer_id": ["C1"], "name": ["=Ltd"], "account_owner": ["eve"]}))
        store.log.advance(micros(DAY), "1", lambda _, __: episodes())
    return tmp_path


def episodes() -> Changes:
    def some(**changes: Any) -> pl.DataFrame:
        usual = {"key": "C1:R1:1", "customer_id": "C1", "rule": "R1", "opened_as_of": micros(DAY), "severity": 1,
                 "signs": [], "contact": True, "state": "open", "owner_role": "lead", "owner": "eve"}  # fmt: skip
        return pl.DataFrame([{name: (usual | changes).get(name) for name in EPISODE}], EPISODE)

    opened = some(signs=["feature:nps_last"], due_at=micros(LATER))
    gone = some(key="C1:R0:1", rule="R0", state="closed", closed_as_of=micros(LATER))
    return Changes(pl.concat([opened, gone]), some().clear(), some().clear(), some(key="C2:R1:1", state="held_back"))


def asked(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(export)
    result = CliRunner().invoke(app, [*arguments])
    if isinstance(result.exception, RemoraError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def cells(file: str) -> list[dict[str, str]]:
    with Path(file).open(encoding="utf-8", newline="") as stream:
        return [*csv.DictReader(stream)]


def test_csv_has_a_line_a_customer_with_lists_in_words(home: Path) -> None:
    assert asked("--to", "out.csv") == "2 scores exported\n"
    first, second = cells("out.csv")
    told = ("customer_id", "value_at_risk", "reasons", "segments", "as_of")
    assert [first[name] for name in told] == [
        "C1",
        "-3.5",
        "'-5 visits; no order",
        "loyal; big",
        "2024-06-01T00:00:00.000Z",
    ]
    assert [second[name] for name in told[:4]] == ["C2", "", "", ""]
    assert "name" not in first


def test_a_map_of_remora_toml_names_and_chooses(home: Path) -> None:
    fields = {
        "customer_id": "Id",
        "name": "Name",
        "first_reason": "Why",
        "churn_percent": "Percent",
        "account_owner": "Owner",
    }
    lines = "\n".join(f"{ours} = '{theirs}'" for ours, theirs in fields.items())
    (home / "remora.toml").write_text(f"[export]\nbom = true\n[export.maps.mine]\n{lines}\n")
    asked("--to", "out.csv", "--map", "mine")
    assert Path("out.csv").read_bytes().startswith(b"\xef\xbb\xbfId,Name,Why,Percent,Owner\r\n")
    assert cells("out.csv")[0] == {
        "\ufeffId": "C1", "Name": "'=Ltd", "Why": "'-5 visits", "Percent": "25.0", "Owner": "eve"
    }  # fmt: skip


def test_since_and_parquet(home: Path) -> None:
    assert json.loads(asked("--to", "out.parquet", "--since", "2024-06-02", "--json")) == {"what": "scores", "rows": 1}
    back = pl.read_parquet("out.parquet")
    assert back["customer_id"].to_list() == ["C2"]
    assert back["scored_at"].to_list() == [LATER]


def test_alerts_that_were_opened_leave_in_words_and_without_the_person(home: Path) -> None:
    assert asked("--to", "out.parquet", "--what", "alerts") == "2 alerts exported\n"
    rows = {each["key"]: each for each in pl.read_parquet("out.parquet").to_dicts()}
    assert set(rows) == {"C1:R0:1", "C1:R1:1"}
    first = rows["C1:R1:1"]
    assert "owner" not in first
    assert (first["due_at"], first["closed_as_of"], first["severity"]) == (LATER, None, 1)
    assert first["text"].startswith("R1")
    assert "nps_last" in first["text"]


@pytest.mark.parametrize(("since", "keys"), [("2024-06-15", ["C1:R0:1"]), ("2024-07-02", [])])
def test_alerts_since_are_those_opened_or_closed(home: Path, since: str, keys: list[str]) -> None:
    asked("--to", "out.csv", "--what", "alerts", "--since", since)
    assert [each["key"] for each in cells("out.csv")] == keys


def test_a_database_by_a_map_that_ships(home: Path, database: str) -> None:
    assert asked("--to", database, "--map", "hubspot-tasks") == "2 alerts exported: 2 new or changed, 0 deleted\n"
    found = table(database, "churn_alerts", "remora_alert")
    assert found["C1:R0:1"]["remora_closed"] == LATER
    told = json.loads(asked("--to", database, "--table", "account", "--map", "salesforce", "--json"))
    assert told == {"what": "scores", "rows": 2, "changed": 2, "deleted": 0, "resumed": 0}
    kinds = sql(database, "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'account'")
    of = {each["column_name"]: each["data_type"] for each in kinds}
    assert (of["Churn_Probability__c"], of["Churn_As_Of__c"]) == ("double precision", "timestamp with time zone")


def test_the_audit_log_says_what_left_and_where_to_before_it_does(home: Path, database: str) -> None:
    asked("--to", "out.csv", "--tenant", "north")
    with pytest.raises(ExportError):
        asked(
            "--to", f"{database}?connect_timeout=3".replace("@", ":se@cret@"), "--table", "no table", "--what", "alerts"
        )
    with open_store(home / "home" / "remora.db") as store:
        second, first = AuditLog(store.engine).entries()
    assert (first.actor, first.action, first.detail["to"]) == (operator(), "exported", "out.csv")
    assert (first.detail["what"], first.detail["tenant"], first.detail["since"]) == ("scores", "north", None)
    assert (second.detail["what"], second.detail["table"]) == ("alerts", "no table")
    assert re.fullmatch(r"postgresql://[^@?]+/\w+", str(second.detail["to"]))


def test_the_store_may_be_a_postgresql_and_the_target_a_table_beside_it(
    home: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(database) as store:
        store.save(frame(row("C1", reasons=REASONS, segments=["a"]), row("Cä"), row("C2")))
    monkeypatch.setenv("REMORA_STORE", database)
    asked("--to", "out.csv")
    assert [(each["customer_id"], each["reasons"]) for each in cells("out.csv")] == [
        ("C1", "'-5 visits; no order"), ("C2", ""), ("Cä", ""),
    ]  # fmt: skip
    assert asked("--to", database) == "3 scores exported: 3 new or changed, 0 deleted\n"
    assert table(database)["C1"]["segments"] == "a"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "out.xlsx"], "--to out.xlsx: not a target; name a .csv or .parquet file, or write postgresql://…"),
        (["--to", "out.csv", "--table", "t"], "--table t: out.csv has no tables; leave it out"),
        (
            ["--to", "out.csv", "--map", "hubspot", "--what", "alerts"],
            "--map hubspot: is for scores; leave --what alerts",
        ),
        (["--to", "out.csv", "--since", "yesterday"], "'yesterday' is not a date"),
    ],
)
def test_what_cannot_be_is_said(home: Path, arguments: list[str], told: str) -> None:
    with pytest.raises(RemoraError, match=told.replace(".", r"\.")):
        asked(*arguments)
    assert not Path("out.csv").exists()
