"""Small rooms behind real gateways: what they are asked stands in lists, what they do is plain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tests.integration.presence_room import presence_servicer
from xinyu.base.clock import SystemClock
from xinyu.base.config import HttpSettings, WebSocketSettings
from xinyu.base.errors import MUTED, XinYuError
from xinyu.base.ids import MAX_SAFE_INTEGER
from xinyu.base.token import AccessTokens
from xinyu.base.trace import trace_id
from xinyu.delivery.routes import MemoryRoutes
from xinyu.delivery.watches import MemoryWatches, Watches
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.http.gateway import HttpGateway
from xinyu.gateway.http.route import AnyRoute, HttpCall, Nothing, Route, Stream, StreamRoute
from xinyu.gateway.listener import bound_port, listen
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.rate_limit import RateLimit
from xinyu.gateway.ws.event import ClientEvent, EventCall
from xinyu.gateway.ws.gateway import WebSocketGateway
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.storage.cache import MemoryCache
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, message_rpc, presence_rpc, presence_watcher_rpc
from xinyu.wire.v1.gateway_rpc import GatewayStub
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub

EPOCH = "0123456789abcdef"


class Sum(msgspec.Struct):
    a: Annotated[int, msgspec.Meta(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
    b: int = 1
    note: msgspec.Raw = msgspec.Raw(b"null")


@dataclass
class World:
    """What both gateways share."""

    clock: SystemClock = field(default_factory=SystemClock)
    routes: Any = field(default_factory=MemoryRoutes)
    watches: Watches = field(default_factory=MemoryWatches)
    calls: list[Any] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    settle: Callable[[float], Awaitable[None]] = asyncio.sleep
    streams_ended: int = 0

    def __post_init__(self) -> None:
        self.tokens = AccessTokens(b"0" * 32, 3600, self.clock)
        self.tickets = Tickets(MemoryCache(self.clock))
        self.network = InProcessNetwork(serialise=True)

        def watcher(instance: str) -> PresenceWatcherStub:
            return PresenceWatcherStub(self.network.channel("presence", instance=instance))

        presence = presence_servicer(self.routes, self.watches, watcher, self.settle)
        self.network.serve(presence_rpc.METHODS, presence)

    def token(self, user_id: int = 7) -> str:
        return self.tokens.mint(user_id, "web")

    def expired_token(self, user_id: int = 7) -> str:
        return AccessTokens(b"0" * 32, -1, self.clock).mint(user_id, "web")


def http_routes(world: World) -> list[AnyRoute]:
    async def add(call: HttpCall, body: Sum) -> dict[str, int]:
        world.calls.append((call, body))
        return {"sum": body.a + body.b}

    async def refuse(_call: HttpCall, _body: Nothing) -> None:
        raise XinYuError(MUTED)

    async def fail(_call: HttpCall, _body: Nothing) -> None:
        raise RuntimeError("the secret of the room")

    async def slow(_call: HttpCall, _body: Nothing) -> None:
        world.entered.set()
        await world.gate.wait()

    async def raw(_call: HttpCall, _body: Nothing) -> msgspec.Raw:
        return msgspec.Raw(b'{"raw":true}')

    async def nothing(_call: HttpCall, _body: Nothing) -> None:
        return None

    async def stream(_call: HttpCall, asked: Lines) -> Stream:
        async def pieces() -> AsyncGenerator[bytes, None]:
            try:
                for number in range(asked.count):
                    if number == asked.fails_at:
                        raise XinYuError(MUTED)
                    yield b"%d\n" % number
            finally:
                world.streams_ended += 1

        return Stream(pieces(), "application/x-ndjson", "numbers.jsonl")

    return [
        Route("test/add", Sum, add),
        Route("test/refuse", Nothing, refuse),
        Route("test/fail", Nothing, fail),
        Route("test/slow", Nothing, slow),
        Route("test/raw", Nothing, raw, open=True),
        Route("test/nothing", Nothing, nothing, open=True),
        Route("test/entry", Nothing, nothing, open=True, limit="entry"),
        Route("test/send", Nothing, nothing, limit="send"),
        StreamRoute("test/stream", Lines, stream),
    ]


@dataclass
class HttpDoor:
    world: World
    gateway: HttpGateway
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def http_door(world: World, page_root: Path | None = None, **settings: Any) -> AsyncIterator[HttpDoor]:
    """A gateway on a free port. `settings` are those of HttpSettings."""
    values = HttpSettings(**settings)
    gateway = HttpGateway(
        values,
        world.tokens,
        world.tickets,
        AllowedOrigins(values.allowed_origins),
        http_routes(world),
        send_limit=RateLimit(100, 3, world.clock),
        entry_limit=RateLimit(1, 3, world.clock),
        page_root=page_root,
        websocket_port=lambda: 8081,
    )
    listening = listen("127.0.0.1", 0)
    port = bound_port(listening)
    await gateway.start(listening)
    try:
        yield HttpDoor(world, gateway, port)
    finally:
        world.gate.set()
        await gateway.stop(2.0)


class Lines(msgspec.Struct):
    count: int
    fails_at: int = -1


class Text(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(max_length=1_000)]


class Users(msgspec.Struct):
    user_ids: list[int]


def client_events(world: World) -> list[ClientEvent]:
    async def say(call: EventCall, body: Text) -> dict[str, Any]:
        world.calls.append((call, body.text))
        return {"said": body.text}

    async def refuse(_call: EventCall, _body: Nothing) -> None:
        raise XinYuError(MUTED)

    async def fail(_call: EventCall, _body: Nothing) -> None:
        raise RuntimeError("the secret of the room")

    async def slow(_call: EventCall, body: Text) -> None:
        world.calls.append(body.text)
        world.entered.set()
        await world.gate.wait()

    async def raw(_call: EventCall, _body: Nothing) -> msgspec.Raw:
        return msgspec.Raw(b'{"raw":[1,2]}')

    async def who(_call: EventCall, body: Users) -> list[int]:
        return body.user_ids

    async def together(events: Sequence[tuple[EventCall, Text]]) -> Sequence[Any]:
        texts = [body.text for _, body in events]
        world.calls.append([(call.user_id, body.text, trace_id.get()) for call, body in events])
        if "slow" in texts:
            world.entered.set()
            await world.gate.wait()
        if "fail" in texts:
            raise RuntimeError("the secret of the room")
        if "refuse all" in texts:
            raise XinYuError(MUTED)
        if "too few" in texts:
            return []
        return [XinYuError(MUTED) if text == "refuse" else {"said": text} for text in texts]

    return [
        ClientEvent("test.together", Text, together=together, legacy=True),
        ClientEvent("test.say", Text, say, legacy=True),
        ClientEvent("test.refuse", Nothing, refuse, legacy=True),
        ClientEvent("test.fail", Nothing, fail, legacy=True),
        ClientEvent("test.slow", Text, slow, legacy=True),
        ClientEvent("test.raw", Nothing, raw),
        ClientEvent("test.send", Nothing, raw, limit="send"),
        ClientEvent("test.watch", Users, who, watches="begin"),
        ClientEvent("test.unwatch", Users, who, watches="end"),
    ]


@dataclass
class WebSocketDoor:
    world: World
    gateway: WebSocketGateway
    port: int
    stub: GatewayStub

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def push(self, user_ids: list[int], *, legacy: bytes = b"", ours: bytes = b"") -> None:
        """Deliver, as a dispatcher does it."""
        request = gateway_pb2.DeliverRequest()
        delivery = request.deliveries.add(user_ids=user_ids)
        for codec, payload in enumerate((legacy, ours)):
            if payload:
                delivery.events.add(codec=codec, payload=payload)  # type: ignore[arg-type]
        await self.stub.deliver(request)


@asynccontextmanager
async def websocket_door(
    world: World, *, instance: str = "one", leased: bool = False, **settings: Any
) -> AsyncIterator[WebSocketDoor]:
    """A gateway on a free port. `settings` are those of WebSocketSettings."""
    gateway = WebSocketGateway(
        WebSocketSettings(**settings),
        world.tokens,
        world.tickets,
        AllowedOrigins(HttpSettings().allowed_origins),
        presence_rpc.PresenceStub(world.network.channel("gateway.ws")),
        message_rpc.MessageStub(world.network.channel("gateway.ws")),
        client_events(world),
        send_limit=RateLimit(100, 3, world.clock),
        clock=world.clock,
        epoch=EPOCH,
        instance=instance,
        incarnation="first",
        leased=leased,
    )
    world.network.serve(gateway_rpc.METHODS, gateway, instance=instance)
    world.network.serve(presence_watcher_rpc.METHODS, gateway.watching, instance=instance)
    listening = listen("127.0.0.1", 0)
    port = bound_port(listening)
    gateway.start(listening)
    try:
        yield WebSocketDoor(world, gateway, port, GatewayStub(world.network.channel("test", instance=instance)))
    finally:
        world.gate.set()
        await gateway.stop(3.0)
        await world.network.drain(1.0)
