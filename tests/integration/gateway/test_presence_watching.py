"""`presence.changed` over two gateways, with routes in memory and in Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from tests.integration.gateway.small_rooms import WebSocketDoor, World, websocket_door
from tests.integration.gateway.test_gateway_lease import leased
from tests.integration.gateway.test_websocket import ask, legacy, ours, receive, until
from tests.redis_links import redis_link
from xinyu.base.clock import SystemClock
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.delivery.redis_watches import RedisWatches
from xinyu.gateway.ws import gateway_lease, presence_watching
from xinyu_services.cli.local_servers.redis import RedisServer

Doors = tuple[WebSocketDoor, WebSocketDoor]


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, redis: RedisServer, settle: Settle) -> AsyncIterator[World]:
    if request.param == "memory":
        yield World(settle=settle)
        return
    async with redis_link(redis) as link:
        yield World(routes=RedisRoutes(link, SystemClock()), watches=RedisWatches(link), settle=settle)


class Settle:
    """The presence room's wait before it looks at who came and went: short, or until `go` is set."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, _seconds: float) -> None:
        await asyncio.sleep(0.05)
        await self.go.wait()


@pytest.fixture
def settle() -> Settle:
    return Settle()


@pytest.fixture
async def doors(world: World) -> AsyncIterator[Doors]:
    with_lease = isinstance(world.routes, RedisRoutes)
    async with (
        websocket_door(world, instance="one", leased=with_lease) as one,
        websocket_door(world, instance="two", leased=with_lease) as two,
    ):
        if with_lease:
            await leased(world, "one", "two")
        yield one, two


async def changes(socket: ClientConnection, count: int) -> list[tuple[int, bool]]:
    """The next events, which must be of this kind."""
    received = [await receive(socket) for _ in range(count)]
    assert {event["event"] for event in received} == {"presence.changed"}
    return [(event["payload"]["user_id"], event["payload"]["online"]) for event in received]


async def quiet(socket: ClientConnection) -> None:
    """Nothing was on its way: what is asked now is answered next."""
    await socket.send('{"event":"echo","payload":"quiet","ackid":"q"}')
    assert (await receive(socket))["payload"] == "quiet"


async def watch(socket: ClientConnection, *user_ids: int) -> dict[int, dict[str, Any]]:
    answer = await ask(socket, "test.watch", {"user_ids": user_ids})
    assert answer["event"] == "ack", answer
    return {state["user_id"]: state for state in answer["payload"]["users"]}


async def test_who_watches_hears_of_the_first_device_and_the_last(world: World, doors: Doors) -> None:
    one, two = doors
    async with ours(one, user_id=1) as ann, ours(two, user_id=2) as ben, ours(one, user_id=3) as cid:
        for socket in (ann, ben, cid):
            await receive(socket)
        before_ms = world.clock.now_ms()
        assert await watch(ann, 2, 7) == {
            2: {"user_id": 2, "online": True, "last_seen_ms": 0},
            7: {"user_id": 7, "online": False, "last_seen_ms": 0},
        }
        assert (await watch(ben, 7))[7]["online"] is False
        async with legacy(two, world.token(7)), ours(one, user_id=7):
            assert await changes(ann, 1) == [(7, True)]
            assert await changes(ben, 1) == [(7, True)]
            assert (await watch(cid, 7))[7]["online"] is True
        for socket in (ann, ben, cid):
            event = await receive(socket)
            assert event["event"] == "presence.changed"
            assert event["payload"]["online"] is False
            assert before_ms <= event["payload"]["last_seen_ms"] <= world.clock.now_ms()
            await quiet(socket)


async def test_a_device_that_comes_back_at_once_tells_nobody_anything(
    world: World, doors: Doors, settle: Settle
) -> None:
    one, two = doors
    async with ours(one, user_id=1) as ann:
        await receive(ann)
        device = await legacy(two, world.token(7))
        assert (await watch(ann, 7, 8))[7]["online"] is True
        settle.go.clear()
        for door in (one, two, one):
            await device.close()
            device = await legacy(door, world.token(7))
        async with legacy(one, world.token(8)):
            settle.go.set()
            assert await changes(ann, 1) == [(8, True)]  # and 7 was looked at with it
            await quiet(ann)
        assert await changes(ann, 1) == [(8, False)]
        await device.close()
        assert await changes(ann, 1) == [(7, False)]


async def test_who_watches_no_more_hears_nothing(world: World, doors: Doors) -> None:
    one, two = doors
    async with ours(one, user_id=1) as ann, ours(one, user_id=1) as tablet:
        for socket in (ann, tablet):
            await receive(socket)
            await watch(socket, 7, 8)
        assert (await ask(ann, "test.unwatch", {"user_ids": [7, 9]}))["event"] == "ack"
        async with legacy(two, world.token(7)):
            assert await changes(tablet, 1) == [(7, True)]
            async with legacy(two, world.token(8)):
                assert await changes(ann, 1) == [(8, True)]
                assert await changes(tablet, 1) == [(8, True)]
    # Nobody is left, and the next look lets go of both.
    await until(lambda: not one.gateway.watching._subscriptions)
    await one.gateway.watching.refresh()
    assert one.gateway.watching._online == {}
    assert await world.watches.watchers([7, 8]) == {}


async def test_a_connection_watches_a_bounded_number(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_watching, "MAX_WATCHED", 3)
    one, _ = doors
    async with ours(one, user_id=1) as ann, ours(one, user_id=2) as ben:
        for socket in (ann, ben):
            await receive(socket)
        await watch(ann, 5, 6, 7)
        await watch(ann, 7, 6)
        refusal = await ask(ann, "test.watch", {"user_ids": [8]})
        assert refusal["payload"]["reason"] == "invalid"
        await ask(ann, "test.unwatch", {"user_ids": [5]})
        await watch(ann, 8)
        await watch(ben, 5, 8)
        assert await watch(ben) == {}


async def test_what_was_lost_on_the_way_is_found_by_asking_again(world: World, doors: Doors) -> None:
    one, two = doors
    async with ours(one, user_id=1) as ann:
        await receive(ann)
        await watch(ann, 7, 8)
        # Nobody in the presence room remembers who watches.
        for gateway in ("one", "two"):
            await world.watches.unwatch([7, 8], gateway, "first")
        async with legacy(two, world.token(7)):
            await one.gateway.watching.refresh()
            assert await changes(ann, 1) == [(7, True)]
        # And it is watched again.
        assert await changes(ann, 1) == [(7, False)]


async def test_watches_are_said_again_in_another_incarnation(
    redis: RedisServer, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_lease, "RENEW_EVERY_S", 0.05)
    async with redis_link(redis) as link:
        world = World(routes=RedisRoutes(link, SystemClock()), watches=RedisWatches(link), settle=settle)
        async with websocket_door(world, leased=True) as door, ours(door, user_id=1) as ann:
            await receive(ann)
            await watch(ann, 7)
            await world.routes.forget_gateway("one")
            assert json.loads(await ann.recv())["event"] == "sync.required"
            async with asyncio.timeout(20):
                while not await world.watches.watchers([7]):
                    await asyncio.sleep(0.01)
            async with legacy(door, world.token(7)):
                assert await changes(ann, 1) == [(7, True)]
