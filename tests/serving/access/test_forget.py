"""Forgetting one customer: nothing of that one is left, everything of the others is."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
import sqlalchemy as sa

from serving import database
from serving.access.audit import AuditLog
from serving.access.forget import Forgotten, TracesLeftError, forget
from serving.database import StoreError, transaction
from serving.door_tables import DELIVERIES, EFFECTS, SUBJECTS
from serving.home import Home
from serving.store import Store, open_store
from tests.company import finished, program
from tests.serving.access.kept import (
    GONE,
    NAME,
    SCORINGS,
    STAYS,
    files_with,
    fill,
    rows_of,
    scored_rows,
    wide,
)

KILLS = 100 if os.environ.get("REMORA_FAULTS") == "full" else 8


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    """Filled; the store may lie elsewhere."""
    found = Home(tmp_path / "home")
    fill(found, store)
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled home with its own store, to be copied."""
    home = Home(tmp_path_factory.mktemp("filled") / "home")
    with open_store(home.store) as store:
        fill(home, store)
    return home.folder


@pytest.fixture
def own(filled: Path, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(filled, tmp_path / "home")))


@pytest.fixture
def own_store(own: Home) -> Iterator[Store]:
    with open_store(own.store) as store:
        yield store


def test_everything_is_removed_and_nothing_else(store: Store, home: Home) -> None:
    before = rows_of(store, STAYS)
    assert min(before.values()) > 0, f"the home of this test lacks something: {before}"
    done = forget(GONE, home, store, "cli:ada")
    done.require_none_left()
    assert [trace for trace in done.traces if trace.certain] == []
    assert set(rows_of(store, GONE).values()) == {0}
    assert rows_of(store, STAYS) == before
    assert (scored_rows(home, GONE), scored_rows(home, STAYS)) == ([0] * SCORINGS, [1] * SCORINGS)
    assert list(done.files.values()) == [1] * SCORINGS
    assert done.rows["remora_effects"] == 3
    with transaction(store.engine) as connection:
        assert {row.idempotency_key for row in connection.execute(sa.select(EFFECTS))} == {"k", "C7"}
        assert {row.event_id for row in connection.execute(sa.select(DELIVERIES))} == {f"o-{len(STAYS)}"}


def test_the_log_stands_and_names_nobody(store: Store, home: Home) -> None:
    log = AuditLog(store.engine)
    digest = log.entries(GONE)[-1].subjects[0]
    forget(GONE, home, store, "cli:ada")
    last = log.entries(limit=1)[0]
    assert (last.actor, last.action, last.subjects) == ("cli:ada", "customer.forgotten", (digest,))
    assert (log.verify().rows, log.verify().problem, log.entries(GONE)) == (3, None, ())
    assert len(log.entries(STAYS)) == 1
    with transaction(store.engine) as connection:
        known = {row.customer_id for row in connection.execute(sa.select(SUBJECTS))}
    assert known == {STAYS, "C3"}


def test_the_bytes_are_gone_even_of_rows_replaced_before(own: Home, own_store: Store) -> None:
    """Free pages and the write-ahead log of SQLite hold what was deleted or replaced, until they are overwritten."""
    with sqlite3.connect(own.folder / "remora.db") as earlier:
        earlier.execute("PRAGMA secure_delete = OFF")
        earlier.executemany("INSERT INTO remora_customers (customer_id, name) VALUES (?, ?)",
                            [(f"was {number}", NAME * 20) for number in range(200)])  # fmt: skip
        earlier.execute("DELETE FROM remora_customers WHERE customer_id LIKE 'was %' OR name = ?", [NAME])
    earlier.close()
    assert "remora.db" in " ".join(files_with(own.folder, NAME))
    assert forget(GONE, own, own_store).traces == ()
    assert files_with(own.folder, NAME) == []
    left = b"".join(file.read_bytes() for file in own.folder.rglob("*") if file.is_file())
    for spelt in (GONE.encode(), GONE.encode("unicode_escape")):
        assert left.count(spelt) == left.count(spelt + b"-B"), "only the other one's id begins with it"


def test_a_rerun_and_an_unknown_customer_change_nothing(own: Home, own_store: Store) -> None:
    forget(GONE, own, own_store)
    for who in (GONE, "never seen"):
        done = forget(who, own, own_store)
        assert (done.rows, done.files, done.traces) == ({}, {}, ())
    assert AuditLog(own_store.engine).verify().problem is None


PLACES = {
    "report.json": lambda text: f'{{"worst": ["{text}"]}}'.encode(),
    "escaped.json": lambda text: json.dumps([text]).encode(),
    "page.html": lambda text: text.replace("&", "&amp;").encode(),
    "half.parquet": lambda text: b"PAR1\x0f\0\0\0" + text.encode() + b"\0\0",
}


@pytest.mark.parametrize("text", [GONE, NAME])
@pytest.mark.parametrize("name", PLACES)
def test_what_is_left_in_a_file_is_found_and_named(own: Home, own_store: Store, name: str, text: str) -> None:
    (own.folder / "monitoring").mkdir()
    (own.folder / "monitoring" / name).write_bytes(PLACES[name](text))
    done = forget(GONE, own, own_store)
    with pytest.raises(TracesLeftError, match=f"monitoring/{name}: still names"):
        done.require_none_left()
    (own.folder / "monitoring" / name).unlink()
    forget(GONE, own, own_store).require_none_left()


def test_traces_are_found_in_parquet_and_other_databases(own: Home, own_store: Store) -> None:
    wide(10).write_parquet(own.folder / "reference.parquet", compression="zstd")
    with sqlite3.connect(own.folder / "mlflow.db") as other:
        other.execute("CREATE TABLE params (key TEXT, value VARCHAR(500))")
        other.execute("INSERT INTO params VALUES ('worst', ?)", [f"of {NAME}, as said"])
    other.close()
    places = {trace.place for trace in forget(GONE, own, own_store).traces}
    assert {"reference.parquet: customer_id", "mlflow.db: params.value"} <= places


def test_what_the_operator_names_besides_is_searched_for(own: Home, own_store: Store) -> None:
    (own.folder / "notes.txt").write_text("write to kai@quxley.example today")
    done = forget(GONE, own, own_store, also=("kai@quxley.example", " "))
    assert [(trace.place, trace.text) for trace in done.traces] == [("notes.txt", "kai@quxley.example")]


def test_a_short_id_found_elsewhere_may_be_chance(own: Home, own_store: Store) -> None:
    (own.folder / "churn.txt").write_text("leaf_count=7 C8 12")
    done = forget("C8", own, own_store)
    assert [(trace.place, trace.count, trace.certain) for trace in done.traces] == [("churn.txt", 1, False)]
    done.require_none_left()


def test_a_name_that_another_customer_has_too_is_not_held_against_it(own: Home, own_store: Store) -> None:
    with transaction(own_store.engine, writes=True) as connection:
        connection.execute(sa.text("UPDATE remora_customers SET name = :name"), {"name": NAME})
    forget(GONE, own, own_store).require_none_left()


def test_a_reader_from_before_is_told_of_and_the_rerun_completes(own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0.2)
    with open_store(own.store) as store:
        reader = sqlite3.connect(own.folder / "remora.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM remora_scores").fetchone()
        with pytest.raises(StoreError, match="run `remora forget` again"):
            forget(GONE, own, store)
        reader.close()
        forget(GONE, own, store, also=(NAME,)).require_none_left()
    assert files_with(own.folder, NAME) == []


FORGETTING = """
import os, signal, sys, time
from pathlib import Path
from serving.access.forget import forget
from serving.home import Home
from serving.store import open_store

def go(folder):
    child = os.fork()
    if not child:
        home = Home(Path(folder))
        with open_store(home.store) as store:
            forget(sys.argv[1], home, store)
        os._exit(0)
    return child

began = time.monotonic()
assert os.waitpid(go(sys.argv[2]), 0)[1] == 0
whole = time.monotonic() - began
for place in sys.argv[3:]:
    folder, share = place.split("=")
    child = go(folder)
    time.sleep(whole * float(share))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_killed_at_any_point_it_leaves_old_or_new_and_a_rerun_completes(filled: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    shares = [(number + chance.random()) / KILLS for number in range(KILLS)]
    homes = [Home(Path(shutil.copytree(filled, tmp_path / str(number)))) for number in range(KILLS + 1)]
    killed = [f"{home.folder}={share}" for home, share in zip(homes[1:], shares, strict=True)]
    child = program(FORGETTING, GONE, homes[0].folder, *killed, stdout=PIPE, stderr=PIPE)
    assert finished(child, 300) == (0, "", "")
    for home in homes:
        with open_store(home.store) as store:
            found = rows_of(store, GONE)
            assert set(found.values()) == {0} or 0 not in found.values(), f"half: {found}"
            assert set(scored_rows(home, GONE)) <= {0, 1}
            assert scored_rows(home, STAYS) == [1] * SCORINGS
            _completed(forget(GONE, home, store, also=(NAME,)), home, store)


def _completed(done: Forgotten, home: Home, store: Store) -> None:
    done.require_none_left()
    assert scored_rows(home, GONE) == [0] * SCORINGS
    assert set(rows_of(store, GONE).values()) == {0}
    assert AuditLog(store.engine).verify().problem is None
    assert files_with(home.folder, NAME) == []
    assert list(home.scorings.glob(".*")) == []
