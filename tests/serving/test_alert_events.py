"""What people do about alerts: kept, shown, told to the audit log, and held to the tenant; on SQLite and PostgreSQL."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from features.clock import DAY, now
from models.rules import load_pack
from serving.access.audit import AuditLog
from serving.alert_events import AlertClosedError, AlertEvent, UnknownAlertError, add_event, alert_page, interventions
from serving.alert_page import _read
from serving.alerts import alert_list
from serving.database import transaction
from serving.door_tables import ALERT_EVENTS
from serving.errors import InvalidRequestError
from serving.interventions import INTERVENTION
from serving.schemas import parse
from serving.store import Store, open_store
from serving.tables import ALERTS
from tests.serving.test_rule_log import MONDAY, A, B, step
from tests.serving.test_store import frame, row

PACK = load_pack()
AHEAD = (now() + dt.timedelta(days=2)).isoformat()
KEY_A, KEY_B = (f"{who}:{rule}:{MONDAY - days * DAY}" for who, rule, days in (A, B))


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """Two open alerts: of `a`, who is tenant one's, and of `b`, who is tenant two's."""
    with open_store(place) as opened:
        whose = {"customer_id": ["a", "b"], "name": ["Ann", "Bob"], "tenant": ["one", "two"]}
        opened.save_customers(pl.DataFrame(whose))
        opened.log.advance(MONDAY, "v1", step(A, B, owners={"a": "Ada"}))
        yield opened


def act(
    store: Store, key: str = KEY_A, actor: str = "key1", tenant: str | None = None, **event: Any
) -> Mapping[str, Any]:
    asked = parse(AlertEvent, json.dumps(event).encode())
    with transaction(store.engine, writes=True) as connection:
        return add_event(connection, key, asked, actor, tenant, PACK)


def keys(store: Store, **wanted: Any) -> list[str]:
    return [row["key"] for row in alert_page(store.engine, pack=PACK, **wanted)[0]]


def test_an_alert_as_it_is_shown(store: Store) -> None:
    rows, after = alert_page(store.engine, pack=PACK)
    assert after is None
    assert [row["key"] for row in rows] == [KEY_A, KEY_B]
    first = rows[0]
    due = store.log.episodes(customer="a")["due_at"][0]
    assert dt.datetime.fromisoformat(first.pop("due_at")) == dt.datetime.fromtimestamp(due / 1e6, dt.UTC)
    assert "price" in first.pop("text")
    nothing = ("acknowledged_at", "acknowledged_by", "snoozed_until", "snooze_reason", "contacted_at", "contacted_by",
               "outcome", "outcome_at", "closed_as_of")  # fmt: skip
    role, severity = first.pop("owner_role"), first.pop("severity")
    assert isinstance(role, str)
    assert severity <= rows[1]["severity"]
    assert first == {
        "key": KEY_A, "customer_id": "a", "name": "Ann", "rule": "loss_risk", "state": "open", "owner": "Ada",
        "anchor": "2025-12-11T00:00:00+00:00", "opened_as_of": "2026-06-29T00:00:00+00:00", "signs": ["price"],
        **dict.fromkeys(nothing),
    }  # fmt: skip
    json.dumps(rows)


def test_it_is_told_in_either_language(store: Store) -> None:
    told = {lang: alert_page(store.engine, pack=PACK, lang=lang)[0][0]["text"] for lang in ("en", "zh")}  # type: ignore[arg-type]
    assert told["en"].isascii()
    assert not told["zh"].isascii()


def test_what_was_done_is_shown_the_last_of_each_kind(store: Store) -> None:
    act(store, kind="acknowledged", actor="first")
    act(store, kind="acknowledged", actor="second")
    act(store, kind="contacted", note="by telephone")
    act(store, kind="outcome", outcome="no_change")
    shown = act(store, kind="outcome", outcome="retained", note="signed", actor="third")
    assert (shown["acknowledged_by"], shown["contacted_by"], shown["outcome"]) == ("second", "key1", "retained")
    for name in ("acknowledged_at", "contacted_at", "outcome_at"):
        assert dt.timedelta() <= now() - dt.datetime.fromisoformat(shown[name]) < dt.timedelta(minutes=5)
    assert alert_page(store.engine, pack=PACK, customer="a")[0] == [shown]
    assert alert_page(store.engine, pack=PACK, customer="b")[0][0]["acknowledged_by"] is None


def test_what_was_done_earlier_but_told_later_does_not_count_as_the_last(store: Store) -> None:
    act(store, kind="outcome", outcome="retained")
    shown = act(store, kind="outcome", outcome="lost", at="2026-07-01T00:00:00+02:00")
    assert shown["outcome"] == "retained"


def test_a_snoozed_alert_is_out_of_sight_while_that_lasts(store: Store) -> None:
    shown = act(store, kind="snoozed", until=AHEAD, reason="on holiday")
    assert (shown["snoozed_until"], shown["snooze_reason"]) == (AHEAD, "on holiday")
    assert keys(store) == [KEY_B]
    assert keys(store, include_snoozed=True) == [KEY_A, KEY_B]
    _set(store, until=now() - dt.timedelta(seconds=1))
    assert keys(store) == [KEY_A, KEY_B]
    assert alert_page(store.engine, pack=PACK)[0][0]["snoozed_until"] is None


def test_the_last_snooze_counts_even_where_it_ends_sooner(store: Store) -> None:
    act(store, kind="snoozed", until=AHEAD, reason="x")
    _set(store, at=now() - dt.timedelta(hours=1))
    soon = (now() + dt.timedelta(hours=1)).isoformat()
    assert act(store, kind="snoozed", until=soon, reason="y")["snoozed_until"] == soon


def _set(store: Store, **values: Any) -> None:
    with transaction(store.engine, writes=True) as connection:
        connection.execute(sa.update(ALERT_EVENTS).values(**values))


def test_an_alert_that_is_not_there_is_unknown(store: Store) -> None:
    for key in ("nobody:loss_risk:1", "", "\0", KEY_A + " ", "'; --"):
        with pytest.raises(UnknownAlertError):
            act(store, key, kind="acknowledged")


def test_another_tenants_alert_is_as_unknown_as_one_that_is_not_there(store: Store) -> None:
    assert act(store, kind="acknowledged", tenant="one")["key"] == KEY_A
    with pytest.raises(UnknownAlertError) as theirs:
        act(store, KEY_B, kind="acknowledged", tenant="one")
    with pytest.raises(UnknownAlertError) as nobodys:
        act(store, "x", kind="acknowledged", tenant="one")
    assert theirs.value.problems == nobodys.value.problems
    assert theirs.value.status == 404
    assert (keys(store, tenant="one"), keys(store, tenant="two"), keys(store, tenant="three")) == ([KEY_A], [KEY_B], [])


def test_a_closed_alert_takes_contacts_and_outcomes_alone(store: Store) -> None:
    store.log.advance(MONDAY + DAY, "v1", step(B, day=1))
    for event in ({"kind": "acknowledged"}, {"kind": "snoozed", "until": AHEAD, "reason": "x"}):
        with pytest.raises(AlertClosedError) as refused:
            act(store, **event)
        assert refused.value.status == 409
    assert act(store, kind="contacted")["state"] == "closed"
    assert act(store, kind="outcome", outcome="lost")["outcome"] == "lost"
    assert keys(store) == [KEY_B]
    assert keys(store, states=("closed",)) == [KEY_A]
    assert keys(store, states=("open", "closed")) == [KEY_A, KEY_B]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, ""),
        ({"kind": "closed"}, ""),
        ({"kind": "acknowledged", "note": "x"}, "note"),
        ({"kind": "snoozed", "until": AHEAD}, "reason"),
        ({"kind": "snoozed", "reason": "x"}, "until"),
        ({"kind": "snoozed", "until": AHEAD, "reason": ""}, "reason"),
        ({"kind": "snoozed", "until": "2026-07-01", "reason": "x"}, "until"),
        ({"kind": "snoozed", "until": AHEAD[:-6], "reason": "x"}, "until"),
        ({"kind": "snoozed", "until": "2026-01-01T00:00:00Z", "reason": "x"}, "until"),
        ({"kind": "snoozed", "until": "9999-12-31T23:59:59-14:00", "reason": "x"}, "until"),
        ({"kind": "contacted", "at": AHEAD}, "at"),
        ({"kind": "contacted", "at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"kind": "contacted", "at": "0"}, "at"),
        ({"kind": "contacted", "at": "1780000000"}, "at"),
        ({"kind": "contacted", "note": "a\0b"}, "note"),
        ({"kind": "contacted", "note": "x" * 2001}, "note"),
        ({"kind": "contacted", "note": 5}, "note"),
        ({"kind": "outcome"}, "outcome"),
        ({"kind": "outcome", "outcome": "won"}, "outcome"),
    ],
)
def test_an_event_that_is_none_is_refused_by_its_field(store: Store, event: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        act(store, **event)
    assert refused.value.fields == (field,)
    with transaction(store.engine) as connection:
        assert connection.execute(sa.select(ALERT_EVENTS)).all() == []


def test_the_audit_log_tells_of_it_in_the_same_transaction_without_the_words(store: Store) -> None:
    act(store, kind="contacted", note="she was angry", actor="key7")
    [entry] = AuditLog(store.engine).entries()
    assert (entry.actor, entry.action, len(entry.subjects)) == ("key7", "alert.event", 1)
    assert {"kind": "contacted", "rule": "loss_risk"}.items() <= entry.detail.items()
    assert "angry" not in str(entry)
    assert [each.action for each in AuditLog(store.engine).entries("a")] == ["alert.event"]
    with transaction(store.engine, writes=True) as connection:
        connection.execute(sa.text("DROP TABLE remora_audit"))
    with pytest.raises(Exception, match="remora_audit"):
        act(store, kind="contacted")
    with transaction(store.engine) as connection:
        assert len(connection.execute(sa.select(ALERT_EVENTS)).all()) == 1


def test_filters(store: Store) -> None:
    assert keys(store, rule="loss_risk") == [KEY_A]
    assert keys(store, owner="Ada") == [KEY_A]
    role = store.log.episodes(customer="b")["owner_role"][0]
    assert KEY_B in keys(store, owner=role)
    assert keys(store, customer="b", rule="loss_risk") == []


def test_pages_give_every_alert_once_in_one_order(store: Store) -> None:
    _many(store)
    whole = keys(store, limit=500)
    assert len(whole) == 60
    for size in (1, 7, 59, 60):
        found, after = [], None
        while True:
            rows, after = alert_page(store.engine, pack=PACK, limit=size, after=after)
            found += [row["key"] for row in rows]
            assert len(found) <= len(whole)
            if after is None:
                break
        assert found == whole


def test_the_most_severe_and_soonest_due_come_first_without_a_due_date_last(store: Store) -> None:
    _many(store)
    rows, _ = alert_page(store.engine, pack=PACK, limit=500)
    never = "9999"
    assert rows == sorted(rows, key=lambda row: (row["severity"], row["due_at"] or never, row["key"]))
    assert {row["due_at"] for row in rows} > {None}


def _many(store: Store) -> None:
    """Sixty alerts, with equal severities and due dates, and some without one."""
    with transaction(store.engine, writes=True) as connection:
        connection.execute(sa.delete(ALERTS))
        made = [
            {"key": f"c{n}:r:0", "customer_id": f"c{n}", "rule": "r", "anchor": None, "state": "open",
             "severity": n % 3, "contact": False, "signs": [], "owner_role": None, "owner": None,
             "opened_as_of": MONDAY, "due_at": None if n % 5 == 0 else MONDAY + n % 4, "closed_as_of": None,
             "rules_version": "1"}
            for n in range(60)
        ]  # fmt: skip
        connection.execute(sa.insert(ALERTS), made)


@given(st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin1"))))
@settings(max_examples=300)
def test_a_cursor_that_no_page_gave_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        _read(text)


@pytest.mark.parametrize(
    "content", ["[1,2]", '[1,2,"\\u0000"]', '["1",2,"k"]', "[1,2.5,\"k\"]", '[1e400,1,"k"]', "null", '[true,1,"k"]',
                '[1,99999999999999999999,"k"]', '[1,1,"\\ud800"]', "[" * 5_000],
)  # fmt: skip
def test_nor_is_one_that_was_made_up(content: str) -> None:
    import base64

    with pytest.raises(InvalidRequestError):
        _read(base64.urlsafe_b64encode(content.encode()).decode())


def test_the_command_line_shows_the_same(store: Store, place: str, tmp_path: Path) -> None:
    def listed() -> Any:
        return alert_list(config, None, None, None, False, 50, "en")[0]

    config = tmp_path / "remora.toml"
    config.write_text(f'store = "{place if "://" in place else f"sqlite:///{place}"}"\nhome = "{tmp_path / "home"}"\n')
    assert ([row["key"] for row in listed()["alerts"]], listed()["snoozed"]) == ([KEY_A, KEY_B], 0)
    act(store, kind="snoozed", until=AHEAD, reason="x")
    act(store, KEY_B, kind="acknowledged")
    told = listed()
    assert ([row["key"] for row in told["alerts"]], told["total"], told["snoozed"]) == ([KEY_B], 1, 1)
    [paged] = alert_page(store.engine, pack=PACK)[0]
    assert {name: told["alerts"][0][name] for name in paged.keys() & told["alerts"][0].keys()}.items() <= paged.items()
    assert told["alerts"][0]["acknowledged_by"] == "key1"


def test_contacts_and_outcomes_are_interventions(store: Store) -> None:
    day = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    hours = [day + dt.timedelta(hours=n) for n in range(6)]
    before, after = day - dt.timedelta(days=1), day + dt.timedelta(days=1)
    store.save(frame(row("a", as_of=before, scored_at=before, playbook_key="win_back")))
    store.save(frame(row("a", as_of=after, scored_at=after, playbook_key="later")))
    act(store, kind="acknowledged", at=hours[0].isoformat())
    act(store, kind="contacted", at=hours[1].isoformat())
    act(store, kind="contacted", at=hours[2].isoformat())
    act(store, kind="outcome", outcome="no_change", at=hours[3].isoformat())
    act(store, kind="outcome", outcome="retained", at=hours[4].isoformat())
    act(store, KEY_B, kind="outcome", outcome="lost", at=hours[5].isoformat())
    found = interventions(store.engine)
    assert found.schema == pl.Schema(INTERVENTION)
    told = found.select("customer_id", "occurred_at", "playbook", "owner", "reason", "outcome", "outcome_at")
    role = store.log.episodes(customer="b")["owner_role"][0]
    expected = [
        ("a", hours[1], "win_back", "Ada", "loss_risk", None, None),
        ("a", hours[2], "win_back", "Ada", "loss_risk", "kept", hours[4]),
        ("b", hours[5], "low_satisfaction", role, "low_satisfaction", "lost", hours[5]),
    ]
    assert_frame_equal(told, pl.DataFrame(expected, schema=told.schema, orient="row"))


def test_a_wrong_alert_is_no_intervention(store: Store) -> None:
    act(store, kind="outcome", outcome="wrong_alert")
    assert interventions(store.engine).is_empty()
    assert interventions(store.engine).schema == pl.Schema(INTERVENTION)
