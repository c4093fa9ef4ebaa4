"""Events are written with what they tell, or not at all, and once: on SQLite and on a real PostgreSQL."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from features.clock import DAY
from features.settings import WebhookKind, WebhookTarget
from serving.database import transaction
from serving.door_tables import DELIVERIES, OUTBOX
from serving.store import Store, open_store
from serving.tables import ALERTS, SCORES
from serving.webhooks.outbox import Targets
from tests.serving.test_rule_log import MONDAY, A, B, step
from tests.serving.test_store import LATER, frame, row

LAST = LATER + dt.timedelta(days=30)


def target(*kinds: WebhookKind, tenant: str | None = None) -> WebhookTarget:
    return WebhookTarget(url="https://example.com/", secret_env="S", kinds=kinds, tenant=tenant)


TARGETS: Targets = {"both": target("alert.opened", "tier.changed"), "tiers": target("tier.changed")}


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place, TARGETS) as opened:
        yield opened


def events(store: Store) -> list[tuple[Any, ...]]:
    with transaction(store.engine) as connection:
        rows = connection.execute(sa.select(OUTBOX).order_by(OUTBOX.c.seq)).all()
    return [(row.kind, row.customer_id, row.data.get("before"), row.data.get("after")) for row in rows]


def deliveries(store: Store) -> list[tuple[str, str]]:
    query = sa.select(DELIVERIES.c.target, OUTBOX.c.customer_id).join(OUTBOX, OUTBOX.c.id == DELIVERIES.c.event_id)
    with transaction(store.engine) as connection:
        return sorted((row[0], row[1]) for row in connection.execute(query))


def save(store: Store, at: dt.datetime = LATER, backfill: bool = False, **tiers: str | None) -> None:
    rows = (row(who, tier=tier, as_of=at, scored_at=at) for who, tier in tiers.items())
    store.save(frame(*rows), backfill=backfill)


def test_a_tier_that_changes_is_told_once_to_whom_asked(store: Store) -> None:
    save(store, row()["as_of"], a="A", b="A", c=None, d="A")
    assert events(store) == []
    save(store, a="B", b="A", c="A", d=None, new="A")
    assert events(store) == [("tier.changed", "a", "A", "B")]
    save(store, a="B", b="A", c="A", d=None, new="A")
    assert events(store) == [("tier.changed", "a", "A", "B")]
    assert deliveries(store) == [("both", "a"), ("tiers", "a")]


def test_each_change_is_an_event_of_its_own_also_there_and_back(store: Store) -> None:
    save(store, row()["as_of"], a="A")
    save(store, LATER, a="B")
    save(store, LAST, a="A")
    store.save(frame(row("a", tier="B", as_of=LAST, scored_at=LAST + dt.timedelta(hours=1))))
    assert [event[2:] for event in events(store)] == [("A", "B"), ("B", "A"), ("A", "B")]


def test_an_older_scoring_and_a_backfill_change_nothing_current(store: Store) -> None:
    save(store, LATER, a="A")
    save(store, row()["as_of"], a="B")
    save(store, LAST, backfill=True, a="C")
    assert events(store) == []


def test_a_first_real_scoring_after_a_backfill_is_no_change(store: Store) -> None:
    save(store, row()["as_of"], backfill=True, a="A")
    save(store, LATER, a="B")
    assert events(store) == []


def test_the_data_of_a_change(store: Store) -> None:
    save(store, row()["as_of"], a="A")
    save(store, LATER, a="B")
    with transaction(store.engine) as connection:
        [found] = connection.execute(sa.select(OUTBOX)).all()
    assert found.at == LATER
    assert found.data == {
        "customer_id": "a", "before": "A", "after": "B", "as_of": LATER.isoformat(), "model_version": "1",
        "rules_version": "1",
    }  # fmt: skip


def test_many_changes_cross_every_batch(store: Store) -> None:
    first, second = ({f"c{number:05}": tier for number in range(7_001)} for tier in "AB")
    save(store, row()["as_of"], **first)
    save(store, LATER, **second)
    assert len(events(store)) == 7_001
    assert len(deliveries(store)) == 2 * 7_001


def test_an_alert_that_opens_is_told_once_without_naming_its_owner(store: Store) -> None:
    for _ in range(2):
        store.log.advance(MONDAY, "v1", step(A, B, owners={"a": "Ada Lovelace"}))
    assert [event[:2] for event in events(store)] == [("alert.opened", "a"), ("alert.opened", "b")]
    assert deliveries(store) == [("both", "a"), ("both", "b")]
    with transaction(store.engine) as connection:
        found = connection.execute(sa.select(OUTBOX).where(OUTBOX.c.customer_id == "a")).one()
    assert "Lovelace" not in json.dumps(found.data)
    assert found.data["rule"] == "loss_risk"
    assert found.data["opened_as_of"] == "2026-06-29T00:00:00+00:00"
    store.log.advance(MONDAY + DAY, "v1", step(A, day=1))
    assert len(events(store)) == 2  # one stayed, the other closed


def test_what_the_limits_hold_back_is_told_when_it_opens(store: Store) -> None:
    held = [(f"c{number:02}", "loss_risk", 200) for number in range(40)]
    owners = {who: "Ada" for who, *_ in held}
    store.log.advance(MONDAY, "v1", step(*held, owners=owners))
    opened = store.log.episodes().height
    assert opened < len(held)
    assert len(events(store)) == opened
    store.log.advance(MONDAY + 7 * DAY, "v1", step(*held, day=7, owners=owners))
    assert len(events(store)) == store.log.episodes().height > opened


def test_an_older_date_tells_nothing(store: Store) -> None:
    store.log.advance(MONDAY, "v1", step())
    store.log.advance(MONDAY - DAY, "v1", step(A, day=-1))
    assert events(store) == []


@pytest.mark.parametrize("table", ["remora_outbox", "remora_deliveries"])
def test_what_cannot_be_told_is_not_kept_either(store: Store, table: str) -> None:
    save(store, row()["as_of"], a="A")
    with transaction(store.engine, writes=True) as connection:
        connection.execute(sa.text(f"DROP TABLE {table}"))
    with pytest.raises(Exception, match=table):
        save(store, LATER, a="B")
    with pytest.raises(Exception, match=table):
        store.log.advance(MONDAY, "v1", step(A))
    with transaction(store.engine) as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(SCORES)).scalar() == 1
        assert connection.execute(sa.select(sa.func.count()).select_from(ALERTS)).scalar() == 0


def test_a_tenants_target_is_told_of_its_own_customers_alone(place: str) -> None:
    targets = {"one": target("alert.opened", "tier.changed", tenant="one"), "all": target("alert.opened")}
    with open_store(place, targets) as store:
        whose = {"customer_id": ["a", "b", "c"], "tenant": ["one", "two", None]}
        store.save_customers(pl.DataFrame(whose))
        store.log.advance(MONDAY, "v1", step(A, B, ("c", "low_satisfaction", 3), ("d", "low_satisfaction", 3)))
        assert deliveries(store) == [("all", "a"), ("all", "b"), ("all", "c"), ("all", "d"), ("one", "a")]
        save(store, row()["as_of"], a="A", b="A")
        save(store, LATER, a="B", b="B")
        assert deliveries(store)[4:] == [("one", "a"), ("one", "a")]


@pytest.mark.parametrize("targets", [{}, {"tiers": TARGETS["tiers"]}])
def test_what_nobody_asked_for_is_not_written(place: str, targets: Targets) -> None:
    with open_store(place, targets) as store:
        store.log.advance(MONDAY, "v1", step(A))
        save(store, row()["as_of"], a="A")
        save(store, LATER, a="B")
        assert [event[0] for event in events(store)] == ["tier.changed"] * len(targets)
