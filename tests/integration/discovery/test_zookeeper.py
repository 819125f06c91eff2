"""Discovery in a real ZooKeeper. A second client, kazoo's own blocking one, looks at what stands there, and does what
other processes and hostile hands do. Servers that are stopped are the test's own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError

from tests.local_servers import local_server
from xinyu.base.config import DiscoverySettings
from xinyu.discovery import zookeeper as module
from xinyu.discovery.registry import Instance, Watch
from xinyu.discovery.zookeeper import ZooKeeperRegistry
from xinyu_services.cli.local_servers.server import free_port
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer

MESSAGE = Instance("message", "127.0.0.1:8071", "rock", 70, "0.9", "2026-11-28T20:00:00+00:00", "message-1", 9071)
OTHER = Instance("message", "[::1]:8071", "rock", instance_id="message-2")


class House:
    """A root of its own in a ZooKeeper."""

    def __init__(self, server: ZooKeeperServer) -> None:
        self.server = server
        self.root = f"test-{secrets.token_hex(4)}"
        self.hand = KazooClient(hosts=server.hosts, timeout=10.0)
        self.hand.start(timeout=30)

    def settings(self, **changed: Any) -> DiscoverySettings:
        return DiscoverySettings(zookeeper=self.server.hosts, root=self.root, session_timeout_s=1.0, **changed)

    @asynccontextmanager
    async def registry(self, consumer: str = "", **changed: Any) -> AsyncIterator[ZooKeeperRegistry]:
        registry = ZooKeeperRegistry(self.settings(**changed), consumer=consumer)
        await registry.start()
        try:
            yield registry
        finally:
            await registry.close()

    def path(self, name: str = "", service: str = "message", part: str = "providers") -> str:
        return f"/{self.root}/im/{service}/{part}{'/' if name else ''}{name}"

    # By `retry`: where ZooKeeper was stopped the hand has lost its connection too.

    def children(self, **of: str) -> list[str]:
        try:
            return sorted(self.hand.retry(self.hand.get_children, self.path(**of)))
        except NoNodeError:
            return []

    def data(self, name: str) -> Any:
        return json.loads(self.hand.retry(self.hand.get, self.path(name))[0])

    def exists(self, name: str) -> bool:
        return self.hand.retry(self.hand.exists, self.path(name)) is not None


@pytest.fixture
def house(zookeeper: ZooKeeperServer) -> Iterator[House]:
    made = House(zookeeper)
    try:
        yield made
    finally:
        made.hand.stop()
        made.hand.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def watching(watch: Watch, addresses: list[str]) -> None:
    await until(lambda: [instance.address for instance in watch.instances] == addresses)


# ---------------------------------------------------------------- what stands there


async def test_a_registration_stands_where_the_contract_says_and_goes_with_its_withdrawal(house: House) -> None:
    async with house.registry() as registry:
        registration = await registry.register(MESSAGE)
        data, stat = house.hand.get(house.path("127.0.0.1:8071"))
        assert json.loads(data) == {
            "type": "rock",
            "weight": 70,
            "version": "0.9",
            "start_time": "2026-11-28T20:00:00+00:00",
            "instance_id": "message-1",
            "grpc_port": 9071,
            "state": "up",
        }
        assert stat.ephemeralOwner == registry.session.session_id
        for parent in (f"/{house.root}", house.path()):
            parent_data, parent_stat = house.hand.get(parent)
            assert parent_data == b"" and parent_stat.ephemeralOwner == 0
        second = await registry.register(OTHER)
        assert house.children() == ["127.0.0.1:8071", "[::1]:8071"]
        await registration.drain()
        assert house.data("127.0.0.1:8071")["state"] == "draining"
        await registration.withdraw()
        assert house.children() == ["[::1]:8071"]
        await registration.withdraw()
        assert house.children() == ["[::1]:8071"]
        assert second is not registration
    await until(lambda: house.children() == [])  # the session has ended


async def test_whoever_watches_hears_of_all_changes(house: House) -> None:
    async with house.registry() as registry, house.registry() as others:
        watch = registry.watch("message")
        await watch.known.wait()
        assert watch.instances == ()
        heard: list[tuple[Instance, ...]] = []
        watch.on_change = lambda: heard.append(watch.instances)
        first = await others.register(MESSAGE)
        await until(lambda: watch.instances == (MESSAGE,))
        await others.register(OTHER)
        await until(lambda: watch.instances == (MESSAGE, OTHER))
        late = registry.watch("message")  # of the same service: known at once
        assert late.known.is_set() and late.instances == watch.instances
        late.close()
        await first.drain()
        await until(lambda: watch.instances[0].state == "draining")
        house.hand.set(house.path("127.0.0.1:8071"), b'{"type": "rock", "weight": 3}')
        await until(lambda: watch.instances[0].weight == 3)
        await first.withdraw()
        await until(lambda: watch.instances == (OTHER,))
        assert heard[0] == (MESSAGE,) and heard[-1] == (OTHER,) and late.instances == (MESSAGE, OTHER)


async def test_consumers_say_so_if_they_are_told_to(house: House) -> None:
    async with house.registry(consumer="127.0.0.1:8080") as registry:
        registry.watch("message")
        await until(lambda: house.children(part="consumers") == ["127.0.0.1:8080"])
    async with house.registry() as registry:
        await registry.watch("user").known.wait()
        assert house.children(service="user", part="consumers") == []


async def test_aliases_are_registered_and_looked_under_too(house: House) -> None:
    house.hand.create(house.path("192.0.2.9:8071", service="svc-message"), b"rock", makepath=True)
    async with house.registry(aliases={"message": "svc-message"}) as registry, house.registry() as plain:
        watch, unaliased = registry.watch("message"), plain.watch("message")
        registration = await registry.register(MESSAGE)
        assert house.children() == ["127.0.0.1:8071"]
        assert house.children(service="svc-message") == ["127.0.0.1:8071", "192.0.2.9:8071"]
        await watching(watch, ["127.0.0.1:8071", "192.0.2.9:8071"])
        assert [instance.instance_id for instance in watch.instances] == ["message-1", "192.0.2.9:8071"]
        assert {instance.service for instance in watch.instances} == {"message"}
        await watching(unaliased, ["127.0.0.1:8071"])
        await registration.withdraw()
        assert house.children() == [] and house.children(service="svc-message") == ["192.0.2.9:8071"]


async def test_what_is_no_instance_is_passed_over_and_said_once(house: House) -> None:
    negative = b'{"type": "rock", "weight": -1}'
    hostile = {"here": b"rock", "127.0.0.1:99999": b"rock", "a:1": b"\x00\xff", "b:1": negative}
    for name, data in hostile.items():
        house.hand.create(house.path(name), data, makepath=True)
    house.hand.create(house.path("c:1"), b"x" * 900_000)
    with structlog.testing.capture_logs() as logs:
        async with house.registry() as registry:
            watch = registry.watch("message")
            await registry.register(MESSAGE)
            await watching(watch, ["127.0.0.1:8071"])
            registry._doubt_all()
            house.hand.create(house.path("d:1"), b"ws")
            await watching(watch, ["127.0.0.1:8071", "d:1"])
            house.hand.set(house.path("a:1"), b"http")  # set right
            await watching(watch, ["127.0.0.1:8071", "a:1", "d:1"])
    refused = [entry["name"] for entry in logs if entry["event"] == "discovery_node_refused"]
    assert sorted(refused) == sorted([*hostile, "c:1"])


async def test_of_too_many_the_first_are_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_INSTANCES", 3)
    monkeypatch.setattr(module, "READS_AT_ONCE", 2)
    for number in range(1, 6):
        house.hand.create(house.path(f"h:{number}"), b"rock", makepath=True)
    async with house.registry() as registry:
        await watching(registry.watch("message"), ["h:1", "h:2", "h:3"])


# ---------------------------------------------------------------- other lives


async def test_a_node_of_an_earlier_life_is_replaced(house: House) -> None:
    house.hand.create(house.path("127.0.0.1:8071"), b"rock", ephemeral=True, makepath=True)
    house.hand.create(house.path("[::1]:8071"), b"rock")  # and one that would never go
    async with house.registry() as registry:
        await registry.register(MESSAGE)
        await registry.register(OTHER)
        for address in ("127.0.0.1:8071", "[::1]:8071"):
            assert house.hand.exists(house.path(address)).ephemeralOwner == registry.session.session_id
        house.hand.stop()  # the earlier life's session ends now
        house.hand.start()
        assert house.children() == ["127.0.0.1:8071", "[::1]:8071"]


async def test_a_withdrawal_leaves_the_node_of_the_next_life_alone(house: House) -> None:
    async with house.registry() as old, house.registry() as new:
        registration = await old.register(MESSAGE)
        await new.register(MESSAGE)
        await registration.withdraw()
        assert house.hand.exists(house.path("127.0.0.1:8071")).ephemeralOwner == new.session.session_id


async def test_a_node_that_somebody_deletes_comes_back(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_EVERY_S", 0.2)
    async with house.registry() as registry:
        await registry.register(MESSAGE)
        house.hand.delete(house.path("127.0.0.1:8071"))
        await until(lambda: house.children() == ["127.0.0.1:8071"])


async def test_after_its_session_has_expired_all_is_registered_and_watched_again(house: House) -> None:
    async with house.registry() as registry:
        watch = registry.watch("message")
        await registry.register(MESSAGE)
        await registry.register(OTHER)
        await watching(watch, ["127.0.0.1:8071", "[::1]:8071"])
        session_id, password = registry.session.client.client_id
        # Who takes a session over may end it.
        thief = KazooClient(hosts=house.server.hosts, client_id=(session_id, password))
        await asyncio.to_thread(thief.start)
        await asyncio.to_thread(thief.stop)
        thief.close()
        await until(lambda: registry.session.session_id not in (0, session_id))
        await until(lambda: house.children() == ["127.0.0.1:8071", "[::1]:8071"])
        await watching(watch, ["127.0.0.1:8071", "[::1]:8071"])
        assert house.hand.exists(house.path("127.0.0.1:8071")).ephemeralOwner == registry.session.session_id
        house.hand.create(house.path("d:1"), b"ws")
        await watching(watch, ["127.0.0.1:8071", "[::1]:8071", "d:1"])


# ---------------------------------------------------------------- ZooKeeper away


@pytest.fixture
def own_house() -> Iterator[House]:
    with local_server(ZooKeeperServer) as server:
        made = House(server)
        yield made
        if made.server.pid is not None:
            os.kill(made.server.pid, signal.SIGCONT)
        made.hand.stop()
        made.hand.close()


async def test_while_it_is_away_the_last_list_is_kept_and_all_is_made_good_afterwards(own_house: House) -> None:
    house = own_house
    async with house.registry() as registry, house.registry() as others:
        watch = registry.watch("message")
        registration = await others.register(MESSAGE)
        await watching(watch, ["127.0.0.1:8071"])
        await asyncio.to_thread(house.server.kill)
        await until(lambda: not registry.status.is_connected and not others.status.is_connected)
        assert "has been away for" in registry.status.problem
        # Longer than a session lives: who asks is told what was known, and who comes is told later.
        heard: list[tuple[Instance, ...]] = []
        watch.on_change = lambda: heard.append(watch.instances)
        late = asyncio.ensure_future(others.register(OTHER))
        await asyncio.sleep(2.5)
        assert watch.instances == (MESSAGE,) and heard == []
        assert registry.watch("message").instances == (MESSAGE,)
        await asyncio.to_thread(house.server.start)
        await watching(watch, ["127.0.0.1:8071", "[::1]:8071"])
        assert registry.status.is_connected and registry.status.problem == ""
        await (await late).withdraw()
        await watching(watch, ["127.0.0.1:8071"])
        await registration.withdraw()
        await watching(watch, [])


async def test_one_that_stands_still_is_away_and_sessions_expire_meanwhile(own_house: House) -> None:
    house = own_house
    async with house.registry() as registry:
        watch = registry.watch("message")
        await registry.register(MESSAGE)
        await watching(watch, ["127.0.0.1:8071"])
        assert house.server.pid is not None
        os.kill(house.server.pid, signal.SIGSTOP)
        await until(lambda: not registry.status.is_connected)
        assert watch.instances == (MESSAGE,)
        os.kill(house.server.pid, signal.SIGCONT)
        await until(lambda: registry.status.is_connected)
        await until(lambda: house.exists("127.0.0.1:8071"))
        await watching(watch, ["127.0.0.1:8071"])


async def test_away_at_the_start_is_no_failure(own_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_WITHIN_S", 0.2)
    monkeypatch.setattr(module, "REGISTER_WITHIN_S", 0.2)
    house = own_house
    await asyncio.to_thread(house.server.stop)
    with structlog.testing.capture_logs() as logs:
        async with house.registry() as registry:
            watch = registry.watch("message")
            registration = await registry.register(MESSAGE)
            assert not watch.known.is_set() and watch.instances == () and not registry.status.is_connected
            await asyncio.to_thread(house.server.start)
            await watching(watch, ["127.0.0.1:8071"])
            await registration.drain()
            assert house.data("127.0.0.1:8071")["state"] == "draining"
    assert {"zookeeper_away_at_start", "discovery_not_told"} <= {entry["event"] for entry in logs}


async def test_withdrawing_and_closing_end_although_it_is_away(
    own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WITHDRAW_WITHIN_S", 0.1)
    house = own_house
    async with house.registry() as registry:
        registration = await registry.register(MESSAGE)
        await asyncio.to_thread(house.server.kill)
        await until(lambda: not registry.status.is_connected)
        await registration.drain()
        await registration.withdraw()
    await asyncio.to_thread(house.server.start)
    await until(lambda: house.children() == [])


async def test_a_peer_that_is_no_zookeeper_is_tried_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "START_WITHIN_S", 0.2)
    visits = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    port = free_port()
    server = await asyncio.start_server(answer, "127.0.0.1", port)
    registry = ZooKeeperRegistry(DiscoverySettings(zookeeper=f"127.0.0.1:{port}", session_timeout_s=1.0))
    await registry.start()
    await until(lambda: visits > 2)
    assert not registry.status.is_connected
    await registry.close()
    server.close()
    await server.wait_closed()


def test_hosts_that_are_none_are_refused() -> None:
    async def make() -> None:
        with pytest.raises(ValueError):
            ZooKeeperRegistry(DiscoverySettings(zookeeper="127.0.0.1:port"))

    asyncio.run(make())
