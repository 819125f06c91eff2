"""A TCP proxy that a test can cut: between one browser and the server, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

_CHUNK_BYTES: Final = 65536


class CutProxy:
    """`async with CutProxy(port) as proxy`, then `cut`, `swallow`, `mute_answers`, `restore`."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_server, self._to_client = asyncio.Event(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.restore()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cut(self) -> None:
        """Resets every connection and refuses new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    def swallow(self) -> None:
        """Connections stay open and nothing passes any more, as when a cable is pulled."""
        self._to_server.clear()
        self._to_client.clear()

    def mute_answers(self) -> None:
        """What the client sends still arrives; nothing comes back."""
        self._to_client.clear()

    async def restore(self) -> None:
        """Lets everything through again, on the same port."""
        self._to_server.set()
        self._to_client.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(server_writer)
        for source, sink, flows in (
            (reader, server_writer, self._to_server),
            (server_reader, writer, self._to_client),
        ):
            task = asyncio.create_task(self._pump(source, sink, flows))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK_BYTES):
                await flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)
