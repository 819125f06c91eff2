"""Presence over routes: who is online is who has a device now."""

from __future__ import annotations

import pytest

from tests.integration.services.house import refused
from xinyu.base.errors import INVALID
from xinyu.delivery.routes import MemoryRoutes
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import presence_pb2, presence_rpc
from xinyu_services.presence.rpc import PresenceServicer


@pytest.fixture
def presence() -> presence_rpc.PresenceStub:
    network = InProcessNetwork(serialise=True)
    network.serve(presence_rpc.METHODS, PresenceServicer(MemoryRoutes()))
    return presence_rpc.PresenceStub(network.channel("test"))


def route(user_id: int, gateway: str, codec: int) -> presence_pb2.RouteRequest:
    return presence_pb2.RouteRequest(user_id=user_id, gateway=gateway, codec=codec)  # type: ignore[arg-type]


async def online(presence: presence_rpc.PresenceStub, *user_ids: int) -> list[int]:
    return list((await presence.load_online(presence_pb2.OnlineRequest(user_ids=user_ids))).online_user_ids)


async def test_defect_2_and_34_one_device_that_goes_leaves_the_others(presence: presence_rpc.PresenceStub) -> None:
    await presence.connect(route(1, "a", 0))
    await presence.connect(route(1, "a", 0))
    await presence.connect(route(1, "b", 1))
    assert await online(presence, 2, 1, 1) == [1]
    await presence.disconnect(route(1, "a", 0))
    await presence.disconnect(route(1, "b", 1))
    assert await online(presence, 1) == [1]
    await presence.disconnect(route(1, "a", 0))
    assert await online(presence, 1) == []
    await presence.disconnect(route(1, "a", 0))
    assert await online(presence, 1) == []


async def test_routes_that_name_nobody_are_refused(presence: presence_rpc.PresenceStub) -> None:
    await refused(presence.connect(route(0, "a", 0)), INVALID)
    await refused(presence.connect(route(1, "", 0)), INVALID)
    await refused(presence.disconnect(route(-1, "a", 0)), INVALID)
    await refused(online(presence, *range(1, 10_002)), INVALID)
