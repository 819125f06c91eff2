"""XinYu's RPC over TCP as its rooms use it: a secret, deadline, caller, trace id, bounds, a task a call."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.rpc_echo.contract import CALLER, SECRET, TIMEOUT_S, Echo
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import probe_rpc


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    servicers = Servicers()
    servicers.serve(probe_rpc.METHODS, ProbeServicer())
    server = RockServer(servicers, secret=SECRET)
    listener = socket.create_server(("127.0.0.1", port))
    listener.setblocking(False)
    await server.start(listener)
    try:
        yield server.port
    finally:
        await server.stop()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Echo]:
    channel = RockChannel("127.0.0.1", port, caller=CALLER, secret=SECRET)
    await channel.connect()
    try:
        yield partial(channel.call, probe_rpc.ECHO, timeout_s=TIMEOUT_S)
    finally:
        await channel.close()
