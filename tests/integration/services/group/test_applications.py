"""Requests to join a group: who may ask, who answers, and who hears of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.database_storage import Storage
from tests.integration.services.embedded_platform import eventually
from tests.integration.services.house import House, open_house, refused
from xinyu.base.errors import (
    ALREADY_HANDLED,
    DISMISSED,
    FORBIDDEN,
    GROUP_FULL,
    NOT_MEMBER,
    NOT_OVERT,
    UNKNOWN_APPLICATION,
    UNKNOWN_GROUP,
    XinYuError,
)
from xinyu.storage.database import cursor
from xinyu.wire.v1 import contact_pb2
from xinyu_services.group import applications

People = tuple[int, int, int, int]


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, max_group_members=4, greeting="") as opened:
        yield opened


@pytest.fixture
async def people(house: House) -> People:
    """Ann, who owns groups, her friend Bob, and the strangers Cat and Dan."""
    ann = await house.user.register("13700000000", "Ann")
    bob = await house.user.register("13700000001", "Bob")
    cat = await house.user.register("13700000002", "Cat")
    dan = await house.user.register("13700000003", "Dan")
    await house.befriend(ann, bob)
    return ann, bob, cat, dan


async def execute(house: House, statement: str, *values: Any) -> None:
    database = house.platform.database
    await database.write(lambda c: cursor(c).execute(database.dialect.sql(statement), values) and None)


async def public_group(house: House, owner: int, *members: int, name: str = "Band") -> int:
    group_id: int = (await house.post("group/create", owner, name=name, user_ids=list(members)))["group_id"]
    await execute(house, "UPDATE group_info SET is_overt = 1 WHERE group_id = ?", group_id)
    return group_id


async def make_admin(house: House, group_id: int, user_id: int) -> None:
    await execute(house, "UPDATE group_member SET role = 2 WHERE group_id = ? AND user_id = ?", group_id, user_id)


async def asked(house: House, applicant: int, group_id: int, remark: str = "let me in") -> int:
    """The number of the request."""
    assert await house.post("group-apply/create", applicant, group_id=group_id, remark=remark) == {}
    items = (await house.post("group-apply/mine", applicant))["items"]
    (apply_id,) = [item["id"] for item in items if item["group_id"] == group_id]
    return int(apply_id)


async def waiting(house: House, manager: int, group_id: int) -> list[int]:
    return [item["user_id"] for item in (await house.post("group-apply/list", manager, group_id=group_id))["items"]]


async def members(house: House, asker: int, group_id: int) -> set[int]:
    return {item["user_id"] for item in (await house.post("group/member-list", asker, group_id=group_id))["items"]}


async def test_a_request_shows_itself_to_owner_and_admins(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id, "it's <me>")
    shown = {
        "id": apply_id,
        "user_id": cat,
        "group_id": group_id,
        "remark": "it's <me>",
        "avatar": "",
        "nickname": "Cat",
        "created_at": "2026-09-21 22:13:20",
    }
    assert await house.post("group-apply/list", ann, group_id=group_id) == {"items": [shown]}
    await refused(house.post("group-apply/list", bob, group_id=group_id), FORBIDDEN)
    await refused(house.post("group-apply/list", dan, group_id=group_id), NOT_MEMBER)
    await refused(house.post("group-apply/list", ann, group_id=99_999), UNKNOWN_GROUP)
    await make_admin(house, group_id, bob)
    assert await house.post("group-apply/list", bob, group_id=group_id) == {"items": [shown]}
    (item,) = (await house.post("group-apply/list", bob, group_id=group_id, codec=1))["items"]
    assert item["created_at_ms"] == house.platform.clock.now
    assert await house.post("group-apply/mine", cat) == {
        "items": [
            {
                "id": apply_id,
                "group_id": group_id,
                "group_name": "Band",
                "avatar": "",
                "remark": "it's <me>",
                "state": 1,
                "created_at": "2026-09-21 22:13:20",
            }
        ]
    }


async def test_defect_36_all_are_those_to_decide_with_the_groups_name(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    first, second = await public_group(house, ann, name="One"), await public_group(house, ann, bob, name="Two")
    await asked(house, cat, first)
    house.platform.clock.advance_s(1)
    await asked(house, cat, second)
    await asked(house, dan, second)
    items = (await house.post("group-apply/all", ann))["items"]
    assert [(item["user_id"], item["group_name"], item["nickname"]) for item in items] == [
        (dan, "Two", "Dan"),
        (cat, "Two", "Cat"),
        (cat, "One", "Cat"),
    ]
    assert set(items[0]) == {
        *("id", "user_id", "group_id", "group_name", "remark", "avatar", "nickname", "created_at"),
    }
    assert await house.post("group-apply/unread-num", ann) == {"num": 3}
    for other in (bob, cat, dan):
        assert await house.post("group-apply/all", other) == {"items": []}
        assert await house.post("group-apply/unread-num", other) == {"num": 0}
    await make_admin(house, second, bob)
    assert await house.post("group-apply/unread-num", bob) == {"num": 2}
    await execute(house, "UPDATE group_info SET state = 2 WHERE group_id = ?", second)
    assert await house.post("group-apply/unread-num", ann) == {"num": 1}


async def test_agreed_is_joined_as_an_invited_one_is(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    for _ in range(2):
        assert await house.post("group-apply/agree", ann, apply_id=apply_id) == {}
    assert await members(house, cat, group_id) == {ann, bob, cat}
    lines = [(r["msg_type"], json.loads(r["extra"])) for r in await house.records(cat, 2, group_id)]
    assert lines == [
        (1102, {"owner_id": ann, "owner_name": "Ann", "members": [{"user_id": cat, "nickname": "Cat"}]})
    ]
    assert (2, group_id) in [(s["talk_mode"], s["to_from_id"]) for s in await house.sessions(cat)]
    assert await waiting(house, ann, group_id) == []
    assert (await house.post("group-apply/mine", cat))["items"][0]["state"] == 2
    for path in ("group-apply/decline", "group-apply/delete"):
        await refused(house.post(path, ann, apply_id=apply_id), ALREADY_HANDLED)
    await refused(house.post("group-apply/delete", cat, apply_id=apply_id), ALREADY_HANDLED)


async def test_two_managers_who_answer_at_once_let_him_in_once(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    await make_admin(house, group_id, bob)
    apply_id = await asked(house, cat, group_id)
    answers = [house.post("group-apply/agree", manager, apply_id=apply_id) for manager in (ann, bob, ann, bob)]
    assert await asyncio.gather(*answers) == [{}, {}, {}, {}]
    assert [r["msg_type"] for r in await house.records(ann, 2, group_id)] == [1102, 1101]


async def test_agreed_and_declined_at_once_is_one_of_them(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    await make_admin(house, group_id, bob)
    apply_id = await asked(house, cat, group_id)
    agreed, declined = await asyncio.gather(
        house.post("group-apply/agree", ann, apply_id=apply_id),
        house.post("group-apply/decline", bob, apply_id=apply_id),
        return_exceptions=True,
    )
    refusal = declined if agreed == {} else agreed
    assert isinstance(refusal, XinYuError) and refusal.code is ALREADY_HANDLED
    assert (cat in await members(house, ann, group_id)) == (agreed == {})


async def test_declined_may_ask_again(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    first = await asked(house, cat, group_id)
    for _ in range(2):
        assert await house.post("group-apply/decline", ann, apply_id=first, remark="no") == {}
    await refused(house.post("group-apply/agree", ann, apply_id=first), ALREADY_HANDLED)
    assert await members(house, ann, group_id) == {ann, bob}
    second = await asked(house, cat, group_id)
    assert second != first
    await refused(house.post("group-apply/agree", ann, apply_id=first), UNKNOWN_APPLICATION)
    await house.post("group-apply/agree", ann, apply_id=second)
    assert cat in await members(house, ann, group_id)


async def test_asking_again_changes_nothing(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    await asyncio.gather(
        *(house.post("group-apply/create", cat, group_id=group_id, remark=str(n)) for n in range(3))
    )
    assert await waiting(house, ann, group_id) == [cat]
    # A member has nothing to ask for.
    assert await house.post("group-apply/create", bob, group_id=group_id, remark="me too") == {}
    assert await waiting(house, ann, group_id) == [cat]


async def test_only_a_public_group_takes_requests(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = (await house.post("group/create", ann, name="Closed", user_ids=[bob]))["group_id"]
    await refused(house.post("group-apply/create", cat, group_id=group_id, remark=""), NOT_OVERT)
    await refused(house.post("group-apply/create", cat, group_id=99_999, remark=""), UNKNOWN_GROUP)
    await execute(house, "UPDATE group_info SET is_overt = 1, state = 2 WHERE group_id = ?", group_id)
    await refused(house.post("group-apply/create", cat, group_id=group_id, remark=""), DISMISSED)
    assert await house.post("group-apply/mine", cat) == {"items": []}


async def test_the_applicant_takes_it_back(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    await refused(house.post("group-apply/delete", dan, apply_id=apply_id), UNKNOWN_APPLICATION)
    for _ in range(2):
        assert await house.post("group-apply/delete", cat, apply_id=apply_id) == {}
    assert await waiting(house, ann, group_id) == []
    assert (await house.post("group-apply/mine", cat))["items"][0]["state"] == 4
    await refused(house.post("group-apply/agree", ann, apply_id=apply_id), ALREADY_HANDLED)


async def test_defect_31_a_manager_deletes_a_request(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    await refused(house.post("group-apply/delete", bob, apply_id=apply_id), FORBIDDEN)
    for _ in range(2):
        assert await house.post("group-apply/delete", ann, apply_id=apply_id) == {}
    assert await waiting(house, ann, group_id) == []
    assert await house.post("group-apply/unread-num", ann) == {"num": 0}


async def test_defect_18_only_managers_answer(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    for path in ("group-apply/agree", "group-apply/decline"):
        await refused(house.post(path, bob, apply_id=apply_id), FORBIDDEN)
        for other in (cat, dan):
            await refused(house.post(path, other, apply_id=apply_id), UNKNOWN_APPLICATION)
        await refused(house.post(path, ann, apply_id=99_999), UNKNOWN_APPLICATION)
    # The owner of another group is nobody here.
    await public_group(house, dan, name="Dan's")
    await refused(house.post("group-apply/agree", dan, apply_id=apply_id), UNKNOWN_APPLICATION)
    assert await waiting(house, ann, group_id) == [cat]
    assert await members(house, ann, group_id) == {ann, bob}


async def test_a_full_group_lets_the_request_wait(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    group_id = await public_group(house, ann, bob)
    eve = await house.user.register("13700000009", "Eve")
    requests = [await asked(house, one, group_id) for one in (cat, dan, eve)]
    for apply_id in requests[:2]:
        await house.post("group-apply/agree", ann, apply_id=apply_id)
    await refused(house.post("group-apply/agree", ann, apply_id=requests[2]), GROUP_FULL)
    assert await waiting(house, ann, group_id) == [eve]
    await house.post("group/secede", bob, group_id=group_id)
    await house.post("group-apply/agree", ann, apply_id=requests[2])
    assert await members(house, ann, group_id) == {ann, cat, dan, eve}


async def test_who_is_invited_meanwhile_has_no_request_open(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    await house.befriend(bob, cat)
    await house.post("group/invite", bob, group_id=group_id, user_ids=[cat])
    assert await waiting(house, ann, group_id) == []
    assert await house.post("group-apply/agree", ann, apply_id=apply_id) == {}
    assert [r["msg_type"] for r in await house.records(ann, 2, group_id)] == [1102, 1101]


async def test_defect_33_owner_and_admins_hear_of_a_request(house: House, people: People) -> None:
    ann, bob, cat, dan = people
    await house.befriend(ann, dan)
    group_id = await public_group(house, ann, bob, dan)
    await make_admin(house, group_id, bob)
    for person in (ann, bob, cat, dan):
        await house.platform.online(person, 0, 1)
    gateway = house.platform.gateway

    def told(person: int, codec: int) -> list[dict[str, Any]]:
        return [event for event in gateway.told(person, codec) if event["event"] == "im.group.apply"]

    apply_id = await asked(house, cat, group_id)
    payload = {"group_id": group_id, "apply_id": apply_id, "user_id": cat, "state": 1}
    await eventually(lambda: bool(told(ann, 0) and told(bob, 1)))
    assert told(ann, 0) == [{"event": "im.group.apply", "payload": payload, "ackid": f"group-apply-{apply_id}"}]
    assert told(bob, 1) == [{"event": "im.group.apply", "payload": payload}]
    await house.post("group-apply/decline", ann, apply_id=apply_id)
    await eventually(lambda: len(told(bob, 1)) == 2)
    assert told(bob, 1)[1]["payload"]["state"] == 3
    assert len(told(bob, 0)) == 1, "the legacy client lights its mark at every one"
    for other in (cat, dan):
        assert told(other, 0) == told(other, 1) == []


async def test_bounds(house: House, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applications, "MAX_OPEN", 2)
    monkeypatch.setattr(applications, "MAX_PENDING", 2)
    ann, bob, cat, dan = people
    groups = [await public_group(house, ann, name=f"G{n}") for n in range(3)]
    for group_id in groups[:2]:
        await asked(house, cat, group_id)
    await refused(house.post("group-apply/create", cat, group_id=groups[2], remark=""), FORBIDDEN)
    await asked(house, dan, groups[0])
    await refused(house.post("group-apply/create", bob, group_id=groups[0], remark=""), FORBIDDEN)
    with pytest.raises(msgspec.ValidationError):
        await house.post("group-apply/create", bob, group_id=groups[1], remark="x" * 256)


async def test_a_deleted_user_asks_for_nothing_any_more(house: House, people: People) -> None:
    ann, bob, cat, _ = people
    group_id = await public_group(house, ann, bob)
    apply_id = await asked(house, cat, group_id)
    answer = await house.group.forget_user(contact_pb2.ForgetUserRequest(user_id=cat))
    assert not answer.more
    assert await waiting(house, ann, group_id) == []
    await refused(house.post("group-apply/agree", ann, apply_id=apply_id), UNKNOWN_APPLICATION)
