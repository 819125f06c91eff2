"""Who a client really is where a proxy stands in front: what X-Forwarded-For may be believed, and of whom.

Anybody can send these headers, so only those of configured proxies count (`trusted_proxies`, networks). A proxy puts
the address that it saw behind those that it was told. So the list is read from its end: past the proxies that are
trusted, the first other address is the client, and whatever stands before it is his own invention. (Who connects to
the proxy from an address that is trusted himself is taken for one more proxy: trust no network with clients in it.)

Plain passwords are taken over TLS and on loopback. A client counts as on loopback only where his own address is, and
nobody is between that is not trusted: headers that only proxies set, from a peer that is none of ours, mean a proxy
that nobody has told us of, which may stand in front of the whole world.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

# What the engine must hand on of an upgrade.
HEADERS: Final = ("x-forwarded-for", "x-real-ip", "x-forwarded-proto")
# Longer lists are read from their end only.
MAX_HEADER_CHARACTERS: Final = 1024
_SIGNS_OF_A_PROXY: Final = (*HEADERS, "x-forwarded-host", "forwarded", "via")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Client(NamedTuple):
    """`address` without a port. `is_https`: he came encrypted. `is_secure`: encrypted, or from this machine."""

    address: str
    is_https: bool
    is_secure: bool


class TrustedProxies:
    """ValueError: something that is no address or network."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(each, strict=False) for each in networks)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client(self, peer: str, header: Callable[[str], str], *, is_https: bool = False) -> Client:
        """`peer`: the address that the connection comes from. `header` gives the request's header of a lower-case name,
        repeated ones joined by commas, "" where there is none. `is_https`: this connection itself is encrypted."""
        peer_address = _parse(peer)
        if not self._trusts(peer_address):
            is_alone = not any(header(name) for name in _SIGNS_OF_A_PROXY)
            return Client(peer, is_https, is_https or (is_alone and _is_loopback(peer_address)))
        address = self._original(header) or peer_address
        is_https = header("x-forwarded-proto").rpartition(",")[2].strip().lower() == "https"
        return Client(str(address), is_https, is_https or _is_loopback(address))

    def _original(self, header: Callable[[str], str]) -> _Address | None:
        """Who the proxies say it is; None where they do not, or not in words that can be read."""
        forwarded = header("x-forwarded-for")
        if not forwarded:
            return _parse(header("x-real-ip"))
        address = None
        for part in reversed(forwarded[-MAX_HEADER_CHARACTERS:].split(",")):
            parsed = _parse(part)
            if parsed is None:
                break  # no proxy of ours writes that: nothing before it can be believed
            address = parsed
            if not self._trusts(address):
                break
        return address

    def _trusts(self, address: _Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parse(text: str) -> _Address | None:
    """An address, with or without a port; IPv4 within IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_loopback(address: _Address | None) -> bool:
    return address is not None and address.is_loopback
