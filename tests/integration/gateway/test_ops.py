"""Health, readiness and figures over HTTP: of a server of its own, and of the whole embedded form with workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server_process import ServerProcess
from xinyu.base.metrics import Metrics
from xinyu.client import SINGLE, Client
from xinyu.gateway.listener import listen
from xinyu.gateway.ops import OpsServer
from xinyu.gateway.readiness import Readiness
from xinyu_services.cli.local_servers.server import free_port


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_paths_and_methods(client: aiohttp.ClientSession) -> None:
    readiness = Readiness()
    server = OpsServer(readiness, Metrics(version="1", role="test"))
    await server.start(listen("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.port}"
    try:
        async with client.get(url + "/healthz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        async with client.get(url + "/readyz") as response:
            assert response.status == 503
            assert await response.json() == {"status": "not ready", "reasons": {"process": "starting"}}
        readiness.state = "up"
        async with client.get(url + "/readyz") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
        async with client.get(url + "/metrics") as response:
            assert response.status == 200
            assert 'role="test"' in await response.text()
        async with client.get(url + "/config.json") as response:
            assert response.status == 404
        async with client.post(url + "/metrics") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
    finally:
        await server.stop()


async def figures(client: aiohttp.ClientSession, port: int) -> dict[str, float]:
    """Of each metric the sum over its labels."""
    sums: dict[str, float] = {}
    async with client.get(f"http://127.0.0.1:{port}/metrics") as response:
        for family in text_string_to_metric_families(await response.text()):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


@pytest.mark.e2e
async def test_a_server_with_workers_tells_what_it_does(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    first = free_port(1, 2)
    server = ServerProcess(
        tmp_path / "data", arguments=["--workers", "2"], environment={"XINYU_OPS__PORT": str(first)}
    )
    await asyncio.to_thread(server.start)
    try:
        async with Client(server.http_url) as ann, Client(server.http_url) as ben:
            await ann.register("Ann", "13000000001", "a long password")
            await ben.register("Ben", "13000000002", "another password")
            await ann.start()
            await ben.start()
            ben_id = (await ann.search((await ben.detail()).mobile)).user_id
            await ann.apply(ben_id, "hello")
            for application in await ben.applications():
                await ben.accept(application.id)
            for number in range(3):
                await ann.send_text(SINGLE, ben_id, f"message {number}")
            rooms = await figures(client, first)
            workers = [await figures(client, first + number) for number in (1, 2)]
            for port in range(first, first + 3):
                async with client.get(f"http://127.0.0.1:{port}/readyz") as response:
                    assert (response.status, json.loads(await response.read())) == (200, {"status": "ok"})
        assert rooms["xinyu_lane_batch_requests_sum"] >= 3
        assert 1 <= rooms["xinyu_lane_batch_requests_count"] == rooms["xinyu_lane_commit_seconds_count"]
        assert rooms["xinyu_outbox_rows_total"] >= 3
        assert "xinyu_outbox_age_seconds" in rooms and "xinyu_outbox_open_rows" in rooms
        assert rooms["xinyu_rpc_server_seconds_count"] >= 10
        assert rooms["xinyu_http_seconds_count"] >= 5 and rooms["xinyu_http_connections"] >= 1
        assert rooms["process_cpu_seconds_total"] > 0
        assert sum(worker["xinyu_websocket_open"] for worker in workers) == 2
        assert sum(worker["xinyu_websocket_users"] for worker in workers) == 2
        assert sum(worker.get("xinyu_rpc_client_seconds_count", 0) for worker in workers) >= 5  # one may hold all
        assert all(worker["xinyu_loop_lag_seconds_count"] >= 0 for worker in workers)
    finally:
        await asyncio.to_thread(server.stop)
