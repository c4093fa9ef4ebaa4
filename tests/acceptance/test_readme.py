"""README's commands, run as they stand there, one after the other, on a company of one's own."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import polars as pl
import pytest

from features.demo import simulate

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = [line[2:] for block in re.findall(r"```console\n(.*?)```", README, re.S) for line in block.splitlines()
            if line.startswith("$ ")]  # fmt: skip
TABLES = ("customers", "subscriptions", "usage_events", "nps_responses", "tickets")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with `.venv` and `my-data`, as a reader of README would have; use of one weekday, for speed."""
    place = tmp_path_factory.mktemp("readme")
    simulate(place / "whole", customers=1200, months=24)
    (place / "my-data").mkdir()
    for name in TABLES:
        shutil.copy(place / "whole" / f"{name}.parquet", place / "my-data")
    use = place / "my-data" / "usage_events.parquet"
    pl.read_parquet(use).filter(pl.col("occurred_at").dt.weekday() == 1).write_parquet(use)
    (place / ".venv").symlink_to(Path(sys.prefix))
    return place


def test_readme_has_commands() -> None:
    assert len(COMMANDS) > 8
    assert {
        "init",
        "check",
        "train",
        "promote",
        "score",
        "rank",
        "monitor",
        "run",
        "serve",
        "alerts",
        "report",
        "rules",
    } <= {command.split()[1] for command in COMMANDS if "remora" in command}


def test_its_commands_run(folder: Path) -> None:
    for command in [command for command in COMMANDS if "serve" not in command and "curl" not in command]:
        done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, env=environment())
        allowed = {0, 3} if {"monitor", "run"} & set(command.split()) else {0}
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_its_requests_are_answered(folder: Path) -> None:
    """Runs after the commands: they promoted a model and scored."""
    serve, *requests = [command for command in COMMANDS if "serve" in command or "curl" in command]
    with subprocess.Popen(serve.removesuffix(" &").split(), cwd=folder, env=environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:  # fmt: skip
        try:
            wait_until_ready()
            for request in requests:
                done = subprocess.run(request, shell=True, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
                assert '"problems"' not in done.stdout, done.stdout
        finally:
            server.terminate()


def wait_until_ready(seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen("http://127.0.0.1:3000/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.5)
    raise AssertionError("the server did not become ready")


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("REMORA_")}
