"""What a Rock request carries beside the frame's own fields: deadline and caller, at the head of its body.

    1 byte   version of the head, 1
    4 bytes  how long the caller waits, milliseconds, unsigned big-endian: a span, so that clocks need not agree
    1 byte   length of the caller's name, then the name in ASCII
    the rest is the request in protobuf

(contract: rock-rpc, "what the trace dialect must carry besides rides at the head of the body"). The answer's body is
the response in protobuf when the result is 200, else a `Refusal`.
"""

from __future__ import annotations

import struct
from typing import Final

VERSION: Final = 1
_HEAD: Final = struct.Struct(">BIB")
_MAX_TIMEOUT_MS: Final = 0xFFFFFFFF


class HeadError(ValueError):
    """The body does not begin with a head of this version."""


def encode_caller(caller: str) -> bytes:
    """The part of the head that is the same for all requests of a caller. ValueError: no ASCII, or over 255 bytes."""
    name = caller.encode("ascii")
    return bytes((len(name),)) + name


def encode(timeout_s: float, encoded_caller: bytes, request: bytes) -> bytes:
    """A request's body."""
    timeout_ms = min(_MAX_TIMEOUT_MS, max(0, int(timeout_s * 1000)))
    return b"\x01" + timeout_ms.to_bytes(4, "big") + encoded_caller + request


def decode(body: bytes) -> tuple[float, str, int]:
    """How long the caller waits in seconds, his name, and where the request begins. Raises HeadError."""
    if len(body) < _HEAD.size:
        raise HeadError("the head is cut short")
    version, timeout_ms, size = _HEAD.unpack_from(body)
    end = _HEAD.size + size
    if version != VERSION:
        raise HeadError(f"a head of version {version}")
    if len(body) < end:
        raise HeadError("the head is cut short")
    try:
        return timeout_ms / 1000, body[_HEAD.size : end].decode("ascii"), end
    except UnicodeDecodeError:
        raise HeadError("the caller's name is not ASCII") from None
