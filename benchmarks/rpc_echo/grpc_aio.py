"""grpcio's asyncio API (grpc.aio) alone, the same servicer: unary calls over one channel, with a deadline each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import grpc.aio

from benchmarks.rpc_echo.contract import TIMEOUT_S, Echo
from xinyu.rpc.probe import ProbeServicer
from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse

SERVICE: Final = "xinyu.wire.v1.Probe"


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    handler = grpc.unary_unary_rpc_method_handler(
        ProbeServicer().echo,  # type: ignore[arg-type]  # its context is grpc's here, and not looked at
        EchoRequest.FromString,
        EchoResponse.SerializeToString,
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"Echo": handler})])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield bound
    finally:
        await server.stop(None)


@asynccontextmanager
async def calling(port: int) -> AsyncIterator[Echo]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/Echo",
            request_serializer=EchoRequest.SerializeToString,
            response_deserializer=EchoResponse.FromString,
        )
        yield partial(call, timeout=TIMEOUT_S)
