"""The cheapest WebSocket client: a raw socket, frames built and cut by hand (RFC 6455, section 5). For load only.

It masks with the key 0, which leaves the payload as it is (the server unmasks all the same), reads unfragmented frames
only, and answers pings. What it does not expect raises UnexpectedFrame.
"""

from __future__ import annotations

import base64
import os
import socket
import struct

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
SUBPROTOCOL = "xinyu.v1.json"


class UnexpectedFrame(Exception):
    """The server said something that a benchmark has no use for."""


def upgrade_request(token: str, device_id: str) -> bytes:
    """An opening handshake of our dialect with the token in its header."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws?device_id={device_id}&platform=pc HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()


def masked_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    size = len(payload)
    if size < 126:
        return struct.pack("!BBI", 0x80 | opcode, 0x80 | size, 0) + payload
    return struct.pack("!BBHI", 0x80 | opcode, 0x80 | 126, size, 0) + payload


class RawConnection:
    """One socket. `received()` gives the payloads of the text frames that have come (of 2 bytes at least)."""

    __slots__ = ("_left", "is_open", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.is_open = False  # the upgrade is answered
        self._left = b""

    def received(self) -> list[bytes]:
        """Reads once what is there. Raises ConnectionError when the server is gone, UnexpectedFrame."""
        try:
            data = self.sock.recv(65_536)
        except BlockingIOError:
            return []
        if not data:
            raise ConnectionResetError("the server closed the connection")
        if self._left:
            data = self._left + data
        at = 0
        if not self.is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._left = data
                return []
            if not data.startswith(b"HTTP/1.1 101"):
                raise UnexpectedFrame(data[:200].decode(errors="replace"))
            self.is_open = True
            at = end + 4
        payloads = []
        size = len(data)
        while size - at >= 4:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif length > 126:
                raise UnexpectedFrame(f"length byte {length}")
            end = start + length
            if size < end:
                break
            if data[at] == 0x80 | TEXT:
                payloads.append(data[start:end])
            elif data[at] == 0x80 | PING:
                self.sock.send(masked_frame(data[start:end], PONG))
            else:
                raise UnexpectedFrame(f"opcode {data[at]:#x}: {data[start : start + 100]!r}")
            at = end
        self._left = data[at:] if at < size else b""
        return payloads
