"""The rows of the audit log: each carries the hash of the one before, and names customers by keyed digests.

Each customer has a secret of its own (SUBJECTS); when that is deleted, the digests in the log are nobody's, and the
chain stands.
"""

import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from features.clock import now
from serving.door_tables import AUDIT, SUBJECTS

FIRST: Final = "0" * 64
"""What the first row has for the hash of the one before."""
UNNAMED: Final = "(customer)"
_BATCH: Final = 500

Detail = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class Entry:
    """What `actor` did (`action`, e.g. "customer.read"), to which customers."""

    actor: str
    action: str
    customers: tuple[str, ...] = ()
    detail: Detail = field(default_factory=dict)


def append(connection: sa.Connection, *entries: Entry, at: dt.datetime | None = None) -> None:
    """Write `entries` within the caller's transaction, which must be a writing one: it is the only writer then.

    Text that a database cannot hold (NUL, half a character) is replaced, so that nothing escapes the log by it.
    """
    assert connection.get_execution_options().get("writes"), "the audit log is written by writing transactions only"
    if not entries:
        return
    last = connection.execute(sa.select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    seq, previous = (last.seq, last.hash) if last else (0, FIRST)
    digests = _digests(connection, {_text(who) for entry in entries for who in entry.customers})
    moment, rows = at or now(), []
    for number, entry in enumerate(entries, seq + 1):
        row = _row(number, moment, entry, [digests[_text(who)] for who in entry.customers], previous)
        previous = row["hash"]
        rows.append(row)
    connection.execute(sa.insert(AUDIT), rows)


def digest_of(connection: sa.Connection, customer: str) -> str | None:
    """By what the log names a customer; None for one whom it never named, or who was forgotten."""
    query = sa.select(SUBJECTS.c.secret).where(SUBJECTS.c.customer_id == _text(customer))
    secret: str | None = connection.execute(query).scalar()
    return secret and _digest(secret, _text(customer))


def forget_subject(connection: sa.Connection, customer: str) -> int:
    """Delete a customer's secret, within a writing transaction; returns how many there were (0 or 1)."""
    return connection.execute(sa.delete(SUBJECTS).where(SUBJECTS.c.customer_id == _text(customer))).rowcount


def hash_of(row: Mapping[Any, Any]) -> str:
    """SHA-256 over the canonical JSON of a row of AUDIT, all but the hash itself."""
    names = ("seq", "actor", "action", "subjects", "detail", "previous")
    content = {name: row[name] for name in names} | {"at": row["at"].astimezone(dt.UTC).isoformat(" ", "microseconds")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _row(seq: int, at: dt.datetime, entry: Entry, subjects: Sequence[str], previous: str) -> dict[str, Any]:
    row = {
        "seq": seq, "at": at, "actor": _text(entry.actor), "action": _text(entry.action), "subjects": subjects,
        "detail": {_text(name): _value(value, entry.customers) for name, value in entry.detail.items()},
        "previous": previous,
    }  # fmt: skip
    return row | {"hash": hash_of(row)}


def _value(value: str | int | float | None, customers: Iterable[str]) -> str | int | None:
    """Floats become text: PostgreSQL's JSON would give another number back, and the hash would not fit."""
    return _unnamed(str(value), customers) if isinstance(value, str | float) else value


def _unnamed(text: str, customers: Iterable[str]) -> str:
    """`text` without the ids of the entry's customers, such as in keys of alerts: what is here cannot be forgotten."""
    for who in customers:
        if who in text:
            text = re.sub(rf"(?<![\w-]){re.escape(who)}(?![\w-])", UNNAMED, text)
    return _text(text)


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _digests(connection: sa.Connection, customers: Collection[str]) -> dict[str, str]:
    """Customer → digest; whoever is mentioned for the first time gets a secret."""
    wanted, known = sorted(customers), dict[str, str]()
    for begin in range(0, len(wanted), _BATCH):
        query = sa.select(SUBJECTS).where(SUBJECTS.c.customer_id.in_(wanted[begin : begin + _BATCH]))
        known |= {row.customer_id: row.secret for row in connection.execute(query)}
    new = {who: secrets.token_hex(32) for who in wanted if who not in known}
    if new:
        rows = [{"customer_id": who, "secret": secret} for who, secret in new.items()]
        connection.execute(sa.insert(SUBJECTS), rows)
    return {who: _digest(secret, who) for who, secret in (known | new).items()}


def _digest(secret: str, customer: str) -> str:
    return hmac.digest(bytes.fromhex(secret), customer.encode(), "sha256").hex()
