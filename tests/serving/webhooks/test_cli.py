"""`remora webhooks`, against a real store and a real receiver."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from features.clock import now
from features.errors import RemoraError
from features.settings import load_settings
from serving.database import transaction
from serving.home import Home
from serving.store import open_store
from serving.webhooks.outbox import Event, announce
from serving.webhooks.queue import Queue
from serving.webhooks_cli import webhooks_app
from tests.serving.webhooks.receiver import Receiver, receiving, status
from tests.serving.webhooks.test_deliverer import until

CONFIG = """
home = "home"
[webhooks]
source = "https://remora.example"
allow = ["127.0.0.1"]
[webhooks.targets.crm]
url = "{url}?token=hidden"
secret_env = "HOOK_SECRET"
kinds = ["tier.changed"]
tenant = "north"
[webhooks.targets.nowhere]
url = "https://10.0.0.1:444/"
secret_env = "HOOK_SECRET"
"""


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver, the settings that name it in the working folder, and an event for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOOK_SECRET", "s")
    with receiving() as started:
        Path("remora.toml").write_text(CONFIG.format(url=started.url))
        yield started


def tell(*ids: str) -> None:
    settings = load_settings()
    crm = {"crm": settings.webhooks.targets["crm"].model_copy(update={"tenant": None})}
    with open_store(Home.of(settings).store) as store, transaction(store.engine, writes=True) as connection:
        announce(connection, [Event(each, "tier.changed", "C1", now(), {}) for each in ids], crm)


def counts() -> Any:
    with open_store(Home.of(load_settings()).store) as store:
        return Queue(store.engine).counts()


def run(*arguments: str) -> str:
    done = CliRunner().invoke(webhooks_app, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_list_tells_of_every_target_what_it_wants_and_what_keeps_it(receiver: Receiver) -> None:
    tell("e1")
    crm, nowhere = told("list")
    assert crm == {
        "target": "crm", "where": f"http://127.0.0.1:{receiver.port}", "kinds": ["tier.changed"], "tenant": "north",
        "pending": 1, "delivered": 0, "dead": 0, "problem": None,
    }  # fmt: skip
    assert "https on port 443" in nowhere["problem"]
    assert "hidden" not in run("list")
    assert "crm" in run("list")


def test_list_names_what_is_left_for_a_target_that_was_removed(receiver: Receiver) -> None:
    tell("e1")
    Path("remora.toml").write_text('home = "home"\n')
    [left] = told("list")
    assert (left["target"], left["pending"]) == ("crm", 1)
    assert "not in [webhooks.targets]" in left["problem"]


def test_what_was_given_up_is_listed_and_replayed(receiver: Receiver) -> None:
    receiver.answers = [status(410), status(410), status(204)]
    tell("e1", "e2")
    with pytest.raises(RemoraError, match="nowhere"):
        run("deliver", "--once")
    assert [(each["event"], each["attempts"], each["problem"]) for each in told("dead")] == [
        ("e1", 1, "HTTP 410"), ("e2", 1, "HTTP 410"),
    ]  # fmt: skip
    assert len(told("dead", "--limit", "1")) == 1
    assert "e1" in run("dead")
    assert told("replay", "e1") == {"replayed": 1}
    assert told("replay", "--all") == {"replayed": 1}
    assert counts() == {"crm": {"pending": 2}}


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "e1", "--all"], ["replay", "e9"]])
def test_a_replay_of_nothing_is_refused(receiver: Receiver, arguments: list[str]) -> None:
    with pytest.raises(RemoraError, match="replay"):
        run(*arguments)


def test_a_test_event_is_sent_at_once(receiver: Receiver) -> None:
    assert told("test", "crm") == {"target": "crm", "status": 204}
    [got] = receiver.got
    sent = json.loads(got.body)
    assert (got.path, sent["type"], sent["source"]) == (
        "/hook?token=hidden", "io.remora.test.v1", "https://remora.example",
    )  # fmt: skip
    receiver.answers = [status(500)]
    for name, problem in {"crm": "HTTP 500", "nowhere": "port 443", "nobody": r"there: crm, nowhere"}.items():
        with pytest.raises(RemoraError, match=problem):
            run("test", name)


def test_deliver_goes_on_until_it_is_ended(receiver: Receiver) -> None:
    tell("e1")
    program = "from serving.webhooks_cli import webhooks_app; webhooks_app()"
    path = os.pathsep.join(sys.path)
    with subprocess.Popen([sys.executable, "-c", program, "deliver"], env=os.environ | {"PYTHONPATH": path}) as process:
        until(lambda: counts() == {"crm": {"delivered": 1}})
        tell("e2")
        until(lambda: counts() == {"crm": {"delivered": 2}})
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
