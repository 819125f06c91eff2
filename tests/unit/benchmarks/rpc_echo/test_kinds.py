"""Each kind of echo gives every caller his own answer, and the load counts them."""

from __future__ import annotations

import asyncio
import importlib
import os

import pytest

from benchmarks.rpc_echo import load
from benchmarks.rpc_echo.__main__ import KINDS
from benchmarks.rpc_echo.contract import PAYLOAD
from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse


@pytest.mark.parametrize("name", KINDS)
async def test_many_calls_at_once(name: str) -> None:
    kind = importlib.import_module(f"benchmarks.rpc_echo.{name}")
    payloads = [b"%d" % number * (1 + number % 50) for number in range(200)] + [b"", b"x" * 100_000]
    async with kind.serving(0) as port, kind.calling(port) as echo:
        answers = await asyncio.wait_for(asyncio.gather(*(echo(EchoRequest(payload=each)) for each in payloads)), 30)
    assert [answer.payload for answer in answers] == payloads


async def test_the_load_counts_calls_and_the_cpu_of_both() -> None:
    async def echo(request: EchoRequest) -> EchoResponse:
        await asyncio.sleep(0)
        return EchoResponse(payload=request.payload)

    found = await load.measure(echo, in_flight=3, seconds=0.05, server_pid=os.getpid())
    assert set(found) == {"per_s", "per_cpu_s", "client_us", "server_us", "p50_ms", "p99_ms"}
    assert all(value > 0 for value in found.values())


async def test_another_answer_is_noticed() -> None:
    async def echo(request: EchoRequest) -> EchoResponse:
        await asyncio.sleep(0)
        return EchoResponse(payload=b"something else")

    with pytest.raises(AssertionError):
        await load.measure(echo, in_flight=1, seconds=0.05, server_pid=os.getpid())


def test_a_request_has_100_bytes() -> None:
    assert len(EchoRequest(payload=PAYLOAD).SerializeToString()) == 100
