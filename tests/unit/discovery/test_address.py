"""Addresses: written, read, and which one is told to others."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.discovery.address import advertised, join_address, machine_hosts, split_address

PORTS = st.integers(1, 65535)


@given(st.ip_addresses(), PORTS)
def test_what_is_written_is_read(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    address = join_address(str(ip), port)
    assert split_address(address) == (str(ip), port)
    assert address.startswith("[") == (ip.version == 6)


@given(st.text(max_size=60))
def test_anything_is_an_address_or_refused(text: str) -> None:
    try:
        host, port = split_address(text)
    except ValueError:
        return
    assert host and 0 < port < 65536 and not set(host) & set(" /\n\x00[]")


@pytest.mark.parametrize(
    "text",
    ["", "host", "host:", ":80", "host:0", "host:65536", "host:٣", "::1:80", "[::1]", "[]:80", "[12]:80", "a/b:80",
     "a b:80", "host:80\n", "host:080000", "[1.2.3.4]:80"],
)  # fmt: skip
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        split_address(text)


@pytest.mark.parametrize(
    ("host", "advertise_host", "told"),
    [
        ("127.0.0.1", "", "127.0.0.1:8071"),  # the reference leaves it out
        ("::1", "", "[::1]:8071"),
        ("192.0.2.7", "", "192.0.2.7:8071"),
        ("0.0.0.0", "", "10.1.2.3:8071"),
        ("::", "", "10.1.2.3:8071"),
        ("", "", "10.1.2.3:8071"),
        ("0.0.0.0", "chat-3.example.org", "chat-3.example.org:8071"),
        ("127.0.0.1", "2001:db8::7", "[2001:db8::7]:8071"),
    ],
)
def test_what_others_are_told(host: str, advertise_host: str, told: str) -> None:
    assert advertised(host, 8071, advertise_host, lambda: ["10.1.2.3", "2001:db8::1"]) == told


def test_a_machine_without_an_address_of_that_kind() -> None:
    assert advertised("0.0.0.0", 1, "", lambda: ["2001:db8::1"]) == "127.0.0.1:1"
    assert advertised("::", 1, "", lambda: ["2001:db8::1"]) == "[2001:db8::1]:1"
    assert advertised("::", 1, "", list) == "127.0.0.1:1"


def test_this_machine_s_addresses_are_its_own() -> None:
    for host in machine_hosts():
        ip = ipaddress.ip_address(host)
        assert not ip.is_loopback and not ip.is_unspecified and not ip.is_link_local
    assert [":" in host for host in machine_hosts()] == sorted(":" in host for host in machine_hosts())
