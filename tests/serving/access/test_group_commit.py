"""Entries of many requests in few transactions: durable before anyone answers, refused when they cannot be."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.access import group_commit
from serving.access.audit import AuditLog, Entry, GroupCommit
from serving.database import StoreError
from serving.store import Store


class Counted:
    """Writes into a real log, and counts the transactions."""

    def __init__(self, store: Store) -> None:
        self.log, self.calls, self.failing = AuditLog(store.engine), 0, False

    def __call__(self, *entries: Entry) -> None:
        self.calls += 1
        if self.failing:
            raise StoreError("store: the disk is full; make room")
        self.log.record(*entries)


@pytest.fixture
def counted(lite: Store) -> Counted:
    return Counted(lite)


@pytest.fixture
def commits(counted: Counted) -> Iterator[GroupCommit]:
    with GroupCommit(counted) as running:
        yield running


def read(n: int) -> Entry:
    return Entry("ab12", "customer.read", (f"C{n % 7}",), {"n": n})


def test_an_entry_is_durable_when_record_returns(lite: Store, commits: GroupCommit) -> None:
    for n in range(5):
        commits.record(read(n))
        assert AuditLog(lite.engine).entries(limit=1)[0].detail == {"n": n}


def test_many_threads_share_transactions_and_none_is_lost(lite: Store, counted: Counted, commits: GroupCommit) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: commits.record(read(n)), range(400)))
    log = AuditLog(lite.engine)
    assert sorted(record.detail["n"] or 0 for record in log.entries(limit=None)) == [*range(400)]  # type: ignore[type-var]
    assert log.verify().problem is None
    assert counted.calls < 200


def test_awaited_entries_share_a_transaction(lite: Store, counted: Counted, commits: GroupCommit) -> None:
    async def all_at_once() -> None:
        await asyncio.gather(*(commits.recorded(read(n)) for n in range(500)))

    asyncio.run(all_at_once())
    assert AuditLog(lite.engine).verify().rows == 500
    assert counted.calls < 50


def test_more_than_one_batch_holds_waits_for_the_next(lite: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "_MOST", 3)
    commits = GroupCommit(AuditLog(lite.engine).record)
    with ThreadPoolExecutor(10) as pool:
        waiting = [pool.submit(commits.record, read(n)) for n in range(10)]
        while commits._queue.qsize() < 10:
            time.sleep(0.01)
        commits.start()
        assert [each.result() for each in waiting] == [None] * 10
    commits.stop()
    assert AuditLog(lite.engine).verify().rows == 10


def test_who_cannot_be_written_down_is_refused_and_the_next_one_is_not(counted: Counted, commits: GroupCommit) -> None:
    counted.failing = True
    with pytest.raises(StoreError, match="disk is full"):
        commits.record(read(1))
    with pytest.raises(StoreError, match="disk is full"):
        asyncio.run(commits.recorded(read(2)))
    counted.failing = False
    commits.record(read(3))
    assert counted.log.verify().rows == 1


def test_a_locked_store_refuses_in_time_and_forgets_who_gave_up(
    lite: Store, tmp_path: Path, commits: GroupCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first entry is being written when its request gives up: it may stand there; the others must not."""
    monkeypatch.setattr(group_commit, "WAIT_SECONDS", 0.2)
    holder = sqlite3.connect(tmp_path / "home" / "remora.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    for n in range(3):
        with pytest.raises(StoreError, match="cannot be written now"):
            commits.record(read(n)) if n else asyncio.run(commits.recorded(read(n)))
    assert time.monotonic() - began < 10, "not the 30 s of the store"
    holder.execute("COMMIT")
    holder.close()
    monkeypatch.setattr(group_commit, "WAIT_SECONDS", 30.0)
    commits.record(read(3))
    assert {record.detail["n"] for record in AuditLog(lite.engine).entries()} <= {0, 3}


def test_counts_are_written_at_the_end_and_once_a_while(lite: Store) -> None:
    log = AuditLog(lite.engine)
    with GroupCommit(log.record, tally_seconds=0.05) as commits:
        commits.tally("ab12", "predict", 10)
        commits.tally("ab12", "predict")
        end = time.monotonic() + 20
        while not log.entries() and time.monotonic() < end:
            time.sleep(0.01)
        commits.tally("local", "predict", 5)
    assert [(each.actor, each.action, each.detail) for each in reversed(log.entries())] == [
        ("ab12", "predict", {"count": 11}), ("local", "predict", {"count": 5}),
    ]  # fmt: skip


def test_counts_that_cannot_be_written_wait(counted: Counted) -> None:
    counted.failing = True
    commits = GroupCommit(counted, tally_seconds=0.01)
    with commits:
        commits.tally("ab12", "predict", 3)
        while not counted.calls:
            time.sleep(0.01)
        commits.tally("ab12", "predict", 4)
        counted.failing = False
    assert sum(int(each.detail["count"] or 0) for each in counted.log.entries()) == 7


def test_what_waits_is_written_before_it_stops(lite: Store) -> None:
    commits = GroupCommit(AuditLog(lite.engine).record)
    waiting = [threading.Thread(target=commits.record, args=[read(n)]) for n in range(5)]
    for each in waiting:
        each.start()
    while commits._queue.qsize() < 5:
        time.sleep(0.01)
    commits.start()
    commits.stop()
    for each in waiting:
        each.join()
    assert AuditLog(lite.engine).verify().rows == 5
