"""Calls between processes go on while ZooKeeper is away for longer than its sessions live, and when it is back and has
forgotten everybody."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.local_servers import local_server
from tests.unit.rpc.carriers import loopback
from xinyu.base.config import DiscoverySettings
from xinyu.discovery.registry import Instance
from xinyu.discovery.zookeeper import ZooKeeperRegistry
from xinyu.rpc.context import Context
from xinyu.rpc.rock_channel import RockChannel
from xinyu.rpc.rock_server import RockServer
from xinyu.rpc.service_channels import ServiceChannels
from xinyu.rpc.servicers import Servicers
from xinyu.wire.v1 import gateway_pb2, message_pb2, options_pb2
from xinyu.wire.v1.gateway_rpc import DELIVER
from xinyu.wire.v1.message_rpc import TYPING
from xinyu_services.cli.local_servers.zookeeper import ZooKeeperServer


class Answering:
    async def typing(self, request: message_pb2.TypingRequest, context: Context) -> options_pb2.Empty:
        return options_pb2.Empty()

    async def deliver(self, request: gateway_pb2.DeliverRequest, context: Context) -> options_pb2.Empty:
        return options_pb2.Empty()


class Process:
    def __init__(self, server: ZooKeeperServer) -> None:
        self.registry = ZooKeeperRegistry(DiscoverySettings(zookeeper=server.hosts, session_timeout_s=1.0))
        servicers = Servicers()
        servicers.serve([TYPING, DELIVER], Answering())
        self.rock = RockServer(servicers)

    async def start(self, *services: str) -> None:
        await self.registry.start()
        await self.rock.start(loopback())
        for service in services:
            address = f"127.0.0.1:{self.rock.port}"
            await self.registry.register(Instance(service, address, "rock", instance_id=f"{service}-1"))

    async def stop(self) -> None:
        await self.registry.close()
        await self.rock.stop()


@pytest.fixture
def own_zookeeper() -> Iterator[ZooKeeperServer]:
    with local_server(ZooKeeperServer) as server:
        yield server


@pytest.mark.parametrize("forgets", [False, True])
async def test_no_call_fails(own_zookeeper: ZooKeeperServer, forgets: bool) -> None:
    processes = [Process(own_zookeeper) for _ in range(3)]
    await processes[0].start("message", "ws-rpc")
    await processes[1].start("message")
    caller = processes[2]
    await caller.start()
    channels = ServiceChannels(
        caller.registry, lambda instance: RockChannel(instance.host, instance.port, caller="test")
    )
    running, done = True, Counter[str]()

    async def load(key: str) -> None:
        while running:
            # Not repeatable: whatever fails is seen.
            await channels.call(TYPING, message_pb2.TypingRequest(), key=key)
            done["message"] += 1
            await asyncio.sleep(0.002)

    async def deliver() -> None:
        while running:
            await channels.gateway("ws-rpc-1").call(DELIVER, gateway_pb2.DeliverRequest(), timeout_s=5.0)
            done["gateway"] += 1
            await asyncio.sleep(0.002)

    callers = [asyncio.ensure_future(load(key)) for key in ("", "p1-2", "p1-3", "p1-4")]
    callers.append(asyncio.ensure_future(deliver()))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(own_zookeeper.kill)
    await asyncio.sleep(3.0)
    if forgets:
        shutil.rmtree(own_zookeeper.directory / "data")
    done.clear()
    await asyncio.to_thread(own_zookeeper.start)
    async with asyncio.timeout(30):
        while not all(process.registry.status.is_connected for process in processes):
            await asyncio.sleep(0.02)
    watch = caller.registry.watch("message")
    async with asyncio.timeout(30):
        while len(watch.instances) < 2:
            await asyncio.sleep(0.02)
    running = False
    await asyncio.gather(*callers)
    assert done["message"] and done["gateway"]
    await channels.close()
    for process in processes:
        await process.stop()
