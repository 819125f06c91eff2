"""One trace id a request: it stands in the log of every process that the request crossed, and in the answer.

With workers two kinds of process are there: a message that comes by HTTP goes through the rooms' process and is pushed
by a worker; one that comes by WebSocket the other way round. In a cluster each crosses three.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.cluster_process import ClusterProcess
from tests.forms import EitherServer
from tests.server_process import ServerProcess
from xinyu.client import Client

pytestmark = pytest.mark.e2e

BY_HTTP: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
BY_WEBSOCKET: Final = "00112233445566778899aabbccddeeff"
LOGS: Final = {"XINYU_LOG__FORMAT": "json", "XINYU_LOG__LEVEL": "debug"}


def lines(server: EitherServer, trace_id: str) -> list[dict[str, Any]]:
    """The log lines of a trace; each line is JSON and says what process it is from."""
    written = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    assert all(line["role"] for line in written)
    assert all("instance" in line for line in written if line["role"] == "worker")
    return [line for line in written if line.get("trace_id") == trace_id]


async def until_pushed(server: EitherServer, trace_id: str, send: Callable[[], Awaitable[None]]) -> None:
    """Sends until a push of the trace was logged: a push is a hint, and a machine that is busy may lose one."""
    for _ in range(10):
        await send()
        for _ in range(60):
            if any(line["event"] == "pushed" for line in lines(server, trace_id)):
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"no push among {[line['event'] for line in lines(server, trace_id)]}")


async def test_through_a_server_and_its_workers(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", arguments=["--workers", "2"], environment=LOGS)
    await asyncio.to_thread(server.start)
    try:
        await follow(server, http="serve", rooms="serve", websocket="worker")
    finally:
        await asyncio.to_thread(server.stop)


@pytest.mark.timeout(300)
async def test_through_a_cluster() -> None:
    cluster = ClusterProcess(environment=LOGS)
    try:
        await asyncio.to_thread(cluster.start)
        await follow(cluster, http="gateway-http", rooms="svc-message", websocket="gateway-ws")
        await asyncio.to_thread(cluster.stop)
    finally:
        await asyncio.to_thread(cluster.close)


async def follow(server: EitherServer, *, http: str, rooms: str, websocket: str) -> None:
    """Sends by both doors; the arguments are the roles that answer HTTP, messages' calls, and WebSockets."""
    mobile = int(time.time()) % 10**7
    async with Client(server.http_url) as ann, Client(server.http_url) as ben, aiohttp.ClientSession() as session:
        await ann.register("Ann", f"130{mobile:07}1", "a long password")
        await ben.register("Ben", f"130{mobile:07}2", "another password")
        await ben.start()
        ben_id = (await ann.search((await ben.detail()).mobile)).user_id
        await ann.apply(ben_id, "hello")
        for application in await ben.applications():
            await ben.accept(application.id)

        body = {"talk_mode": 1, "to_from_id": ben_id, "type": "text", "body": {"content": "hi"}}
        authorization = {"Authorization": f"Bearer {ann.api.token}"}
        headers = {**authorization, "traceparent": f"00-{BY_HTTP}-00f067aa0ba902b7-01"}

        async def send_by_http() -> None:
            url = f"{server.http_url}/api/v1/message/send"
            async with session.post(url, json=body, headers=headers) as response:
                assert response.status == 200, await response.text()
                assert response.headers["X-Trace-Id"] == BY_HTTP

        await until_pushed(server, BY_HTTP, send_by_http)
        found = lines(server, BY_HTTP)
        assert {line["role"] for line in found if line["event"] == "request_answered"} == {http}
        assert {line["role"] for line in found if line.get("service") == "Message"} == {rooms}
        assert {line["role"] for line in found if line["event"] == "pushed"} == {websocket}

        async with session.ws_connect(
            server.websocket_url, headers=authorization, protocols=("xinyu.v1.json",)
        ) as connection:
            event = {"event": "im.message.send", "ackid": "1", "trace_id": BY_WEBSOCKET}
            numbers = itertools.count()

            async def send_by_websocket() -> None:
                payload = {**body, "msg_id": f"by-websocket-{next(numbers)}"}
                await connection.send_str(json.dumps({**event, "payload": payload}))
                async with asyncio.timeout(30):
                    while (answer := json.loads(await connection.receive_str()))["event"] != "ack":
                        assert answer["event"] != "event_error", answer

            await until_pushed(server, BY_WEBSOCKET, send_by_websocket)
        found = lines(server, BY_WEBSOCKET)
        assert {line["role"] for line in found if line["event"] == "event_answered"} == {websocket}
        assert {line["role"] for line in found if line.get("service") == "Message"} == {rooms}
        assert {line["role"] for line in found if line["event"] == "pushed"} == {websocket}
        assert ann.api.token not in server.log
