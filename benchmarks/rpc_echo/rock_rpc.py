"""XinYu's RPC over TCP as its rooms use it: deadline, caller, trace id, bounds, a task a call."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.rpc_echo.contract import CALLER, METHOD, TIMEOUT_S, Echo, answer
from xinyu.rpc.context import Context
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers


class Servicer:
    async def echo(self, request: BytesValue, context: Context) -> BytesValue:
        return await answer(request)


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    servicers = Servicers()
    servicers.serve([METHOD], Servicer())
    server = RockServer(servicers)
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    await server.start(listener)
    try:
        yield server.port
    finally:
        await server.stop()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Echo]:
    channel = RockChannel("127.0.0.1", port, caller=CALLER)
    await channel.connect()
    try:
        yield partial(channel.call, METHOD, timeout_s=TIMEOUT_S)
    finally:
        await channel.close()
