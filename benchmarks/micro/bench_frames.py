"""RFC 6455 frames from Python: parsing into objects, and building, beside wsproto. bench_payload.py has what is below.

One round of each handles the same bytes, so that figures compare directly. The plain-Python oracle of the tests is
measured on the smallest case only: it is quadratic by design.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import wsproto.frame_protocol

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
