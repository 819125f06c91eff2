"""Processes that share a door: what is told when one does not come up, and that one which ends is started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from xinyu.base.config import Config, LogSettings
from xinyu.gateway.listener import bound_port, listen_shared
from xinyu_services.cli import worker_pool
from xinyu_services.cli.failure import CommandError
from xinyu_services.cli.worker_pool import WorkerPool
from xinyu_services.cli.worker_process import EchoOrders, GatewayOrders

ECHO = EchoOrders(in_python=False, max_fragments=16)


@asynccontextmanager
async def pool(count: int) -> AsyncIterator[tuple[WorkerPool, int]]:
    """Echo workers and their port."""
    sockets = listen_shared("127.0.0.1", 0, count)
    made = WorkerPool(sockets, lambda _number: ECHO, LogSettings())
    await made.start()
    try:
        yield made, bound_port(sockets[0])
    finally:
        await made.stop()
        for sock in sockets:
            sock.close()


async def greet(port: int) -> bytes:
    """The first bytes that a new client is sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        async with asyncio.timeout(30):
            return await reader.read(12)
    finally:
        writer.close()


async def test_one_that_ends_is_started_again_and_its_callers_wait_meanwhile() -> None:
    async with pool(1) as (workers, port):
        (first,) = workers.pids()
        os.kill(first, signal.SIGSTOP)  # who comes now is in its queue
        waiting = asyncio.create_task(greet(port))
        await asyncio.sleep(0.05)
        os.kill(first, signal.SIGKILL)
        assert await waiting == b"HTTP/1.1 101"
        assert workers.pids() != [first]


async def test_one_that_does_not_come_up_ends_the_start_and_the_others() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    nobody = closed.getsockname()[1]
    closed.close()
    gateway = GatewayOrders(Config().model_dump(mode="json"), b"t" * 32, nobody, b"c" * 32, "one", "two", "three", 0)
    sockets = listen_shared("127.0.0.1", 0, 2)
    workers = WorkerPool(sockets, lambda number: ECHO if number == 1 else gateway, LogSettings())
    try:
        with pytest.raises(CommandError, match=r"worker 2 did not start \(exit code 1\)"):
            await workers.start()
        assert workers.pids() == []
    finally:
        for sock in sockets:
            sock.close()


async def test_one_that_does_not_go_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "STOP_S", 0.05)
    async with pool(1) as (workers, _port):
        (pid,) = workers.pids()
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
