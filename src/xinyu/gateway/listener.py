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
    return _listen(host, port, is_shared=False)


def listen_shared(host: str, port: int, count: int) -> list[socket.socket]:
    """So many sockets on one address: the kernel gives each about the same share of the connections, by a hash of both
    ends (SO_REUSEPORT). Whoever holds the descriptors keeps a dead reader's share waiting instead of refused."""
    # Sharing would let a second server in unnoticed: somebody who listens already is met without it first.
    first = listen(host, port)
    port = bound_port(first)
    first.close()
    listening: list[socket.socket] = []
    try:
        for _ in range(count):
            listening.append(_listen(host, port, is_shared=True))
    except ListenError:
        for sock in listening:
            sock.close()
        raise
    return listening


def _listen(host: str, port: int, *, is_shared: bool) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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
