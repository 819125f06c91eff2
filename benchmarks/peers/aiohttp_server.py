"""aiohttp on uvloop as an echo server: `python aiohttp_server.py PORT`. `go R` sends R frames to all."""

from __future__ import annotations

import asyncio
import re
import sys

import uvloop
from aiohttp import WSMsgType, web

GO = re.compile(r"go ([1-9][0-9]{0,6})")
PAYLOAD = "x" * 128
open_connections: set[web.WebSocketResponse] = set()


async def echo(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse(compress=False, max_msg_size=1 << 24)
    await connection.prepare(request)
    open_connections.add(connection)
    try:
        async for message in connection:
            if message.type == WSMsgType.TEXT and (match := GO.fullmatch(message.data)):
                for _ in range(int(match[1])):
                    for each in list(open_connections):
                        await each.send_str(PAYLOAD)
            elif message.type == WSMsgType.TEXT:
                await connection.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await connection.send_bytes(message.data)
    except ConnectionError:
        pass
    finally:
        open_connections.discard(connection)
    return connection


async def main(port: int) -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
