"""A receiver of webhooks on this machine: a real HTTP server that checks what it gets, and keeps it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from xinyu.outward.signature import signature

Answer = Callable[["Received"], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Received:
    """One delivery."""

    delivery_id: str
    bot_id: int
    events: list[dict[str, Any]]
    path: str

    @property
    def places(self) -> list[tuple[int, int]]:
        """(talk, sequence) of each message."""
        return [(event["payload"]["talk_id"], event["payload"]["sequence"]) for event in self.events]

    @property
    def texts(self) -> list[str]:
        return [json.loads(event["payload"]["body"]["extra"]).get("content", "") for event in self.events]


class Receiver:
    """`answer` says the status of each delivery; `taken` are those that were answered 200. `secret`: None = it does not
    look at signatures."""

    def __init__(self, secret: str | None = None) -> None:
        self.url = ""
        self.secret = secret
        self.deliveries: list[Received] = []
        self.taken: list[Received] = []
        self.under_way: dict[int, int] = {}
        self.most_under_way = 0
        self.status = 200
        self.answer: Answer | None = None
        self.arrived = asyncio.Event()

    async def handle(self, request: web.BaseRequest) -> web.Response:
        content = await request.read()
        if self.secret is not None:
            timestamp_s = int(request.headers["X-XinYu-Timestamp"])
            assert request.headers["X-XinYu-Signature"] == signature(self.secret, timestamp_s, content)
        body = json.loads(content)
        assert request.headers["X-XinYu-Delivery"] == body["delivery_id"]
        assert request.method == "POST"
        received = Received(body["delivery_id"], body["bot_id"], body["events"], request.path)
        self.deliveries.append(received)
        self.arrived.set()
        count = self.under_way[received.bot_id] = self.under_way.get(received.bot_id, 0) + 1
        self.most_under_way = max(self.most_under_way, count)
        try:
            status = self.status if self.answer is None else await self.answer(received)
        finally:
            self.under_way[received.bot_id] -= 1
        if status == 200:
            self.taken.append(received)
        return web.Response(status=status)

    def places(self, bot_id: int) -> list[tuple[int, int]]:
        """Of all that this bot's deliveries held that were taken, in their order."""
        return [place for each in self.taken if each.bot_id == bot_id for place in each.places]

    def texts(self, bot_id: int) -> list[str]:
        return [text for each in self.taken if each.bot_id == bot_id for text in each.texts]


@asynccontextmanager
async def receiving(secret: str | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver(secret)
    runner = web.ServerRunner(web.Server(receiver.handle))
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listening).start()
    receiver.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()
