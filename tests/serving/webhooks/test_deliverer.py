"""Events arrive at least once, signed; what fails is tried again, given up, taken up again: with real processes."""

import datetime as dt
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from features.clock import now
from features.settings import Webhooks, WebhookTarget
from serving.database import transaction
from serving.door_tables import DELIVERIES, OUTBOX
from serving.store import Store, open_store
from serving.webhooks.addresses import RefusedTargetError
from serving.webhooks.deliverer import Deliverer
from serving.webhooks.outbox import Event, announce
from serving.webhooks.queue import ATTEMPTS, KEPT, LONGEST_WAIT, Queue, wait_after
from serving.webhooks.signing import TOLERANCE
from tests.serving.webhooks.receiver import Got, Handler, Receiver, receiving, status

AT = now().replace(microsecond=0) - dt.timedelta(hours=1)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("HOOK_SECRET", "old secret, new secret")
    with receiving() as started:
        yield started


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


def webhooks(receiver: Receiver, **more: str) -> Webhooks:
    urls = {"crm": receiver.url, **more}
    made = {name: WebhookTarget(url=url, secret_env="HOOK_SECRET") for name, url in urls.items()}
    return Webhooks(allow=("127.0.0.1",), targets=made)


def tell(store: Store, settings: Webhooks, *ids: str, at: dt.datetime = AT) -> None:
    made = (Event(each, "tier.changed", f"customer {each}", at, {"after": "B", "é": 1.5}) for each in ids)
    with transaction(store.engine, writes=True) as connection:
        announce(connection, made, settings.targets)


def rows(store: Store) -> Sequence[sa.Row[Any]]:
    with transaction(store.engine) as connection:
        return connection.execute(sa.select(DELIVERIES).order_by(DELIVERIES.c.event_id, DELIVERIES.c.target)).all()


def change(store: Store, **values: Any) -> None:
    with transaction(store.engine, writes=True) as connection:
        connection.execute(sa.update(DELIVERIES).values(**values))


def make_due(store: Store) -> None:
    change(store, next_at=AT, claimed_until=None)


def verified(got: Got, secret: str, at: float | None = None) -> bool:
    """As a receiver would, from the documentation alone."""
    parts = [part.split("=", 1) for part in got.headers["remora-signature"].split(",")]
    [stamp] = [value for name, value in parts if name == "t"]
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    fresh = abs((time.time() if at is None else at) - int(stamp)) <= TOLERANCE.total_seconds()
    return fresh and any(hmac.compare_digest(value, expected) for name, value in parts if name == "v1")


def test_an_event_arrives_as_a_signed_cloud_event(store: Store, receiver: Receiver) -> None:
    tell(store, webhooks(receiver), "e1")
    assert Deliverer(store.engine, webhooks(receiver)).drain() == (1, 0)
    [got] = receiver.got
    assert json.loads(got.body) == {
        "specversion": "1.0", "id": "e1", "source": "urn:remora", "type": "io.remora.tier.changed.v1",
        "subject": "customer e1", "time": f"{AT:%Y-%m-%dT%H:%M:%SZ}", "datacontenttype": "application/json",
        "data": {"after": "B", "é": 1.5},
    }  # fmt: skip
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (got.headers["remora-delivery"], got.headers["remora-attempt"]) == ("e1", "1")
    assert verified(got, "old secret")
    assert verified(got, "new secret")
    assert not verified(got, "other secret")
    assert not verified(Got(got.path, got.headers, got.body + b" "), "old secret")
    assert not verified(got, "old secret", time.time() + 301)
    [row] = rows(store)
    assert (row.state, row.attempts, row.claimed_until) == ("delivered", 1, None)
    assert row.delivered_at is not None
    assert Deliverer(store.engine, webhooks(receiver)).drain() == (0, 0)


def test_events_of_one_target_come_in_their_order(store: Store, receiver: Receiver) -> None:
    ids = [f"e{number:02}" for number in range(20)]
    tell(store, webhooks(receiver), *ids)
    Deliverer(store.engine, webhooks(receiver)).drain()
    assert [got.headers["remora-delivery"] for got in receiver.got] == ids


def test_what_fails_is_tried_again_later(store: Store, receiver: Receiver) -> None:
    receiver.answers = [status(500), status(204)]
    tell(store, webhooks(receiver), "e1")
    deliverer, began = Deliverer(store.engine, webhooks(receiver)), now()
    assert deliverer.drain() == (0, 1)
    [row] = rows(store)
    assert (row.state, row.attempts, row.last_problem, row.claimed_until) == ("pending", 1, "HTTP 500", None)
    assert dt.timedelta(seconds=2.5) <= row.next_at - began <= dt.timedelta(seconds=60)
    assert deliverer.drain() == (0, 0)
    make_due(store)
    assert deliverer.drain() == (1, 0)
    assert [got.headers["remora-attempt"] for got in receiver.got] == ["1", "2"]
    assert receiver.got[0].body == receiver.got[1].body
    assert rows(store)[0].last_problem is None


def test_after_twelve_attempts_it_is_given_up_and_can_be_replayed(store: Store, receiver: Receiver) -> None:
    receiver.answers = [status(500)]
    tell(store, webhooks(receiver), "e1")
    deliverer, queue = Deliverer(store.engine, webhooks(receiver)), Queue(store.engine)
    for attempt in range(1, ATTEMPTS + 1):
        assert queue.dead() == []
        make_due(store)
        deliverer.drain()
        assert rows(store)[0].attempts == attempt
    make_due(store)
    assert deliverer.drain() == (0, 0)
    [dead] = queue.dead()
    assert (dead.event.id, dead.target, dead.attempts, dead.problem) == ("e1", "crm", 12, "HTTP 500")
    receiver.answers = [status(204)]
    assert (queue.replay("other"), queue.replay("e1"), queue.replay("e1")) == (0, 1, 0)
    assert deliverer.drain() == (1, 0)
    assert queue.counts() == {"crm": {"delivered": 1}}
    assert receiver.got[-1].headers["remora-attempt"] == "1"


def test_gone_is_given_up_at_once(store: Store, receiver: Receiver) -> None:
    receiver.answers = [status(410)]
    tell(store, webhooks(receiver), "e1", "e2")
    assert Deliverer(store.engine, webhooks(receiver)).drain() == (0, 2)
    assert Queue(store.engine).counts() == {"crm": {"dead": 2}}
    assert Queue(store.engine).replay(None) == 2


@pytest.mark.parametrize(("code", "waits"), [(429, True), (503, True), (500, False)])
def test_everything_waits_as_long_as_the_receiver_asks(
    store: Store, receiver: Receiver, code: int, waits: bool
) -> None:
    receiver.answers = [status(code, retry_after="3600"), status(204)]
    tell(store, webhooks(receiver), "e1", "e2")
    Deliverer(store.engine, webhooks(receiver)).drain()
    assert len(receiver.got) == (1 if waits else 2)
    assert all(row.next_at > now() + dt.timedelta(minutes=59) for row in rows(store)) == waits


def test_a_receiver_cannot_ask_to_wait_for_ever(store: Store, receiver: Receiver) -> None:
    receiver.answers = [status(429, retry_after="999999999")]
    tell(store, webhooks(receiver), "e1")
    Deliverer(store.engine, webhooks(receiver)).drain()
    assert rows(store)[0].next_at <= now() + LONGEST_WAIT


def test_a_redirect_to_loopback_is_a_failure(store: Store, receiver: Receiver) -> None:
    with receiving() as inner:
        receiver.answers = [status(307, location=inner.url)]
        tell(store, webhooks(receiver), "e1")
        assert Deliverer(store.engine, webhooks(receiver)).drain() == (0, 1)
        assert inner.got == []


def test_a_target_that_is_refused_loses_nothing_and_stops_no_other(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = webhooks(receiver, bad="http://10.0.0.1/secret-path")
    tell(store, settings, "e1")
    with pytest.raises(RefusedTargetError, match=r"webhooks\.targets\.bad.*allow") as refused:
        Deliverer(store.engine, settings).drain()
    assert "secret-path" not in str(refused.value)
    assert [(row.target, row.state, row.attempts) for row in rows(store)] == [
        ("bad", "pending", 0), ("crm", "delivered", 1),
    ]  # fmt: skip
    monkeypatch.delenv("HOOK_SECRET")
    with pytest.raises(RefusedTargetError, match="HOOK_SECRET holds no secret"):
        Deliverer(store.engine, webhooks(receiver)).drain()


def test_a_loopback_target_by_name_is_refused_when_it_is_sent_to(store: Store, receiver: Receiver) -> None:
    settings = webhooks(receiver)
    target = settings.targets["crm"].model_copy(update={"url": "https://localhost/"})
    settings = settings.model_copy(update={"targets": {"crm": target}, "allow": ()})
    tell(store, settings, "e1")
    assert Deliverer(store.engine, settings).drain() == (0, 1)
    assert "is loopback" in rows(store)[0].last_problem


def test_workers_never_deliver_the_same_at_once(store: Store, place: str, receiver: Receiver) -> None:
    tell(store, webhooks(receiver), *(f"e{number}" for number in range(60)))
    with ThreadPoolExecutor(6) as pool:
        deliverers = [Deliverer(store.engine, webhooks(receiver)) for _ in range(6)]
        counts = list(pool.map(lambda each: each.drain(), deliverers))
    assert sum(taken for taken, _ in counts) == 60
    assert len({got.headers["remora-delivery"] for got in receiver.got}) == len(receiver.got) == 60


def test_whoever_comes_back_late_settles_nothing(store: Store, receiver: Receiver) -> None:
    tell(store, webhooks(receiver), "e1")
    slow = Queue(store.engine, lease=dt.timedelta(0)).claim("crm")
    quick = Queue(store.engine).claim("crm")
    assert slow is not None
    assert quick is not None
    assert (slow.attempt, quick.attempt) == (1, 2)
    Queue(store.engine).delivered(slow)
    assert rows(store)[0].state == "pending"
    Queue(store.engine).delivered(quick)
    Queue(store.engine).failed(slow, "late", dt.timedelta(0))
    assert rows(store)[0].state == "delivered"


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_thread_delivers_until_it_is_stopped(store: Store, receiver: Receiver) -> None:
    settings = webhooks(receiver, bad="http://10.0.0.1/")
    deliverer = Deliverer(store.engine, settings)
    deliverer.start()
    try:
        tell(store, settings, "e1", at=now())
        until(lambda: Queue(store.engine).counts()["crm"] == {"delivered": 1})
    finally:
        deliverer.stop()
    assert not [each for each in threading.enumerate() if each.name.startswith("webhooks-")]


def test_without_targets_no_thread_is_started(store: Store) -> None:
    deliverer = Deliverer(store.engine, Webhooks())
    deliverer.start()
    assert not [each for each in threading.enumerate() if each.name.startswith("webhooks-")]
    deliverer.stop()


PROCESS = """
import sys
from features.settings import Webhooks
from serving.store import open_store
from serving.webhooks.deliverer import Deliverer

with open_store(sys.argv[1]) as store:
    Deliverer(store.engine, Webhooks.model_validate_json(sys.argv[2])).drain()
"""


def test_what_a_killed_process_had_in_hand_is_delivered_again(store: Store, place: str, receiver: Receiver) -> None:
    held, left = threading.Event(), threading.Event()

    def hold(_: Handler) -> None:
        held.set()
        left.wait(60)

    receiver.answers = [status(204), hold, status(204)]
    ids = [f"e{number}" for number in range(5)]
    tell(store, webhooks(receiver), *ids)
    arguments = [sys.executable, "-c", PROCESS, place, webhooks(receiver).model_dump_json()]
    with subprocess.Popen(arguments, env=os.environ | {"HOOK_SECRET": "s"}) as process:
        assert held.wait(60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    left.set()
    states = {row.event_id: (row.state, row.claimed_until is not None) for row in rows(store)}
    assert states == {"e0": ("delivered", False), "e1": ("pending", True)} | dict.fromkeys(ids[2:], ("pending", False))
    deliverer = Deliverer(store.engine, webhooks(receiver))
    assert deliverer.drain() == (3, 0)  # not what is still claimed
    with transaction(store.engine, writes=True) as connection:  # a minute goes by
        held_on = DELIVERIES.c.claimed_until.is_not(None)
        connection.execute(sa.update(DELIVERIES).where(held_on).values(claimed_until=AT))
    assert deliverer.drain() == (1, 0)
    assert Queue(store.engine).counts() == {"crm": {"delivered": 5}}
    assert sorted(got.headers["remora-delivery"] for got in receiver.got) == ["e0", "e1", "e1", "e2", "e3", "e4"]


def test_waits_grow_from_seconds_to_hours_with_jitter() -> None:
    waits = [wait_after(attempt, 1.0).total_seconds() for attempt in range(1, 13)]
    assert waits[:4] == [5, 20, 80, 320]
    assert waits == sorted(waits)
    assert waits[-1] == wait_after(10_000, 1.0).total_seconds() == 6 * 3600
    assert wait_after(4, 0.0) * 2 == wait_after(4, 1.0)
    assert wait_after(4, 0.0) < wait_after(4, 0.3) < wait_after(4, 1.0)


def test_what_is_old_is_forgotten_by_its_state(store: Store, receiver: Receiver) -> None:
    settings, queue = webhooks(receiver), Queue(store.engine)
    for state, kept in KEPT.items():
        for name, margin in (("old", 1), ("young", -1)):
            tell(store, settings, f"{state}-{name}", at=now() - kept - dt.timedelta(hours=margin))
        with transaction(store.engine, writes=True) as connection:
            mine = DELIVERIES.c.event_id.startswith(f"{state}-")
            connection.execute(sa.update(DELIVERIES).where(mine).values(state=state))
    queue.prune()
    expected = sorted(f"{state}-young" for state in KEPT)
    assert [row.event_id for row in rows(store)] == expected
    with transaction(store.engine) as connection:
        assert sorted(connection.execute(sa.select(OUTBOX.c.id)).scalars()) == expected
