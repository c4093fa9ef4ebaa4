"""What the rules remember, on SQLite and on a real PostgreSQL: once, whole, or not at all."""

import datetime as dt
import itertools
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from features.clock import DAY, micros
from models.prediction import SCHEMA
from models.rules import load_pack
from models.rules.changes import FIRST_SEEN, THRESHOLDS
from models.rules.conditions import CONDITION
from models.rules.deadlines import WorkCalendar
from models.rules.episodes import EPISODE, advance
from models.rules.fitted_segments import FittedSegments
from models.rules.segments import SCHEMES, segments
from serving.database import connect, transaction
from serving.door_tables import AUDIT
from serving.migrations import HEAD, VERSION_TABLE
from serving.rule_log import CHANGE, RuleLog, Step, dated
from serving.store import Store, open_store
from serving.tables import ALERT_RUNS, METADATA
from tests.company import program
from tests.literal import T
from tests.serving.places import KINDS, new_place

PACK = load_pack()
MONDAY = micros(dt.datetime(2026, 6, 29, tzinfo=dt.UTC))
LIMIT = int(PACK.alerts.owner_limit.value)
_numbers = itertools.count()


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A place for all tests here: to make the tables takes longest."""
    with new_place(request, tmp_path_factory.mktemp("rule_log")) as made:
        yield made


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """A store without rows; the tables are made once."""
    with open_store(place) as opened:
        with transaction(opened._engine, writes=True) as connection:
            for table in (each for each in reversed(METADATA.sorted_tables) if each is not AUDIT):
                connection.execute(sa.delete(table))
        yield opened


@pytest.fixture
def log(store: Store) -> RuleLog:
    return store.log


def step(
    *held: tuple[str, str, int], day: int = 0, owners: dict[str, str] | None = None, among: Iterable[str] = "abc"
) -> Step:
    """A run `day` days after MONDAY that finds `held`: customer, rule, anchor (days before MONDAY)."""
    people = dict.fromkeys([*among, *(who for who, *_ in held)])
    customers = pl.DataFrame(
        {"customer_id": list(people), "owner": [(owners or {}).get(who) for who in people]},
        schema_overrides={"owner": pl.String},
    )
    lines = [
        {"customer_id": who, "rule": rule, "enters": True, "stays": True, "anchor": MONDAY - days * DAY,
         "signs": ["price"], "rank": 0.0}
        for who, rule, days in held
    ]  # fmt: skip
    conditions = pl.DataFrame(lines, schema=CONDITION)

    def run(episodes: pl.DataFrame, last: int | None) -> Any:
        return advance(
            episodes, conditions, MONDAY + day * DAY, PACK, WorkCalendar(), customers, last_as_of=last
        )  # fmt: skip

    return run


A, B = ("a", "loss_risk", 200), ("b", "low_satisfaction", 3)
EVERY = ("open", "closed", "held_back")


def runs(store: Store) -> list[tuple[Any, ...]]:
    """(days after MONDAY, opened, closed) of each run."""
    with transaction(store._engine) as connection:
        rows = connection.execute(sa.select(ALERT_RUNS).order_by(ALERT_RUNS.c.as_of)).all()
    return [((row.as_of - MONDAY) // DAY, row.opened, row.closed) for row in rows]


def test_an_episode_comes_back_as_it_went_in(log: RuleLog) -> None:
    changes = log.advance(MONDAY, "v1", step(A, owners={"a": "李雷 <x>"}))
    found = log.episodes()
    assert_frame_equal(found, changes.opened)
    assert found.schema == pl.Schema(EPISODE)
    assert found["owner"].to_list() == ["李雷 <x>"]
    assert found["signs"].to_list() == [["price"]]
    assert dated(found.row(0, named=True))["opened_as_of"] == "2026-06-29T00:00:00+00:00"
    assert dated(found.row(0, named=True))["closed_as_of"] is None


def test_advancing_twice_adds_nothing(store: Store) -> None:
    first = store.log.advance(MONDAY, "v1", step(A, B))
    once = store.log.episodes(states=EVERY)
    again = store.log.advance(MONDAY, "v1", step(A, B))
    assert (first.opened.height, again.opened.height) == (2, 0)
    assert_frame_equal(store.log.episodes(states=EVERY), once)
    assert runs(store) == [(0, 2, 0)]


def test_what_a_rerun_finds_besides_is_counted_too(store: Store) -> None:
    store.log.advance(MONDAY, "v1", step(A))
    store.log.advance(MONDAY, "v1", step(A, B))
    store.log.advance(MONDAY, "v1", step(B))
    assert runs(store) == [(0, 2, 1)]
    assert store.log.episodes()["rule"].to_list() == ["low_satisfaction"]


def test_a_later_date_closes_and_opens(store: Store) -> None:
    store.log.advance(MONDAY, "v1", step(A))
    store.log.advance(MONDAY + DAY, "v2", step(B, day=1))
    found = store.log.episodes(states=EVERY).sort("key")
    assert found.select("customer_id", "state", "closed_as_of").rows() == [
        ("a", "closed", MONDAY + DAY),
        ("b", "open", None),
    ]
    assert runs(store) == [(0, 1, 0), (1, 1, 1)]
    store.log.advance(MONDAY + 2 * DAY, "v2", step(A, B, day=2))
    assert store.log.episodes()["customer_id"].to_list() == ["b"]  # the same event never alerts twice


def test_an_older_date_changes_nothing(store: Store) -> None:
    store.log.advance(MONDAY, "v1", step(A))
    before = store.log.episodes(states=EVERY)
    changes = store.log.advance(MONDAY - DAY, "v1", step(B, day=-1))
    assert (changes.opened.height, changes.closed.height) == (0, 0)
    assert_frame_equal(store.log.episodes(states=EVERY), before)
    assert runs(store) == [(0, 1, 0)]
    assert store.log.held_back() == (MONDAY, {})


def test_an_older_date_changes_nothing_even_where_nothing_ever_opened(store: Store) -> None:
    store.log.advance(MONDAY, "v1", step())
    store.log.advance(MONDAY - DAY, "v1", step(A, day=-1))
    assert store.log.episodes(states=EVERY).is_empty()
    assert runs(store) == [(0, 0, 0)]


def test_a_step_that_fails_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(episodes: pl.DataFrame, last: int | None) -> Any:
        raise ZeroDivisionError

    def full(*_: object) -> None:
        raise OSError("no space left")

    with pytest.raises(ZeroDivisionError):
        store.log.advance(MONDAY, "v1", broken)
    monkeypatch.setattr("serving.rule_log._count", full)  # after the episodes were written
    with pytest.raises(OSError, match="no space"):
        store.log.advance(MONDAY, "v1", step(A))
    assert store.log.episodes(states=EVERY).is_empty()
    assert (runs(store), store.log.held_back()) == ([], (None, {}))


KILLED = """
import sys, time
import sqlalchemy as sa
from serving.store import open_store
from tests.serving.test_rule_log import A, B, MONDAY, step

@sa.event.listens_for(sa.Engine, "after_cursor_execute")
def stop(connection, cursor, statement, *_):
    if statement.startswith("INSERT INTO remora_alerts"):
        print("half", flush=True)
        time.sleep(60)

open_store(sys.argv[1]).log.advance(MONDAY, "v1", step(A, B))
"""


def test_killed_half_way_nothing_is_left_and_the_next_run_does_it_all(place: str, store: Store) -> None:
    with program(KILLED, place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "half\n", child.communicate()[1]
        child.kill()
    assert (store.log.episodes(states=EVERY).height, runs(store)) == (0, [])
    store.log.advance(MONDAY, "v1", step(A, B))
    assert (store.log.episodes().height, runs(store)) == (2, [(0, 2, 0)])


AT_ONCE = """
import sys
from serving.store import open_store
from tests.serving.test_rule_log import A, B, MONDAY, step
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.read()
    for day in range(4):
        store.log.advance(MONDAY + day * 86_400_000_000, "v1", step(A, B, (f"c{day}", "low_satisfaction", 1), day=day))
"""


def test_several_at_once_open_each_episode_once(place: str, store: Store) -> None:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    children = [program(AT_ONCE, place, **pipes) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n", child.communicate()[1]
    for child in children:
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None
    assert [(child.wait(60), child.communicate()[1]) for child in children] == [(0, "")] * 2
    assert store.log.episodes(states=EVERY)["key"].is_unique().all()
    assert [opened for _, opened, _ in runs(store)] == [3, 1, 1, 1]


def test_what_the_limits_hold_back_is_counted_by_owner_and_date(store: Store) -> None:
    """Ada has three more than a week allows; Ben none too many; who has no owner counts under the role."""
    of_ada, of_ben = ([f"{owner}{n:02}" for n in range(size)] for owner, size in (("ada", LIMIT + 3), ("ben", LIMIT)))
    nobodys = [f"x{n:02}" for n in range(LIMIT + 1)]
    owners = dict.fromkeys(of_ada, "Ada") | dict.fromkeys(of_ben, "Ben")
    held = [(who, "loss_risk", 200) for who in [*of_ada, *of_ben, *nobodys]]
    store.log.advance(MONDAY, "v1", step(*held, owners=owners))
    assert store.log.held_back() == (MONDAY, {"Ada": 3, "sales_representative": 1})
    waiting = store.log.episodes(states=("held_back",))
    assert waiting.height == 4
    assert waiting["due_at"].null_count() == 4
    store.log.advance(MONDAY + 6 * DAY, "v1", step(*held, day=6, owners=owners))
    assert store.log.held_back() == (MONDAY + 6 * DAY, {"Ada": 3, "sales_representative": 1})  # still this week
    gone = [each for each in held if each[0] != waiting["customer_id"][0]]
    store.log.advance(MONDAY + 7 * DAY, "v1", step(*gone, day=7, owners=owners, among=[who for who, *_ in held]))
    assert store.log.held_back() == (MONDAY + 7 * DAY, {})
    assert store.log.episodes(states=EVERY).height == len(held) - 1  # what waited and ended never was
    assert [opened for _, opened, _ in runs(store)] == [3 * LIMIT, 0, 3]


def test_episodes_are_filtered_and_the_most_severe_come_first(log: RuleLog) -> None:
    log.advance(MONDAY, "v1", step(A, B, ("c", "loss_risk", 190), owners={"a": "Ada", "b": "Ada"}))
    log.advance(MONDAY + DAY, "v1", step(A, B, day=1, owners={"a": "Ada", "b": "Ada"}))

    def found(**filters: Any) -> list[str]:
        return log.episodes(**filters)["customer_id"].to_list()

    by_severity = [
        who for who, rule in sorted((("a", A[1]), ("b", B[1])), key=lambda x: PACK.alerts.severity.index(x[1]))
    ]
    assert found() == by_severity
    assert (found(states=("closed",)), found(states=("closed", "held_back"))) == (["c"], ["c"])
    assert (found(customer="a"), found(customer="A"), found(customer="c")) == (["a"], [], [])
    assert (found(rule="loss_risk"), found(rule="silence")) == (["a"], [])
    assert (found(owner="Ada"), found(owner="ada")) == (by_severity, [])
    assert (found(owner="sales_representative"), found(owner="service")) == (["a"], ["b"])
    assert found(owner="Ada", rule="loss_risk", customer="b") == []
    assert found(states=EVERY, rule="loss_risk") == ["a", "c"]


def standing(**yearly: tuple[str | None, float | None]) -> pl.DataFrame:
    """What `rules.segments` says of customers: their value segment, and the yearly value that decides it."""
    metrics = [f"metric_{name}" for name in PACK.segments.metrics]
    rows = [
        {"customer_id": who, "segment_value": segment, "metric_yearly_value": amount}
        for who, (segment, amount) in yearly.items()
    ]
    kinds = {f"segment_{scheme}": pl.String for scheme in SCHEMES} | dict.fromkeys(metrics, pl.Float64)
    return pl.DataFrame(rows, schema={"customer_id": pl.String, **kinds, "loyal": pl.Boolean})


LOW, HIGH = ("low", 9_000.0), ("high", 600_000.0)


def test_the_first_run_records_no_change_and_a_rerun_adds_none(log: RuleLog) -> None:
    assert log.note_segments(standing(a=LOW, b=HIGH), MONDAY, PACK) == 0
    assert log.note_segments(standing(a=LOW, b=HIGH), MONDAY, PACK) == 0
    assert log.segment_history().is_empty()
    assert log.segment_history().schema == pl.Schema(CHANGE)


def test_a_change_of_segment_is_recorded_with_date_and_reason(log: RuleLog) -> None:
    log.note_segments(standing(a=LOW, b=HIGH, c=LOW), MONDAY, PACK)
    later = standing(a=HIGH, b=HIGH, c=("backbone", 9_000.0), new=LOW)
    assert log.note_segments(later, MONDAY + DAY, PACK) == 3
    expected = [
        ("a", "value", "low", "high", MONDAY + DAY, "yearly_value|9000.0|600000.0"),
        ("c", "value", "low", "backbone", MONDAY + DAY, THRESHOLDS),
        ("new", "value", None, "low", MONDAY + DAY, FIRST_SEEN),
    ]
    assert log.segment_history().rows() == expected
    assert log.note_segments(later, MONDAY + DAY, PACK) == 0
    assert log.segment_history().rows() == expected
    assert log.segment_history("a").rows() == expected[:1]
    assert log.segment_history(since=MONDAY + DAY).rows() == expected
    assert log.segment_history(since=MONDAY + DAY + 1).is_empty()
    assert dated(log.segment_history().row(0, named=True))["as_of"] == "2026-06-30T00:00:00+00:00"


def test_an_older_date_changes_no_segment(log: RuleLog) -> None:
    log.note_segments(standing(a=LOW), MONDAY, PACK)
    assert log.note_segments(standing(a=HIGH), MONDAY - DAY, PACK) == 0
    assert log.note_segments(standing(a=LOW), MONDAY + DAY, PACK) == 0
    assert log.segment_history().is_empty()


def test_a_date_scored_again_on_mended_data_tells_one_change_or_none(log: RuleLog) -> None:
    log.note_segments(standing(a=LOW, b=LOW), MONDAY, PACK)
    log.note_segments(standing(a=HIGH, b=HIGH), MONDAY + DAY, PACK)
    log.note_segments(standing(a=("backbone", 200_000.0), b=LOW), MONDAY + DAY, PACK)
    assert log.segment_history().select("customer_id", "before", "after").rows() == [("a", "low", "backbone")]


def test_who_was_left_out_of_a_run_is_compared_with_when_last_seen(log: RuleLog) -> None:
    log.note_segments(standing(a=LOW, b=LOW), MONDAY, PACK)
    log.note_segments(standing(b=LOW), MONDAY + DAY, PACK)
    log.note_segments(standing(a=HIGH, b=LOW), MONDAY + 2 * DAY, PACK)
    assert log.segment_history().select("customer_id", "before", "after").rows() == [("a", "low", "high")]


def test_reviews_done(log: RuleLog) -> None:
    assert log.reviews() == {}
    log.review_done("customer_status", dt.date(2026, 6, 1))
    log.review_done("strategy_results", dt.date(2026, 6, 2))
    log.review_done("customer_status", dt.date(2026, 7, 1))
    log.review_done("customer_status", dt.date(2026, 5, 1))
    assert log.reviews() == {"customer_status": dt.date(2026, 7, 1), "strategy_results": dt.date(2026, 6, 2)}


OLD = {
    # value at risk, probability, composite score
    "rich": (99.0, 0.1, 80.0),
    "likely": (10.0, 0.9, 70.0),
    "weak": (None, None, 12.5),
    "middling": (None, None, 50.0),
    "strong": (None, None, 90.0),
    "unknown": (None, None, None),
}


def test_a_store_of_the_first_revision_keeps_its_rows_and_ranks_the_weakest_first(place: str) -> None:
    """The place is emptied down to nothing first."""
    _store_of_the_first_revision(place)
    with open_store(place) as store:
        with transaction(store._engine) as connection:
            assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == HEAD
            kept = connection.execute(sa.text("SELECT customer_id, composite_score FROM remora_current")).all()
        assert {row[0]: row[1] for row in kept} == {who: score for who, (_, _, score) in OLD.items()}
        assert [account.prediction.customer_id for account in store.at_risk().accounts] == list(OLD)
        account = store.account("rich")
        assert account is not None
        row = account.prediction
        assert (account.name, account.owner, account.preferences) == ("Rich Inc.", "Ada", ())
        assert (row.value_at_risk, row.churn_probability, row.composite_score) == OLD["rich"]
        assert (row.playbook, row.points, row.playbook_key, row.health_score) == ("call", [], None, None)
        assert (row.segments, row.reasons[0].text) == (["abc:A"], "last purchase 74 days ago")
        assert store.history(dt.datetime(2026, 7, 2, tzinfo=dt.UTC)).height == len(OLD)
        store.log.advance(MONDAY, "v1", step(A))
        assert store.log.episodes().height == 1


def test_rows_that_rest_on_the_rules_alone_rank_by_the_lowest_score(store: Store) -> None:
    day = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    usual = {"as_of": day, "at_stake": True, "churn_horizon_days": 90, "value_horizon_days": 90, "basis": "rules",
             "model_version": "none", "rules_version": "1", "scored_at": day}  # fmt: skip
    scores = {"strong": 90.0, "weak": 12.5, "nobody knows": None, "middling": 50.0, "also weak": 12.5}
    rows = [{**usual, "customer_id": who, "composite_score": score} for who, score in scores.items()]
    store.save(pl.DataFrame(rows, schema=SCHEMA))
    ranked = [account.prediction.customer_id for account in store.at_risk().accounts]
    assert ranked == ["also weak", "weak", "middling", "strong", "nobody knows"]


def _store_of_the_first_revision(place: str) -> None:
    from alembic import command
    from alembic.config import Config

    engine, day = connect(place), dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    with transaction(engine, writes=True) as connection:
        METADATA.drop_all(connection)
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "serving:migrations")
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")
        old = sa.MetaData()
        old.reflect(connection, only=["remora_scores", "remora_current", "remora_customers"], resolve_fks=False)
        assert "composite_score" not in old.tables["remora_current"].c
        assert "points" not in old.tables["remora_scores"].c
        for who, (amount, probability, score) in OLD.items():
            reason = {"feature": "f", "direction": "raises", "size": 0.5, "text": "last purchase 74 days ago"}
            row = {
                "customer_id": who, "as_of": day, "model_version": "none", "rules_version": "1", "at_stake": True,
                "churn_probability": probability, "value_at_risk": amount, "scored_at": day, "backfill": False,
            }  # fmt: skip
            more = {
                "churn_horizon_days": 90, "value_horizon_days": 90, "basis": "rules", "composite_score": score,
                "segments": ["abc:A"], "alerts": [], "reasons": [reason], "playbook": "call",
            }  # fmt: skip
            connection.execute(old.tables["remora_scores"].insert(), row | more)
            connection.execute(old.tables["remora_current"].insert(), row)
        connection.execute(
            old.tables["remora_customers"].insert(),
            {"customer_id": "rich", "name": "Rich Inc.", "account_owner": "Ada"},
        )
    engine.dispose()


def test_axes_of_a_customer_are_kept(store: Store) -> None:
    found = segments(
        pl.DataFrame({"customer_id": ["a", "b"], "order_first_at": [T - 900 * DAY] * 2, "order_last_at": [T - DAY] * 2,
                      "orders_total": [4.0, 1.0], "spend_365d": [50.0, 1.0]}),
        FittedSegments(rules_version="x", sales_column="spend_365d", value_column="spend_365d", abc_cut=100.0), PACK, T,
    )  # fmt: skip
    store.log.note_segments(found, T, PACK)
    assert store.log.axes("a") == {"abc_value_axis": 0.625, "segment_abc_flagged": True}
    assert store.log.axes("nobody") == {}
