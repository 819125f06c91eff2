"""The Rock codec alone on the event loop: frames on a protocol, calls paired with answers by sn, and nothing else.

No deadline, no bound, no task a call: what is left is the codec, protobuf, and the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from google.protobuf.wrappers_pb2 import BytesValue

from benchmarks.rpc_echo.contract import METHOD, TRACE_ID, Echo
from xinyu._fast import rock


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._decoder = rock.Decoder("trace")
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for frame in self._decoder.feed(data):
            self.on_frame(frame)

    def on_frame(self, frame: rock.Frame) -> None:
        raise NotImplementedError


class Answering(Connection):
    def on_frame(self, frame: rock.Frame) -> None:
        assert isinstance(frame, rock.Request)
        response = BytesValue(value=BytesValue.FromString(frame.body).value)
        self._transport.write(
            rock.encode_response(
                "trace", frame.sn, frame.cmd, 200, "ok", response.SerializeToString(), frame.trace_id
            )
        )


class Calling(Connection):
    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[int, asyncio.Future[BytesValue]] = {}
        self._sn = 0

    def echo(self, request: BytesValue) -> asyncio.Future[BytesValue]:
        self._sn += 1
        waiting = self._waiting[self._sn] = asyncio.get_running_loop().create_future()
        body = request.SerializeToString()
        self._transport.write(rock.encode_request("trace", self._sn, METHOD.command, body, TRACE_ID))
        return waiting

    def on_frame(self, frame: rock.Frame) -> None:
        assert isinstance(frame, rock.Response)
        self._waiting.pop(frame.sn).set_result(BytesValue.FromString(frame.body))


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
