"""picows on uvloop as an echo server: `python picows_server.py PORT`. `go R` sends R frames to all."""

from __future__ import annotations

import re
import sys

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

GO = re.compile(rb"go ([1-9][0-9]{0,6})")
PAYLOAD = b"x" * 128
open_connections: set[WSTransport] = set()


class Echo(WSListener):
    def on_ws_connected(self, transport: WSTransport) -> None:
        open_connections.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        open_connections.discard(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT and (match := GO.fullmatch(frame.get_payload_as_memoryview())):
            for _ in range(int(match[1])):
                for each in open_connections:
                    each.send(WSMsgType.TEXT, PAYLOAD)
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
            transport.send(frame.msg_type, frame.get_payload_as_memoryview())


async def main(port: int) -> None:
    server = await ws_create_server(lambda request: Echo(), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
