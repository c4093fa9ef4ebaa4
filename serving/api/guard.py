"""Who may pass: the host that is meant, the key of the caller, what it may do, and how often."""

import base64
import binascii
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Final

from starlette.types import Scope as AsgiScope

from serving.access.keys import LOCAL, Caller, KeyRing
from serving.access.keys import Scope as KeyScope
from serving.access.limits import RateLimits
from serving.errors import BusyError, ForbiddenError, MisdirectedError

_LOOPBACK_HOSTS: Final = frozenset((b"localhost", b"127.0.0.1", b"[::1]"))


_LOOPBACK: Final = frozenset(("127.0.0.1", "::1"))
_FORWARDED: Final = frozenset((b"x-forwarded-for", b"forwarded"))
_MOST_KNOWN: Final = 1000


class Guard:
    """Decides by a request's scope alone. `hosts` are the names, besides the loopback's, by which the service is meant.

    While there are no keys everyone on this machine may do everything, and nobody else anything. A page of another
    site, opened in a browser here, is nobody: the Host it names (after a DNS name was rebound to 127.0.0.1) is its own.
    """

    def __init__(self, keys: KeyRing, limits: RateLimits, hosts: Iterable[str] = ()) -> None:
        self._keys, self._limits = keys, limits
        self._hosts = _LOOPBACK_HOSTS | {host.lower().encode() for host in hosts}
        self._known: set[bytes] = set()

    def caller(self, scope: AsgiScope, needed: KeyScope, n: int = 1) -> Caller:
        """Who asks, where it may do what needs `needed`, `n` requests at once.

        Raises UnknownKeyError (401), ForbiddenError (403), MisdirectedError (421), BusyError (429), NotReadyError.
        """
        host, token, forwarded = _told(scope["headers"])
        caller = self._local(scope, host, forwarded) if self._keys.empty else self._keys.caller(token)
        if not caller.may(needed):
            raise ForbiddenError(f"this key has not the scope {needed!r}; ask for one that has")
        wait = self._limits.take(caller, n, time.monotonic())
        if wait:
            raise BusyError("this key has asked too often; wait as long as Retry-After says", retry_after=wait)
        return caller

    def _local(self, scope: AsgiScope, host: bytes, forwarded: bool) -> Caller:
        if forwarded or not (self._is_here(scope.get("client")) and self._is_here(scope.get("server"))):
            raise ForbiddenError("no keys are made yet: only this machine may ask; see `remora keys create`")
        if host not in self._known and not self._is_meant(host):
            raise MisdirectedError("the Host of the request is not this service; name it in [api] hosts, or make keys")
        return LOCAL

    def _is_meant(self, host: bytes) -> bool:
        """Whether `host`, with or without a port, is one of ours; then it is remembered as it was written."""
        meant = host in self._hosts or host.rpartition(b":")[0] in self._hosts
        if meant and len(self._known) < _MOST_KNOWN:
            self._known.add(host)
        return meant

    def _is_here(self, end: Sequence[Any] | None) -> bool:
        """Whether an end of the connection (address, port) is this machine; a local socket has none."""
        if end is None or end[0] in _LOOPBACK:
            return True
        return _is_loopback(end[0])


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:  # a name, or a path of a socket: not a machine elsewhere only if it is no name
        return address.startswith("/")


def _told(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, str, bool]:
    """Host and key, as far as given; and whether a proxy asks for somebody, who may be anybody."""
    host, token, forwarded = b"", "", False
    for name, value in headers:
        if name == b"host":
            host = value.lower()
        elif name == b"authorization":
            token = _token(value)
        elif name in _FORWARDED:
            forwarded = True
    return host, token, forwarded


def _token(value: bytes) -> str:
    """The key of `Bearer KEY`, or of `Basic` with the key as password, as browsers send it."""
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip().decode("latin-1")
    if scheme.lower() != b"basic":
        return ""
    try:
        return base64.b64decode(rest, validate=True).decode("latin-1").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
