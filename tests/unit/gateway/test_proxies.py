"""Whose word about the client's address is believed."""

from __future__ import annotations

import pytest

from xinyu.gateway.proxies import Client, TrustedProxies


def client(peer: str, *networks: str, is_https: bool = False, **headers: str) -> Client:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return TrustedProxies(networks).client(peer, lambda name: named.get(name, ""), is_https=is_https)


def test_without_proxies_the_peer_is_the_client() -> None:
    assert client("127.0.0.1") == Client("127.0.0.1", False, True)
    assert client("::1") == Client("::1", False, True)
    assert client("::ffff:127.0.0.1").is_secure
    assert client("203.0.113.9") == Client("203.0.113.9", False, False)
    assert client("203.0.113.9", is_https=True) == Client("203.0.113.9", True, True)
    assert client("") == Client("", False, False)


@pytest.mark.parametrize("name", ["x_forwarded_for", "x_real_ip", "x_forwarded_proto", "forwarded", "via"])
def test_headers_of_a_stranger_change_no_address_and_take_the_trust_in_loopback(name: str) -> None:
    for value in ("127.0.0.1", "https"):
        assert client("203.0.113.9", "10.0.0.0/8", **{name: value}) == Client("203.0.113.9", False, False)
        # A proxy on this machine that nobody has told us of.
        assert client("127.0.0.1", **{name: value}) == Client("127.0.0.1", False, False)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),  # the first one is the client's own invention
        ("203.0.113.9, 10.0.0.7", "203.0.113.9"),  # two proxies of ours
        ("203.0.113.9,10.0.0.7,10.0.0.8", "203.0.113.9"),
        ("10.0.0.9, 10.0.0.8", "10.0.0.9"),  # somebody within: the farthest
        ("127.0.0.1, garbage, 10.0.0.8", "10.0.0.8"),
        ("garbage", "10.0.0.1"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.1.1.1," * 10_000 + "203.0.113.9", "203.0.113.9"),
        (",", "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(forwarded: str, address: str) -> None:
    assert client("10.0.0.1", "10.0.0.0/8", x_forwarded_for=forwarded) == Client(address, False, False)


def test_a_trusted_proxy_says_whether_he_came_encrypted() -> None:
    assert client("10.0.0.1", "10.0.0.0/8", x_real_ip="203.0.113.9", x_forwarded_proto="https") == Client(
        "203.0.113.9", True, True
    )
    assert not client("10.0.0.1", "10.0.0.0/8", x_real_ip="203.0.113.9", x_forwarded_proto="https, http").is_secure
    # The connection from the proxy may be encrypted where the client's own is not.
    assert not client("10.0.0.1", "10.0.0.0/8", is_https=True, x_real_ip="203.0.113.9").is_https


def test_behind_a_proxy_on_loopback_only_who_is_there_himself_is_on_loopback() -> None:
    assert client("127.0.0.1", "127.0.0.1", x_forwarded_for="127.0.0.1").is_secure
    assert not client("127.0.0.1", "127.0.0.1", x_forwarded_for="203.0.113.9").is_secure
    assert not client("127.0.0.1", "127.0.0.1", x_forwarded_for="127.0.0.1, 203.0.113.9").is_secure


def test_what_is_no_network_is_refused() -> None:
    assert not TrustedProxies()
    with pytest.raises(ValueError):
        TrustedProxies(["localhost"])
