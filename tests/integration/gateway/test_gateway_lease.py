"""Gateways whose routes are in Redis: what is lost there is told anew, and the devices hear of it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.small_rooms import WebSocketDoor, World, websocket_door
from tests.integration.gateway.test_websocket import legacy, ours, receive, refused, until
from tests.integration.presence_room import presence_servicer
from tests.local_servers import local_server
from tests.redis_links import ask, redis_link
from xinyu.base.clock import SystemClock
from xinyu.base.errors import DEADLINE, XinYuError
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.delivery.redis_watches import RedisWatches
from xinyu.delivery.routes import Located
from xinyu.gateway.ws import gateway_lease, route_changes
from xinyu.wire.v1 import options_pb2, presence_rpc
from xinyu_services.cli.local_servers.redis import RedisServer

SYNC_REQUIRED = {"event": "sync.required", "payload": {"reason": "routes_lost"}}
RELOAD = {"event": "im.session.reload", "payload": {}}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with local_server(RedisServer) as own:
        yield own


@pytest.fixture
async def world(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    for name in ("RENEW_EVERY_S", "AGAIN_AFTER_S", "DOUBT_EVERY_S"):
        monkeypatch.setattr(gateway_lease, name, 0.05)
    monkeypatch.setattr(route_changes, "DISCONNECT_PAUSES_S", (0.01, 0.01))
    async with redis_link(server, timeout_s=2.0) as link:
        yield World(routes=RedisRoutes(link, SystemClock()), watches=RedisWatches(link))


@pytest.fixture
async def doors(world: World) -> AsyncIterator[tuple[WebSocketDoor, WebSocketDoor]]:
    async with (
        websocket_door(world, instance="one", leased=True) as one,
        websocket_door(world, instance="two", leased=True) as two,
    ):
        await leased(world, "one", "two")
        yield one, two


async def leased(world: World, *gateways: str) -> None:
    async with asyncio.timeout(20):
        while True:
            lease = await world.routes._link.execute("HKEYS", world.routes._shards.leases(0))
            if {name.decode() for name in lease} >= set(gateways):
                return
            await asyncio.sleep(0.01)


async def located(world: World, expected: Located) -> None:
    """Sooner or later."""
    users = {user_id for here in expected.values() for user_id in here} | set(range(1, 30))
    found: Located | None = None
    try:
        async with asyncio.timeout(20):
            while found != expected:
                try:
                    found = await world.routes.locate(users)
                except XinYuError:
                    found = None
                await asyncio.sleep(0.01)
    except TimeoutError:
        assert found == expected


async def next_event(socket: ClientConnection, event: str) -> dict[str, Any]:
    while True:
        received = await receive(socket)
        if received["event"] == event:
            return received


async def test_flushall_twice_under_two_gateways(
    world: World, doors: tuple[WebSocketDoor, WebSocketDoor], server: RedisServer
) -> None:
    one, two = doors
    async with (
        ours(one, user_id=1) as first,
        ours(one, user_id=1) as second,
        legacy(one, world.token(2)) as old,
        ours(two, user_id=1) as far,
    ):
        everywhere: Located = {"one": {1: 2, 2: 1}, "two": {1: 2}}
        await located(world, everywhere)
        for _ in range(2):
            ask(server, "flushall")
            for socket in (first, second, far):
                assert await next_event(socket, "sync.required") == SYNC_REQUIRED
            assert await next_event(old, "im.session.reload") == RELOAD
            await located(world, everywhere)
        # Devices are counted as before: each that goes takes one.
        await first.close()
        await until(lambda: one.gateway.engine.stats()["open"] == 2)
        await asyncio.sleep(0.1)
        await located(world, everywhere)
        await second.close()
        await located(world, {"one": {2: 1}, "two": {1: 2}})
    await located(world, {})


async def test_comings_and_goings_while_routes_are_lost_again_and_again(
    world: World, doors: tuple[WebSocketDoor, WebSocketDoor], server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is under way when an incarnation ends: in the end the routes are what the engines hold."""
    monkeypatch.setattr(gateway_lease, "MAX_TOGETHER", 3)
    chance = random.Random(7)
    open_sockets: list[tuple[int, int, ClientConnection]] = []

    async def come() -> None:
        door, user_id, is_legacy = chance.randrange(2), chance.randrange(1, 9), chance.random() < 0.3
        opening = legacy(doors[door], world.token(user_id)) if is_legacy else ours(doors[door], user_id=user_id)
        socket = await opening
        open_sockets.append((door, user_id, socket))

    async def go() -> None:
        if open_sockets:
            _, _, socket = open_sockets.pop(chance.randrange(len(open_sockets)))
            await socket.close()

    async with AsyncExitStack() as stack:
        for _ in range(40):
            await asyncio.gather(*(chance.choice((come, come, go))() for _ in range(6)))
            if chance.random() < 0.5:
                await asyncio.to_thread(ask, server, "flushall")
        for _, _, socket in open_sockets:
            stack.push_async_callback(socket.close)
        expected: Located = {}
        for door, user_id, socket in open_sockets:
            here = expected.setdefault(("one", "two")[door], {})
            here[user_id] = here.get(user_id, 0) | (1 << 1 if socket.subprotocol else 1 << 0)
        assert expected
        await located(world, expected)
        # And the counts are right: half of them go, and take nobody else's route along.
        for _ in range(len(open_sockets) // 2):
            await go()
        expected = {}
        for door, user_id, socket in open_sockets:
            here = expected.setdefault(("one", "two")[door], {})
            here[user_id] = here.get(user_id, 0) | (1 << 1 if socket.subprotocol else 1 << 0)
        await located(world, expected)
        await asyncio.sleep(0.2)
        await located(world, expected)


async def test_redis_away_and_back(
    world: World, doors: tuple[WebSocketDoor, WebSocketDoor], server: RedisServer
) -> None:
    one, two = doors
    async with ours(one, user_id=1) as device, legacy(two, world.token(2)) as old:
        await located(world, {"one": {1: 2}, "two": {2: 1}})
        leaves = await ours(one, user_id=3)
        server.kill()
        # Nobody comes in, and who is in is served.
        for _ in range(3):
            with pytest.raises(InvalidStatus) as caught:
                await legacy(one, world.token(5))
            assert caught.value.response.headers["X-XinYu-Reason"] in ("interrupted", "unavailable")
        await device.send('{"event":"echo","payload":1,"ackid":"e"}')
        assert (await next_event(device, "ack"))["payload"] == 1
        await leaves.close()
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)
        assert await next_event(device, "sync.required") == SYNC_REQUIRED
        assert await next_event(old, "im.session.reload") == RELOAD
        await located(world, {"one": {1: 2}, "two": {2: 1}})
        async with ours(one, user_id=3):
            await located(world, {"one": {1: 2, 3: 2}, "two": {2: 1}})


async def test_a_call_in_doubt_is_settled_without_a_gap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The route of a login that was refused for want of an answer goes again, and no other misses a moment."""
    presence = presence_servicer(world.routes, world.watches)
    change_routes, lose_next = presence.change_routes, False

    async def change_and_lose(request: Any, context: Any) -> options_pb2.Empty:
        answer = await change_routes(request, context)
        if lose_next:
            raise XinYuError(DEADLINE)
        return answer

    monkeypatch.setattr(presence, "change_routes", change_and_lose)
    world.network.serve(presence_rpc.METHODS, presence)
    async with websocket_door(world, leased=True) as door:
        await leased(world, "one")
        async with ours(door, user_id=1) as device:
            await receive(device)
            lose_next = True
            await refused(legacy(door, world.token(2)), 504, "deadline")
            lose_next = False
            async with asyncio.timeout(20):
                while 2 in (here := await world.routes.locate([1, 2])).get("one", {}):
                    assert 1 in here["one"]
                    await asyncio.sleep(0)
            for _ in range(20):
                assert await world.routes.locate([1, 2]) == {"one": {1: 2}}
                await asyncio.sleep(0.01)
            await device.send('{"event":"echo","payload":1,"ackid":"e"}')
            assert (await receive(device))["event"] == "ack"  # and nothing before it


async def test_a_gateway_that_stops_gives_its_lease_back(world: World) -> None:
    async with websocket_door(world, leased=True) as door:
        await leased(world, "one")
        async with ours(door, user_id=1):
            await located(world, {"one": {1: 2}})
            await door.gateway.stop(1.0)
            assert await world.routes.locate([1]) == {}
            assert await world.routes._link.execute("HKEYS", world.routes._shards.leases(0)) == []


async def test_devices_are_told_at_a_pace(
    world: World, doors: tuple[WebSocketDoor, WebSocketDoor], server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step at a time, each device once; a second loss begins again with all."""
    steps: list[int] = []
    gate = asyncio.Event()
    monkeypatch.setattr(gateway_lease, "TELL_RATE_PER_S", (40, 40))
    one, _ = doors
    lease = one.gateway._lease
    assert lease is not None

    async def sleep(seconds: float) -> None:
        if seconds == gateway_lease.TELL_STEP_S:
            steps.append(1)
            await gate.wait()
        else:
            await asyncio.sleep(seconds)

    monkeypatch.setattr(gateway_lease, "TELL_STEP_S", 0.051)  # two connections a step
    lease._sleep = sleep
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(ours(one, user_id=user)) for user in range(1, 6)]
        for device in devices:
            assert json.loads(await device.recv())["event"] == "session.ready"
        await located(world, {"one": dict.fromkeys(range(1, 6), 2)})
        told = [asyncio.create_task(next_event(device, "sync.required")) for device in devices]
        ask(server, "flushall")
        await until(lambda: len(steps) == 1)
        await until(lambda: sum(task.done() for task in told) == 2)
        ask(server, "flushall")
        await until(lambda: len(steps) == 2)  # begun again; the one before is gone
        gate.set()
        await asyncio.gather(*told)
        assert len(steps) == 3
