"""kill -9 of `score` at random points: each store of what it says is the old one or the new one, never half of each.

What people are told first is written last: customers, alerts with the events that tell of them, scores, the file, and
the features kept for the next time. The next run completes what is missing, and repeats nothing.
"""

import datetime as dt
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from features.engines import open_source
from features.settings import Settings
from tests.faults.conftest import Figure
from tests.faults.forks import Child, working
from tests.literal import TODAY, ago, rows, written
from tests.serving.small_company import NOW, fitted_bundle, orders

WHEN = frozenset(("scored_at", "at", "next_at", "seq", "id", "event_id"))
"""Columns that differ from run to run: the id of a tier's change is that of the scoring that found it."""
IN_ORDER = ("remora_customers", "remora_alerts", "remora_outbox", "remora_scores", "remora_current", "file", "kept")
TARGET = '[webhooks.targets.crm]\nurl = "https://crm.example.com/hook"\nsecret_env = "SECRET"\n'
MONTH_AGO = NOW - dt.timedelta(days=30)

State = dict[str, frozenset[object]]


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with working("tests.faults.score_child") as started:
        yield started


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data, and a home in which it was scored a month ago."""
    folder = tmp_path_factory.mktemp("company")
    (folder / "data").mkdir()
    bought = orders(**{f"C{i}": (700, 400 + i, 170 - i, 40 - i) for i in range(30)}, late=(20, 10))
    people = rows("customer_id signed_up_at country", *((f"C{i}", ago(900), "Spain") for i in range(30)))
    scores = rows("customer_id occurred_at score", *((f"C{i}", ago(5 + i), float(i % 11)) for i in range(30)))
    data = written(folder / "data", {"customers": people, "transactions": bought, "nps_responses": scores})
    (folder / "remora.toml").write_text(TARGET)
    fitted_bundle(folder / "home", open_source(data, Settings()), MONTH_AGO)
    return folder


def state(folder: Path) -> State:
    """The rows of every table, how often each is there, and those of the file and of what is kept."""
    with closing(sqlite3.connect(folder / "home" / "remora.db")) as store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: _rows(store, name) for name in tables}
    found["file"] = _in_file(folder / "scores.parquet")
    kept = sorted((folder / "home" / "scorings").glob("*"))
    found["kept"] = frozenset((file.name, _in_file(file)) for file in kept if file.suffix == ".parquet")
    return found


def _rows(store: sqlite3.Connection, table: str) -> frozenset[object]:
    cursor = store.execute(f"SELECT * FROM {table}")
    places = [place for place, (name, *_) in enumerate(cursor.description) if name not in WHEN]
    return frozenset(Counter(tuple(row[place] for place in places) for row in cursor).items())


def _in_file(file: Path) -> frozenset[object]:
    return frozenset(pl.read_parquet(file).drop(WHEN, strict=False).hash_rows()) if file.exists() else frozenset()


def test_what_is_kept_is_the_old_or_the_new(
    child: Child, company: Path, tmp_path: Path, full: bool, figure: Figure
) -> None:
    random.seed(11)

    def score(folder: Path, date: str, kill_after: float | None = None) -> bool:
        told = (folder / "home", company / "data", date, folder / "scores.parquet")
        return child.work(*told, kill_after=kill_after)

    base, whole = tmp_path / "base", tmp_path / "whole"
    shutil.copytree(company, base)
    score(base, f"{MONTH_AGO:%Y-%m-%d}")
    old = state(base)
    shutil.copytree(base, whole)
    score(whole, f"{TODAY:%Y-%m-%d}")
    new, lasts = state(whole), child.lasted
    assert {name for name in old if old[name] != new[name]} >= {*IN_ORDER}
    kills, points, seen = 0, 100 if full else 6, set()
    while kills < points:
        folder = tmp_path / str(kills)
        shutil.copytree(base, folder)
        kills += score(folder, f"{TODAY:%Y-%m-%d}", kill_after=random.uniform(0.3 * lasts, lasts))
        found = state(folder)
        for name, each in found.items():
            assert each in (old[name], new[name]), name
        done = tuple(found[name] == new[name] for name in IN_ORDER)
        assert list(done) == sorted(done, reverse=True), done
        seen.add(done)
        score(folder, f"{TODAY:%Y-%m-%d}")
        assert state(folder) == new
        shutil.rmtree(folder)
    figure(
        f"kill -9 of `score` at {kills} points",
        f"tables, file and kept features old or new each time ({len(seen)} different moments), the next run completes",
    )
