"""RFC 6455 frames without sockets: the engine's own parser and builder, fed from Python."""

from typing import Final, Literal, Self, TypeAlias, final

OP_CONTINUATION: Final[int]
OP_TEXT: Final[int]
OP_BINARY: Final[int]
OP_CLOSE: Final[int]
OP_PING: Final[int]
OP_PONG: Final[int]

# What this machine can run, the slowest first: names for mask_in_place() and Utf8Validator.
MASK_IMPLEMENTATIONS: Final[tuple[str, ...]]
UTF8_IMPLEMENTATIONS: Final[tuple[str, ...]]

_Event: TypeAlias = (
    tuple[Literal["text"], str]
    | tuple[Literal["binary", "ping", "pong"], bytes]
    | tuple[Literal["close", "fail"], int, str]
)

@final
class FrameParser:
    """Parses what a client sends. Feed it bytes, split anywhere; it answers with the events that became complete.

    Events are tuples: ("text", str), ("binary", bytes), ("ping", bytes), ("pong", bytes), ("close", code, reason) and
    ("fail", code, why). After "close" or "fail" nothing more is read.
    """

    def __new__(cls, max_message_bytes: int = 1048576, max_fragments: int = 65536) -> Self:
        """ValueError: a limit outside 1 .. 2**30."""
    @property
    def finished(self) -> bool: ...
    @property
    def held_bytes(self) -> int: ...
    def feed(self, data: bytes) -> list[_Event]: ...
    def feed_count(self, data: bytearray) -> int:
        """Parse data, unmasking it in place, and only count the events: what a benchmark wants to time."""

def build_frame(opcode: int, payload: bytes, *, fin: bool = True, mask: bytes | None = None) -> bytes:
    """One frame: as the server sends it, or as a client does when a mask of 4 bytes is given."""

def apply_mask(data: bytes, mask: bytes) -> bytes: ...
def mask_in_place(
    data: bytearray, mask: bytes, start: int = 0, stop: int | None = None, implementation: str | None = None
) -> bytes:
    """XOR data[start:stop] with a mask of 4 bytes; returns the mask as it goes on at stop.

    By the code that the engine would take here, or by one of MASK_IMPLEMENTATIONS. ValueError: a bad range or name.
    """

def close_code_allowed(code: int) -> bool: ...
def accept_key(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key of 24 characters (section 4.2.2)."""

def legacy_ping(text: bytes) -> bool:
    """Is this text the reference client's heartbeat?"""

@final
class Utf8Validator:
    """Incremental UTF-8 validation: feed() says whether the text can still become valid.

    By the code that the engine would take here, or by one of UTF8_IMPLEMENTATIONS.
    """

    def __new__(cls, implementation: str | None = None) -> Self:
        """ValueError: no such implementation here."""
    def feed(self, data: bytes) -> bool: ...
    @property
    def complete(self) -> bool: ...
    @property
    def ascii(self) -> bool:
        """Nothing but ASCII so far (of text that is valid so far)."""
