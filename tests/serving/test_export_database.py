"""Exports to a table of a real PostgreSQL: upsert, vanish, go on after a stop; never some of each state."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import polars as pl
import pytest
import sqlalchemy as sa

from serving.database import connect, transaction
from serving.export import database_target
from serving.export.database_target import update_table
from serving.export.errors import ExportError
from serving.export.reading import Reading
from serving.store import open_store
from serving.tables import CURRENT, SCORES
from tests.serving.export_setup import database as database
from tests.serving.export_setup import reading, saved, sql, table
from tests.serving.test_store import DAY, LATER, row

REASONS = [{"feature": "f", "direction": "raises", "size": 0.4, "text": text} for text in ("zu „teuer“", "ü\nb")]


def export(url: str, place: Path, name: str = "churn_scores", **chosen: Any) -> tuple[int, int, int, int]:
    with reading(place, **chosen) as told:
        return tuple(update_table(url, name, told))  # type: ignore[return-value]


def forget(place: Path, customer: str) -> None:
    engine = connect(place)
    with transaction(engine, writes=True) as connection:
        for each in (CURRENT, SCORES):
            connection.execute(sa.delete(each).where(each.c.customer_id == customer))
    engine.dispose()


def people(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [row(f"C{number}", **changes) for number in range(count)]


def test_rows_come_back_as_they_are_typed(database: str, tmp_path: Path) -> None:
    moment = dt.datetime(2024, 6, 1, 7, 30, 0, 123456, tzinfo=dt.UTC)
    first = row("=C,1\\.", value_at_risk=-0.1, reasons=REASONS, segments=["a", "b"], tier="", scored_at=moment)
    assert export(database, saved(tmp_path / "a.db", first, row("\\."))) == (2, 2, 0, 0)
    found = table(database)
    assert found["=C,1\\."] | {"scored_at": moment.astimezone()} == found["=C,1\\."]
    told = {
        name: found["=C,1\\."][name]
        for name in ("value_at_risk", "reasons", "segments", "tier", "playbook", "at_stake")
    }
    assert told == {
        "value_at_risk": -0.1, "reasons": "zu „teuer“; ü\nb", "segments": "a; b", "tier": "", "playbook": None,
        "at_stake": True,
    }  # fmt: skip
    assert set(found) == {"=C,1\\.", "\\."}


def test_a_second_run_changes_what_differs_and_deletes_what_is_gone(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(5))
    assert export(database, place) == (5, 5, 0, 0)
    assert export(database, place) == (5, 0, 0, 0)
    saved(place, row("C1", tier="A", scored_at=LATER), row("C9"))
    forget(place, "C3")
    assert export(database, place) == (5, 2, 1, 0)
    assert {key: found["tier"] for key, found in table(database).items()} == {
        "C0": None, "C1": "A", "C2": None, "C4": None, "C9": None,
    }  # fmt: skip
    assert sql(database, "SELECT to_regclass('remora_staging_churn_scores') AS staging") == [{"staging": None}]


def test_since_adds_and_deletes_nothing(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(3), row("C7", scored_at=LATER))
    assert export(database, place, since=LATER) == (1, 1, 0, 0)
    forget(place, "C7")
    saved(place, row("C8", scored_at=LATER))
    assert export(database, place, since=LATER) == (1, 1, 0, 0)
    assert set(table(database)) == {"C7", "C8"}
    assert export(database, place) == (4, 3, 1, 0)


@contextmanager
def stopping(after: int) -> Iterator[None]:
    """The source breaks off after so many batches."""
    usual = Reading._frames

    def frames(self: Reading, found: Any) -> Iterator[pl.DataFrame]:
        for number, each in enumerate(usual(self, found)):
            if number == after:
                raise KeyboardInterrupt
            yield each

    with patch.object(Reading, "_frames", frames), pytest.raises(KeyboardInterrupt):
        yield


def test_what_was_cut_short_goes_on_where_it_stopped(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(9))
    with stopping(after=3):
        export(database, place)
    assert sql(database, "SELECT to_regclass('churn_scores') AS made") == [{"made": None}]
    assert export(database, place) == (9, 9, 0, 6)
    assert len(table(database)) == 9


@pytest.mark.parametrize("change", ["in what was staged", "shorter", "other columns", "other batches", "no staging"])
def test_what_was_cut_short_begins_again_where_the_store_says_something_else(
    database: str, tmp_path: Path, change: str
) -> None:
    place = saved(tmp_path / "a.db", *people(9))
    with stopping(after=3):
        export(database, place)
    chosen: dict[str, Any] = {}
    if change == "in what was staged":
        saved(place, row("C2", tier="Z", scored_at=LATER))
    elif change == "shorter":
        for number in range(7):
            forget(place, f"C{number}")
    elif change == "other columns":
        chosen = {"fields": {"customer_id": "customer_id", "tier": "tier"}}
    elif change == "no staging":
        sql(database, "DROP TABLE remora_staging_churn_scores")
    else:
        chosen = {"batch": 4}
    rows, changed, _, resumed = export(database, place, **chosen)
    assert (rows, changed, resumed) == ((2, 2, 0) if change == "shorter" else (9, 9, 0))
    assert table(database)["C8"]["tier"] is None
    assert len(table(database)) == rows
    assert change != "in what was staged" or table(database)["C2"]["tier"] == "Z"


def test_what_changed_behind_the_mark_is_new(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(9))
    with stopping(after=3):
        export(database, place)
    saved(place, row("C8", tier="Z", scored_at=LATER))
    assert export(database, place) == (9, 9, 0, 6)
    assert table(database)["C8"]["tier"] == "Z"


def test_the_later_of_two_at_once_goes_on_and_the_other_gives_up(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(9))
    usual = database_target._Target._put
    done: list[bool] = []

    def put(self: Any, *arguments: Any) -> None:
        if not done:
            done.append(True)
            assert export(database, place) == (9, 9, 0, 0)
        usual(self, *arguments)

    with (
        patch.object(database_target._Target, "_put", put),
        pytest.raises(ExportError, match="another export has taken"),
    ):
        export(database, place)
    assert len(table(database)) == 9


def test_columns_follow_the_map_and_others_columns_stay(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(2, tier="A"))
    export(database, place, fields={"customer_id": "id", "tier": "t"})
    sql(database, "ALTER TABLE churn_scores ADD COLUMN note text DEFAULT 'theirs'")
    with pytest.raises(ExportError, match="its columns change with this export; export all rows, without --since"):
        export(database, place, fields={"customer_id": "id", "risk_band": "t"}, since=DAY)
    numbers = {"customer_id": "id", "churn_horizon_days": "t", "at_stake": "100 %"}
    assert export(database, place, fields=numbers) == (2, 2, 0, 0)
    assert table(database, key="id")["C1"] == {"id": "C1", "note": "theirs", "t": 90, "100 %": True}
    with pytest.raises(ExportError, match="--table churn_scores: its key is not customer_id; name another table"):
        export(database, place)


def test_a_table_of_somebody_elses_is_left_alone(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", row())
    sql(database, "CREATE TABLE churn_scores (customer_id text PRIMARY KEY)")
    sql(database, "INSERT INTO churn_scores VALUES ('mine')")
    for _ in range(2):
        with pytest.raises(ExportError, match="--table churn_scores: is there, and no export made it"):
            export(database, place)
    assert set(table(database)) == {"mine"}
    for name in ("remora_scores", "a.b.c", 'x"; DROP TABLE y', "x" * 46, ""):
        with pytest.raises(ExportError, match="not a name for a table of an export"):
            export(database, place, name=name)


def test_each_tenant_has_a_table_of_its_own(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", *people(3))
    with open_store(place) as store:
        store.save_customers(pl.DataFrame({"customer_id": ["C0", "C1"], "tenant": ["north", "south"]}))
    sql(database, "CREATE SCHEMA north")
    assert export(database, place, "north.scores", tenant="north") == (1, 1, 0, 0)
    assert set(table(database, "north.scores")) == {"C0"}
    with pytest.raises(ExportError, match="holds scores of tenant north, not scores of tenant south; name another"):
        export(database, place, "north.scores", tenant="south")


@pytest.mark.parametrize("url", ["postgresql://eve:hush@127.0.0.1:1/x", "postgresql://eve@127.0.0.1:1/x?password=hush"])
def test_a_password_is_never_shown(tmp_path: Path, url: str) -> None:
    with pytest.raises(ExportError, match=r"--to postgresql\+psycopg://eve:\*\*\*@127\.0\.0\.1:1/x: ") as refused:
        export(url, saved(tmp_path / "a.db", row()))
    assert "hush" not in str(refused.value)


def test_what_the_database_refuses_is_said(database: str, tmp_path: Path) -> None:
    place = saved(tmp_path / "a.db", row("C1", tier="a\x00b"))
    with pytest.raises(ExportError, match=r"--to postgresql.*invalid byte sequence.*; mend the table or the rows"):
        export(database, place)
    with pytest.raises(ExportError, match='schema "gone" does not exist'):
        export(database, place, "gone.scores")
    with pytest.raises(ExportError, match=r"--to mysql://…: not a target"):
        export("mysql://eve:hush@localhost/x", place)


def test_readers_see_one_state_or_the_other_while_it_runs(database: str, tmp_path: Path) -> None:
    """Somebody reads after every batch, and in the transaction that ends it nothing is seen before its end."""
    place, seen = saved(tmp_path / "a.db", *people(9, tier="A")), []
    export(database, place)
    saved(place, *people(9, tier="B", scored_at=LATER))
    with reading(place, step=lambda _: seen.append({each["tier"] for each in table(database).values()})) as told:
        update_table(database, "churn_scores", told)
    assert seen == [{"A"}] * 5
    assert {each["tier"] for each in table(database).values()} == {"B"}
