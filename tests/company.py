"""A small simulated company and, once a session, a home where a training is recorded and promoted.

Both are for tests that only read; one that writes takes a copy of the home (`home_copy`).
"""

import datetime as dt
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from features.clock import micros, now, start_of
from features.demo import END, simulate
from features.engines import Source, open_source
from features.settings import Settings, load_settings

if TYPE_CHECKING:
    from training.candidate import Candidate
    from training.registry import Version

ROOT = Path(__file__).parents[1]
AS_OF = END.isoformat()

MLFLOW = "ignore:The ``noload`` loader strategy is deprecated:sqlalchemy.exc.SADeprecationWarning"
"""MLflow 3.17 declares relationships that SQLAlchemy 2.1 warns of, the first time its SQL store is imported."""

UNUSED = ("labels", "leads", "lead_stages", "interventions")
"""Tables that no feature reads; left away for speed."""

REASON = "the tests want a champion"


@dataclass(frozen=True)
class Trained:
    """What the session's one full training made."""

    folder: Path
    home: Path
    settings: Settings
    source: Source
    date: dt.datetime
    candidate: "Candidate"
    version: "Version"
    openings: tuple[tuple[int, str], ...]
    """Exit code and stderr of the processes that opened the fresh record at the same moment."""

    @property
    def as_of(self) -> int:
        return micros(self.date)


def program(code: str, *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None,
            **streams: Any) -> subprocess.Popen[str]:  # fmt: skip
    """Python `code` in a process of its own that sees this checkout."""
    told = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env=told, cwd=cwd, text=True, **streams)


def finished(child: subprocess.Popen[str], seconds: float = 120) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; a process that does not end is killed."""
    try:
        out, err = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        raise
    return child.returncode, out or "", err or ""


OPEN_THE_RECORD = """
import sys
from pathlib import Path
import mlflow  # the slow part, before the start
print("ready", flush=True)
sys.stdin.read()
from training.registry import versions
assert versions(Path(sys.argv[1])) == []
"""


def open_at_once(home: Path, processes: int = 2) -> list[subprocess.Popen[str]]:
    """Processes that wait for `go` and then open the fresh record of `home` together."""
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return [program(OPEN_THE_RECORD, home, **pipes) for _ in range(processes)]


def go(children: Sequence[subprocess.Popen[str]]) -> None:
    """Let all of them start within the same moment."""
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of 350 customers over two years, use of one weekday only, and their remora.toml; only for reading."""
    whole, folder = tmp_path_factory.mktemp("simulated"), tmp_path_factory.mktemp("company") / "data"
    simulate(whole, customers=350, months=24)
    folder.mkdir()
    for file in whole.glob("*.parquet"):
        if file.stem not in UNUSED:
            rows = pl.scan_parquet(file)
            thin = rows.filter(pl.col("occurred_at").dt.weekday() == 1) if file.stem == "usage_events" else rows
            thin.collect().write_parquet(folder / file.name)
    shutil.copy(whole / "remora.toml", folder)
    shutil.rmtree(whole)
    return folder


@pytest.fixture(scope="session")
def trained(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One training as of the company's end: recorded, registered, promoted with a reason. Only for reading.

    The fresh record is opened by several processes at once meanwhile, which would brick it without a lock.
    """
    from training.pipeline import train
    from training.promote import promote
    from training.registry import record

    home = tmp_path_factory.mktemp("trained") / "home"
    children = open_at_once(home)
    settings = quick(company, home=home)
    source, date = open_source(company, settings), start_of(END, settings.company.zone)
    go(children)
    candidate = train(source, micros(date), settings, now(), tmp_path_factory.mktemp("candidate"))
    openings = tuple((code, err) for code, _, err in map(finished, children))
    version = record(candidate, source.until(micros(date)).tables, settings)
    promote(home, force_reason=REASON)
    return Trained(company, home, settings, source, date, candidate, version, openings)


@pytest.fixture
def home_copy(trained: Trained, tmp_path: Path) -> Path:
    """The trained home for a test that writes. Artifacts of new runs still land beside those of the shared one."""
    return Path(shutil.copytree(trained.home, tmp_path / "home", ignore=shutil.ignore_patterns("artifacts")))


def quick(folder: Path, **flags: Any) -> Settings:
    """The company's settings with few cut-offs, and a gate that 350 customers can reach."""
    few = {"snapshots": {"count": 2}, "gate": {"min_churners": 5}}
    return load_settings(folder / "remora.toml", **(few | flags))


def shop(customers: int = 200, days: int = 420, end: str = AS_OF, seed: int = 3) -> pl.DataFrame:
    """Transactions of a shop whose customers buy about every three weeks until they leave, up to `end`."""
    rng = np.random.default_rng(seed)
    last = dt.datetime.fromisoformat(end)
    rows = []
    for number in range(customers):
        leaves = rng.exponential(500) if rng.random() < 0.8 else np.inf
        day = rng.uniform(0, 20)
        while day < min(days, leaves):
            at = last - dt.timedelta(days=days - float(day))
            rows.append((f"S{number:03}", at, round(float(rng.gamma(4, 10)), 2)))
            day += rng.exponential(21)
    return pl.DataFrame(rows, schema=["customer_id", "occurred_at", "amount"], orient="row")
