"""grpcio's asyncio API (grpc.aio), unary calls over one channel, with a deadline each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import grpc.aio
from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.rpc_echo.contract import METHOD, TIMEOUT_S, Echo, answer


async def _echo(request: BytesValue, context: Any) -> BytesValue:
    return await answer(request)


@asynccontextmanager
async def serving(port: int) -> AsyncIterator[int]:
    handler = grpc.unary_unary_rpc_method_handler(_echo, BytesValue.FromString, BytesValue.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(METHOD.service, {METHOD.name: handler})])
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
            f"/{METHOD.service}/{METHOD.name}",
            request_serializer=BytesValue.SerializeToString,
            response_deserializer=BytesValue.FromString,
        )
        yield partial(call, timeout=TIMEOUT_S)
