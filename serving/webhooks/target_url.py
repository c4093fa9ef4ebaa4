"""The URL of a target, read strictly: what two readers could read in two ways is refused."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

from serving.webhooks.addresses import Allowed, RefusedTargetError

_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_NUMBER: Final = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)\.?")
_PORTS: Final = {"https": 443, "http": 80}


class Place(NamedTuple):
    """Where a request goes: `host` without brackets, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The Host header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme and host, for people: a path may hold a secret."""
        return f"{self.scheme}://{self.authority}"


def place(url: str, allowed: Allowed) -> Place:
    """Read `url`. Raises RefusedTargetError for any but https on port 443, unless its host is allowed.

    Names are looked up later, and their addresses checked then (`addresses.checked`).
    """
    if not url.isascii() or any(letter <= " " or letter in '\\"<>^`{|}\x7f' for letter in url):
        raise _refused("has a letter that no URL may have; percent-encode it, and write the host in punycode")
    split, port = _split(url)
    if split.scheme not in _PORTS or not split.hostname:
        raise _refused("must be https://HOST/PATH")
    if "@" in split.netloc or "#" in url:
        raise _refused("must hold no user, password or fragment")
    host = _host(split)
    found = Place(split.scheme, host, _PORTS[split.scheme] if port is None else port, _path(split))
    if (found.scheme, found.port) != ("https", 443) and not allowed.host(host):
        raise _refused(f"{found.origin} is not https on port 443; use that, or allow its host in [webhooks] allow")
    return found


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        split = urlsplit(url)
        return split, split.port
    except ValueError:
        raise _refused("cannot be read") from None


def _path(split: SplitResult) -> str:
    return (split.path or "/") + (f"?{split.query}" if split.query else "")


def _host(split: SplitResult) -> str:
    """The host in lower case, an address in its one usual form."""
    host = split.hostname or ""
    if split.netloc.startswith("["):
        return str(_address(host, IPv6Address))
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return str(_address(host, IPv4Address))
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise _refused("its host is not a name")
    return host.rstrip(".")


def _address(host: str, kind: type[IPv4Address] | type[IPv6Address]) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if not isinstance(address, kind) or "%" in host:
        raise _refused("its host is an address in an unusual form; write 203.0.113.5 or [2001:db8::5]")
    return address


def _refused(what: str) -> RefusedTargetError:
    return RefusedTargetError(f"url: {what}")
