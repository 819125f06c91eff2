"""Calls kept in flight for a time, and what they cost both sides."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.rpc_echo.contract import Echo
from xinyu.bench import meter

PAYLOAD: Final = b"x" * 32


async def measure(echo: Echo, *, in_flight: int, seconds: float, server_pid: int) -> dict[str, float]:
    """Calls a second and a second of CPU time of client and server together; AssertionError: another answer."""
    count, is_over = 0, False

    async def caller() -> None:
        nonlocal count
        while not is_over:
            response = await echo(BytesValue(value=PAYLOAD))
            assert response.value == PAYLOAD
            count += 1

    callers = [asyncio.create_task(caller()) for _ in range(in_flight)]
    await asyncio.sleep(seconds / 5)
    count_before, client_s, server_s = count, time.process_time(), meter.cpu_s([server_pid])
    began_s = time.monotonic()
    await asyncio.sleep(seconds)
    elapsed_s, done = time.monotonic() - began_s, count - count_before
    client_s, server_s = time.process_time() - client_s, meter.cpu_s([server_pid]) - server_s
    is_over = True
    await asyncio.gather(*callers)
    return {
        "per_s": done / elapsed_s,
        "per_cpu_s": done / (client_s + server_s),
        "client_us": 1e6 * client_s / max(1, done),
        "server_us": 1e6 * server_s / max(1, done),
    }
