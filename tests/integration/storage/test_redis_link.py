"""A Redis that is away: refused in time, refused at once, and found again."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.integration.services.house import refused
from tests.local_servers import local_server
from tests.redis_links import RedisClusterServer, redis_link
from xinyu.base.clock import SystemClock
from xinyu.base.config import RedisSettings
from xinyu.base.errors import INTERRUPTED, UNAVAILABLE, XinYuError
from xinyu.storage import redis_link as module
from xinyu.storage.redis_link import RedisLink, Script
from xinyu_services.cli.local_servers.redis import RedisServer

COUNT = Script("return redis.call('INCR', KEYS[1])")


async def again(link: RedisLink) -> None:
    """Until it is found again."""
    async with asyncio.timeout(20):
        while True:
            try:
                await link.execute("GET", f"{link.prefix}x")
            except XinYuError:
                await asyncio.sleep(0.02)
            else:
                return


@pytest.mark.parametrize("kind", [RedisServer, RedisClusterServer])
async def test_a_server_that_ends_and_comes_back(kind: type[RedisServer]) -> None:
    with local_server(kind) as server:
        async with redis_link(server, timeout_s=1.0) as link:
            assert await link.run(COUNT, [f"{link.prefix}n"]) == 1
            server.kill()
            await refused(link.execute("GET", f"{link.prefix}x"), UNAVAILABLE)
            for _ in range(100):
                await refused(link.execute("GET", f"{link.prefix}x"), UNAVAILABLE)
            await asyncio.to_thread(RedisServer.start, server)  # a Cluster's node finds its slots in nodes.conf
            await again(link)
            # It knows no script any more.
            assert await link.run(COUNT, [f"{link.prefix}n"]) == 1
            assert await link.run(COUNT, [f"{link.prefix}n"]) == 2


async def test_a_server_that_hangs_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    with local_server(RedisServer) as server:
        async with redis_link(server, timeout_s=0.3, connections=2) as link:
            await link.execute("SET", f"{link.prefix}x", "1")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            try:
                # Two of them were sent, and may be carried out yet (or more, where these end a moment before the rest);
                # the others never came to it.
                calls = [link.run(COUNT, [f"{link.prefix}n"], changes=True) for _ in range(10)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                assert all(isinstance(error, XinYuError) for error in outcomes)
                codes = [error.code for error in outcomes if isinstance(error, XinYuError)]
                assert codes.count(INTERRUPTED) >= 2
                assert codes.count(INTERRUPTED) + codes.count(UNAVAILABLE) == 10
                # From now on it is tried by one at a time, and by nobody until the pause is over.
                monkeypatch.setattr(link, "_paused_until_s", 0.0)
                trying = asyncio.create_task(link.execute("GET", "x"))
                await asyncio.sleep(0)
                await refused(link.execute("GET", "x"), UNAVAILABLE)
                assert not trying.done()
                monkeypatch.setattr(module, "PAUSE_S", 3600.0)
                await refused(trying, UNAVAILABLE)
                await refused(link.execute("GET", "x"), UNAVAILABLE)
                assert not link._is_trying
            finally:
                os.kill(server.pid, signal.SIGCONT)
            monkeypatch.setattr(link, "_paused_until_s", 0.0)
            await again(link)
            assert link._waiting == 0


async def test_more_callers_than_may_wait_are_refused_at_once(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    async with redis_link(redis) as link:
        calls = [link.execute("GET", f"{link.prefix}x") for _ in range(5)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(outcome, XinYuError) for outcome in outcomes] == [False] * 3 + [True] * 2


async def test_what_redis_refuses_is_no_sign_that_it_is_away(redis: RedisServer) -> None:
    async with redis_link(redis) as link:
        await link.execute("SET", f"{link.prefix}text", "abc")
        for _ in range(5):
            await refused(link.execute("INCR", f"{link.prefix}text"), UNAVAILABLE)
        assert await link.execute("GET", f"{link.prefix}text") == b"abc"


async def test_nobody_there_from_the_start() -> None:
    for cluster in (False, True):
        settings = RedisSettings(url="redis://127.0.0.1:1/0", cluster=cluster, timeout_s=1.0)
        link = RedisLink(settings, SystemClock())
        await refused(link.run(COUNT, ["x"]), UNAVAILABLE)
        await link.close()
