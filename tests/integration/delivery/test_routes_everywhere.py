"""What every table of routes and of watches does, in memory and in Redis, single and Cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.redis_links import RedisClusterServer, redis_link
from xinyu.base.clock import SystemClock
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.delivery.redis_watches import RedisWatches
from xinyu.delivery.routes import MemoryRoutes, RouteChange, Routes, TalkAbsence
from xinyu.delivery.watches import MemoryWatches, Watches
from xinyu_services.cli.local_servers.redis import RedisServer

CAME, GONE = False, True
Tables = tuple[Routes, Watches]


@pytest.fixture(params=["memory", "redis", "cluster"])
async def tables(
    request: pytest.FixtureRequest, redis: RedisServer, redis_cluster: RedisClusterServer
) -> AsyncIterator[Tables]:
    """Gateways a and b live, in their first incarnation."""
    if request.param == "memory":
        yield MemoryRoutes(), MemoryWatches()
        return
    async with redis_link(redis if request.param == "redis" else redis_cluster) as link:
        routes = RedisRoutes(link, SystemClock(), lease_s=600)
        for gateway in ("a", "b"):
            assert not await routes.renew_gateway(gateway, ["first"])
            assert await routes.renew_gateway(gateway, ["first"])
        yield routes, RedisWatches(link)


@pytest.fixture
def routes(tables: Tables) -> Routes:
    return tables[0]


@pytest.fixture
def watches(tables: Tables) -> Watches:
    return tables[1]


async def change(routes: Routes, gateway: str, *changes: tuple[bool, int, list[int]]) -> list[int]:
    return sorted(await routes.change(gateway, "first", [RouteChange(*each) for each in changes]))


async def test_devices_are_counted_by_gateway_and_codec(routes: Routes) -> None:
    assert await change(routes, "a", (CAME, 0, [7]), (CAME, 1, [7, 7])) == [7]
    assert await change(routes, "b", (CAME, 1, [7, 8])) == [8]
    assert await routes.locate([7, 8, 9]) == {"a": {7: 3}, "b": {7: 2, 8: 2}}
    assert await change(routes, "a", (GONE, 1, [7])) == []
    assert await routes.locate([7]) == {"a": {7: 3}, "b": {7: 2}}
    assert await change(routes, "a", (GONE, 1, [7])) == []
    assert await routes.locate([7]) == {"a": {7: 1}, "b": {7: 2}}
    assert await change(routes, "b", (GONE, 1, [7, 8])) == [8]
    assert await routes.locate([7, 8]) == {"a": {7: 1}}
    assert await change(routes, "a", (GONE, 0, [7])) == [7]
    assert await routes.locate([7, 8]) == {}


async def test_changes_are_made_in_order(routes: Routes) -> None:
    changes = [(CAME, 0, [1, 2]), (GONE, 0, [1]), (CAME, 1, [1, 3]), (GONE, 1, [3]), (GONE, 0, [2, 4]), (CAME, 0, [4])]
    assert set(await change(routes, "a", *changes)) >= {1, 2, 3}
    assert (await routes.locate([1, 2, 3]))["a"] == {1: 2}
    assert await change(routes, "a") == []


async def test_many_users_at_once(routes: Routes) -> None:
    users = list(range(1, 5001))
    assert await change(routes, "a", (CAME, 1, users)) == users
    assert await routes.locate([*users, *users]) == {"a": dict.fromkeys(users, 2)}
    assert await change(routes, "a", (GONE, 1, users)) == users
    assert await routes.locate(users) == {}
    assert await routes.locate([]) == {}


async def test_a_gateway_that_is_forgotten_takes_its_routes_along(routes: Routes) -> None:
    await change(routes, "a", (CAME, 0, [1, 2]))
    await change(routes, "b", (CAME, 1, [2]))
    await routes.forget_gateway("a")
    await routes.forget_gateway("never there")
    assert await routes.locate([1, 2]) == {"b": {2: 2}}


async def test_when_the_last_device_left(routes: Routes) -> None:
    before_ms = SystemClock().now_ms()
    await change(routes, "a", (CAME, 0, [1, 2]))
    await change(routes, "b", (CAME, 0, [2]))
    assert await routes.last_seen([1, 2]) == {}
    await change(routes, "a", (GONE, 0, [1, 2]))
    seen = await routes.last_seen([1, 2, 3])
    assert set(seen) == {1}
    assert before_ms <= seen[1] <= SystemClock().now_ms()
    await change(routes, "b", (GONE, 0, [2]))
    assert set(await routes.last_seen([1, 2])) == {1, 2}
    assert await routes.last_seen([]) == {}


async def test_who_watches_whom(watches: Watches) -> None:
    await watches.watch([1, 2], "a", "first")
    await watches.watch([1], "a", "first")
    await watches.watch([1], "b", "first")
    found = await watches.watchers([1, 2, 3])
    assert {gateway: sorted(users) for gateway, users in found.items()} == {"a": [1, 2], "b": [1]}
    await watches.unwatch([1, 3], "a", "first")
    assert await watches.watchers([1]) == {"b": [1]}
    assert await watches.watchers([]) == {}
    many = list(range(10, 3010))
    await watches.watch(many, "a", "first")
    assert sorted((await watches.watchers(many))["a"]) == many


async def test_every_gateway_may_hold_members_but_where_it_said_otherwise(routes: Routes) -> None:
    await change(routes, "a", (CAME, 0, [7]))
    await change(routes, "b", (CAME, 0, [8]))
    assert await routes.locate_talks({5: 1, 70: 0}) == {"a": {5, 70}, "b": {5, 70}}
    await routes.tell_absences("a", "first", [TalkAbsence(5, 3, 1), TalkAbsence(70, 9, 2)])
    assert await routes.locate_talks({5: 3, 70: 3}) == {"b": {5, 70}}
    assert await routes.locate_talks({5: 4, 70: 4}) == {"a": {5}, "b": {5, 70}}
    assert await routes.locate_talks({6: 0}) == {"a": {6}, "b": {6}}
    assert await routes.locate_talks({}) == {}


async def test_of_what_a_gateway_said_of_a_talk_the_highest_number_counts(routes: Routes) -> None:
    await change(routes, "a", (CAME, 0, [7]))
    await change(routes, "b", (CAME, 0, [8]))
    highest = 1_790_000_000_000_000
    await routes.tell_absences("a", "first", [TalkAbsence(5, -1, highest + 2)])
    await routes.tell_absences("a", "first", [TalkAbsence(5, 3, highest + 1)])  # said before, heard after
    assert await routes.locate_talks({5: 0}) == {"a": {5}, "b": {5}}
    await routes.tell_absences("a", "first", [TalkAbsence(5, 3, highest + 3)])
    assert await routes.locate_talks({5: 0}) == {"b": {5}}


async def test_many_talks_at_once(routes: Routes) -> None:
    await change(routes, "a", (CAME, 0, [7]))
    await change(routes, "b", (CAME, 0, [8]))
    talks = range(1, 1_001)
    await routes.tell_absences("b", "first", [TalkAbsence(talk, 2, talk) for talk in talks])
    assert await routes.locate_talks(dict.fromkeys(talks, 2)) == {"a": set(talks)}
