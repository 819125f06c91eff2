"""Message, talk and presence rooms on a real SQLite file, two WebSocket gateways in front, devices on sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.database_storage import Storage
from tests.integration.services.rooms import Rooms
from xinyu.base.clock import SystemClock
from xinyu.base.config import HttpSettings, MessageSettings, WebSocketSettings
from xinyu.base.errors import OVERLOADED, UNAVAILABLE, XinYuError
from xinyu.base.token import AccessTokens
from xinyu.delivery.routes import Routes
from xinyu.delivery.watches import MemoryWatches
from xinyu.gateway.credentials import Tickets
from xinyu.gateway.listener import bound_port, listen
from xinyu.gateway.origins import AllowedOrigins
from xinyu.gateway.rate_limit import RateLimit
from xinyu.gateway.ws.gateway import WebSocketGateway
from xinyu.rpc.context import Context
from xinyu.storage.cache import MemoryCache
from xinyu.wire.v1 import gateway_pb2, gateway_rpc, message_rpc, options_pb2, presence_pb2, presence_rpc
from xinyu.wire.v1.method import Channel, Method
from xinyu.wire.v1.presence_watcher_rpc import PresenceWatcherStub
from xinyu_services.presence.neighbours import RpcWatchers
from xinyu_services.presence.rpc import PresenceServicer
from xinyu_services.presence.service import PresenceService

GROUP = 7
WEST, EAST = "west", "east"
IN, LEFT, REMOVED = 1, 2, 3
OWNER, PLAIN = 1, 3


class Line:
    """The gateways' channel to the message room: it can be cut or held up, and counts what was read of rosters."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.is_cut = False
        self.free = asyncio.Event()
        self.free.set()
        self.loads: list[int] = []  # talk ids

    async def call(self, method: Method, request: Any, *, timeout_s: float | None = None, key: str = "") -> Any:
        if method is message_rpc.LOAD_ROSTER:
            self.loads.append(request.talk_id)
            await self.free.wait()
        if self.is_cut:
            raise XinYuError(UNAVAILABLE)
        return await self._channel.call(method, request, timeout_s=timeout_s, key=key)


def _nobody(gateway: str) -> PresenceWatcherStub:
    raise AssertionError(f"{gateway} watches nobody")


class Presence(PresenceServicer):
    """Can refuse, or keep its answers back after the deed."""

    def __init__(self, routes: Routes) -> None:
        super().__init__(PresenceService(routes, MemoryWatches(), RpcWatchers(_nobody), asyncio.sleep))
        self.refuses = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.entered = asyncio.Event()
        self.absences: list[tuple[str, int, int]] = []  # gateway, talk, change

    async def change_routes(
        self, request: presence_pb2.ChangeRoutesRequest, context: Context
    ) -> options_pb2.Empty:
        if self.refuses:
            raise XinYuError(OVERLOADED)
        answer = await super().change_routes(request, context)
        self.absences += [(request.gateway, absence.talk_id, absence.change) for absence in request.absences]
        self.entered.set()
        await self.answers.wait()
        return answer


class CountedGateway:
    """Its servicer, with what it was handed."""

    def __init__(self, gateway: WebSocketGateway) -> None:
        self.gateway = gateway
        self.port = 0
        self.requests: list[gateway_pb2.DeliverRequest] = []

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        self.requests.append(request)
        return await self.gateway.deliver(request, context)


class Device:
    """A socket and all that it heard, in order."""

    def __init__(self, user_id: int, socket: ClientConnection) -> None:
        self.user_id = user_id
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.socket:
            self.heard.append(json.loads(message))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [each["payload"] for each in self.heard if each["event"] == name]

    @property
    def sequences(self) -> list[int]:
        """Of the messages, in the order in which they came."""
        return [payload["body"]["sequence"] for payload in self.events("im.message")]

    async def close(self) -> None:
        await self.socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)


class TwoGateways:
    """Built by `two_gateways`."""

    def __init__(self, rooms: Rooms, *, leased: bool) -> None:
        self.rooms = rooms
        self._leased = leased
        self.tokens = AccessTokens(b"0" * 32, 3600, SystemClock())
        self.line = Line(rooms.network.channel("gateway.ws"))
        self.presence = Presence(rooms.routes)
        self.gateways: dict[str, CountedGateway] = {}
        self.devices: list[Device] = []
        self._revision = 0
        rooms.network.serve([presence_rpc.CHANGE_ROUTES, presence_rpc.RENEW_GATEWAY], self.presence)

    def add_gateway(self, name: str, **settings: Any) -> CountedGateway:
        rooms = self.rooms
        gateway = WebSocketGateway(
            WebSocketSettings(**settings),
            self.tokens,
            Tickets(MemoryCache(rooms.clock)),
            AllowedOrigins(HttpSettings().allowed_origins),
            presence_rpc.PresenceStub(rooms.network.channel("gateway.ws")),
            message_rpc.MessageStub(self.line),
            [],
            send_limit=RateLimit(100, 100, rooms.clock),
            clock=rooms.clock,
            epoch="e",
            instance=name,
            incarnation="first",
            leased=self._leased,
        )
        counted = self.gateways[name] = CountedGateway(gateway)
        rooms.network.serve(gateway_rpc.METHODS, counted, instance=name)
        listening = listen("127.0.0.1", 0)
        counted.port = bound_port(listening)
        gateway.start(listening)
        return counted

    async def connect(self, user_id: int, gateway: str, *, legacy: bool = False) -> Device:
        """A device that has heard its first event."""
        url, token = f"ws://127.0.0.1:{self.gateways[gateway].port}", self.tokens.mint(user_id, "web")
        if legacy:
            socket = await connect(f"{url}/wss/default.io?token={token}")
        else:
            socket = await connect(
                f"{url}/ws",
                subprotocols=[Subprotocol("xinyu.v1.json")],
                additional_headers={"Authorization": f"Bearer {token}"},
            )
        device = Device(user_id, socket)
        self.devices.append(device)
        await until(lambda: bool(device.heard))
        return device

    async def roster(self, users: Iterable[int], state: int = IN, *, group: int = GROUP, **fields: Any) -> int:
        """Users come into the group (the first one of an empty group as its owner) or go; the change's number."""
        self._revision += 1
        entries = [(user, state, OWNER if user == 1 else PLAIN, self._revision) for user in users]
        return (await self.rooms.roster(group, entries, **fields)).change

    async def send(self, user_id: int, text: str = "hello", *, group: int = GROUP) -> int:
        """The message's sequence."""
        sequence: int = (await self.rooms.send(user_id, 2, group, text))["sequence"]
        return sequence

    async def quiet(self) -> None:
        """All that was committed has reached the devices that it is for."""
        await self.rooms.settle()
        await until(lambda: not any(talk.is_loading for each in self.gateways.values()
                                    for talk in each.gateway.members._talks.values()))  # fmt: skip
        # What a gateway sends to a device keeps its order: behind this mark nothing is on its way.
        for each in self.gateways.values():
            users = {device.user_id for device in self.devices}
            mark = json.dumps({"event": "mark", "payload": {}}).encode()
            request = gateway_pb2.DeliverRequest()
            delivery = request.deliveries.add(user_ids=users)
            for codec in (0, 1):
                delivery.events.add(codec=codec, payload=mark)  # type: ignore[arg-type]
            await each.gateway.deliver(request, None)
        await until(lambda: all(device.events("mark") for device in self.devices))
        for device in self.devices:
            device.heard = [each for each in device.heard if each["event"] != "mark"]

    @property
    def west_said(self) -> list[int]:
        """As of which changes the western gateway said that it holds no member of the first talk; -1 = taken back."""
        return [change for gateway, talk_id, change in self.presence.absences if (gateway, talk_id) == (WEST, 1)]

    def delivers(self) -> dict[str, int]:
        """Calls of Deliver at each gateway since this was asked last."""
        counts = {name: len(each.requests) for name, each in self.gateways.items()}
        for each in self.gateways.values():
            each.requests.clear()
        return counts


@asynccontextmanager
async def two_gateways(
    storage: Storage, routes: Routes | None = None, *, by_talk_above: int = 2, **settings: Any
) -> AsyncIterator[TwoGateways]:
    """`routes`: those of several processes, with leases; None = of one. `settings`: WebSocketSettings."""
    async with AsyncExitStack() as stack:
        database = await storage.open()
        stack.push_async_callback(database.close)
        messages = MessageSettings(fan_out_by_talk_above=by_talk_above, max_group_members=100_000)
        rooms = Rooms(database, settings=messages, routes=routes)
        rooms.neighbours.users = {user: f"user {user}" for user in range(1, 100)}
        rooms.neighbours.groups = {GROUP: "Large", GROUP + 1: "Other"}
        town = TwoGateways(rooms, leased=routes is not None)
        await rooms.start()
        stack.push_async_callback(rooms.stop)
        for name in (WEST, EAST):
            stack.push_async_callback(town.add_gateway(name, **settings).gateway.stop, 2.0)
        while routes is not None and set(await routes.locate_talks({1: 0})) != {WEST, EAST}:
            await asyncio.sleep(0.01)
        try:
            yield town
        finally:
            town.line.is_cut = True
            town.line.free.set()
            town.presence.answers.set()
            for device in town.devices:
                await device.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)
