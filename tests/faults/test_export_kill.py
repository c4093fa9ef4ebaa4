"""kill -9 of an export at random points: the old state or the new one, never half of each; the next run completes."""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from serving.export.database_target import update_table
from tests.faults.export_child import BATCH
from tests.faults.forks import Child, working
from tests.serving.export_setup import database as database
from tests.serving.export_setup import reading, saved, sql
from tests.serving.test_store import row

POINTS = 100 if os.environ.get("REMORA_FAULTS") == "full" else 8
ROWS = 4_000

State = frozenset[tuple[str, str]]
NOTHING: State = frozenset()


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with working("tests.faults.export_child") as started:
        yield started


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two homes of which each has customers that the other lacks, and says something else of the rest."""
    made = []
    for tier, first in (("A", 0), ("B", 500)):
        home = tmp_path_factory.mktemp("home")
        saved(home / "remora.db", *(row(f"C{number}", tier=tier) for number in range(first, first + ROWS)))
        made.append(home)
    return made[0], made[1]


def expected(home: Path, homes: tuple[Path, Path]) -> State:
    first, tier = (0, "A") if home == homes[0] else (500, "B")
    return frozenset((f"C{number}", tier) for number in range(first, first + ROWS))


def whole(frame: pl.DataFrame) -> State:
    rows = frame.select("customer_id", "tier").rows()
    assert len(set(rows)) == len(rows)
    return frozenset(rows)


def in_csv(to: str) -> State:
    return whole(pl.read_csv(to)) if Path(to).exists() else NOTHING


def in_parquet(to: str) -> State:
    return whole(pl.read_parquet(to)) if Path(to).exists() else NOTHING


def in_table(to: str) -> State:
    if sql(to, "SELECT to_regclass('churn_scores') AS made")[0]["made"] is None:
        return NOTHING
    rows = sql(to, "SELECT customer_id, tier FROM churn_scores")
    return whole(pl.DataFrame(rows))


def survive(child: Child, homes: tuple[Path, Path], to: str, state: Callable[[str], State]) -> None:
    """Kill exports at POINTS random points, each on its way from one state to the other."""
    random.seed(7)
    old, new = homes
    child.work(old, to)
    lasts, kills = child.lasted, 0
    while kills < POINTS:
        kills += child.work(new, to, kill_after=random.uniform(0, lasts))
        assert state(to) in (expected(old, homes), expected(new, homes))
        child.work(new, to)
        assert state(to) == expected(new, homes)
        lasts = min(lasts, child.lasted)
        old, new = new, old


@pytest.mark.parametrize(("name", "state"), [("out.csv", in_csv), ("out.parquet", in_parquet)])
def test_a_file_is_the_old_one_or_the_new_one(
    child: Child, homes: tuple[Path, Path], tmp_path: Path, name: str, state: Callable[[str], State]
) -> None:
    survive(child, homes, str(tmp_path / name), state)
    assert {each.name for each in tmp_path.iterdir()} <= {name, f".{name}.lock"}


def test_a_table_is_the_old_one_or_the_new_one(child: Child, homes: tuple[Path, Path], database: str) -> None:
    survive(child, homes, database, in_table)
    assert sql(database, "SELECT to_regclass('remora_staging_churn_scores') AS staging") == [{"staging": None}]


def test_the_first_export_of_all_shows_nothing_or_everything(
    child: Child, homes: tuple[Path, Path], database: str
) -> None:
    """And the one after it goes on: at most the batch under way is copied twice."""
    resumed = 0
    while not resumed:
        while not (child.work(homes[0], database, kill_after=random.uniform(0, 0.3)) and _staged(database) >= BATCH):
            sql(database, "DROP TABLE IF EXISTS churn_scores, remora_staging_churn_scores, remora_exports")
        assert in_table(database) in (NOTHING, expected(homes[0], homes))
        with reading(homes[0] / "remora.db", batch=BATCH) as told:
            resumed = update_table(database, "churn_scores", told).resumed
    assert resumed % BATCH == 0
    assert in_table(database) == expected(homes[0], homes)


def _staged(url: str) -> int:
    made = sql(url, "SELECT to_regclass('remora_exports') AS made")[0]["made"]
    return int(sql(url, "SELECT coalesce(max(rows), 0) AS rows FROM remora_exports")[0]["rows"]) if made else 0
