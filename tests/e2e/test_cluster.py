"""A cluster under load while parts of it come, die and forget: nothing acknowledged is lost, and it heals by itself."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.cluster_process import ClusterProcess
from tests.e2e.plain_client import Events, Person
from xinyu.client import SINGLE, ApiError, Client, NetworkError
from xinyu.client.backoff import Backoff
from xinyu_services.cli.topology import ROLES, WEBSOCKET_GATEWAY

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DEADLINE_S = 60.0
PASSWORD = "correct horse battery"


def connections(cluster: ClusterProcess, name: str) -> int:
    text = cluster.ops(name, "metrics")[1]
    found = re.search(r"^xinyu_websocket_connections (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return int(float(found[1]))


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.05)


class Pair:
    """Two who write to each other through the SDK, without a pause, and what was acknowledged."""

    def __init__(self, cluster: ClusterProcess, mobile: Callable[[], str], number: int) -> None:
        gateways = cluster.of_role(WEBSOCKET_GATEWAY)
        self.clients = [
            Client(
                cluster.http_url,
                f"ws://{gateways[(number + side) % len(gateways)].address}/ws" if number % 2 else cluster.websocket_url,
                backoff=Backoff(base_ms=50, cap_ms=500),
                request_timeout_s=5.0,
            )
            for side in range(2)
        ]
        self._mobiles = [mobile(), mobile()]
        self.acknowledged: set[str] = set()
        self.sent = 0

    async def meet(self) -> None:
        for name, client, mobile in zip(("Ada", "Bob"), self.clients, self._mobiles, strict=True):
            await client.register(name, mobile, PASSWORD)
            await client.start(DEADLINE_S)
        ada, bob = self.clients
        await ada.apply(bob.user_id, "it is me")
        [application] = await bob.applications()
        await bob.accept(application.id)
        await eventually(lambda: all(self._talk(client) is not None for client in self.clients))

    async def write(self, stop: asyncio.Event) -> None:
        ada, bob = self.clients
        while not stop.is_set():
            sender, receiver = (ada, bob) if self.sent % 2 else (bob, ada)
            self.sent += 1
            record = await sender.send_text(SINGLE, receiver.user_id, f"text {self.sent}")
            assert record.msg_id not in self.acknowledged
            self.acknowledged.add(record.msg_id)

    async def check(self) -> None:
        """All that was acknowledged is in the history once, numbered without a hole, and both devices hold it."""
        last = await self._last_sequence()
        await eventually(lambda: all(self._held(client) == last for client in self.clients))
        for client in self.clients:
            talk = self._talk(client)
            assert talk is not None
            seen: list[tuple[int, str]] = []
            before = None
            while page := await client.history(talk.talk_id, before, limit=100):
                seen += [(record.sequence, record.msg_id) for record in page]
                before = page[-1].sequence
            assert sorted(sequence for sequence, _ in seen) == list(range(1, last + 1))
            ids = [msg_id for _, msg_id in seen]
            assert len(set(ids)) == len(ids)
            assert self.acknowledged <= set(ids)

    async def close(self) -> None:
        for client in self.clients:
            await client.close()

    def _talk(self, client: Client) -> Any:
        other = self.clients[1 - self.clients.index(client)]
        return client.talk(SINGLE, other.user_id)

    def _held(self, client: Client) -> int:
        talk = self._talk(client)
        return talk.last_sequence if talk is not None and client.is_synced else 0

    async def _last_sequence(self) -> int:
        ada, bob = self.clients
        body = {"talk_mode": SINGLE, "to_from_id": bob.user_id, "cursor": 0, "limit": 1}
        while True:
            try:
                answer: dict[str, Any] = await ada.api.call_as(dict, "message/records", body)
                return int(answer["items"][0]["sequence"])
            except NetworkError:
                await asyncio.sleep(0.1)
            except ApiError as error:
                if not error.is_retryable:
                    raise
                await asyncio.sleep(0.1)


class Load:
    """Pairs who write all the time between `begin` and `end`."""

    def __init__(self, pairs: list[Pair]) -> None:
        self.pairs = pairs
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        self._stop.clear()
        self._tasks = [asyncio.create_task(pair.write(self._stop)) for pair in self.pairs]
        await self.goes_on()

    async def goes_on(self) -> None:
        """Each pair has had three more messages acknowledged."""
        counts = [len(pair.acknowledged) for pair in self.pairs]
        async with asyncio.timeout(DEADLINE_S):
            while any(
                len(pair.acknowledged) < count + 3 for pair, count in zip(self.pairs, counts, strict=True)
            ):
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        self._stop.set()
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(*self._tasks)


@pytest.fixture
async def load(cluster: ClusterProcess, mobile: Callable[[], str]) -> AsyncIterator[Load]:
    pairs = [Pair(cluster, mobile, number) for number in range(4)]
    try:
        for pair in pairs:
            await pair.meet()
        load = Load(pairs)
        await load.begin()
        yield load
        await load.end()
        for pair in pairs:
            await pair.check()
    finally:
        for pair in pairs:
            await pair.close()


async def test_people_on_different_gateways_chat_and_a_third_gateway_gets_its_share(
    cluster: ClusterProcess, load: Load, mobile: Callable[[], str]
) -> None:
    first, second = cluster.of_role(WEBSOCKET_GATEWAY)[:2]
    ada, bob = load.pairs[1].clients
    assert connections(cluster, first.name) and connections(cluster, second.name)
    assert ada.is_connected and bob.is_connected
    third = await asyncio.to_thread(cluster.add_process, WEBSOCKET_GATEWAY)
    try:
        async with Person(cluster, "Cy", mobile()) as cy:
            await cy.register()
            headers = {"Authorization": f"Bearer {cy.token}"}
            devices = []
            async with asyncio.timeout(DEADLINE_S):  # nginx takes a new gateway in when its workers have changed
                while not connections(cluster, third):
                    devices.append(await Events.ours(cluster, f"device_id=d{len(devices)}", headers))
            await load.goes_on()
            for device in devices:
                await device.socket.close()
    finally:
        assert await asyncio.to_thread(cluster.remove_process, third) == 0


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_killed_and_begins_again(cluster: ClusterProcess, load: Load, role: str) -> None:
    process = cluster.of_role(role)[0]
    await asyncio.to_thread(cluster.kill_process, process.name)
    began_s = time.monotonic()
    await asyncio.to_thread(cluster.start_process, process.name)
    ready_s = time.monotonic() - began_s
    await load.goes_on()
    print(f"{role}: ready after {ready_s:.1f} s, every pair goes on after {time.monotonic() - began_s:.1f} s")


async def test_zookeeper_is_away(cluster: ClusterProcess, load: Load, mobile: Callable[[], str]) -> None:
    """For longer than the sessions last: no send fails, over REST or WebSocket, and without anybody trying again."""
    async with Person(cluster, "Cy", mobile()) as cy, Person(cluster, "Di", mobile()) as di:
        for person in (cy, di):
            await person.register()
        await cy.befriend(di)
        to_di = {"talk_mode": SINGLE, "to_from_id": di.user_id, "type": "text"}
        async with await Events.ours(cluster, "", {"Authorization": f"Bearer {cy.token}"}) as events:
            await events.take("session.ready")
            await asyncio.to_thread(cluster.zookeeper.kill)
            try:
                for number in range(40):
                    await cy.ok("message/send", to_di | {"body": {"content": f"rest {number}"}})
                    sent = to_di | {"body": {"content": f"ws {number}"}, "msg_id": f"zk{number}"}
                    answer = await events.ask("im.message.send", sent, str(number))
                    assert answer["event"] == "ack", answer
                    await asyncio.sleep(0.15)
            finally:
                await asyncio.to_thread(cluster.zookeeper.start)
            await cy.ok("message/send", to_di | {"body": {"content": "it is back"}})
    await load.goes_on()


async def test_redis_forgets_everything(cluster: ClusterProcess, load: Load) -> None:
    """Routes are told anew, devices catch up, pushes come again by themselves."""
    async with Redis.from_url(cluster.redis.url) as redis:
        await redis.flushall()
        await load.goes_on()
        async with asyncio.timeout(DEADLINE_S):
            while not await redis.dbsize():
                await asyncio.sleep(0.1)
    # Whoever hears the other's next message without having asked is reached by pushes again.
    for pair in load.pairs:
        last = {client: pair._held(client) for client in pair.clients}
        await eventually(lambda last=last, pair=pair: all(pair._held(c) > last[c] for c in pair.clients))
    await load.goes_on()
