"""Listening sockets for the doors: bound before anything else is started, so that a taken port is told at once."""

from __future__ import annotations

import os
import socket
from typing import Final

BACKLOG: Final = 1024


class ListenError(Exception):
    """The address cannot be listened on; the text is one line for the operator."""


def listen(host: str, port: int) -> socket.socket:
    """A non-blocking TCP socket that listens on `host` (name or address) and `port` (0 = a free one)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except (OSError, OverflowError) as error:
        listening.close()
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ListenError(f"cannot listen on {host}:{port}: {reason}") from None
    return listening


def bound_port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])


def reachable_host(host: str) -> str:
    """The host of a URL by which this machine reaches what listens on `host`: brackets around an IPv6 address."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
