"""websockets on uvloop as an echo server: `python websockets_server.py PORT`. `go R` sends R frames to all."""

from __future__ import annotations

import re
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

GO = re.compile(r"go ([1-9][0-9]{0,6})")
PAYLOAD = "x" * 128
open_connections: set[ServerConnection] = set()


async def echo(connection: ServerConnection) -> None:
    open_connections.add(connection)
    try:
        async for message in connection:
            if isinstance(message, str) and (match := GO.fullmatch(message)):
                for _ in range(int(match[1])):
                    broadcast(open_connections, PAYLOAD)
            else:
                await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        open_connections.discard(connection)


async def main(port: int) -> None:
    options = {"compression": None, "ping_interval": None, "max_size": 1 << 24, "backlog": 4096}
    async with serve(echo, "127.0.0.1", port, **options) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
