"""Which addresses are the public internet's.

The rule is a list of what may be, not of what may not: IPv6 is its one global block (RFC 4291, section 2.4), without
the parts of it that carry an IPv4 address inside or are nobody's. What wraps an IPv4 address otherwise (IPv4-mapped,
NAT64) lies outside of that block, so no spelling of a private address gets through.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address

_GLOBAL_IPV6: Final = IPv6Network("2000::/3")
# 6to4 (RFC 3056), IETF's own with Teredo (RFC 2928, 4380), documentation (RFC 9637).
_NOT_PUBLIC: Final = (IPv6Network("2002::/16"), IPv6Network("2001::/23"), IPv6Network("3fff::/20"))


def is_public(address: Address) -> bool:
    """Whether anybody on the internet may be there."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return True
    return address in _GLOBAL_IPV6 and not any(address in network for network in _NOT_PUBLIC)


def parse_address(text: str) -> Address | None:
    """An address as a resolver or a URL writes it, the zone of a link-local one included; None for a name."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
