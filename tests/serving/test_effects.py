"""One effect for all requests with the same Idempotency-Key, on SQLite and on a real PostgreSQL."""

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from serving.database import transaction
from serving.door_tables import ALERT_EVENTS, EFFECTS
from serving.effects import Answered, IdempotencyConflictError, once
from serving.errors import InvalidRequestError, UnknownCustomerError
from serving.store import Store, open_store

NOW = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        yield opened


def act(connection: sa.Connection) -> Answered:
    """An effect that can be counted, and an answer that no other run of it gives."""
    row = {"id": str(uuid4()), "alert_key": "k", "customer_id": "C1", "at": NOW, "kind": "contacted", "actor": "a"}
    connection.execute(sa.insert(ALERT_EVENTS), row)
    return Answered(201, json.dumps({"id": row["id"]}), "C1")


def ask(store: Store, **changes: Any) -> Answered:
    usual = {"actor": "a", "key": "K1", "route": "/v1/x", "body": b"{}", "at": NOW, "effect": act}
    return once(store.engine, **{**usual, **changes})


def effects(store: Store) -> int:
    with transaction(store.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(ALERT_EVENTS)).scalar_one())


def kept(store: Store) -> int:
    with transaction(store.engine) as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(EFFECTS)).scalar_one())


def test_the_second_of_two_gets_the_answer_of_the_first(store: Store) -> None:
    first, second = ask(store), ask(store, at=NOW + dt.timedelta(days=6))
    assert (first.status, first.customer_id, first.replayed) == (201, "C1", False)
    assert second == Answered(first.status, first.body, first.customer_id, replayed=True)
    assert effects(store) == 1


def test_the_same_key_of_another_actor_is_another_key(store: Store) -> None:
    assert ask(store).body != ask(store, actor="b").body
    assert effects(store) == 2


@pytest.mark.parametrize("change", [{"body": b"{ }"}, {"route": "/v1/y"}])
def test_the_same_key_with_another_request_is_a_conflict(store: Store, change: dict[str, Any]) -> None:
    ask(store)
    with pytest.raises(IdempotencyConflictError) as refused:
        ask(store, **change)
    assert (refused.value.status, refused.value.fields) == (409, ("Idempotency-Key",))
    assert effects(store) == 1


def test_without_a_key_every_request_has_its_effect(store: Store) -> None:
    assert ask(store, key=None).body != ask(store, key=None).body
    assert (effects(store), kept(store)) == (2, 0)


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\tb", "ä", "a\0", "\x7f"])
def test_a_key_that_is_none_is_refused(store: Store, key: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        ask(store, key=key)
    assert refused.value.fields == ("Idempotency-Key",)
    assert effects(store) == 0


def test_the_longest_and_oddest_keys_serve(store: Store) -> None:
    for key in ("x" * 255, "~", "!", "'; DROP TABLE remora_effects; --".replace(" ", "_")):
        assert ask(store, key=key).body == ask(store, key=key).body
    assert effects(store) == 4


def test_a_refusal_is_not_kept_and_undoes_what_was_done(store: Store) -> None:
    def refuse(connection: sa.Connection) -> Answered:
        act(connection)
        raise UnknownCustomerError("no")

    for _ in range(2):
        with pytest.raises(UnknownCustomerError):
            ask(store, effect=refuse)
    assert (effects(store), kept(store)) == (0, 0)
    assert not ask(store, body=b"mended").replayed


def test_after_seven_days_a_key_is_like_new_and_nothing_of_it_is_left(store: Store) -> None:
    ask(store)
    ask(store, key="K2", at=NOW + dt.timedelta(days=1))
    assert not ask(store, body=b"other", at=NOW + dt.timedelta(days=7, seconds=1)).replayed
    assert kept(store) == 2
    ask(store, key="K3", at=NOW + dt.timedelta(days=30))
    assert kept(store) == 1


PROCESS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from serving.store import open_store
from tests.serving.test_effects import ask

with open_store(sys.argv[1]) as store, ThreadPoolExecutor(25) as pool:
    print("ready", flush=True)
    sys.stdin.readline()
    for answered in pool.map(lambda _: ask(store), range(25)):
        print(answered.status, answered.body, answered.replayed)
"""


def test_a_hundred_duplicates_of_four_processes_have_one_effect_and_one_answer(store: Store, place: str) -> None:
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started: list[Any] = [subprocess.Popen([sys.executable, "-c", PROCESS, place], **pipes) for _ in range(4)]
    assert {each.stdout.readline() for each in started if each.stdout} == {"ready\n"}
    for each in started:
        each.stdin.write("go\n")
        each.stdin.flush()
    lines = [line for each in started for line in each.communicate(timeout=120)[0].splitlines()]
    assert [each.returncode for each in started] == [0] * 4
    assert len(lines) == 100
    assert len({line.rpartition(" ")[0] for line in lines}) == 1
    assert sum(line.endswith("False") for line in lines) == 1
    assert effects(store) == 1


def test_a_hundred_duplicates_of_one_process_have_one_effect_and_one_answer(store: Store) -> None:
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: ask(store), range(100)))
    assert len({(each.status, each.body, each.customer_id) for each in answers}) == 1
    assert sum(not each.replayed for each in answers) == 1
    assert effects(store) == 1
