"""One POST to an address that was checked: no second look-up, no redirect, no proxy, and an end to waiting.

Imported only where something is sent: the service need not load an HTTP client to start.
"""

import datetime as dt
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpcore

from features.clock import now
from serving.webhooks.addresses import Allowed, RefusedTargetError, Resolve, checked, resolve
from serving.webhooks.target_url import Place

TIMEOUT: Final = 10.0
"""Seconds for everything together: connecting, sending, and the answer."""

MAX_ANSWER: Final = 65_536
"""Bytes of an answer that are read; nobody looks at them."""

MAX_PROBLEM: Final = 300


@dataclass(frozen=True)
class Answer:
    """What came of a POST: `status` None where there was no answer, and `problem` says why (None: it was taken in)."""

    status: int | None
    problem: str | None
    retry_after: dt.timedelta | None = None

    @property
    def gone(self) -> bool:
        """410: the receiver wants no more of it."""
        return self.status == 410


class _Stream(httpcore.NetworkStream):
    """A connection whose every wait ends at one moment."""

    def __init__(self, inner: httpcore.NetworkStream, end: float) -> None:
        self._inner = inner
        self._end = end

    def _left(self, timeout: float | None) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, self._left(timeout)), self._end)

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)


class _Checked(httpcore.NetworkBackend):
    """Connects to an address that `checked` gave; the name is used for the certificate and the Host header alone."""

    def __init__(self, allowed: Allowed, find: Resolve, end: float) -> None:
        self._allowed = allowed
        self._find = find
        self._end = end

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = checked(host, port, self._allowed, self._find)
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from error
        problem: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return _Stream(httpcore.SyncBackend().connect_tcp(address, port, self._left()), self._end)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        raise problem

    def _left(self) -> float:
        return max(self._end - time.monotonic(), 0.001)


class Courier:
    """Sends to what `allowed` lets be sent to; `find` looks hosts up. Safe for several threads."""

    def __init__(self, allowed: Allowed, find: Resolve = resolve, timeout: float = TIMEOUT) -> None:
        self._allowed = allowed
        self._find = find
        self._timeout = timeout
        self._tls = ssl.create_default_context()

    def post(self, place: Place, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send `body`; whatever goes wrong is an Answer with a problem. Certificates are checked against the host."""
        try:
            return self._post(place, body, headers)
        except RefusedTargetError as error:
            return Answer(None, str(error))
        except httpcore.TimeoutException:
            return Answer(None, f"no answer within {self._timeout:g} s")
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            return Answer(None, f"{type(error).__name__}: {error}"[:MAX_PROBLEM])

    def _post(self, place: Place, body: bytes, headers: Mapping[str, str]) -> Answer:
        backend = _Checked(self._allowed, self._find, time.monotonic() + self._timeout)
        scheme, host, path = (part.encode() for part in (place.scheme, place.host, place.path))
        url = httpcore.URL(scheme=scheme, host=host, port=place.port, target=path)
        given = [("Host", place.authority), *headers.items()]
        limits = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), self._timeout)}
        with (
            httpcore.ConnectionPool(self._tls, network_backend=backend) as pool,
            pool.stream("POST", url, headers=given, content=body, extensions=limits) as response,
        ):
            _swallow(response)
            return _answer(response)


def _swallow(response: httpcore.Response) -> None:
    read = 0
    for chunk in response.iter_stream():
        read += len(chunk)
        if read >= MAX_ANSWER:
            return


def _answer(response: httpcore.Response) -> Answer:
    if 200 <= response.status < 300:
        return Answer(response.status, None)
    wait = _retry_after(response) if response.status in (429, 503) else None
    return Answer(response.status, f"HTTP {response.status}", wait)


def _retry_after(response: httpcore.Response) -> dt.timedelta | None:
    """How long the receiver asks to wait, as seconds or as a date; None where it does not say."""
    named = (value for name, value in response.headers if name.lower() == b"retry-after")
    said = next(named, b"").decode("ascii", "replace")
    if said.isdecimal() and len(said) < 10:
        return dt.timedelta(seconds=int(said))
    try:
        return max(parsedate_to_datetime(said) - now(), dt.timedelta())
    except (ValueError, TypeError):
        return None
