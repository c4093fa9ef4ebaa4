"""The store keeps who is worth acting on and how the risk runs, and takes in what was scored before it did."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from models.prediction import CurvePoint
from serving.database import connect, transaction
from serving.migrations import HEAD, VERSION_TABLE
from serving.ranking import Wanted
from serving.store import Store, open_store
from serving.tables import METADATA
from tests.serving.test_store import LATER, frame, row
from tests.serving.test_store import store as store

CURVE = [{"days": 30, "probability": 0.04}, {"days": 90, "probability": 0.25}]


def ids(store: Store, **filters: Any) -> list[str]:
    return [account.prediction.customer_id for account in store.at_risk(Wanted(**filters)).accounts]


def test_curve_days_and_profit_come_back_as_they_went_in(store: Store) -> None:
    store.save(frame(row("C1", churn_curve=CURVE, expected_days=81.5, expected_profit=-3.25), row("C2")))
    known, unknown = store.customer("C1"), store.customer("C2")
    assert known is not None
    assert known.churn_curve == [CurvePoint(days=30, probability=0.04), CurvePoint(days=90, probability=0.25)]
    assert (known.expected_days, known.expected_profit) == (81.5, -3.25)
    assert unknown is not None
    assert unknown.churn_curve is unknown.expected_days is unknown.expected_profit is None


def test_what_is_not_known_is_null_in_the_table_too(store: Store) -> None:
    """Not an empty list, nor JSON's null: others read the table as well."""
    store.save(frame(row("C1", churn_curve=CURVE), row("C2")))
    with transaction(store._engine) as connection:
        found = connection.execute(sa.text("SELECT customer_id FROM remora_scores WHERE churn_curve IS NULL")).all()
    assert [tuple(each) for each in found] == [("C2",)]


def test_worth_acting_is_a_profit_above_nothing_the_highest_first(store: Store) -> None:
    profits = {"a": 5.0, "b": 80.0, "c": 0.0, "d": -2.0, "e": None, "f": 5.0}
    rows = [row(who, expected_profit=profit, value_at_risk=ord(who)) for who, profit in profits.items()]
    store.save(frame(*rows, row("gone", at_stake=False, expected_profit=999.0)))
    assert ids(store, worth_acting=True) == ["b", "a", "f"]
    (second,) = store.at_risk(Wanted(worth_acting=True), limit=1, offset=1).accounts
    assert second.prediction.customer_id == "a"
    assert store.count_at_risk(Wanted(worth_acting=True)) == 3
    assert ids(store) == ["f", "e", "d", "c", "b", "a"]  # as ever, by value at risk


def test_worth_acting_goes_with_the_other_filters(store: Store) -> None:
    tiers = {"C1": ("A", 0.9), "C2": ("A", 0.2), "C3": ("B", 0.9)}
    rows = [row(who, tier=t, churn_probability=p, expected_profit=p) for who, (t, p) in tiers.items()]
    store.save(frame(*rows, row("C4", tier="A", expected_profit=-1.0)))
    store.save_customers(pl.DataFrame({"customer_id": ["C2", "C4"], "account_owner": ["eve", "eve"]}))
    wanted: list[tuple[dict[str, Any], list[str]]] = [
        ({"tier": "A"}, ["C1", "C2"]),
        ({"min_probability": 0.5}, ["C1", "C3"]),
        ({"owner": "eve"}, ["C2"]),
    ]
    for filters, expected in wanted:
        assert ids(store, **filters, worth_acting=True) == expected
        assert store.count_at_risk(Wanted(**filters, worth_acting=True)) == len(expected)


def test_a_later_score_replaces_the_profit(store: Store) -> None:
    store.save(frame(row("C1", expected_profit=9.0)))
    store.save(frame(row("C1", as_of=LATER, scored_at=LATER, expected_profit=-9.0)))
    assert ids(store, worth_acting=True) == []


def test_the_list_of_those_worth_it_is_read_off_its_index(tmp_path: Path) -> None:
    seen: list[tuple[str, Any]] = []
    with open_store(tmp_path / "remora.db") as store:
        listen = ("before_cursor_execute", lambda _c, _u, statement, values, *_: seen.append((statement, values)))
        sa.event.listen(store._engine, *listen)
        store.at_risk(Wanted(tier="A", worth_acting=True), 50, 1000)
        statement, values = seen[-1]
        with store._engine.connect() as connection:
            plan = " / ".join(step[3] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values))
    assert "remora_current USING INDEX ix_remora_current_ranked_by_profit" in plan


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")  # not of interest here
def test_a_store_of_the_second_revision_keeps_its_rows_and_knows_no_profit(place: str) -> None:
    _store_of_the_second_revision(place)
    with open_store(place) as store:
        with transaction(store._engine) as connection:
            assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == HEAD
        assert ids(store) == ["rich", "poor"]
        assert ids(store, worth_acting=True) == []
        old = store.customer("rich")
        assert old is not None
        assert (old.value_at_risk, old.basis, old.playbook_key, old.segments) == (99.0, "model", "call", ["abc:A"])
        assert old.churn_curve is old.expected_days is old.expected_profit is None
        store.save(frame(row("rich", scored_at=LATER, as_of=LATER, churn_curve=CURVE, expected_profit=12.0)))
        assert ids(store, worth_acting=True) == ["rich"]
        assert store.history(LATER).height == 2


def _store_of_the_second_revision(place: str) -> None:
    from alembic import command
    from alembic.config import Config

    engine = connect(place)
    with transaction(engine, writes=True) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "serving:migrations")
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0002")
        old = sa.MetaData()
        old.reflect(connection, only=["remora_scores", "remora_current"], resolve_fks=False)
        scores, current = old.tables["remora_scores"], old.tables["remora_current"]
        new = {"churn_curve", "expected_days", "expected_profit"}
        assert new <= set(METADATA.tables["remora_scores"].c.keys()) - set(scores.c.keys())
        for who, amount in {"rich": 99.0, "poor": 1.0}.items():
            known = row(who, value_at_risk=amount, basis="model") | {"backfill": False}
            more = {"segments": ["abc:A"], "alerts": [], "reasons": [], "points": [], "playbook_key": "call"}
            connection.execute(scores.insert(), known | more)
            connection.execute(current.insert(), {name: value for name, value in known.items() if name in current.c})
    engine.dispose()
