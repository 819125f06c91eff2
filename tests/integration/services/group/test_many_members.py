"""Groups of many members: brought in and put out in bounded pieces, read in pages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import INVALID
from xinyu.storage.database import cursor
from xinyu.wire.v1 import group_pb2, message_pb2, talk_pb2
from xinyu_services.group import events as group_events
from xinyu_services.group import neighbours
from xinyu_services.group import service as group_service
from xinyu_services.message import service as message_service

USERS = 60


@pytest.fixture
async def house(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """Every piece is small, and groups of more than 20 are told by talk."""
    monkeypatch.setattr(neighbours, "ENTRIES_AT_ONCE", 10)
    monkeypatch.setattr(message_service, "SESSIONS_AT_ONCE", 4)
    monkeypatch.setattr(message_service, "MEMBERS_PAGE", 25)
    monkeypatch.setattr(group_service, "MAX_AT_ONCE", 35)
    monkeypatch.setattr(group_service, "MEMBERS_PAGE", 16)
    monkeypatch.setattr(group_events, "MAX_NAMED", 5)
    settings = {"require_friendship": False, "max_group_members": 100_000, "fan_out_by_talk_above": 20}
    async with open_house(storage, **settings) as opened:
        yield opened


@pytest.fixture
async def users(house: House) -> list[int]:
    return [await house.user.register(f"1360000{n:04d}", f"U{n}") for n in range(USERS)]


async def grown(house: House, users: list[int]) -> int:
    """A group of all."""
    group_id: int = (await house.post("group/create", users[0], name="Many", user_ids=users[1:30]))["group_id"]
    await house.post("group/invite", users[0], group_id=group_id, user_ids=users[30:])
    return group_id


async def listed(house: House, asker: int, group_id: int) -> tuple[list[int], list[int]]:
    """(members, sizes of the pages)."""
    members: list[int] = []
    pages: list[int] = []
    answer: dict[str, Any] = {"cursor": ""}
    while "cursor" in answer:
        answer = await house.post("group/member-list", asker, group_id=group_id, cursor=answer["cursor"])
        members += [item["user_id"] for item in answer["items"]]
        pages.append(len(answer["items"]))
    return members, pages


async def roster(house: House, asker: int, talk_id: int) -> dict[int, int]:
    """user -> state, as a device reads it page by page."""
    members: dict[int, int] = {}
    change, last = 0, -1
    while change != last:
        request = message_pb2.LoadMembersRequest(user_id=asker, talk_id=talk_id, change=change)
        last, page = change, await house.message.load_members(request)
        assert len(page.members) <= message_service.MEMBERS_PAGE
        members |= {member.user_id: member.state for member in page.members}
        change = page.change
    return members


async def test_all_are_members_with_sessions_and_a_line_that_names_a_few(house: House, users: list[int]) -> None:
    group_id = await grown(house, users)
    assert await listed(house, users[7], group_id) == (users, [16, 16, 16, 12])
    target = message_pb2.TalkTarget(talk_mode=2, to_from_id=group_id)
    for user_id in users:
        head = await house.message.open_talk(message_pb2.OpenTalkRequest(user_id=user_id, target=target))
        assert head.is_member
        assert [each["to_from_id"] for each in await house.sessions(user_id)] == [group_id]
    assert await roster(house, users[1], head.talk_id) == dict.fromkeys(users, 1)
    lines = await house.records(users[0], 2, group_id)
    assert [line["msg_type"] for line in reversed(lines)] == [1101, 1102]
    for line in lines:
        assert len(json.loads(line["extra"])["members"]) == 5
    # Who came last reads the line that says so, as do all who came with him.
    for user_id in users[30:]:
        seen = await house.records(user_id, 2, group_id)
        assert [line["msg_type"] for line in seen] in ([1102], [])
    assert await house.records(users[-1], 2, group_id)


async def test_many_go_at_once_and_read_that(house: House, users: list[int]) -> None:
    group_id = await grown(house, users)
    await house.post("group/remove-member", users[0], group_id=group_id, user_ids=users[20:50])
    assert (await listed(house, users[0], group_id))[0] == users[:20] + users[50:]
    for user_id in (users[20], users[49]):
        assert (await house.records(user_id, 2, group_id))[0]["msg_type"] == 1104

    def work(connection: Any) -> tuple[int, int]:
        c = cursor(connection)
        sql = house.platform.dialect.sql("SELECT member_count FROM talk WHERE group_id = ?")
        c.execute(sql, (group_id,))
        (counted,) = c.fetchone()
        c.execute("SELECT COUNT(*) FROM talk_member WHERE state = 1")
        return counted, c.fetchone()[0]

    assert await house.platform.database.read(work) == (30, 30)


async def test_more_than_one_request_carries_is_refused_and_changes_nothing(house: House, users: list[int]) -> None:
    await refused(house.post("group/create", users[0], name="Many", user_ids=users[1:]), INVALID)
    group_id = (await house.post("group/create", users[0], name="Few", user_ids=users[1:3]))["group_id"]
    await refused(house.post("group/invite", users[0], group_id=group_id, user_ids=users[3:]), INVALID)
    await refused(house.post("group/remove-member", users[0], group_id=group_id, user_ids=users[1:]), INVALID)
    assert (await listed(house, users[0], group_id))[0] == users[:3]


@pytest.mark.parametrize("cursor_text", ["x", "4-1-1", "1-1", "1-1-1-1", "-1-1-1", "1-1-" + "9" * 17])
async def test_a_cursor_that_is_none_is_refused(house: House, users: list[int], cursor_text: str) -> None:
    group_id = (await house.post("group/create", users[0], name="Few", user_ids=users[1:3]))["group_id"]
    request = group_pb2.ListMembersRequest(user_id=users[0], group_id=group_id, cursor=cursor_text)
    await refused(house.group.list_members(request), INVALID)


async def test_rooms_take_no_more_than_they_write_at_once(house: House) -> None:
    entries = [message_pb2.RosterEntry(user_id=n, state=1, role=3, revision=1) for n in range(1, 1_002)]
    await refused(house.message.change_roster(message_pb2.ChangeRosterRequest(group_id=9, entries=entries)), INVALID)
    seeds = [talk_pb2.SessionSeed(user_id=n, to_from_id=9, revision=1) for n in range(1, 1_002)]
    request = talk_pb2.EnsureSessionsRequest(talk_id=9, talk_mode=2, sessions=seeds)
    await refused(house.talk.ensure_sessions(request), INVALID)


async def test_friends_who_are_in_are_not_invited_again(house: House, users: list[int]) -> None:
    ann, bob, cat = users[:3]
    await house.befriend(ann, bob)
    await house.befriend(ann, cat)
    group_id = (await house.post("group/create", ann, name="Few", user_ids=[bob]))["group_id"]
    items = (await house.post("group/get-invite-friends", ann, group_id=group_id))["items"]
    assert [item["user_id"] for item in items] == [cat]
