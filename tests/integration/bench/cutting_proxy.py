"""A proxy in front of a XinYu server that loses or doubles a pushed message on its way, or cuts its connection.

It answers `/config.json` with its own WebSocket's URL and hands every other request on. Of the WebSocket's frames from
the server it counts the pushed messages over all connections and does to the one that is chosen what it was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Literal, Self

import aiohttp
from aiohttp import web

Fault = Literal["lose", "double", "cut"]


class CuttingProxy:
    """`http_url` once it is entered. fault: what happens to pushed message number `at` (from 1): it is lost, comes
    twice, or its connection is cut before it."""

    def __init__(self, http_url: str, websocket_port: int, fault: Fault, at: int) -> None:
        self.http_url = ""
        self._upstream = http_url
        self._upstream_port = websocket_port
        self._fault = fault
        self._at = at
        self._pushed = 0
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._up = threading.Event()
        self._stopping = asyncio.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(30)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        async with aiohttp.ClientSession() as self._session:
            raw = await asyncio.start_server(self._websocket, "127.0.0.1", 0)
            runner = web.ServerRunner(web.Server(self._hand_on))
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = raw.sockets[0].getsockname()[1]
            self.http_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._up.set()
            await self._stopping.wait()
            raw.close()
            await runner.cleanup()
            pending = asyncio.all_tasks() - {asyncio.current_task()}
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _hand_on(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/config.json":
            return web.json_response({"websocket_url": f"ws://127.0.0.1:{self._port}/ws"})
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._session.request(
            request.method, self._upstream + request.path, data=await request.read(), headers=headers
        ) as answer:
            reason = answer.headers.get("X-XinYu-Reason", "")
            return web.Response(
                body=await answer.read(),
                status=answer.status,
                content_type="application/json",
                headers={"X-XinYu-Reason": reason} if reason else None,
            )

    async def _websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        upward = asyncio.ensure_future(self._copy(reader, up_writer))
        try:
            writer.write(await up_reader.readuntil(b"\r\n\r\n"))
            while True:
                frame = await self._read_frame(up_reader)
                if b'{"event":"im.message"' in frame:
                    self._pushed += 1
                    if self._pushed == self._at:
                        if self._fault == "cut":
                            return
                        frame = frame * 2 if self._fault == "double" else b""
                writer.write(frame)
                await writer.drain()
        except (OSError, EOFError):
            pass
        finally:
            upward.cancel()
            writer.close()
            up_writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
            writer.close()

    async def _read_frame(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readexactly(2)
        extended = {126: 2, 127: 8}.get(head[1], 0)
        length_bytes = await reader.readexactly(extended)
        length = int.from_bytes(length_bytes, "big") if extended else head[1]
        return head + length_bytes + await reader.readexactly(length)
