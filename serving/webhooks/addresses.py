"""Which addresses an event may be sent to: only such as anybody on the internet could reach, and those allowed."""

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from features.errors import RemoraError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) → every address of it, as text."""


class RefusedTargetError(RemoraError):
    """A target that nothing may be sent to."""


_REFUSED: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's own"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation's"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "documentation's"),
        ("203.0.113.0/24", "documentation's"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved (Teredo and others)"),
        ("2001:db8::/32", "documentation's"),
        ("2002::/16", "6to4"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation's"),
    )
)
"""IANA's special-purpose registries, and 168.63.129.16, by which machines of one cloud talk to their host."""

_PUBLIC_V6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of `host` as the system knows it. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def refusal(address: Address) -> str | None:
    """What is wrong with sending to `address`; None where nothing is.

    >>> refusal(ip_address("10.1.2.3")), refusal(ip_address("::ffff:127.0.0.1")), refusal(ip_address("9.9.9.9"))
    ('private', 'loopback', None)
    """
    if isinstance(address, IPv6Address) and (inner := _within(address)):
        return refusal(inner)
    for network, what in _REFUSED:
        if address in network:
            return what
    return "reserved" if isinstance(address, IPv6Address) and address not in _PUBLIC_V6 else None


def _within(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, or behind NAT64."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped


@dataclass(frozen=True)
class Allowed:
    """What `[webhooks] allow` says: names of hosts, and networks."""

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def of(cls, entries: Iterable[str]) -> "Allowed":
        """Read the entries: "hooks.example.com", "10.0.0.0/8", "10.1.2.3".

        Raises RefusedTargetError for one that is neither a network nor a name.
        """
        hosts, networks = [], []
        for entry in entries:
            try:
                networks.append(ip_network(entry))
            except ValueError:
                hosts.append(_name(entry))
        return cls(frozenset(hosts), tuple(networks))

    def host(self, host: str) -> bool:
        """Whether a host, as its URL names it, is allowed by name or by its address."""
        try:
            return self.address(ip_address(host))
        except ValueError:
            return host.lower().rstrip(".") in self.hosts

    def address(self, address: Address) -> bool:
        """Whether an address lies in an allowed network, as itself or as the IPv4 address that it stands for."""
        inner = _within(address) if isinstance(address, IPv6Address) else None
        return any(each in network for network in self.networks for each in (address, inner) if each is not None)


def _name(entry: str) -> str:
    if not entry or any(letter in entry for letter in "/:*@ "):
        raise RefusedTargetError(
            f"[webhooks] allow: {entry!r} is neither a host's name nor a network; write hooks.example.com or 10.0.0.0/8"
        )
    return entry.lower().rstrip(".")


def checked(host: str, port: int, allowed: Allowed, find: Resolve = resolve) -> list[str]:
    """The addresses of `host`, each fit to be sent to. The host is looked up here and must not be looked up again.

    Raises RefusedTargetError where one of them is not fit, OSError where the host has no address.
    """
    found = [ip_address(text) for text in find(host, port)]
    if host.lower().rstrip(".") not in allowed.hosts:
        for address in found:
            if not allowed.address(address) and (what := refusal(address)):
                raise RefusedTargetError(
                    f"{host}: its address {address} is {what}; name a public host, or allow it in [webhooks] allow"
                )
    return [str(address) for address in found]
