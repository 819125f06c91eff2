"""Framing alone, without sockets: what a client sends, parsed and unmasked by this engine and by others' parsers.

One run of a parser gets many masked frames at once, as one read of a busy socket does. Those that parse in place
(the engine, picows) find them in the buffer that they would read into, and filling it is not counted; the others are
given bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

import xinyu
from benchmarks.side_by_side.comparison import Comparison, Metric, Plot
from benchmarks.side_by_side.cpu_time import Work, cpu_ns
from benchmarks.side_by_side.rounds import Contestant, Values
from benchmarks.side_by_side.servers import installed
from xinyu._fast import frames

MASK: Final = b"\x12\x34\x56\x78"
MASKED_BYTES: Final = 4096
MAX_MESSAGE_BYTES: Final = 1 << 24
REFERENCE: Final = "XinYu"
WITH_OBJECTS: Final = "XinYu, Python objects"
UPGRADE_REQUEST: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

EXPLANATION: Final = """\
Masked frames as a client sends them, many in one buffer. XinYu is the parser as the engine runs it, in C; it validates text. With
Python objects it hands each message to Python. picows makes an object of each frame and calls a compiled, empty listener; it does
not validate text. websockets (Sans-I/O, with its extension in C) and wsproto make objects, too. memcpy copies the same bytes from
one buffer to another. The last line is masking alone, each call made from Python, which takes about half of it."""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Case:
    """One run: `count` frames of `size_bytes` of ASCII."""

    size_bytes: int
    count: int
    opcode: int

    @property
    def key(self) -> str:
        return f"{self.kind}_{self.size_bytes}_mega_per_cpu_s"

    @property
    def kind(self) -> str:
        return "text" if self.opcode == frames.OP_TEXT else "binary"

    @property
    def stream(self) -> bytes:
        return frames.build_frame(self.opcode, b"x" * self.size_bytes, mask=MASK) * self.count


CASES: Final = tuple(
    Case(size_bytes, count, opcode)
    for size_bytes, count in ((32, 4096), (4096, 64))
    for opcode in (frames.OP_BINARY, frames.OP_TEXT)
)

Parser: TypeAlias = Callable[[Case], Iterator[Work]]


def comparison(budget_s: float) -> Comparison:
    """`budget_s`: CPU time a case, a contestant and a round."""

    def ours(name: str, parser: Parser, mask: Work | None = None) -> Contestant:
        return Contestant(name, lambda _: measure(parser, CASES, mask, budget_s), xinyu.__version__)

    def peer(name: str, parser: Parser, mask: Work | None = None) -> Contestant:
        return Contestant(name, lambda _: measure(parser, CASES, mask, budget_s), *installed(name))

    source = b"x" * MASKED_BYTES
    return Comparison(
        title="Framing",
        explanation=EXPLANATION,
        contestants=(
            ours(REFERENCE, engine, Work(partial(frames.mask_in_place, bytearray(source), MASK))),
            ours(WITH_OBJECTS, engine_objects),
            peer("picows", picows),
            peer("websockets", websockets, _websockets_mask(source)),
            peer("wsproto", wsproto),
            # Beside short frames a copy of all at once says nothing.
            Contestant("memcpy", lambda _: measure(memcpy, CASES[2:], Work(_copier(source)), budget_s)),
        ),
        reference=REFERENCE,
        ours=(REFERENCE, WITH_OBJECTS),
        metrics=(
            *(Metric(case.key, f"{_size(case)}, {case.kind}: million frames a CPU second", 2) for case in CASES),
            Metric("mask_mega_per_cpu_s", "masking alone, 4 KiB: million calls a CPU second", 2),
        ),
        plots=tuple(
            Plot(
                f"frames-{case.size_bytes}",
                case.key,
                f"Frames of {_size(case)} parsed and unmasked: million a CPU second (more is better)",
            )
            for case in CASES[::2]
        ),
        describe=lambda values: f"{values[CASES[2].key]:,.2f} million frames of 4 KiB a CPU second",
        notes=("framing and timers: CPU time of one thread on one core",),
    )


def _size(case: Case) -> str:
    return f"{case.size_bytes // 1024} KiB" if case.size_bytes >= 1024 else f"{case.size_bytes} B"


def measure(parser: Parser, cases: Sequence[Case], mask: Work | None, budget_s: float) -> Values:
    found = {}
    for case in cases:
        with contextmanager(parser)(case) as work:
            found[case.key] = 1e3 * case.count / cpu_ns(work, budget_s)
    if mask is not None:
        found["mask_mega_per_cpu_s"] = 1e3 / cpu_ns(mask, budget_s)
    return found


def expect(found: int, fed: int) -> None:
    """AssertionError: a parser gave another number of frames than it was fed."""
    if found != fed:
        raise AssertionError(f"{found} of {fed} frames came out")


# ---- parsers: each yields its work once, so that what it needs is put away after it


def engine(case: Case) -> Iterator[Work]:
    stream = case.stream
    data = bytearray(stream)

    def prepare() -> None:
        data[:] = stream

    yield Work(lambda: expect(frames.FrameParser(MAX_MESSAGE_BYTES).feed_count(data), case.count), prepare)


def engine_objects(case: Case) -> Iterator[Work]:
    stream = case.stream
    yield Work(lambda: expect(len(frames.FrameParser(MAX_MESSAGE_BYTES).feed(stream)), case.count))


def memcpy(case: Case) -> Iterator[Work]:
    yield Work(_copier(case.stream))


def websockets(case: Case) -> Iterator[Work]:
    from websockets.server import ServerProtocol

    stream = case.stream
    protocol = ServerProtocol(max_size=MAX_MESSAGE_BYTES)
    protocol.receive_data(UPGRADE_REQUEST)
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]

    def run() -> None:
        protocol.receive_data(stream)
        expect(len(protocol.events_received()), case.count)

    yield Work(run)


def wsproto(case: Case) -> Iterator[Work]:
    from wsproto.connection import Connection, ConnectionType
    from wsproto.events import Message

    stream = case.stream
    connection = Connection(ConnectionType.SERVER)

    def run() -> None:
        connection.receive_data(stream)
        # A message that is not complete is an event, too.
        whole = sum(isinstance(event, Message) and event.message_finished for event in connection.events())
        expect(whole, case.count)

    yield Work(run)


def picows(case: Case, listener: Callable[[], Any] | None = None) -> Iterator[Work]:
    """Its server protocol after a real handshake, then fed by hand as its event loop would. `listener` makes what gets
    the frames; by default that is picows' own, compiled and empty, so that no Python runs for a frame."""
    import picows as package
    from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stub

    stream = case.stream
    loop = asyncio.new_event_loop()
    protocols: list[WSProtocol] = []

    def factory() -> WSProtocol:
        protocols.append(
            WSProtocol(
                host_port=None,
                ws_path=None,
                is_client_side=False,
                ws_listener_factory=lambda upgrade: (listener or package.WSListener)(),
                logger=logging.getLogger("picows"),
                disconnect_on_exception=True,
                websocket_handshake_timeout=5,
                enable_auto_ping=False,
                auto_ping_idle_timeout=20,
                auto_ping_reply_timeout=20,
                auto_ping_strategy=package.WSAutoPingStrategy.PING_WHEN_IDLE,
                enable_auto_pong=True,
                max_frame_size=MAX_MESSAGE_BYTES,
                extra_headers=None,
                read_buffer_init_size=2 * len(stream) + 4096,  # more than is ever in use: it does not grow
            )
        )
        return protocols[0]

    async def connect() -> tuple[asyncio.Server, asyncio.StreamWriter]:
        server = await loop.create_server(factory, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(UPGRADE_REQUEST)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        return server, writer

    async def disconnect() -> None:
        writer.close()
        server.close()
        await asyncio.wait_for(protocols[0].transport.wait_disconnected(), 5)

    server, writer = loop.run_until_complete(connect())
    (protocol,) = protocols

    def prepare() -> None:
        protocol.get_buffer(-1)[: len(stream)] = stream

    yield Work(lambda: protocol.buffer_updated(len(stream)), prepare)
    loop.run_until_complete(disconnect())
    loop.close()


def _copier(source: bytes) -> Callable[[], None]:
    origin, target = memoryview(source), memoryview(bytearray(len(source)))

    def copy() -> None:
        target[:] = origin

    return copy


def _websockets_mask(source: bytes) -> Work | None:
    """None where websockets, or its extension in C, is not installed."""
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        return None
    return Work(partial(apply_mask, source, MASK))
