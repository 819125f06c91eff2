"""The least that one would write by hand: a length, an sn, and the protobuf message, on the same loop and protocol.

No command, no trace id, no result: less than any RPC must say.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.rpc_echo.contract import Echo

HEAD: Final = struct.Struct(">II")  # bytes of the message, sn


def encode(sn: int, message: BytesValue) -> bytes:
    body = message.SerializeToString()
    return HEAD.pack(len(body), sn) + body


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._left = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left:
            data = self._left + data
        at = 0
        while len(data) - at >= HEAD.size:
            size_bytes, sn = HEAD.unpack_from(data, at)
            end = at + HEAD.size + size_bytes
            if end > len(data):
                break
            self.on_message(sn, BytesValue.FromString(data[at + HEAD.size : end]))
            at = end
        self._left = data[at:]

    def on_message(self, sn: int, message: BytesValue) -> None:
        raise NotImplementedError


class Answering(Connection):
    def on_message(self, sn: int, message: BytesValue) -> None:
        self._transport.write(encode(sn, BytesValue(value=message.value)))


class Calling(Connection):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[int, asyncio.Future[BytesValue]] = {}
        self._sn = 0

    def echo(self, request: BytesValue) -> asyncio.Future[BytesValue]:
        self._sn += 1
        waiting = self._waiting[self._sn] = asyncio.get_running_loop().create_future()
        self._transport.write(encode(self._sn, request))
        return waiting

    def on_message(self, sn: int, message: BytesValue) -> None:
        self._waiting.pop(sn).set_result(message)


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Echo]:
    transport, protocol = await asyncio.get_running_loop().create_connection(Calling, "127.0.0.1", port)
    try:
        yield protocol.echo
    finally:
        transport.close()
