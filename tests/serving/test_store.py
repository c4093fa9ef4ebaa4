"""The store keeps its promises, on SQLite and on a real PostgreSQL."""

import datetime as dt
import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.prediction import SCHEMA, Prediction, Reason
from serving.database import connect, transaction
from serving.migrations import HEAD, VERSION_TABLE
from serving.ranking import Wanted
from serving.store import Store, StoreError, open_store
from serving.tables import METADATA
from tests.serving.places import run_sql

DAY = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
LATER = DAY + dt.timedelta(days=30)
_numbers = itertools.count()


def row(customer_id: str = "C1", **changes: Any) -> dict[str, Any]:
    usual = {
        "customer_id": customer_id, "as_of": DAY, "at_stake": True, "churn_probability": 0.25, "churn_horizon_days": 90,
        "value_horizon_days": 365, "basis": "model: trees", "model_version": "1", "rules_version": "1",
        "scored_at": DAY,
    }  # fmt: skip
    return {**usual, **changes}


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA)


def _ids(store: Store, **filters: Any) -> list[str]:
    return [account.prediction.customer_id for account in store.at_risk(Wanted(**filters)).accounts]


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


def test_a_row_comes_back_as_it_went_in(store: Store) -> None:
    reasons = [{"feature": "nps_last", "direction": "raises", "size": 0.4, "text": "Letzte Note: 3 — „zu teuer“"}]
    amounts = dict.fromkeys(("expected_value", "value_low", "value_high", "value_if_retained", "value_at_risk"), 0.1)
    rules = {"composite_score": 61.5, "composite_coverage": 0.8, "tier": "B", "playbook": "call", "risk_band": "high"}
    moment = dt.datetime(2024, 6, 1, 7, 30, 0, 123456, tzinfo=dt.UTC)
    full = row("007", segments=["a", "b"], alerts=["x"], reasons=reasons, scored_at=moment, **amounts, **rules)

    assert store.save(frame(full)) == 1

    prediction = store.customer("007")
    assert prediction == Prediction(**full)
    assert prediction.reasons == [Reason(**reasons[0])]
    assert prediction.scored_at.utcoffset() == prediction.as_of.utcoffset() == dt.timedelta(0)
    assert store.customer("7") is None


def test_times_are_moments_whatever_the_zone_of_the_session(place: str) -> None:
    zoned = place + "?options=-c%20timezone%3DAsia/Tokyo" if "://" in place else place
    berlin = DAY.astimezone(dt.timezone(dt.timedelta(hours=2)))
    with open_store(zoned) as store:
        store.save(frame(row(as_of=berlin)))
        found = store.customer("C1")
    assert found is not None
    assert (found.as_of, found.as_of.tzinfo) == (DAY, dt.UTC)


def test_what_is_missing_is_null_or_empty_never_nan(store: Store) -> None:
    store.save(frame(row(value_at_risk=float("nan"), segments=None, alerts=None, reasons=None)))
    found = store.customer("C1")
    assert found is not None
    assert (found.value_at_risk, found.segments, found.alerts, found.reasons) == (None, [], [], [])


def test_saving_twice_keeps_the_rows_once_and_the_later_wins(store: Store) -> None:
    old, new = row(tier="A"), row(tier="B", scored_at=LATER)
    for rows in (frame(new), frame(old), frame(old, new, old)):
        store.save(rows)
    assert store.history(LATER)["tier"].to_list() == ["B"]
    assert store.count_at_risk() == 1
    assert _ids(store, tier="B") == ["C1"]


@pytest.mark.parametrize(
    ("first", "second", "current"),
    [
        ({}, {"scored_at": LATER, "model_version": "2"}, "second"),
        ({"scored_at": LATER}, {"as_of": LATER}, "first"),
        ({}, {"as_of": LATER}, "second"),
        ({}, {"scored_at": LATER, "model_version": "2", "backfill": True}, "first"),
        ({"scored_at": LATER, "backfill": True}, {"model_version": "2"}, "second"),
        ({"backfill": True}, {"scored_at": LATER, "model_version": "2", "backfill": True}, "second"),
    ],
)
def test_which_row_is_current(store: Store, first: dict[str, Any], second: dict[str, Any], current: str) -> None:
    for name, changes in (("first", first), ("second", second)):
        plain = {key: value for key, value in changes.items() if key != "backfill"}
        store.save(frame(row(playbook=name, **plain)), backfill=changes.get("backfill", False))
    account = store.account("C1")
    assert account is not None
    assert account.prediction.playbook == current
    assert account.backfill == {"first": first, "second": second}[current].get("backfill", False)


_SAVES = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(*[st.integers(0, 2)] * 4), min_size=1, max_size=4)), max_size=5
)


@given(saves=_SAVES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_saves_leaves_what_the_rule_says(store: Store, saves: list[Any]) -> None:
    """The rule, in words: replace a key unless what is there is real and this is not, or is scored later."""
    customer, numbers = f"G{next(_numbers)}", itertools.count(1)
    kept: dict[Any, Any] = {}
    for backfill, keys in saves:
        rows = []
        for day, model, pack, scored in keys:
            versions = {"model_version": str(model), "rules_version": str(pack)}
            times = {"as_of": DAY + dt.timedelta(day), "scored_at": DAY + dt.timedelta(scored)}
            rows.append(row(customer, churn_horizon_days=next(numbers), **versions, **times))
            key, rank = (day, model, pack), (not backfill, scored)
            if key not in kept or rank >= kept[key][0]:
                kept[key] = (rank, rows[-1]["churn_horizon_days"])
        store.save(frame(*rows), backfill=backfill)
    best = max(kept, key=lambda key: (kept[key][0], key), default=None)
    found, real = store.customer(customer), [number for (is_real, _), number in kept.values() if is_real]
    assert (found and found.churn_horizon_days) == (kept[best][1] if best else None)
    history = store.history(LATER).filter(pl.col("customer_id") == customer)
    assert sorted(history["churn_horizon_days"]) == sorted(real)


def test_at_risk_ranks_those_at_stake_by_value_then_probability_then_id(store: Store) -> None:
    store.save(
        frame(
            row("b", value_at_risk=10.0),
            row("B", value_at_risk=10.0),
            row("likely", value_at_risk=10.0, churn_probability=0.9),
            row("rich", value_at_risk=99.0, churn_probability=0.1),
            row("no value", value_at_risk=None, churn_probability=0.99),
            row("nothing known", value_at_risk=None, churn_probability=None),
            row("gone", at_stake=False, churn_probability=None),
        )
    )
    ranked = ["rich", "likely", "B", "b", "no value", "nothing known"]
    assert _ids(store) == ranked
    pages = [store.at_risk(limit=2, offset=offset).accounts for offset in (0, 2, 4, 6)]
    found = [[account.prediction.customer_id for account in page] for page in pages]
    assert found == [ranked[:2], ranked[2:4], ranked[4:], []]
    assert _ids(store) == ranked
    assert store.count_at_risk() == 6


def test_at_risk_filters_by_tier_probability_and_owner(store: Store) -> None:
    tiers = {"C1": ("A", 0.9), "C2": ("A", 0.5), "C3": ("B", 0.9), "C4": (None, None)}
    store.save(frame(*(row(who, tier=tier, churn_probability=p) for who, (tier, p) in tiers.items())))
    owners = {"customer_id": ["C1", "C3", "C4"], "name": ["Ann", None, "Dan"], "account_owner": ["eve", "eve", "joe"]}
    assert store.save_customers(pl.DataFrame(owners)) == 3
    expected = {
        ("A", None, None): ["C1", "C2"],
        (None, 0.5, None): ["C1", "C3", "C2"],
        (None, None, "eve"): ["C1", "C3"],
        ("B", 0.9, "eve"): ["C3"],
        ("B", 0.9, "joe"): [],
    }
    for (tier, least, owner), ids in expected.items():
        filters: dict[str, Any] = {"tier": tier, "min_probability": least, "owner": owner}
        assert _ids(store, **filters) == ids
        assert store.count_at_risk(Wanted(**filters)) == len(ids)
    found = store.at_risk().accounts
    assert [(a.name, a.owner) for a in found] == [("Ann", "eve"), (None, "eve"), (None, None), ("Dan", "joe")]


def test_customers_are_replaced_and_may_have_ids_only(store: Store) -> None:
    store.save(frame(row()))
    store.save_customers(pl.DataFrame({"customer_id": ["C1"], "name": ["Old"], "industry": ["steel"]}))
    store.save_customers(pl.DataFrame({"customer_id": ["C1", "C2"]}))
    store.save_customers(pl.DataFrame({"customer_id": ["C1"], "name": ["New"]}))
    account = store.account("C1")
    assert account is not None
    assert (account.name, account.owner) == ("New", None)


def test_history_is_every_real_score_before_the_date(store: Store) -> None:
    store.save(frame(row("C2"), row("C1", expected_value=7.5), row("C1", model_version="2", at_stake=False)))
    store.save(frame(row("C1", as_of=LATER)))
    store.save(frame(row("C3")), backfill=True)
    found = store.history(LATER)
    assert found.select("customer_id", "as_of", "model_version", "expected_value", "at_stake").rows() == [
        ("C1", DAY, "1", 7.5, True),
        ("C1", DAY, "2", None, False),
        ("C2", DAY, "1", None, True),
    ]
    assert found.schema == pl.Schema({name: SCHEMA[name] for name in found.columns})
    assert store.history(DAY).is_empty()
    assert store.history(DAY).schema == found.schema


def test_rows_that_break_the_contract_change_nothing(store: Store) -> None:
    with pytest.raises(pl.exceptions.SchemaError):
        store.save(frame(row()).drop("basis"))
    with pytest.raises(sa.exc.IntegrityError):
        store.save(frame(row("C1"), row("C2", churn_probability=1.5)))
    assert store.count_at_risk() == 0


HALF = """
import sys, time
import polars as pl, sqlalchemy as sa
from serving.ranking import Wanted
from serving.store import open_store
batches = []
@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def stop(connection, cursor, statement, *_):
    batches.append(statement.startswith("INSERT INTO remora_scores"))
    if sum(batches) == 2:
        print("half", flush=True)
        time.sleep(60)
open_store(sys.argv[1]).save(pl.read_parquet(sys.argv[2]))
"""


def test_a_save_killed_half_way_leaves_the_old_state(store: Store, place: str, tmp_path: Path) -> None:
    old = frame(*(row(f"C{number:05}", tier="old") for number in range(12_000)))
    new = old.with_columns(scored_at=pl.lit(LATER, SCHEMA["scored_at"]), tier=pl.lit("new"))
    store.save(old)
    new.write_parquet(tmp_path / "new.parquet")

    with _python(HALF, place, str(tmp_path / "new.parquet")) as child:
        assert child.stdout.readline() == b"half\n"
        assert store.count_at_risk(Wanted(tier="old")) == 12_000  # who reads does not wait for who writes
        child.kill()

    with open_store(place) as reopened:
        assert (reopened.count_at_risk(Wanted(tier="old")), reopened.count_at_risk(Wanted(tier="new"))) == (12_000, 0)
        assert reopened.history(LATER)["tier"].unique().to_list() == ["old"]
        reopened.save(new)
        assert reopened.count_at_risk(Wanted(tier="new")) == 12_000


AT_ONCE = """
import sys
import polars as pl
from serving.ranking import Wanted
from serving.store import open_store
rows = pl.read_parquet(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
with open_store(sys.argv[1]) as store:
    store.save(rows.with_columns(customer_id=pl.lit(sys.argv[3])))
    store.save(rows)
"""


def test_several_processes_may_meet_on_a_fresh_place(place: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    frame(row("shared")).write_parquet(rows)
    with ExitStack() as stack:
        children = [stack.enter_context(_python(AT_ONCE, place, str(rows), f"C{number}")) for number in range(4)]
        assert [child.stdout.readline() for child in children] == [b"ready\n"] * 4
        for child in children:
            child.stdin.close()
        assert [child.wait(60) for child in children] == [0] * 4
    with open_store(place) as store:
        assert _ids(store) == [*(f"C{number}" for number in range(4)), "shared"]


def test_one_writer_at_a_time(place: str) -> None:
    """Else two that save the same customers in another order would wait for each other for ever."""
    order, first, second = [], connect(place), connect(place)

    def write() -> None:
        with transaction(second, writes=True):
            order.append("second")

    with ThreadPoolExecutor() as pool:
        with transaction(first, writes=True):
            waiting = pool.submit(write)
            wait([waiting], timeout=1)
            order.append("first")
        waiting.result(30)
    first.dispose()
    second.dispose()
    assert order == ["first", "second"]


def _python(program: str, *arguments: str) -> Any:
    command = [sys.executable, "-W", "error", "-c", program, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_a_store_of_a_newer_remora_is_refused_untouched(place: str) -> None:
    open_store(place).close()
    run_sql(place, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"written by a newer Remora \(revision 9999, .*update Remora"):
        open_store(place)
    assert run_sql(place, f"SELECT version_num FROM {VERSION_TABLE}") == [("9999",)]


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")  # looked at below
def test_tables_and_migrations_agree(place: str) -> None:
    """A new column of the output contract needs a new script."""
    from alembic.autogenerate import compare_metadata
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    open_store(place).close()
    engine = connect(place)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        found = compare_metadata(context, METADATA)
    engine.dispose()
    assert [change for change in found if "ix_remora_current_ranked" not in str(change)] == []
    config = Config()
    config.set_main_option("script_location", "serving:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_the_ranked_list_is_read_off_its_index(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    with open_store(tmp_path / "remora.db") as store:
        listen = ("before_cursor_execute", lambda _c, _u, statement, values, *_: seen.append((statement, values)))
        sa.event.listen(store._engine, *listen)
        store.at_risk(Wanted(tier="A", min_probability=0.5), 50, 1000)
        statement, values = seen[-1]
        with store._engine.connect() as connection:
            plan = " / ".join(step[3] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
    assert "SCAN remora_current USING INDEX ix_remora_current_ranked" in plan
    assert "SEARCH remora_scores USING INDEX" in plan


def _not_a_database(folder: Path) -> str:
    (folder / "notes.txt").write_text("Not a database at all. " * 100)
    return str(folder / "notes.txt")


def _below_a_file(folder: Path) -> str:
    (folder / "file").touch()
    return str(folder / "file" / "home" / "remora.db")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_not_a_database, r"notes\.txt: file is not a database; see that it is a Remora store"),
        (_below_a_file, r"remora\.db: Not a directory; set REMORA_HOME"),
        (str, r"unable to open database file; see that it is a Remora store"),
        (lambda _: "postgresql://ann:secret@127.0.0.1:9/db", r"ann:\*\*\*@.*refused; see that the server runs"),
        (lambda _: "mysql://ann:secret@host/db", r"mysql://ann:\*\*\*@host/db: not a kind of store; name a file, or"),
        (lambda _: "postgresql://ann:secret@host:port/db", r"its URL cannot be read; write postgresql://"),
        (lambda _: "sqlite://", r"not a kind of store"),
    ],
)
def test_a_place_that_cannot_be_opened_says_where_and_what_to_do(
    tmp_path: Path, make: Callable[[Path], str], says: str
) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        open_store(make(tmp_path))
    assert "secret" not in str(caught.value)
    assert len(caught.value.problems) == 1
    assert "\n" not in caught.value.problems[0]


def test_a_user_without_rights_is_told(postgres_url: str) -> None:
    run_sql(postgres_url, "CREATE ROLE guest LOGIN")
    with pytest.raises(StoreError, match=r"permission denied .*; see that the server runs, .* may write there"):
        open_store(postgres_url.replace("remora@", "guest@"))


IMPORTED = """
import sys
from serving.ranking import Wanted
from serving.store import open_store
open_store(sys.argv[1]).close()
heavy = {"alembic", "pandas", "sklearn", "scipy", "mlflow", "lightgbm", "training", "monitoring"}
sys.exit(", ".join(heavy & set(sys.modules)) or 0)
"""


def test_opening_a_store_that_is_up_to_date_imports_nothing_heavy(place: str) -> None:
    open_store(place).close()
    with _python(IMPORTED, place) as child:
        assert child.wait(60) == 0
