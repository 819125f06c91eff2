"""Routes under leases in Redis: what a dead gateway leaves counts for nothing, and nothing is kept for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.integration.services.house import refused
from tests.local_servers import local_server
from tests.redis_links import RedisClusterServer, ask, redis_link
from xinyu.base.clock import SystemClock
from xinyu.base.errors import INTERRUPTED, INVALID, UNAVAILABLE, XinYuError
from xinyu.delivery.redis_routes import RedisRoutes
from xinyu.delivery.redis_watches import RedisWatches
from xinyu.delivery.routes import RouteChange, TalkAbsence
from xinyu.storage.redis_link import RedisLink
from xinyu_services.cli.local_servers.redis import RedisServer

ONE = [RouteChange(False, 1, [1])]


@pytest.fixture(params=["redis", "cluster"])
def server(request: pytest.FixtureRequest, redis: RedisServer, redis_cluster: RedisClusterServer) -> RedisServer:
    return redis if request.param == "redis" else redis_cluster


@pytest.fixture
async def link(server: RedisServer) -> AsyncIterator[RedisLink]:
    async with redis_link(server) as opened:
        yield opened


@pytest.fixture
def routes(link: RedisLink) -> RedisRoutes:
    return RedisRoutes(link, SystemClock(), lease_s=600)


async def fields(link: RedisLink, routes: RedisRoutes, user_id: int, kind: str = "route") -> int:
    return int(await link.execute("HLEN", routes._shards.key(kind, user_id)))


async def lease_over(link: RedisLink, gateway: str) -> None:
    routes = RedisRoutes(link, SystemClock(), lease_s=0.001)
    await routes.renew_gateway(gateway, ["first"])
    await asyncio.sleep(0.01)


async def test_a_route_counts_while_its_gateway_has_its_lease(link: RedisLink, routes: RedisRoutes) -> None:
    await routes.change("a", "first", ONE)
    await routes.renew_gateway("b", ["first"])
    await routes.change("b", "first", ONE)
    # The route of a, which has no lease yet, was there until somebody looked.
    assert await fields(link, routes, 1) == 2
    assert await routes.locate([1]) == {"b": {1: 2}}
    assert await fields(link, routes, 1) == 1
    await lease_over(link, "b")
    assert await routes.locate([1]) == {}
    assert await fields(link, routes, 1) == 0
    assert not await routes.renew_gateway("b", ["first"]), "it was lost"
    assert await routes.renew_gateway("b", ["first"])


async def test_another_incarnation_leaves_the_old_routes_behind(routes: RedisRoutes) -> None:
    await routes.renew_gateway("a", ["first"])
    await routes.change("a", "first", [RouteChange(False, 1, [1, 2])])
    # Both count while the new one's routes are being told.
    assert not await routes.renew_gateway("a", ["second", "first"])
    await routes.change("a", "second", [RouteChange(False, 0, [1])])
    assert await routes.locate([1, 2]) == {"a": {1: 3, 2: 2}}
    assert await routes.renew_gateway("a", ["second"])
    assert await routes.locate([1, 2]) == {"a": {1: 1}}
    await routes.change("a", "first", [RouteChange(True, 1, [1, 2])])  # a late word of the old one
    assert await routes.locate([1, 2]) == {"a": {1: 1}}


async def test_changes_that_overtake_each_other_come_to_the_same(link: RedisLink, routes: RedisRoutes) -> None:
    await routes.renew_gateway("a", ["first"])
    await routes.change("a", "first", [RouteChange(True, 1, [1])])
    assert await routes.locate([1]) == {}
    await routes.change("a", "first", ONE)
    assert await routes.locate([1]) == {}
    assert await fields(link, routes, 1) == 0


async def test_nothing_is_kept_for_ever(link: RedisLink, routes: RedisRoutes, server: RedisServer) -> None:
    await routes.renew_gateway("a", ["first"])
    await routes.change("a", "first", [RouteChange(False, 1, [1, 2]), RouteChange(True, 1, [2, 3])])
    await RedisWatches(link).watch([1], "a", "first")
    names = [line for line in ask(server, "--scan", "--pattern", f"{link.prefix}*").split() if line]
    assert {name.rsplit(":", 2)[-2] for name in names if not name.endswith("leases")} == {"route", "seen", "watch"}
    for name in names:
        assert 0 < await link.execute("TTL", name) <= 30 * 86_400, name


async def test_routes_that_are_named_are_kept_for_another_day(link: RedisLink, routes: RedisRoutes) -> None:
    await routes.change("a", "first", [RouteChange(False, 1, [1, 2])])
    for user_id in (1, 2):
        await link.execute("EXPIRE", routes._shards.key("route", user_id), 100)
    await routes.renew_gateway("a", ["first"], [1, 77])
    assert await link.execute("TTL", routes._shards.key("route", 1)) > 80_000
    assert await link.execute("TTL", routes._shards.key("route", 2)) <= 100
    assert await fields(link, routes, 77) == 0


async def test_leases_that_ended_long_ago_are_swept(link: RedisLink, routes: RedisRoutes) -> None:
    for shard in range(routes._shards.count):
        await link.execute("HSET", routes._shards.leases(shard), "old", "1000 first")
    await routes.renew_gateway("new", ["first"])
    for shard in range(routes._shards.count):
        assert await link.execute("HKEYS", routes._shards.leases(shard)) == [b"new"]


async def test_what_a_gateway_said_of_a_talk_counts_in_its_incarnation(link: RedisLink, routes: RedisRoutes) -> None:
    await routes.renew_gateway("a", ["first"])
    await routes.renew_gateway("b", ["first"])
    await routes.tell_absences("a", "first", [TalkAbsence(5, 3, 1)])
    assert await routes.locate_talks({5: 3}) == {"b": {5}}
    await routes.renew_gateway("a", ["second", "first"])
    assert await routes.locate_talks({5: 3}) == {"b": {5}}
    await routes.renew_gateway("a", ["second"])
    assert await routes.locate_talks({5: 3}) == {"a": {5}, "b": {5}}
    await routes.tell_absences("a", "second", [TalkAbsence(5, 3, 2)])
    assert await routes.locate_talks({5: 3}) == {"b": {5}}
    assert await fields(link, routes, 5, "absent") == 1
    assert 0 < int(await link.execute("TTL", routes._shards.key("absent", 5))) <= 86_400


async def test_a_talk_is_asked_about_at_living_gateways_alone(link: RedisLink, routes: RedisRoutes) -> None:
    assert await routes.locate_talks({5: 0}) == {}
    await lease_over(link, "a")
    await routes.renew_gateway("b", ["first"])
    assert await routes.locate_talks({5: 0}) == {"b": {5}}


async def test_watches_stand_under_the_same_lease(link: RedisLink, routes: RedisRoutes) -> None:
    watches = RedisWatches(link)
    await watches.watch([1, 2], "a", "first")
    assert await fields(link, routes, 1, "watch") == 1
    assert await watches.watchers([1]) == {}
    assert await fields(link, routes, 1, "watch") == 0
    await routes.renew_gateway("a", ["first"])
    assert await watches.watchers([1, 2]) == {"a": [2]}
    await routes.renew_gateway("a", ["second"])
    assert await watches.watchers([1, 2]) == {}


async def test_a_flushed_redis_says_that_leases_were_lost(server: RedisServer) -> None:
    kind = type(server)
    with local_server(kind) as own:
        async with redis_link(own) as link:
            routes = RedisRoutes(link, SystemClock())
            await routes.renew_gateway("a", ["first"])
            await routes.change("a", "first", ONE)
            ask(own, "flushall")
            assert await routes.locate([1]) == {}
            assert not await routes.renew_gateway("a", ["first"])


async def test_names_that_could_not_be_told_apart_are_refused(routes: RedisRoutes) -> None:
    for gateway, incarnation in (("", "i"), ("a", ""), ("a|b", "i"), ("a", "i j"), ("a\n", "i"), ("a" * 200, "i")):
        await refused(routes.change(gateway, incarnation, ONE), INVALID)
        await refused(routes.renew_gateway(gateway, [incarnation]), INVALID)


async def test_a_change_that_may_have_been_made_says_so() -> None:
    for kind in (RedisServer, RedisClusterServer):
        with local_server(kind) as own:
            async with redis_link(own, timeout_s=1.0) as link:
                routes = RedisRoutes(link, SystemClock())
                await routes.renew_gateway("a", ["first"])
                own.kill()
                await refused(routes.locate([1]), UNAVAILABLE)
                with pytest.raises(XinYuError) as caught:
                    await routes.change("a", "first", [RouteChange(False, 1, list(range(1, 200)))])
                assert caught.value.code in (UNAVAILABLE, INTERRUPTED)
                if kind is RedisClusterServer:  # each shard by itself
                    assert caught.value.code is INTERRUPTED
