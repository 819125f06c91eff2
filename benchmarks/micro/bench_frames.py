"""RFC 6455 frames: parsing, building, masking and UTF-8, beside wsproto, websockets and Python's own decoder.

One round of each handles the same bytes, so that figures compare directly. The plain-Python oracle of the tests is
measured on the smallest case only: it is quadratic by design.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import wsproto.frame_protocol
from websockets.speedups import apply_mask as websockets_apply_mask

from tests.unit._fast import frame_oracle
from xinyu._fast import frames

Benchmark = Callable[..., object]
MASK = b"\x12\x34\x56\x78"
BATCH = 64
PAYLOADS = {"32B": b"x" * 32, "1KiB": b"x" * 1024, "64KiB": b"x" * 65536}


@pytest.fixture(params=PAYLOADS)
def payload(request: pytest.FixtureRequest) -> bytes:
    return PAYLOADS[request.param]


@pytest.mark.parametrize("codec", ["engine", "wsproto", "oracle"])
@pytest.mark.benchmark(group="parse 64 masked text frames")
def bench_parse(benchmark: Any, codec: str, payload: bytes) -> None:
    stream = frames.build_frame(1, payload, mask=MASK) * BATCH
    if codec == "engine":

        def parse() -> int:
            return len(frames.FrameParser(1 << 24).feed(stream))

    elif codec == "wsproto":

        def parse() -> int:
            decoder = wsproto.frame_protocol.FrameProtocol(client=False, extensions=[])
            decoder.receive_bytes(stream)
            return sum(event.message_finished for event in decoder.received_frames())

    else:
        if len(payload) > 32:
            pytest.skip("quadratic by design")

        def parse() -> int:
            return len(frame_oracle.Oracle(1 << 24, 10).feed(stream))

    assert parse() == BATCH
    benchmark(parse)


@pytest.mark.benchmark(group="parse 64 masked text frames")
def bench_parse_in_place(benchmark: Any, payload: bytes) -> None:
    """What the engine pays: no copy of the input, no Python object a message."""
    stream = frames.build_frame(2, payload, mask=MASK) * BATCH

    def setup() -> tuple[tuple[bytearray], dict[str, Any]]:
        return (bytearray(stream),), {}

    def parse(data: bytearray) -> None:
        assert frames.FrameParser(1 << 24).feed_count(data) == BATCH

    benchmark.pedantic(parse, setup=setup, rounds=300)


@pytest.mark.parametrize("codec", ["engine", "wsproto", "oracle"])
@pytest.mark.benchmark(group="build 64 server frames")
def bench_build(benchmark: Any, codec: str, payload: bytes) -> None:
    if codec == "engine":

        def build() -> None:
            for _ in range(BATCH):
                frames.build_frame(2, payload)

    elif codec == "wsproto":
        encoder = wsproto.frame_protocol.FrameProtocol(client=False, extensions=[])

        def build() -> None:
            for _ in range(BATCH):
                encoder.send_data(payload, True)

    else:

        def build() -> None:
            for _ in range(BATCH):
                frame_oracle.build(2, payload)

    benchmark(build)


@pytest.mark.parametrize("codec", ["engine", "websockets", "oracle"])
@pytest.mark.benchmark(group="mask")
def bench_mask(benchmark: Any, codec: str, payload: bytes) -> None:
    functions: dict[str, Callable[[bytes, bytes], bytes]] = {
        "engine": frames.apply_mask,
        "websockets": websockets_apply_mask,
        "oracle": frame_oracle.mask,
    }
    benchmark(functions[codec], payload, MASK)


TEXTS = {"ascii": b"plain text " * 6000, "chinese": "心语消息".encode() * 5500, "mixed": "hi 心 🙂 ".encode() * 5500}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("codec", ["engine", "python"])
@pytest.mark.benchmark(group="validate 64 KiB of UTF-8")
def bench_utf8(benchmark: Any, codec: str, text: str) -> None:
    data = TEXTS[text]
    if codec == "engine":

        def validate() -> None:
            assert frames.Utf8Validator().feed(data)

    else:

        def validate() -> None:
            data.decode()

    benchmark(validate)
