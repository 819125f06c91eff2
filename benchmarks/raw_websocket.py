"""The cheapest client's bytes: an opening handshake and frames built by hand (RFC 6455, section 5). For load only.

Frames are masked with the key 0, which leaves the payload as it is (the server unmasks all the same).
"""

from __future__ import annotations

import base64
import os
import struct

TEXT, PING, PONG = 0x1, 0x9, 0xA
SUBPROTOCOL = "xinyu.v1.json"


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
