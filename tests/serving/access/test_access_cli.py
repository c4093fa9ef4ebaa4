"""`remora keys`, `remora audit` and `remora forget`, as the command line mounts them."""

import getpass
import json
import re
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from features.clock import DateError
from serving import terminal
from serving.access.audit import AuditLog, Entry
from serving.access.forget import TracesLeftError
from serving.access.keys import KeyRing, NoSuchKeyError
from serving.audit_cli import audit_app
from serving.errors import InvalidRequestError
from serving.forget_cli import forget
from serving.home import Home
from serving.keys_cli import keys_app
from serving.store import open_store
from tests.serving.access.kept import GONE, fill, rows_of

CREATE = ("keys", "create")

app = typer.Typer()
app.add_typer(keys_app)
app.add_typer(audit_app)
app.command()(forget)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REMORA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(terminal.out, "_width", 200)
    return Home(tmp_path / "home")


def remora(*arguments: str, put: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=put)


def said(*arguments: str) -> str:
    done = remora(*arguments)
    assert done.exit_code == 0, done.output
    return str(done.stdout)


def test_a_key_is_shown_once_and_works(home: Home) -> None:
    limits = ("--expires", "90d", "--tenant", "north", "--per-minute", "600")
    printed = said(*CREATE, "--scope", "predict, read", "--label", "CRM", *limits)
    token = printed.splitlines()[0]
    with open_store(home.store) as store:
        ring = KeyRing()
        ring.refresh(store)
    caller = ring.caller(token)
    assert (caller.scopes, caller.tenant, caller.per_minute) == (frozenset({"predict", "read"}), "north", 600)
    listed = said("keys", "list")
    assert caller.actor in listed
    assert token not in listed
    assert token[16:] not in listed


def test_keys_for_machines(home: Home) -> None:
    made = json.loads(said(*CREATE, "--scope", "act", "--label", "[bold]CRM", "--expires", "2100-01-01", "--json"))
    assert made["key"].startswith(f"rk_{made['id']}_")
    assert made["expires_at"] == "2100-01-01T00:00:00+00:00"
    assert "[bold]CRM" in said("keys", "list")
    assert json.loads(said("keys", "revoke", made["id"], "--json")) == {"revoked": made["id"]}
    (listed,) = json.loads(said("keys", "list", "--json"))
    assert (listed["id"], listed["state"], listed["scopes"]) == (made["id"], "revoked", ["act"])
    assert "hash" not in listed


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--scope", "write"), InvalidRequestError), (("--scope", ","), InvalidRequestError),
        (("--scope", "read", "--expires", "soon"), DateError),
        (("--scope", "read", "--expires", "0d"), InvalidRequestError),
        (("--scope", "read", "--expires", "2020-01-01"), InvalidRequestError),
        (("--scope", "read", "--expires", "99999d"), None),
    ],
)  # fmt: skip
def test_what_a_key_cannot_be(home: Home, arguments: tuple[str, ...], error: type[Exception] | None) -> None:
    done = remora(*CREATE, "--label", "CRM", *arguments)
    assert (type(done.exception) if done.exception else None) is error


def test_every_change_is_in_the_log_with_who_made_it(home: Home) -> None:
    key = json.loads(said(*CREATE, "--scope", "read", "--label", "CRM", "--json"))["id"]
    said("keys", "revoke", key)
    said("forget", "C1", "--yes")
    rows = json.loads(said("audit", "show", "--json"))
    assert [row["action"] for row in rows] == ["customer.forgotten", "key.revoked", "key.created"]
    assert {row["actor"] for row in rows} == {f"cli:{getpass.getuser()}"}
    assert "key.revoked" in said("audit", "show", "--limit", "2")
    assert isinstance(remora("keys", "revoke", "nothing").exception, NoSuchKeyError)


def test_verify_prints_what_it_takes_back(home: Home) -> None:
    with open_store(home.store) as store:
        AuditLog(store.engine).record(Entry("a", "customer.read", ("C1",)), Entry("a", "customer.read", ("C2",)))
    mark = said("audit", "verify").splitlines()[-1]
    assert re.fullmatch(r"2:[0-9a-f]{64}", mark)
    assert json.loads(said("audit", "verify", "--json", "--expect", mark))["problem"] is None
    broken = remora("audit", "verify", "--expect", f"3:{mark[2:]}")
    assert broken.exit_code == 1
    assert "its end was cut off" in broken.stdout
    assert [row["seq"] for row in json.loads(said("audit", "show", "--customer", "C2", "--json"))] == [2]
    for wrong in ("2", "x:y", f"-1:{mark[2:]}"):
        assert isinstance(remora("audit", "verify", "--expect", wrong).exception, InvalidRequestError)


def test_forgetting_asks_first(home: Home) -> None:
    with open_store(home.store) as store:
        fill(home, store)
        assert remora("forget", GONE, put="n\n").exit_code == 1
        assert 0 not in rows_of(store, GONE).values()
        done = remora("forget", GONE, put="y\n")
        assert done.exit_code == 0, done.output
        assert set(rows_of(store, GONE).values()) == {0}
    assert "remora_scores: 1 rows removed" in done.stdout
    assert "Nothing was kept of" in said("forget", GONE, "--yes")


def test_forgetting_for_machines_fails_where_something_is_left(home: Home) -> None:
    with open_store(home.store) as store:
        fill(home, store)
    (home.folder / "export.csv").write_text(f"customer_id\n{GONE}\n", encoding="utf-8")
    done = remora("forget", GONE, "--yes", "--json")
    assert isinstance(done.exception, TracesLeftError)
    told = json.loads(done.stdout)
    assert told["rows"]["remora_scores"] == 1
    assert told["traces"] == [{"place": "export.csv", "text": GONE, "count": 1, "certain": True}]
