"""What hand-written RPCs on the event loop have in common: a task a call, a future a caller, and nothing else.

No deadline, no bound, no one's name: what is left is the framing, protobuf, and the loop. A kind says by subclasses of
`Answering` and `Calling` how a call and its answer look in bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.rpc_echo.contract import Echo
from xinyu.rpc.probe import ProbeServicer
from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport


class Answering(Connection):
    """`call` is whatever `encode` needs to answer it."""

    def __init__(self) -> None:
        super().__init__()
        self._servicer: Any = ProbeServicer()
        self._last: asyncio.Task[None]

    def start(self, call: Any, request: EchoRequest) -> None:
        # The loop holds a task that is ready, and these never wait.
        self._last = self._loop.create_task(self._answer(call, request))

    async def _answer(self, call: Any, request: EchoRequest) -> None:
        self._transport.write(self.encode(call, await self._servicer.echo(request, None)))

    def encode(self, call: Any, response: EchoResponse) -> bytes:
        raise NotImplementedError


class Calling(Connection):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[int, asyncio.Future[EchoResponse]] = {}
        self._sn = 0

    async def echo(self, request: EchoRequest) -> EchoResponse:
        self._sn += 1
        waiting = self._waiting[self._sn] = self._loop.create_future()
        self._transport.write(self.encode(self._sn, request))
        return await waiting

    def encode(self, sn: int, request: EchoRequest) -> bytes:
        raise NotImplementedError

    def answered(self, sn: int, response: EchoResponse) -> None:
        self._waiting.pop(sn).set_result(response)


@asynccontextmanager
async def serving(answering: type[Answering], port: int) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(answering, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def calling(calling: type[Calling], port: int) -> AsyncIterator[Echo]:
    transport, protocol = await asyncio.get_running_loop().create_connection(calling, "127.0.0.1", port)
    try:
        yield protocol.echo
    finally:
        transport.close()
