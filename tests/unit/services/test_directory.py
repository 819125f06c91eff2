"""Names that are kept for a minute."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.services.embedded_platform import SettableClock
from xinyu.base.errors import XinYuError
from xinyu.rpc.in_process import InProcessNetwork
from xinyu.wire.v1 import group_pb2, group_rpc, user_pb2, user_rpc
from xinyu_services import directory as module
from xinyu_services.directory import Directory


class Users:
    """The user room; `hold` makes it wait before it answers."""

    def __init__(self) -> None:
        self.names = {1: "Ann", 2: "Bob"}
        self.asked: list[list[int]] = []
        self.hold: asyncio.Event | None = None

    async def load_names(self, request: user_pb2.LoadNamesRequest, context: Any) -> user_pb2.NamesPage:
        self.asked.append(list(request.user_ids))
        page = user_pb2.NamesPage(
            names=[user_pb2.UserName(user_id=u, nickname=self.names[u]) for u in request.user_ids if u in self.names]
        )
        if self.hold is not None:
            await self.hold.wait()
        return page


def made() -> tuple[Directory, Users, SettableClock, InProcessNetwork]:
    users, clock, network = Users(), SettableClock(), InProcessNetwork(serialise=True)
    network.serve([user_rpc.LOAD_NAMES], users)
    channel = network.channel("test")
    return Directory(user_rpc.UserStub(channel), group_rpc.GroupStub(channel), clock), users, clock, network


async def named(directory: Directory, *ids: int) -> list[str]:
    names = await directory.users(ids)
    return [names[id_].name for id_ in ids]


async def test_a_name_is_asked_for_once_a_minute_and_in_one_batch() -> None:
    directory, users, clock, _ = made()
    assert await named(directory, 1, 2, 1, 0, -5) == ["Ann", "Bob", "Ann", "", ""]
    assert users.asked == [[1, 2]]
    clock.advance_s(59)
    await named(directory, 1, 2)
    assert len(users.asked) == 1
    clock.advance_s(1)
    users.names[1] = "Anna"
    assert await named(directory, 1) == ["Anna"]


async def test_a_number_that_nobody_has_is_soon_asked_for_again() -> None:
    directory, users, clock, _ = made()
    assert await named(directory, 3) == await named(directory, 3) == [""]
    assert len(users.asked) == 1
    users.names[3] = "Cid"  # has registered
    clock.advance_s(module.KEEP_UNKNOWN_S)
    assert await named(directory, 3) == ["Cid"]


async def test_what_was_asked_before_a_change_is_not_kept_after_it() -> None:
    directory, users, _, _ = made()
    users.hold = asyncio.Event()
    old = asyncio.ensure_future(named(directory, 1))
    while not users.asked:
        await asyncio.sleep(0)
    users.names[1] = "Anna"
    directory.forget_user(1)
    users.hold.set()
    await old
    assert await named(directory, 1) == ["Anna"]


async def test_a_room_that_is_away_leaves_names_out_unless_they_decide() -> None:
    directory, _, _, network = made()
    network.withdraw([user_rpc.LOAD_NAMES])
    assert await named(directory, 1) == [""]
    with pytest.raises(XinYuError) as caught:
        await directory.users([1], required=True)
    assert caught.value.reason == "unavailable"
    assert (await directory.groups([7]))[7].known is False


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRIES", 10)
    directory, _, _, _ = made()
    await named(directory, *range(1, 100))
    assert len(directory._user_names) == 10


class Groups:
    """The group room."""

    def __init__(self) -> None:
        self.name, self.revision, self.asked = "Band", 1, 0

    async def load_names(self, request: group_pb2.LoadGroupNamesRequest, context: Any) -> group_pb2.GroupNamesPage:
        self.asked += 1
        names = [
            group_pb2.GroupName(group_id=g, name=self.name, profile_revision=self.revision) for g in request.group_ids
        ]
        return group_pb2.GroupNamesPage(names=names)


async def test_a_group_s_name_from_before_a_change_that_is_known_is_asked_for_anew() -> None:
    directory, _, _, network = made()
    groups = Groups()
    network.serve([group_rpc.LOAD_NAMES], groups)

    async def shown(at_least: int) -> str:
        return (await directory.groups([7], required=True, at_least={7: at_least}))[7].name

    assert await shown(1) == "Band"
    groups.name, groups.revision = "The Band", 4
    assert (await shown(0), await shown(1), groups.asked) == ("Band", "Band", 1)
    assert (await shown(3), await shown(4), groups.asked) == ("The Band", "The Band", 2)
    network.withdraw([group_rpc.LOAD_NAMES])
    with pytest.raises(XinYuError):
        await shown(5)
    # Where a name is only shown, an old one is better than none.
    assert (await directory.groups([7], at_least={7: 5}))[7].name == "The Band"
