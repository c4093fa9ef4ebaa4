"""API keys: made, listed and revoked in the store, and looked up in memory at every request.

A key reads `rk_ID_SECRETCHECK`: the ID is public, SECRET are 32 random bytes, CHECK tells a mistyped key from an
unknown one. The store has its SHA-256 only. A slow hash such as bcrypt would guard what people choose; 256 random bits
cannot be guessed at any speed, and a slow hash at every request would be a way to bring the service down.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from features.clock import now
from features.errors import RemoraError
from serving.access.audit import Entry, append
from serving.database import transaction
from serving.door_tables import KEYS
from serving.errors import InvalidRequestError, NotReadyError, RequestError
from serving.store import Store

Scope = Literal["predict", "read", "act", "admin"]

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
_KEY: Final = re.compile(r"rk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}([0-9a-f]{8})")
_CHECK: Final = 8
_NOBODY: Final = bytes(32)


class UnknownKeyError(RequestError):
    """No key, or one that is mistyped, unknown, revoked or expired."""

    status = 401
    kind = "unknown-key"


class NoSuchKeyError(RemoraError):
    """A key is named that was never made."""


@dataclass(frozen=True)
class Caller:
    """Who asks: the id of a key or "local", what it may do, whose customers it sees (None: all), how often it may."""

    actor: str
    scopes: frozenset[Scope]
    tenant: str | None = None
    per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it has `scope`; "admin" has all."""
        return scope in self.scopes or "admin" in self.scopes


LOCAL: Final = Caller("local", frozenset(SCOPES))
"""Who calls a service that has no keys, on the loopback."""


@dataclass(frozen=True)
class Key:
    """What is known of a key; never its text. `per_minute` None: the service's default."""

    id: str
    label: str
    scopes: tuple[Scope, ...]
    tenant: str | None
    per_minute: int | None
    created_at: dt.datetime
    expires_at: dt.datetime | None
    revoked_at: dt.datetime | None

    def state(self, at: dt.datetime) -> Literal["active", "expired", "revoked"]:
        """What it is at a moment."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and at >= self.expires_at else "active"


class Keys:
    """The keys in a store. What `actor` does to them goes into the audit log, in the same transaction."""

    def __init__(self, engine: sa.Engine, actor: str = LOCAL.actor) -> None:
        self._engine, self._actor = engine, actor

    def create(
        self,
        scopes: Iterable[str],
        label: str,
        expires_at: dt.datetime | None = None,
        tenant: str | None = None,
        per_minute: int | None = None,
    ) -> str:
        """Make a key and return its text, which nothing keeps. Raises InvalidRequestError naming what is wrong."""
        _require(label, tenant, per_minute, expires_at)
        granted = _granted(scopes)
        key = secrets.token_hex(6)
        token = _with_check(f"rk_{key}_{secrets.token_urlsafe(32)}")
        row = {
            "id": key, "label": label, "hash": _digest(token).hex(), "scopes": granted, "tenant": tenant,
            "per_minute": per_minute, "created_at": now(), "expires_at": expires_at,
        }  # fmt: skip
        told: dict[str, str | int | None] = {
            "key": key, "label": label, "scopes": ",".join(granted), "tenant": tenant, "per_minute": per_minute,
            "expires_at": expires_at.isoformat() if expires_at else None,
        }  # fmt: skip
        with transaction(self._engine, writes=True) as connection:
            connection.execute(sa.insert(KEYS), row)
            append(connection, Entry(self._actor, "key.created", detail=told))
        return token

    def list(self) -> tuple[Key, ...]:
        """Every key ever made, the newest first."""
        query = sa.select(KEYS).order_by(KEYS.c.created_at.desc(), KEYS.c.id)
        with transaction(self._engine) as connection:
            return tuple(_key(row._mapping) for row in connection.execute(query))

    def revoke(self, key: str) -> None:
        """End a key for good; one that is revoked already stays so. Raises NoSuchKeyError."""
        with transaction(self._engine, writes=True) as connection:
            found = connection.execute(sa.select(KEYS.c.revoked_at).where(KEYS.c.id == key)).first()
            if found is None:
                raise NoSuchKeyError(f"key {key}: there is none; `remora keys list` names those there are")
            if found.revoked_at is None:
                connection.execute(sa.update(KEYS).where(KEYS.c.id == key).values(revoked_at=now()))
                append(connection, Entry(self._actor, "key.revoked", detail={"key": key}))


@dataclass(frozen=True)
class _Known:
    key: Key
    hash: bytes
    caller: Caller


class KeyRing:
    """All keys in memory. One thread calls `refresh`; any other may call `caller` meanwhile."""

    def __init__(self, clock: Callable[[], dt.datetime] = now) -> None:
        self._known: Mapping[str, _Known] | None = None
        self._clock = clock

    @property
    def known(self) -> bool:
        """Whether the keys were read; before that nobody may pass."""
        return self._known is not None

    @property
    def empty(self) -> bool:
        """Whether no key was ever made; False before the first `refresh`.

        A store whose keys are all revoked or expired is not empty: the door that was locked stays locked.
        """
        return self._known is not None and not self._known

    def refresh(self, store: Store) -> None:
        """Read all keys anew. Raises StoreError, and the keys known so far stay."""
        with transaction(store.engine) as connection:
            rows = connection.execute(sa.select(KEYS)).mappings().all()
        self._known = {row["id"]: _known(row) for row in rows}

    def caller(self, token: str) -> Caller:
        """Whose key this is. Raises UnknownKeyError, and NotReadyError before the first `refresh`."""
        if self._known is None:
            raise NotReadyError("the keys have not been read from the store yet; try again in a few seconds")
        shape = _KEY.fullmatch(token)
        if shape is None or _check(token[:-_CHECK]) != shape[2]:
            raise UnknownKeyError("this is not a key of Remora, or it is mistyped or cut; send the key as it was given")
        known = self._known.get(shape[1])
        if not hmac.compare_digest(_digest(token), known.hash if known else _NOBODY) or known is None:
            raise UnknownKeyError("this key is unknown here; ask for one that `remora keys create` made")
        key = known.key
        if key.revoked_at is not None or key.expires_at is not None:
            _refuse_ended(key, self._clock())
        return known.caller


def _refuse_ended(key: Key, at: dt.datetime) -> None:
    """Who knows the secret may know why it is refused."""
    state = key.state(at)
    if state != "active":
        raise UnknownKeyError(f"this key is {state}; ask for a new one (`remora keys create`)")


def _known(row: Mapping[Any, Any]) -> _Known:
    key = _key(row)
    caller = Caller(key.id, frozenset(key.scopes), key.tenant, key.per_minute)
    return _Known(key, bytes.fromhex(row["hash"]), caller)


def _key(row: Mapping[Any, Any]) -> Key:
    known = {name: value for name, value in row.items() if name != "hash"}
    return Key(**known | {"scopes": tuple(row["scopes"])})


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode('ascii')):08x}"


def _with_check(text: str) -> str:
    return text + _check(text)


def _granted(scopes: Iterable[str]) -> list[Scope]:
    """In the order of SCOPES, each once."""
    wanted = set(scopes)
    if not wanted or wanted - set(SCOPES):
        wrong = ", ".join(sorted(wanted - set(SCOPES))) or "none"
        raise InvalidRequestError(f"scope {wrong}: a key has one or more of {', '.join(SCOPES)}", fields=("scope",))
    return [scope for scope in SCOPES if scope in wanted]


def _require(label: str, tenant: str | None, per_minute: int | None, expires_at: dt.datetime | None) -> None:
    problems = {
        "label": "is empty; say who will use the key" if not label.strip() else "",
        "tenant": "is empty; name one, or leave it out for all customers" if tenant == "" else "",
        "per_minute": "is below 1; give the requests a minute" if per_minute is not None and per_minute < 1 else "",
        "expires_at": "is not in the future" if expires_at is not None and expires_at <= now() else "",
    }
    wrong = {name: problem for name, problem in problems.items() if problem}
    if wrong:
        raise InvalidRequestError(*(f"{name}: {problem}" for name, problem in wrong.items()), fields=tuple(wrong))
