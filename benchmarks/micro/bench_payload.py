"""What each byte of payload costs by each implementation that this machine can run: masking, and UTF-8.

Whole frames, beside what peers parse them with: `python -m benchmarks.side_by_side --level micro`. A call from Python
costs some 80 ns: it is most of what masking 32 bytes takes, whoever does it.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest

from xinyu._fast import frames

MASK: Final = b"\x12\x34\x56\x78"
MASK_SIZES: Final = (32, 125, 4096, 65536)  # bytes
UNITS: Final = {"ascii": "plain text ", "chinese": "心语消息", "mixed": "hi 心 🙂 "}
TEXTS: Final = {
    f"{name}, {size} bytes": (unit * (size // len(unit.encode()))).encode()
    for name, unit in UNITS.items()
    for size in (96, 4096, 65536)
}


@pytest.mark.parametrize("size", MASK_SIZES)
@pytest.mark.parametrize("name", ["as here", *frames.MASK_IMPLEMENTATIONS])
@pytest.mark.benchmark(group="mask")
def bench_mask(benchmark: Any, name: str, size: int) -> None:
    implementation = None if name == "as here" else name
    benchmark(partial(frames.mask_in_place, bytearray(size), MASK, 0, None, implementation))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["as here", *frames.UTF8_IMPLEMENTATIONS])
@pytest.mark.benchmark(group="validate UTF-8")
def bench_utf8(benchmark: Any, name: str, text: str) -> None:
    data, implementation = TEXTS[text], None if name == "as here" else name
    assert benchmark(lambda: frames.Utf8Validator(implementation).feed(data))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.benchmark(group="validate UTF-8")
def bench_utf8_decode(benchmark: Any, text: str) -> None:
    benchmark(TEXTS[text].decode)
