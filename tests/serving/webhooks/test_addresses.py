"""Nothing is sent to where it must not go: URLs, addresses, and what names turn out to mean."""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.webhooks.addresses import Allowed, RefusedTargetError, checked, refusal, resolve
from serving.webhooks.target_url import place

NOTHING = Allowed.of(())
NAT64 = IPv6Network("64:ff9b::/96")

_TABLE = """
http://example.com/                        http://93.184.216.34/           ftp://example.com/
file:///etc/passwd                         gopher://127.0.0.1:6379/        javascript:alert(1)
//example.com/                             https://                        https:///path
https://example.com:8443/                  https://example.com:22/         https://example.com:0/
https://example.com:99999/                 https://example.com:a/          https://user@example.com/
https://user:pass@example.com/             https://example.com@127.0.0.1/  https://127.0.0.1@example.com/
https://example.com#@127.0.0.1/            https://example.com/#x          https://example.com\\@127.0.0.1/
https://127.0.0.1/                         https://127.0.0.1./             https://127.1/
https://127.0.1/                           https://2130706433/             https://0x7f000001/
https://0x7f.0.0.1/                        https://0177.0.0.1/             https://017700000001/
https://0x7f.1/                            https://127.0.0.01/             https://0/
https://0.0.0.0/                           https://10.0.0.1/               https://172.16.0.1/
https://172.31.255.255/                    https://192.168.1.1/            https://169.254.169.254/latest/meta-data/
https://2852039166/                        https://0xa9fea9fe/             https://100.64.0.1/
https://100.100.100.200/                   https://192.0.0.192/            https://168.63.129.16/
https://198.18.0.1/                        https://192.0.2.1/              https://224.0.0.1/
https://239.255.255.250/                   https://240.0.0.1/              https://255.255.255.255/
https://[::1]/                             https://[::]/                   https://[::ffff:127.0.0.1]/
https://[::ffff:7f00:1]/                   https://[::ffff:10.0.0.1]/      https://[::127.0.0.1]/
https://[64:ff9b::127.0.0.1]/              https://[64:ff9b::a00:1]/       https://[64:ff9b:1::1]/
https://[2002:7f00:1::]/                   https://[2002:a00:1::1]/        https://[2001:0:7f00:1::]/
https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/ https://[fe80::1]/         https://[fe80::1%25eth0]/
https://[fe80::1%eth0]/                    https://[fc00::1]/              https://[fd00:ec2::254]/
https://[fec0::1]/                         https://[ff02::1]/              https://[ff0e::1]/
https://[2001:db8::1]/                     https://[100::1]/               https://[5f00::1]/
https://[::ffff:0:127.0.0.1]/              https://[v1.x]/                 https://[127.0.0.1]/
https://localhost/                         https://LOCALHOST/              https://localhost./
https://exam%70le.com/                     https://127.0.0.1%2f@x/         https://ex_ample..com/
https://-example.com/                      https://.example.com/           https://exa(mple.com/
https://１２７.0.0.1/                       https://例え.jp/                 https://ⓛocalhost/
https://example.com:443:80/                https:example.com               https:/example.com/
"""
HOSTILE = _TABLE.split()

OTHERS = [
    "", " https://example.com/", "https://example.com/ x", "https://exa\tmple.com/", "https://example.com/\r\nX: y",
    "https://exam\nple.com/", "https://\0example.com/", "https://example.com\x7f/", "https://" + "a." * 130 + "com/",
]  # fmt: skip


@pytest.mark.parametrize("url", [*HOSTILE, *OTHERS])
def test_hostile_urls_are_refused(url: str) -> None:
    with pytest.raises(RefusedTargetError):
        _reach(url)


def _reach(url: str) -> None:
    found = place(url, NOTHING)
    checked(found.host, found.port, NOTHING)


def test_the_table_is_long_enough() -> None:
    assert len({*HOSTILE, *OTHERS}) >= 60


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://example.com", "example.com", "/"),
        ("https://Example.COM:443/a?b=c%20d", "example.com", "/a?b=c%20d"),
        ("https://xn--r8jz45g.jp/", "xn--r8jz45g.jp", "/"),
        ("https://9.9.9.9/x", "9.9.9.9", "/x"),
        ("https://[2620:FE::fe]/x", "[2620:fe::fe]", "/x"),
        ("https://1and1.com./", "1and1.com", "/"),
        ("https://_hooks.example.com/", "_hooks.example.com", "/"),
    ],
)
def test_usual_urls_are_read(url: str, authority: str, path: str) -> None:
    found = place(url, NOTHING)
    assert (found.scheme, found.port, found.authority, found.path) == ("https", 443, authority, path)


def test_what_is_allowed_may_be_http_on_any_port_and_private() -> None:
    allowed = Allowed.of(["Hooks.internal.", "10.0.0.0/8", "::1"])
    assert place("http://hooks.internal:8080/x", allowed).authority == "hooks.internal:8080"
    assert place("http://10.9.8.7/x", allowed).authority == "10.9.8.7"
    assert place("https://[::1]:8443/", allowed).authority == "[::1]:8443"
    for url in ("http://other.internal/", "http://11.0.0.1/", "https://hooks.internal.evil.com:8080/"):
        with pytest.raises(RefusedTargetError):
            place(url, allowed)
    assert checked("hooks.internal", 80, allowed, lambda *_: ["192.168.0.1"]) == ["192.168.0.1"]
    assert checked("else.com", 443, allowed, lambda *_: ["10.1.1.1", "9.9.9.9"]) == ["10.1.1.1", "9.9.9.9"]
    assert checked("else.com", 443, allowed, lambda *_: ["::ffff:10.1.1.1"]) == ["::ffff:a01:101"]
    with pytest.raises(RefusedTargetError, match=r"192\.168\.0\.1 is private"):
        checked("else.com", 443, allowed, lambda *_: ["192.168.0.1"])


@pytest.mark.parametrize("entry", ["", "http://x", "x:80", "*.example.com", "a b", "10.0.0.1/8", "user@x"])
def test_what_cannot_be_allowed_is_told(entry: str) -> None:
    with pytest.raises(RefusedTargetError, match="allow"):
        Allowed.of([entry])


@pytest.mark.parametrize("bad", ["127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0"])
def test_one_bad_address_among_good_ones_is_enough(bad: str) -> None:
    with pytest.raises(RefusedTargetError):
        checked("example.com", 443, NOTHING, lambda *_: ["9.9.9.9", bad, "8.8.8.8"])


def test_good_addresses_pass_in_their_order() -> None:
    good = ["9.9.9.9", "2620:fe::fe", "2001:4860:4860::8888", "64:ff9b::808:808", "::ffff:808:808"]
    assert checked("example.com", 443, NOTHING, lambda *_: good) == good


@pytest.mark.parametrize("odd", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1"])
def test_what_the_system_reads_into_odd_numbers_is_checked_too(odd: str) -> None:
    try:
        found = resolve(odd, 443)
    except socket.gaierror:
        return
    with pytest.raises(RefusedTargetError):
        checked(odd, 443, NOTHING, lambda *_: found)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_whatever_python_knows_not_to_be_global_is_refused(address: IPv4Address | IPv6Address) -> None:
    stands_for_another = address.version == 6 and (address in NAT64 or address.ipv4_mapped)
    if not stands_for_another and (not address.is_global or address.is_multicast or address.is_reserved):
        assert refusal(address)


@given(st.ip_addresses(v=4))
def test_an_address_in_another_dress_is_the_same_address(address: IPv4Address) -> None:
    mapped, behind = ip_address(f"::ffff:{address}"), ip_address(f"64:ff9b::{address}")
    assert refusal(mapped) == refusal(behind) == refusal(address)
    assert refusal(ip_address(f"::{address}"))
    assert refusal(IPv6Address((0x2002 << 112) | (int(address) << 80)))
