"""How a Rock connection's socket is set: no waiting to fill packets, and a peer that vanishes is noticed."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

SILENT_FOR_S: Final = 10


def prepare(transport: asyncio.Transport, unsent_bytes: int) -> None:
    """A peer that says nothing, not even that it has received, is given up after `SILENT_FOR_S` seconds; past
    `unsent_bytes` that it has not taken the protocol's `pause_writing` is called."""
    transport.set_write_buffer_limits(high=unsent_bytes)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_FOR_S // 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, SILENT_FOR_S // 2)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENT_FOR_S * 1000)
