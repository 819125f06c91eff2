"""RFC 6455 frames built from Python, beside wsproto and the plain-Python oracle of the tests.

Parsing is in `python -m benchmarks.side_by_side --level micro`.
"""

from __future__ import annotations

from typing import Any

import pytest
import wsproto.frame_protocol

from tests.unit._fast import frame_oracle
from xinyu._fast import frames

BATCH = 64
PAYLOADS = {"32B": b"x" * 32, "1KiB": b"x" * 1024, "64KiB": b"x" * 65536}


@pytest.fixture(params=PAYLOADS)
def payload(request: pytest.FixtureRequest) -> bytes:
    return PAYLOADS[request.param]


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
