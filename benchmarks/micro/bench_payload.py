"""What each byte of payload costs: masking, whole frames parsed and unmasked, and UTF-8, beside what peers do it with.

Under pytest, like the other micro-benchmarks, one contestant after the other. As a program (`python -m
benchmarks.micro.bench_payload`) the contestants take turns, one round each, so that a slow moment of the machine falls
on all of them; it prints each one's best round and its ratio to the engine. All parsers get the same bytes in the
buffer that they would read into; filling it is not timed. A call from Python costs some 80 ns: it is most of what
masking 32 bytes takes, whoever does it. `memcpy` is one bytearray copied into another through memoryviews.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import picows
import pytest
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # not in its stub
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask as websockets_apply_mask

from tests.unit._fast.engine_harness import request
from xinyu._fast import frames

MASK: Final = b"\x12\x34\x56\x78"
MASK_SIZES: Final = (32, 125, 4096, 65536)  # bytes
PARSE_CASES: Final = ((32, 1024), (4096, 64))  # bytes of payload, frames a round
OPCODES: Final = {"binary": frames.OP_BINARY, "text": frames.OP_TEXT}
UNITS: Final = {"ascii": "plain text ", "chinese": "心语消息", "mixed": "hi 心 🙂 "}
TEXTS: Final = {
    f"{name}, {size} bytes": (unit * (size // len(unit.encode()))).encode()
    for name, unit in UNITS.items()
    for size in (96, 4096, 65536)
}
ROUNDS: Final = 300
ROUND_S: Final = 20e-6  # a round shorter than this is a repeated call


def nothing() -> None:
    """Nothing to prepare: the call can be repeated as it is."""


@dataclass(frozen=True)
class Contestant:
    run: Callable[[], object]
    prepare: Callable[[], object] = nothing  # before each run, not timed


def copier(source: bytes) -> Callable[[], None]:
    origin, target = memoryview(source), memoryview(bytearray(len(source)))

    def copy() -> None:
        target[:] = origin

    return copy


def mask_contestants(size: int) -> dict[str, Contestant]:
    source = b"x" * size
    data = bytearray(source)
    contestants = {
        "engine": Contestant(lambda: frames.mask_in_place(data, MASK)),
        "websockets": Contestant(lambda: websockets_apply_mask(source, MASK)),
        "memcpy": Contestant(copier(source)),
    }
    for name in frames.MASK_IMPLEMENTATIONS:
        contestants[f"engine, {name}"] = Contestant(partial(frames.mask_in_place, data, MASK, 0, None, name))
    return contestants


def utf8_run(data: bytes, implementation: str | None) -> bool:
    return frames.Utf8Validator(implementation).feed(data)


def utf8_contestants(text: str) -> dict[str, Contestant]:
    data = TEXTS[text]
    contestants = {
        "engine": Contestant(partial(utf8_run, data, None)),
        "bytes.decode": Contestant(data.decode),
    }
    for name in frames.UTF8_IMPLEMENTATIONS:
        contestants[f"engine, {name}"] = Contestant(partial(utf8_run, data, name))
    return contestants


def engine_parser(stream: bytes, count: int) -> Contestant:
    data = bytearray(stream)

    def prepare() -> None:
        data[:] = stream

    def run() -> None:
        if frames.FrameParser(1 << 24).feed_count(data) != count:
            raise AssertionError("not all frames were parsed")

    return Contestant(run, prepare)


def websockets_parser(stream: bytes, count: int) -> Contestant:
    protocol = ServerProtocol(max_size=1 << 24)
    protocol.receive_data(request())
    (handshake,) = protocol.events_received()
    protocol.send_response(protocol.accept(handshake))  # type: ignore[arg-type]

    def run() -> None:
        protocol.receive_data(stream)
        if len(protocol.events_received()) != count:
            raise AssertionError("not all frames were parsed")

    return Contestant(run)


@contextlib.contextmanager
def picows_parser(stream: bytes) -> Iterator[Contestant]:
    """picows' server protocol after a real handshake, then fed by hand as its event loop would.

    Its listener's callback is picows' own, compiled and empty, so that no Python runs for a frame.
    """
    loop = asyncio.new_event_loop()
    protocols: list[WSProtocol] = []
    room_bytes = 2 * len(stream) + 4096  # more than is ever in use, so that the buffer does not grow

    def factory() -> WSProtocol:
        protocols.append(
            WSProtocol(
                host_port=None,
                ws_path=None,
                is_client_side=False,
                ws_listener_factory=lambda upgrade: picows.WSListener(),
                logger=logging.getLogger("picows"),
                disconnect_on_exception=True,
                websocket_handshake_timeout=5,
                enable_auto_ping=False,
                auto_ping_idle_timeout=20,
                auto_ping_reply_timeout=20,
                auto_ping_strategy=picows.WSAutoPingStrategy.PING_WHEN_IDLE,
                enable_auto_pong=True,
                max_frame_size=1 << 24,
                extra_headers=None,
                read_buffer_init_size=room_bytes,
            )
        )
        return protocols[0]

    async def connect() -> tuple[asyncio.Server, asyncio.StreamWriter]:
        server = await loop.create_server(factory, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(request())
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

    yield Contestant(lambda: protocol.buffer_updated(len(stream)), prepare)
    loop.run_until_complete(disconnect())
    loop.close()


@contextlib.contextmanager
def parse_contestants(size: int, count: int, opcode: int) -> Iterator[dict[str, Contestant]]:
    """One round is `count` masked frames of `size` bytes of ASCII, which lie in the buffer as they came.

    picows makes an object of each frame and does not validate text; websockets makes objects and leaves text to its
    caller; the engine validates.
    """
    stream = frames.build_frame(opcode, b"x" * size, mask=MASK) * count
    with picows_parser(stream) as picows_contestant:
        yield {
            "engine": engine_parser(stream, count),
            "picows": picows_contestant,
            "websockets": websockets_parser(stream, count),
            "memcpy": Contestant(copier(stream)),
        }


def measure(benchmark: Any, contestant: Contestant) -> None:
    if contestant.prepare is nothing:
        benchmark(contestant.run)
    else:
        benchmark.pedantic(contestant.run, setup=contestant.prepare, rounds=ROUNDS)


@pytest.mark.parametrize("size", MASK_SIZES)
@pytest.mark.parametrize("name", mask_contestants(4))
@pytest.mark.benchmark(group="mask")
def bench_mask(benchmark: Any, name: str, size: int) -> None:
    measure(benchmark, mask_contestants(size)[name])


@pytest.mark.parametrize("opcode", OPCODES)
@pytest.mark.parametrize(("size", "count"), PARSE_CASES)
@pytest.mark.parametrize("name", ["engine", "picows", "websockets", "memcpy"])
@pytest.mark.benchmark(group="parse and unmask in place")
def bench_parse_in_place(benchmark: Any, name: str, size: int, count: int, opcode: str) -> None:
    with parse_contestants(size, count, OPCODES[opcode]) as contestants:
        measure(benchmark, contestants[name])


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", utf8_contestants(next(iter(TEXTS))))
@pytest.mark.benchmark(group="validate UTF-8")
def bench_utf8(benchmark: Any, name: str, text: str) -> None:
    measure(benchmark, utf8_contestants(text)[name])


def best_rounds_ns(contestants: dict[str, Contestant]) -> dict[str, float]:
    """The best of ROUNDS rounds in which all take turns, in ns a run."""
    clock = time.perf_counter_ns
    repeats = {}
    for name, contestant in contestants.items():
        contestant.prepare()
        before = clock()
        contestant.run()
        once_s = (clock() - before) * 1e-9
        repeats[name] = max(1, int(ROUND_S / once_s)) if contestant.prepare is nothing else 1
    best = dict.fromkeys(contestants, float("inf"))
    for _ in range(ROUNDS):
        for name, contestant in contestants.items():
            run, times = contestant.run, range(repeats[name])
            contestant.prepare()
            before = clock()
            for _ in times:
                run()
            best[name] = min(best[name], (clock() - before) / len(times))
    return best


def report(title: str, contestants: dict[str, Contestant], count: int = 1) -> None:
    """One line a contestant: nanoseconds for each of `count` things, and how many engines fit in that time."""
    best = best_rounds_ns(contestants)
    print(title)
    for name, ns in best.items():
        print(f"    {name:<18} {ns / count:>12,.1f} ns {ns / best['engine']:>8.2f}")


def main() -> None:
    gc.disable()
    for size in MASK_SIZES:
        report(f"mask {size} bytes", mask_contestants(size))
    for size, count in PARSE_CASES:
        for opcode in OPCODES:
            with parse_contestants(size, count, OPCODES[opcode]) as contestants:
                report(f"parse and unmask a {opcode} frame of {size} bytes", contestants, count)
    for text in TEXTS:
        report(f"validate {text}", utf8_contestants(text))


if __name__ == "__main__":
    main()
