"""Calls kept in flight for a time, how long they took, and what they cost both sides."""

from __future__ import annotations

import asyncio
import time

from benchmarks.rpc_echo.contract import PAYLOAD, Echo
from xinyu.base.trace import new_trace_id, trace_id
from xinyu.bench import meter
from xinyu.wire.v1.probe_pb2 import EchoRequest


async def measure(echo: Echo, *, in_flight: int, seconds: float, server_pid: int) -> dict[str, float]:
    """Calls a second and a second of CPU time of client and server together, and milliseconds that half of the calls,
    and 99 of 100, took at most. AssertionError: another answer. Each caller has a trace id, as in a room."""
    took_s: list[float] = []
    is_over = False

    async def caller() -> None:
        trace_id.set(new_trace_id())
        while not is_over:
            began_s = time.perf_counter()
            response = await echo(EchoRequest(payload=PAYLOAD))
            took_s.append(time.perf_counter() - began_s)
            assert response.payload == PAYLOAD

    callers = [asyncio.create_task(caller()) for _ in range(in_flight)]
    await asyncio.sleep(seconds / 5)
    before, client_s, server_s = len(took_s), time.process_time(), meter.cpu_s([server_pid])
    began_s = time.monotonic()
    await asyncio.sleep(seconds)
    elapsed_s, after = time.monotonic() - began_s, len(took_s)
    client_s, server_s = time.process_time() - client_s, meter.cpu_s([server_pid]) - server_s
    is_over = True
    await asyncio.gather(*callers)
    counted_ms, done = sorted(1e3 * each for each in took_s[before:after]), after - before
    return {
        "per_s": done / elapsed_s,
        "per_cpu_s": done / (client_s + server_s),
        "client_us": 1e6 * client_s / max(1, done),
        "server_us": 1e6 * server_s / max(1, done),
        "p50_ms": counted_ms[done // 2] if done else 0.0,
        "p99_ms": counted_ms[done * 99 // 100] if done else 0.0,
    }
