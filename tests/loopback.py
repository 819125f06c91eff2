"""What this machine's loopback speaks. A machine without IPv6 is no reason to skip: then the refusal is tested."""

from __future__ import annotations

import socket


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
