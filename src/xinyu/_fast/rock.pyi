"""The Rock RPC frame codec: bytes in, frames out, and the way back. The mechanism is described in rock.pyx."""

from collections.abc import Iterable
from typing import Final, Literal, Self, TypeAlias, final

from typing_extensions import Buffer

_Dialect: TypeAlias = Literal["base", "trace"]
Frame: TypeAlias = Request | Response | Notify
_Reason: TypeAlias = Literal[
    "magic",
    "version",
    "flags",
    "length",
    "type",
    "varint",
    "truncated",
    "trailing",
    "text",
    "gzip",
    "inflated_length",
]

MAX_LENGTH: Final[int]
"""Default bound of a payload, in bytes: its length must be below it, as sent and inflated."""
GZIP_MIN_LENGTH: Final[int]
"""Default size in bytes from which a payload is sent compressed."""
GZIP_LEVEL: Final[int]
"""Default zlib level."""

class ProtocolError(Exception):
    """The peer broke the framing: close the connection. `frames` are those complete before the broken one."""

    reason: _Reason
    frames: tuple[Frame, ...]
    def __init__(self, reason: _Reason, text: str, frames: Iterable[Frame] = ()) -> None: ...

class Request:
    """A call: `sn` pairs it with its RESPONSE on this connection. trace_id is "" when there is none."""

    __match_args__: Final = ("sn", "cmd", "trace_id", "body")
    def __new__(cls, sn: int = 0, cmd: int = 0, trace_id: str = "", body: bytes = b"") -> Self: ...
    @property
    def sn(self) -> int: ...
    @property
    def cmd(self) -> int: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Call(Request):
    """A REQUEST whose body began with a head: how long the caller waits, and his name. `body` is what follows it."""

    __match_args__: Final = ("sn", "cmd", "trace_id", "body", "timeout_s", "caller")
    @property
    def timeout_s(self) -> float: ...
    @property
    def caller(self) -> str: ...

@final
class Response:
    """The answer to the REQUEST of the same sn. result 200 = ok, others follow HTTP's meaning."""

    __match_args__: Final = ("sn", "cmd", "result", "result_str", "trace_id", "body")
    def __new__(
        cls, sn: int = 0, cmd: int = 0, result: int = 0, result_str: str = "", trace_id: str = "", body: bytes = b""
    ) -> Response: ...
    @property
    def sn(self) -> int: ...
    @property
    def cmd(self) -> int: ...
    @property
    def result(self) -> int: ...
    @property
    def result_str(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Notify:
    """A word that is never answered."""

    __match_args__: Final = ("notify", "trace_id", "body")
    def __new__(cls, notify: int = 0, trace_id: str = "", body: bytes = b"") -> Notify: ...
    @property
    def notify(self) -> int: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Decoder:
    """Cuts one connection's byte stream into frames. Not for use by two threads at once.

    dialect: as the peer is set. max_length: bound of a payload in bytes, 2 to 2**31 - 1. heads: a REQUEST whose body
    begins with a head comes as a Call.
    """

    def __new__(cls, dialect: _Dialect = "trace", max_length: int = ..., heads: bool = False) -> Decoder: ...
    @property
    def heads(self) -> bool: ...
    @property
    def dialect(self) -> _Dialect: ...
    @property
    def max_length(self) -> int: ...
    def __sizeof__(self) -> int: ...
    @property
    def buffered_bytes(self) -> int:
        """Bytes of the unfinished frame; 0 means that the stream may end here."""

    def feed(self, data: Buffer) -> list[Frame]:
        """Take the next bytes of the stream, return the frames that they complete, in order.

        Raises ProtocolError at the first fault, with the frames before it, and again on every later call.
        """

def encode_request(
    dialect: _Dialect,
    sn: int,
    cmd: int,
    body: bytes,
    trace_id: str = "",
    *,
    gzip_min_length: int = ...,
    gzip_level: int = ...,
    max_length: int = ...,
) -> bytes:
    """One REQUEST frame. The base dialect has no place for trace_id and drops it.

    A payload of gzip_min_length bytes or more is sent as a gzip member of gzip_level (0 to 9, -1 = zlib's default).
    Raises ProtocolError("length") for one that is not below max_length, OverflowError for a number beyond 32 bits.
    """

def encode_response(
    dialect: _Dialect,
    sn: int,
    cmd: int,
    result: int,
    result_str: str,
    body: bytes,
    trace_id: str = "",
    *,
    gzip_min_length: int = ...,
    gzip_level: int = ...,
    max_length: int = ...,
) -> bytes:
    """One RESPONSE frame; it repeats the REQUEST's sn, cmd and trace_id. Otherwise as encode_request."""

def encode_notify(
    dialect: _Dialect,
    notify: int,
    body: bytes,
    trace_id: str = "",
    *,
    gzip_min_length: int = ...,
    gzip_level: int = ...,
    max_length: int = ...,
) -> bytes:
    """One NOTIFY frame. Otherwise as encode_request."""

@final
class Encoder:
    """Writes one end's frames: calls of one caller, and answers.

    Dialect and limits as for Decoder and encode_request. caller: who calls, in ASCII, at most 255 characters;
    ValueError otherwise. Where a payload does not fit, its methods raise as encode_request does.
    """

    def __new__(
        cls,
        dialect: _Dialect = "trace",
        *,
        caller: str = "",
        gzip_min_length: int = ...,
        gzip_level: int = ...,
        max_length: int = ...,
    ) -> Encoder: ...
    @property
    def dialect(self) -> _Dialect: ...
    @property
    def gzip_min_length(self) -> int: ...
    @property
    def gzip_level(self) -> int: ...
    @property
    def max_length(self) -> int: ...
    def call(self, sn: int, cmd: int, trace_id: str, timeout_s: float, request: bytes) -> bytes:
        """One REQUEST frame with a head. `timeout_s` counts in whole milliseconds."""

    def request(self, sn: int, cmd: int, body: bytes, trace_id: str = "") -> bytes:
        """One REQUEST frame without a head."""

    def answer(self, asked: Request, result: int, result_str: str, body: bytes) -> bytes:
        """The RESPONSE to `asked`: it repeats sn, cmd and trace id."""
