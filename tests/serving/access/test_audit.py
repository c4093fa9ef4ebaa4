"""The audit log's chain: what was written is found again, and every kind of tampering is noticed, on both stores."""

import datetime as dt
import hashlib
import hmac
import json
import math
from collections.abc import Callable
from subprocess import PIPE
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.access.audit import AuditLog, Entry, append
from serving.access.chain import FIRST, UNNAMED, forget_subject, hash_of
from serving.database import StoreError, transaction
from serving.door_tables import AUDIT, SUBJECTS
from serving.store import Store
from tests.company import finished, program

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
ENTRIES = (
    Entry("ab12", "customer.read", ("C1",)),
    Entry("ab12", "at_risk.read", ("C1", "C2", "ключ/7"), {"tier": "key", "limit": 50}),
    Entry("cli:ada", "key.created", detail={"label": "CRM", "tenant": None}),
    Entry("ab12", "alert.acknowledged", ("C2",), {"until": "2026-08-01"}),
    Entry("local", "predict", detail={"count": 10_000}),
)


def rows_of(store: Store) -> list[dict[str, Any]]:
    with transaction(store.engine) as connection:
        return [dict(row) for row in connection.execute(sa.select(AUDIT).order_by(AUDIT.c.seq)).mappings()]


def secret_of(store: Store, customer: str) -> str | None:
    with transaction(store.engine) as connection:
        found: str | None = connection.execute(
            sa.select(SUBJECTS.c.secret).where(SUBJECTS.c.customer_id == customer)
        ).scalar()
    return found


def test_every_row_follows_from_the_one_before_by_a_hash_that_anyone_can_work_out(store: Store) -> None:
    """By the definition in words: SHA-256 of the row as JSON, keys sorted, no spaces."""
    AuditLog(store.engine).record(*ENTRIES)
    previous = FIRST
    for number, row in enumerate(rows_of(store), 1):
        content = {name: row[name] for name in ("actor", "action", "subjects", "detail")}
        content |= {"seq": number, "previous": previous, "at": row["at"].strftime("%Y-%m-%d %H:%M:%S.%f+00:00")}
        previous = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        assert (row["seq"], row["hash"]) == (number, previous)
    verified = AuditLog(store.engine).verify()
    assert (verified.rows, verified.seq, verified.hash, verified.problem) == (5, 5, previous, None)


def test_an_empty_log_is_right(store: Store) -> None:
    assert (AuditLog(store.engine).verify().rows, AuditLog(store.engine).verify().problem) == (0, None)


def test_customers_are_named_by_a_digest_that_their_own_secret_makes(store: Store) -> None:
    AuditLog(store.engine).record(*ENTRIES)
    for row, entry in zip(rows_of(store), ENTRIES, strict=True):
        secrets = [secret_of(store, who) or "" for who in entry.customers]
        assert row["subjects"] == [
            hmac.new(bytes.fromhex(secret), who.encode(), hashlib.sha256).hexdigest()
            for secret, who in zip(secrets, entry.customers, strict=True)
        ]
        assert not any(who in json.dumps(row, default=str, ensure_ascii=False) for who in ("C1", "C2", "ключ"))


def test_what_concerns_a_customer_is_found_until_the_customer_is_forgotten(store: Store) -> None:
    log = AuditLog(store.engine)
    log.record(*ENTRIES)
    assert [record.seq for record in log.entries("C2")] == [4, 2]
    assert [record.seq for record in log.entries("ключ/7")] == [2]
    assert log.entries("C") == ()
    with transaction(store.engine, writes=True) as connection:
        assert forget_subject(connection, "C2") == 1
    assert log.entries("C2") == ()
    log.record(Entry("ab12", "customer.read", ("C2",)))
    assert [record.seq for record in log.entries("C2")] == [6]
    assert [record.seq for record in log.entries(limit=2)] == [6, 5]
    assert log.verify().problem is None


def test_an_id_within_a_detail_is_left_out(store: Store) -> None:
    """Keys of alerts hold ids, and what stands in the log can never be taken out."""
    AuditLog(store.engine).record(Entry("a", "alert.snoozed", ("C1", "C10"), {"alert": "C1:dormant:17", "of": "C100"}))
    assert rows_of(store)[0]["detail"] == {"alert": f"{UNNAMED}:dormant:17", "of": "C100"}


def test_entries_are_written_with_what_they_tell_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError), transaction(store.engine, writes=True) as connection:  # noqa: PT012
        append(connection, ENTRIES[0])
        connection.execute(sa.text("SELECT nothing FROM nowhere"))
    assert rows_of(store) == []
    with pytest.raises(AssertionError, match="writing transactions"), transaction(store.engine) as connection:
        append(connection, ENTRIES[0])


def test_the_store_refuses_to_change_or_delete_a_row(store: Store) -> None:
    AuditLog(store.engine).record(*ENTRIES)
    for statement in (sa.update(AUDIT).values(actor="eve"), sa.delete(AUDIT).where(AUDIT.c.seq == 5)):
        with pytest.raises((StoreError, sa.exc.IntegrityError), match="append-only"):
            _execute(store, statement)
    assert AuditLog(store.engine).verify().rows == 5


def _execute(store: Store, *statements: sa.Executable) -> None:
    with transaction(store.engine, writes=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _disarm(store: Store) -> None:
    """What an attacker who owns the database does first."""
    on = " ON remora_audit" if store.engine.dialect.name == "postgresql" else ""
    names = ["append_only"] if on else ["no_update", "no_delete"]
    _execute(store, *(sa.text(f"DROP TRIGGER remora_audit_{name}{on}") for name in names))


def _set(seq: int, **values: object) -> Callable[[list[dict[str, Any]]], list[sa.Executable]]:
    return lambda rows: [sa.update(AUDIT).where(AUDIT.c.seq == seq).values(**values)]


def _swap(rows: list[dict[str, Any]]) -> list[sa.Executable]:
    two, three = rows[1] | {"seq": 3}, rows[2] | {"seq": 2}
    return [sa.delete(AUDIT).where(AUDIT.c.seq.in_((2, 3))), sa.insert(AUDIT).values([two, three])]


def _insert(rows: list[dict[str, Any]]) -> list[sa.Executable]:
    moved = [row | {"seq": row["seq"] + 1} for row in rows[2:]]
    new = rows[1] | {"seq": 3, "previous": rows[1]["hash"], "hash": "f" * 64}
    return [sa.delete(AUDIT).where(AUDIT.c.seq > 2), sa.insert(AUDIT).values([new, *moved])]


def _hashed(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"hash": hash_of(row)}


def _rewrite(rows: list[dict[str, Any]]) -> list[sa.Executable]:
    """One who knows the code: row 3 is left out, and all that follows is chained anew."""
    previous, after = rows[1]["hash"], []
    for row in rows[3:]:
        after.append(_hashed(row | {"seq": row["seq"] - 1, "previous": previous}))
        previous = after[-1]["hash"]
    return [sa.delete(AUDIT).where(AUDIT.c.seq > 2), sa.insert(AUDIT).values(after)]


def _replace(rows: list[dict[str, Any]]) -> list[sa.Executable]:
    return [sa.update(AUDIT).where(AUDIT.c.seq == 2).values(**_hashed(rows[1] | {"actor": "eve"}))]


Tampering = Callable[[list[dict[str, Any]]], list[sa.Executable]]

NOTICED: dict[str, tuple[Tampering, str]] = {
    "actor": (_set(2, actor="eve"), "row 2 was changed"),
    "action": (_set(2, action="nothing"), "row 2 was changed"),
    "moment": (_set(2, at=NOON), "row 2 was changed"),
    "subjects": (_set(2, subjects=[]), "row 2 was changed"),
    "detail": (_set(2, detail={"tier": "key", "limit": 51}), "row 2 was changed"),
    "hash": (_set(2, hash="0" * 64), "row 2 was changed"),
    "changed, with its hash": (_replace, "row 3 does not follow"),
    "previous": (_set(3, previous="0" * 64), "row 3 does not follow"),
    "deleted": (lambda _: [sa.delete(AUDIT).where(AUDIT.c.seq == 3)], "row 3 is missing"),
    "first deleted": (lambda _: [sa.delete(AUDIT).where(AUDIT.c.seq == 1)], "row 1 is missing"),
    "deleted and moved up": (
        lambda rows: [sa.delete(AUDIT).where(AUDIT.c.seq > 2), sa.insert(AUDIT).values(
            [row | {"seq": row["seq"] - 1} for row in rows[3:]])], "row 3 does not follow",
    ),
    "swapped": (_swap, "row 2 does not follow"),
    "inserted": (_insert, "row 3 was changed"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTICED)
def test_tampering_is_noticed_where_it_was_done(store: Store, kind: str) -> None:
    AuditLog(store.engine).record(*ENTRIES)
    tamper, told = NOTICED[kind]
    _disarm(store)
    _execute(store, *tamper(rows_of(store)))
    assert told in (AuditLog(store.engine).verify().problem or "")


CUT: dict[str, tuple[Tampering, str]] = {
    "last row": (lambda _: [sa.delete(AUDIT).where(AUDIT.c.seq == 5)], "the log ends at row 4, but once had a row 5"),
    "all": (lambda _: [sa.delete(AUDIT)], "the log ends at row 0"),
    "rewritten": (_rewrite, "the log ends at row 4"),
}


@pytest.mark.parametrize("kind", CUT)
def test_a_log_cut_or_chained_anew_is_noticed_by_a_row_kept_elsewhere(store: Store, kind: str) -> None:
    log = AuditLog(store.engine)
    log.record(*ENTRIES)
    kept = log.verify()
    tamper, told = CUT[kind]
    _disarm(store)
    _execute(store, *tamper(rows_of(store)))
    assert log.verify().problem is None, "nothing inside the database can tell"
    assert told in (log.verify((kept.seq, kept.hash)).problem or "")
    log.record(*ENTRIES)
    assert "row 5 is not the one that it once was" in (log.verify((kept.seq, kept.hash)).problem or "")


def test_a_row_kept_elsewhere_is_found_again_when_more_has_been_written(store: Store) -> None:
    log = AuditLog(store.engine)
    log.record(*ENTRIES)
    kept = log.verify()
    log.record(*ENTRIES)
    assert (log.verify((kept.seq, kept.hash)).problem, log.verify().rows) == (None, 10)


VALUES = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(st.characters())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    who=st.lists(st.text(st.characters(), min_size=1), max_size=4), actor=st.text(st.characters()),
    detail=st.dictionaries(st.text(st.characters()), VALUES, max_size=4),
)  # fmt: skip
def test_whatever_is_told_is_kept_and_verified(
    store: Store, who: list[str], actor: str, detail: dict[str, Any]
) -> None:
    """NUL, half characters, NaN and numbers without end included; both databases give back what was hashed."""
    log = AuditLog(store.engine)
    log.record(Entry(actor, "any", tuple(who), detail))
    assert log.verify().problem is None
    last = log.entries(limit=1)[0]
    assert len(last.subjects) == len(who)
    assert not any(isinstance(value, float) and math.isnan(value) for value in last.detail.values())


APPENDING = """
import multiprocessing, sys
from serving.access.audit import AuditLog, Entry
from serving.database import connect

def work(number):
    engine = connect(sys.argv[1])
    for n in range(25):
        AuditLog(engine).record(Entry(f"worker {number}", "customer.read", (f"C{n}", "C0"), {"n": n}))
    engine.dispose()

fork = multiprocessing.get_context("fork")
workers = [fork.Process(target=work, args=[number]) for number in range(8)]
for each in workers: each.start()
for each in workers: each.join()
sys.exit(sum(each.exitcode != 0 for each in workers))
"""


def test_eight_processes_make_one_chain(store: Store, place: str) -> None:
    assert finished(program(APPENDING, place, stdout=PIPE, stderr=PIPE)) == (0, "", "")
    verified = AuditLog(store.engine).verify()
    assert (verified.rows, verified.problem) == (8 * 25, None)
    by_actor: dict[str, list[int]] = {}
    for row in rows_of(store):
        by_actor.setdefault(row["actor"], []).append(row["detail"]["n"])
    assert by_actor == {f"worker {number}": list(range(25)) for number in range(8)}
