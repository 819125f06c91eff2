"""Groups: making them, belonging to them, and who may do what."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import (
    FORBIDDEN,
    GROUP_FULL,
    INVALID,
    NOT_FRIEND,
    NOT_MEMBER,
    OWNER_MUST_STAY,
    SELF,
    UNKNOWN_GROUP,
    UNKNOWN_USER,
)
from xinyu.storage.database import cursor
from xinyu.wire.v1 import group_pb2


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, max_group_members=4, greeting="") as opened:
        yield opened


@pytest.fixture
async def people(house: House) -> tuple[int, int, int, int]:
    """Ann, and her friends Bob, Cat and Dan, who are strangers to each other."""
    ann = await house.user.register("13700000000", "Ann")
    bob = await house.user.register("13700000001", "Bob")
    cat = await house.user.register("13700000002", "Cat")
    dan = await house.user.register("13700000003", "Dan")
    for friend in (bob, cat, dan):
        await house.befriend(ann, friend)
    return ann, bob, cat, dan


async def create(house: House, owner: int, *members: int, name: str = "Friends") -> int:
    group_id: int = (await house.post("group/create", owner, name=name, user_ids=list(members)))["group_id"]
    return group_id


async def members(house: House, asker: int, group_id: int) -> dict[int, int]:
    """user_id -> leader."""
    items = (await house.post("group/member-list", asker, group_id=group_id))["items"]
    return {item["user_id"]: item["leader"] for item in items}


async def notices(house: House, reader: int, group_id: int) -> list[tuple[int, dict[str, Any]]]:
    """(msg_type, extra), oldest first."""
    return [(r["msg_type"], json.loads(r["extra"])) for r in reversed(await house.records(reader, 2, group_id))]


async def execute(house: House, statement: str, *values: Any) -> None:
    database = house.platform.database
    await database.write(lambda c: cursor(c).execute(database.dialect.sql(statement), values) and None)


async def test_a_new_group_has_members_sessions_and_its_first_line(
    house: House, people: tuple[int, int, int, int]
) -> None:
    ann, bob, cat, _ = people
    await house.platform.online(bob, 0, 1)
    group_id = await create(house, ann, bob, cat, bob, ann)
    assert await members(house, bob, group_id) == {ann: 1, bob: 3, cat: 3}
    for user_id in (ann, bob, cat):
        assert (2, group_id) in [(s["talk_mode"], s["to_from_id"]) for s in await house.sessions(user_id)]
        assert await notices(house, user_id, group_id) == [
            (
                1101,
                {
                    "owner_id": ann,
                    "owner_name": "Ann",
                    "members": [{"user_id": bob, "nickname": "Bob"}, {"user_id": cat, "nickname": "Cat"}],
                },
            )
        ]
    gateway = house.platform.gateway
    await eventually(lambda: any(event["event"] == "im.group.create" for event in gateway.told(bob, 0)))
    (told,) = [event for event in gateway.told(bob, 0) if event["event"] == "im.group.create"]
    assert told["payload"] == {"group_id": group_id, "name": "Friends", "operator_id": ann}
    assert told["ackid"] == f"group-create-{group_id}"
    assert not [event for event in gateway.told(bob, 1) if event["event"] == "im.group.create"]


async def test_defect_47_a_group_whose_number_no_user_has(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, *_ = people
    await execute(house, "INSERT INTO id_block (kind, next) VALUES (?, ?)", "group", 900_000)
    group_id = await create(house, ann, bob)
    assert group_id >= 900_000
    assert (2, group_id) in [(s["talk_mode"], s["to_from_id"]) for s in await house.sessions(bob)]


async def test_creating_again_within_moments_answers_the_same_group(
    house: House, people: tuple[int, int, int, int]
) -> None:
    ann, bob, cat, _ = people
    first, second = await asyncio.gather(create(house, ann, bob, cat), create(house, ann, cat, bob))
    assert first == second
    assert await create(house, ann, bob, cat) == first
    assert await create(house, ann, bob) != first
    assert await create(house, ann, bob, cat, name="Others") != first
    assert len(await notices(house, ann, first)) == 1
    house.platform.clock.advance_s(31)
    assert await create(house, ann, bob, cat) != first


async def test_a_request_key_names_the_creation(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, *_ = people

    async def made(key: str) -> group_pb2.CreateGroupResponse:
        return await house.group.create(
            group_pb2.CreateGroupRequest(user_id=ann, name="G", user_ids=[bob], request_key=key)
        )

    first, again, other = await made("a"), await made("a"), await made("b")
    assert (first.group_id, first.talk_id) == (again.group_id, again.talk_id)
    assert other.group_id != first.group_id
    assert first.talk_id > 0


async def test_only_friends_can_be_invited(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, _ = people
    await refused(create(house, bob, cat), NOT_FRIEND)
    await refused(create(house, ann, bob, 99_999), NOT_FRIEND)
    assert await house.post("group/list", bob) == {"items": []}
    group_id = await create(house, ann, bob)
    await refused(house.post("group/invite", bob, group_id=group_id, user_ids=[cat]), NOT_FRIEND)
    assert await members(house, ann, group_id) == {ann: 1, bob: 3}


async def test_without_friendship_anybody_who_exists(storage: Storage) -> None:
    async with open_house(storage, require_friendship=False) as house:
        ann, bob = await house.user.register("13700000001", "Ann"), await house.user.register("13700000002", "Bob")
        assert await members(house, bob, await create(house, ann, bob)) == {ann: 1, bob: 3}
        await refused(create(house, ann, 99_999), UNKNOWN_USER)


async def test_defect_41_a_group_has_a_bound(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, dan = people
    eve = await house.user.register("13700000009", "Eve")
    await house.befriend(ann, eve)
    await refused(create(house, ann, bob, cat, dan, eve), GROUP_FULL)
    group_id = await create(house, ann, bob, cat, dan)
    await refused(house.post("group/invite", ann, group_id=group_id, user_ids=[eve]), GROUP_FULL)
    assert len(await members(house, ann, group_id)) == 4
    await house.post("group/secede", dan, group_id=group_id)
    await house.post("group/invite", ann, group_id=group_id, user_ids=[eve])
    assert eve in await members(house, ann, group_id)


async def test_invited_ones_join_once(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, _ = people
    group_id = await create(house, ann, bob)
    for _ in range(2):
        await house.post("group/invite", ann, group_id=group_id, user_ids=[cat, bob])
    assert await members(house, cat, group_id) == {ann: 1, bob: 3, cat: 3}
    assert (await notices(house, ann, group_id))[1:] == [
        (1102, {"owner_id": ann, "owner_name": "Ann", "members": [{"user_id": cat, "nickname": "Cat"}]})
    ]
    await refused(house.post("group/invite", ann, group_id=group_id, user_ids=[]), INVALID)


async def test_who_leaves_reads_the_line_and_nothing_later(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, _ = people
    group_id = await create(house, ann, bob, cat)
    await house.post("group/secede", bob, group_id=group_id)
    await house.post("group/secede", bob, group_id=group_id)  # the client that lost the answer
    assert await members(house, ann, group_id) == {ann: 1, cat: 3}
    assert [kind for kind, _ in await notices(house, ann, group_id)] == [1101, 1103]
    assert (await notices(house, ann, group_id))[1][1] == {"owner_id": bob, "owner_name": "Bob", "members": []}
    house.platform.clock.advance_s(31)
    await refused(house.post("group/secede", bob, group_id=group_id), NOT_MEMBER)
    await refused(house.post("group/secede", ann, group_id=group_id), OWNER_MUST_STAY)
    await refused(house.post("group/secede", ann, group_id=12_345), UNKNOWN_GROUP)
    assert ann in await members(house, ann, group_id)


async def test_removed_and_invited_again(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, _ = people
    group_id = await create(house, ann, bob, cat)
    for _ in range(2):
        await house.post("group/remove-member", ann, group_id=group_id, user_ids=[bob])
    await refused(house.post("group/member-list", bob, group_id=group_id), NOT_MEMBER)
    await house.post("group/invite", ann, group_id=group_id, user_ids=[bob])
    assert await members(house, bob, group_id) == {ann: 1, bob: 3, cat: 3}
    assert [kind for kind, _ in await notices(house, ann, group_id)] == [1101, 1104, 1102]
    assert (await notices(house, ann, group_id))[1][1]["members"] == [{"user_id": bob, "nickname": "Bob"}]


async def test_defect_20_an_admin_removes_plain_members_only(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, dan = people
    group_id = await create(house, ann, bob, cat, dan)
    for admin in (bob, cat):
        await house.post("group/assign-admin", ann, group_id=group_id, user_id=admin, action=1)
    for targets in ([ann], [cat], [dan, cat], [dan, ann]):
        await refused(house.post("group/remove-member", bob, group_id=group_id, user_ids=targets), FORBIDDEN)
    await refused(house.post("group/remove-member", dan, group_id=group_id, user_ids=[bob]), FORBIDDEN)
    await refused(house.post("group/remove-member", ann, group_id=group_id, user_ids=[ann]), SELF)
    assert await members(house, ann, group_id) == {ann: 1, bob: 2, cat: 2, dan: 3}
    await house.post("group/remove-member", bob, group_id=group_id, user_ids=[dan])
    await house.post("group/remove-member", ann, group_id=group_id, user_ids=[bob])
    assert await members(house, ann, group_id) == {ann: 1, cat: 2}


async def test_defect_18_groups_show_themselves_to_members_only(
    house: House, people: tuple[int, int, int, int]
) -> None:
    ann, bob, cat, dan = people
    group_id = await create(house, ann, bob)
    for path in ("group/detail", "group/member-list", "group/get-invite-friends", "group/secede"):
        await refused(house.post(path, dan, group_id=group_id), NOT_MEMBER)
        await refused(house.post(path, dan, group_id=54_321), UNKNOWN_GROUP)
    for path in ("group/invite", "group/remove-member"):
        await refused(house.post(path, dan, group_id=group_id, user_ids=[ann]), NOT_MEMBER)
        await refused(house.post(path, dan, group_id=54_321, user_ids=[ann]), UNKNOWN_GROUP)
    assert await members(house, ann, group_id) == {ann: 1, bob: 3}
    assert cat not in await members(house, ann, group_id)


async def test_defects_29_and_30_lists_are_items_and_the_owner_is_leader_1(
    house: House, people: tuple[int, int, int, int]
) -> None:
    ann, bob, *_ = people
    group_id = await create(house, ann, bob)
    assert await house.post("group/member-list", bob, group_id=group_id) == {
        "items": [
            {
                "user_id": user_id,
                "nickname": nickname,
                "avatar": "",
                "gender": 0,
                "leader": leader,
                "is_mute": 2,
                "remark": "",
                "motto": "",
            }
            for user_id, nickname, leader in ((ann, "Ann", 1), (bob, "Bob", 3))
        ]
    }
    assert await house.post("group/list", bob) == {
        "items": [
            {
                "group_id": group_id,
                "group_name": "Friends",
                "avatar": "",
                "profile": "",
                "leader": 3,
                "creator_id": ann,
            }
        ]
    }


async def test_detail(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, *_ = people
    group_id = await create(house, ann, bob, name="<b>Us</b>")
    assert await house.post("group/detail", bob, group_id=group_id) == {
        "group_id": group_id,
        "group_name": "<b>Us</b>",
        "profile": "",
        "avatar": "",
        "created_at": "2026-09-21 22:13:20",
        "is_manager": False,
        "is_disturb": 2,
        "visit_card": "",
        "is_mute": 2,
        "is_overt": 2,
        "slow_mode_s": 0,
        "mention_all": 1,
    }
    assert (await house.post("group/detail", ann, group_id=group_id))["is_manager"] is True


async def test_whom_one_may_invite(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, cat, dan = people
    group_id = await create(house, ann, bob)

    async def invitable(asker: int, group: int) -> list[int]:
        answer = await house.post("group/get-invite-friends", asker, group_id=group)
        return [item["user_id"] for item in answer["items"]]

    assert await invitable(ann, 0) == [bob, cat, dan]
    assert await invitable(ann, group_id) == [cat, dan]
    assert await invitable(bob, group_id) == []
    (item, _) = (await house.post("group/get-invite-friends", ann, group_id=group_id))["items"]
    assert item == {"user_id": cat, "nickname": "Cat", "avatar": "", "gender": 0, "remark": ""}


async def test_names_that_are_none(house: House, people: tuple[int, int, int, int]) -> None:
    ann, bob, *_ = people
    for name in ("", "   ", "a\x00b", "x" * 65):
        await refused(create(house, ann, bob, name=name), INVALID)
    assert await house.post("group/list", ann) == {"items": []}


async def test_the_command_of_a_dead_process_is_said_again(house: House, people: tuple[int, int, int, int]) -> None:
    """The outbox row of a creation whose process died before it told the message room."""
    from xinyu.delivery.outbox import Event
    from xinyu_services.group.events import ROSTER

    ann, bob, *_ = people
    group_id = await create(house, ann, bob)
    await house.post("group/invite", ann, group_id=group_id, user_ids=[people[2]])
    before = await notices(house, ann, group_id)
    source = house.group_events
    await source.command(Event(ROSTER, (group_id, 1, 1101, ann, [ann, bob])))
    await source.command(Event(ROSTER, (group_id, 2, 1102, ann, [people[2]])))
    assert await notices(house, ann, group_id) == before
    assert await members(house, ann, group_id) == {ann: 1, bob: 3, people[2]: 3}
