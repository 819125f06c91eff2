"""A small gateway of the tests' own, on `websockets`, that misbehaves to order. Not XinYu's: what the SDK must live
with is scripted here, frame by frame.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response

Script = Callable[["Peer"], Awaitable[None]]

READY = {"session_id": "s", "uid": 1, "device_id": "d", "epoch": "e", "heartbeat_ms": 60_000}


class Peer:
    """One connection, as the script sees it."""

    def __init__(self, websocket: ServerConnection) -> None:
        self.websocket = websocket
        assert websocket.request is not None
        self.path = websocket.request.path
        self.headers = websocket.request.headers

    async def say(self, event: str, payload: Any = None, **fields: Any) -> None:
        await self.websocket.send(json.dumps({"event": event, "payload": payload, **fields}))

    async def ready(self, **fields: Any) -> None:
        await self.say("session.ready", {**READY, **fields})

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.websocket.recv())
        return message

    async def ack(self, request: dict[str, Any], payload: Any) -> None:
        await self.say("ack", payload, ackid=request["ackid"])

    async def wait_closed(self) -> None:
        await self.websocket.wait_closed()


class ScriptedGateway:
    """Runs one script a connection, in order; the last one again and again. `refusals` answers upgrades first."""

    def __init__(self, *scripts: Script, refusals: list[int] | None = None) -> None:
        self.scripts = list(scripts)
        self.refusals = refusals or []
        self.connections = 0
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            0,
            subprotocols=["xinyu.v1.json"],  # type: ignore[list-item]
            process_request=self._process,
            ping_interval=None,
            compression=None,
            close_timeout=1,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = next(iter(self._server.sockets)).getsockname()[1]
        return f"ws://127.0.0.1:{port}/ws"

    def _process(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.refusals:
            status = self.refusals.pop(0)
            response = connection.respond(HTTPStatus(status), json.dumps({"code": status, "message": "no entry"}))
            response.headers["X-XinYu-Reason"] = "unauthenticated"
            return response
        return None

    async def _handle(self, websocket: ServerConnection) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        await script(Peer(websocket))


async def stay(peer: Peer) -> None:
    """Ready, and then only there: answers nothing."""
    await peer.ready()
    await peer.wait_closed()


def within(awaitable: Awaitable[Any], seconds: float = 10.0) -> Awaitable[Any]:
    """A test that would wait for ever fails instead."""
    return asyncio.wait_for(awaitable, seconds)
