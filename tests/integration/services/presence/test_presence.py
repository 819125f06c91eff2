"""Presence over routes: who is online is who has a device now."""

from __future__ import annotations

import pytest

from tests.integration.presence_room import presence_servicer
from tests.integration.services.house import refused
from xinyu.base.errors import INVALID
from xinyu.delivery.routes import MemoryRoutes
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import presence_pb2, presence_rpc


@pytest.fixture
def presence() -> presence_rpc.PresenceStub:
    network = InProcessNetwork(serialise=True)
    network.serve(presence_rpc.METHODS, presence_servicer(MemoryRoutes()))
    return presence_rpc.PresenceStub(network.channel("test"))


# gone, codec, users
Change = tuple[bool, int, list[int]]


async def change(presence: presence_rpc.PresenceStub, gateway: str, *changes: Change) -> None:
    request = presence_pb2.ChangeRoutesRequest(gateway=gateway)
    for gone, codec, user_ids in changes:
        request.changes.add(gone=gone, codec=codec, user_ids=user_ids)  # type: ignore[arg-type]
    await presence.change_routes(request)


async def online(presence: presence_rpc.PresenceStub, *user_ids: int) -> list[int]:
    return list((await presence.load_online(presence_pb2.OnlineRequest(user_ids=user_ids))).online_user_ids)


async def test_defect_2_and_34_one_device_that_goes_leaves_the_others(presence: presence_rpc.PresenceStub) -> None:
    await change(presence, "a", (False, 0, [1, 1]))
    await change(presence, "b", (False, 1, [1]))
    assert await online(presence, 2, 1, 1) == [1]
    await change(presence, "a", (True, 0, [1]))
    await change(presence, "b", (True, 1, [1]))
    assert await online(presence, 1) == [1]
    await change(presence, "a", (True, 0, [1]))
    assert await online(presence, 1) == []
    await change(presence, "a", (True, 0, [1]))
    assert await online(presence, 1) == []


async def test_changes_are_made_in_order(presence: presence_rpc.PresenceStub) -> None:
    came, went = False, True
    await change(presence, "a", (came, 0, [1, 2]), (went, 0, [1]), (came, 1, [1, 3]), (went, 1, [3]), (went, 0, [2, 2]))
    assert await online(presence, 1, 2, 3) == [1]
    await change(presence, "a", (True, 1, [1]), (False, 1, [1]), (True, 1, [1]))
    assert await online(presence, 1, 2, 3) == []
    await change(presence, "a")


async def test_routes_that_name_nobody_are_refused_and_nothing_is_half_done(
    presence: presence_rpc.PresenceStub,
) -> None:
    await refused(change(presence, "", (False, 0, [1])), INVALID)
    for wrong in (0, -1):
        await refused(change(presence, "a", (False, 0, [1, 2]), (False, 1, [3, wrong])), INVALID)
        await refused(change(presence, "a", (True, 0, [wrong])), INVALID)
    await refused(change(presence, "a", (False, 0, list(range(1, 10_002)))), INVALID)
    await refused(online(presence, *range(1, 10_002)), INVALID)
    assert await online(presence, *range(1, 10_001)) == []
