"""XinYu's RPC over gRPC as its rooms use it: a secret, deadline, caller, trace id, bounds, a task of its own a call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from benchmarks.rpc_echo.contract import CALLER, SECRET, TIMEOUT_S, Echo
from xinyu.rpc.grpc_channel import GrpcChannel
from xinyu.rpc.grpc_server import GrpcServer
from xinyu.rpc.probe import ProbeServicer
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import probe_rpc


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    servicers = Servicers()
    servicers.serve(probe_rpc.METHODS, ProbeServicer())
    server = GrpcServer(servicers, secret=SECRET)
    await server.start("127.0.0.1", port)
    try:
        yield server.port
    finally:
        await server.stop()


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Echo]:
    channel = GrpcChannel("127.0.0.1", port, caller=CALLER, secret=SECRET)
    try:
        yield partial(channel.call, probe_rpc.ECHO, timeout_s=TIMEOUT_S)
    finally:
        await channel.close()
