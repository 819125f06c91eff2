"""Fixed addresses go before what another registry knows."""

from __future__ import annotations

import pytest

from xinyu.discovery.memory import MemoryRegistry
from xinyu.discovery.registry import Instance, Registry
from xinyu.discovery.static import StaticRegistry


async def test_fixed_services_are_known_at_once_and_for_good() -> None:
    behind = MemoryRegistry()
    registry: Registry = StaticRegistry({"message": ["10.0.0.2:8071", "[::1]:8071"], "ws-rpc": ["ws-1@h:8060"]}, behind)
    await registry.start()
    watch = registry.watch("message")
    assert watch.known.is_set()
    assert [(instance.address, instance.instance_id) for instance in watch.instances] == [
        ("10.0.0.2:8071", "10.0.0.2:8071"),
        ("[::1]:8071", "[::1]:8071"),
    ]
    assert [(each.address, each.instance_id) for each in registry.watch("ws-rpc").instances] == [("h:8060", "ws-1")]
    await registry.register(Instance("message", "10.0.0.9:8071", "rock"))
    assert len(watch.instances) == 2
    watch.close()
    await registry.close()


async def test_others_are_looked_for_behind() -> None:
    registry = StaticRegistry({"message": ["h:1"]}, MemoryRegistry())
    watch = registry.watch("user")
    heard: list[int] = []
    watch.on_change = lambda: heard.append(len(watch.instances))
    registration = await registry.register(Instance("user", "h:2", "rock"))
    await registration.withdraw()
    assert heard == [1, 0]


async def test_without_one_behind_nobody_else_is_there() -> None:
    registry = StaticRegistry({"message": ["h:1"]})
    registration = await registry.register(Instance("user", "h:2", "rock"))
    await registration.drain()
    await registration.withdraw()
    watch = registry.watch("user")
    assert watch.known.is_set() and watch.instances == () and registry.status.is_connected


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="'nowhere' is no host:port"):
        StaticRegistry({"message": ["ws-1@nowhere"]})
