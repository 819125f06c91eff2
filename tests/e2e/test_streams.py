"""Streams of events from a whole cluster: off unless asked for, and complete though a service is killed."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.cluster_process import ClusterProcess
from tests.server_process import ServerFailed, ServerProcess
from xinyu.client import SINGLE, Client
from xinyu.client.backoff import Backoff

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

EXAMPLE = Path(__file__).parents[2] / "docs/examples/stream_consumer.py"
DEADLINE_S = 60.0


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.05)


def figure(cluster: ClusterProcess, process: str, name: str) -> float:
    """0 where there is none."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", cluster.ops(process, "metrics")[1], re.MULTILINE)
    return float(found[1]) if found else 0.0


async def stream_names(cluster: ClusterProcess) -> set[str]:
    redis = Redis.from_url(cluster.redis.url)
    try:
        return {key.decode() async for key in redis.scan_iter(match="*events:*")}
    finally:
        await redis.aclose()


def counts(database: Path) -> dict[str, int]:
    connection = sqlite3.connect(database, timeout=30)
    try:
        return {f"{room} {kind}": number for room, kind, number in connection.execute("SELECT * FROM counts")}
    except sqlite3.OperationalError:  # not begun yet
        return {}
    finally:
        connection.close()


async def test_nothing_is_relayed_unless_asked_for(cluster: ClusterProcess, mobile: Callable[[], str]) -> None:
    async with Client(cluster.http_url) as ann, Client(cluster.http_url) as ben:
        await ann.register("Ann", mobile(), "correct horse battery")
        await ben.register("Ben", bens := mobile(), "correct horse battery")
        await ann.apply((await ann.search(bens)).user_id, "it is me")
    await eventually(lambda: figure(cluster, "svc-contact-1", 'xinyu_outbox_rows_total{room="contact"}') > 0)
    await eventually(lambda: figure(cluster, "svc-contact-1", 'xinyu_outbox_open_rows{room="contact"}') == 0)
    assert await stream_names(cluster) == set()


def test_the_embedded_form_says_that_it_has_none(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", environment={"XINYU_STREAMS__ENABLED": "true"})
    with pytest.raises(ServerFailed, match=r"xinyu: streams\.enabled: .*cluster") as refused:
        server.start()
    assert "Traceback" not in str(refused.value)
    assert not (tmp_path / "data").exists()


async def test_every_message_is_counted_once_though_the_service_is_killed(
    mobile: Callable[[], str], tmp_path: Path
) -> None:
    cluster = ClusterProcess(settings={"streams": {"enabled": True}})
    database = tmp_path / "counts.db"
    try:
        await asyncio.to_thread(cluster.start)
        consumer = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", str(EXAMPLE), cluster.redis.url, str(database)
        )
        try:
            last = await chat(cluster, mobile)
            await eventually(lambda: counts(database).get("message m", 0) >= last)
        finally:
            consumer.terminate()
            async with asyncio.timeout(DEADLINE_S):
                code = await consumer.wait()
        assert code == 0
        assert counts(database)["message m"] == last
        assert await stream_names(cluster) >= {f"xinyu:events:{room}" for room in ("contact", "message", "talk")}
        assert figure(cluster, "svc-message-1", 'xinyu_relay_batches_total{room="message"}') > 0
        await asyncio.to_thread(cluster.stop)
        assert "Traceback" not in cluster.log
    finally:
        await asyncio.to_thread(cluster.close)


async def chat(cluster: ClusterProcess, mobile: Callable[[], str]) -> int:
    """Two people write to each other while the message service dies; answers how many messages their talk has."""
    ann, ben = (
        Client(cluster.http_url, backoff=Backoff(base_ms=50, cap_ms=500), request_timeout_s=5.0) for _ in range(2)
    )
    async with ann, ben:
        for name, client in (("Ann", ann), ("Ben", ben)):
            await client.register(name, mobile(), "correct horse battery")
            await client.start(DEADLINE_S)
        await ann.apply(ben.user_id, "it is me")
        [application] = await ben.applications()
        await ben.accept(application.id)
        record = await ann.send_text(SINGLE, ben.user_id, "first")
        first_many = asyncio.Event()

        async def write() -> None:
            nonlocal record
            for number in range(200):
                record = await ann.send_text(SINGLE, ben.user_id, f"text {number}")
                if number == 50:
                    first_many.set()

        writing = asyncio.create_task(write())
        await first_many.wait()
        await asyncio.to_thread(cluster.kill_process, "svc-message-1")
        await asyncio.to_thread(cluster.start_process, "svc-message-1")
        await writing
        return record.sequence
