"""A group's notice: who writes it, who reads it, and who changed it."""

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
from xinyu.base.errors import DISMISSED, FORBIDDEN, INVALID, NOT_MEMBER, UNKNOWN_GROUP
from xinyu.delivery.outbox import Event
from xinyu.storage.database import cursor
from xinyu_services.group import notices
from xinyu_services.group.events import NOTICE

Band = tuple[int, int, int, int]


@pytest.fixture
async def house(storage: Storage) -> AsyncIterator[House]:
    async with open_house(storage, greeting="") as opened:
        yield opened


@pytest.fixture
async def band(house: House) -> Band:
    """The group of Ann's, its members Ann and Bob, and the stranger Cat."""
    ann, bob, cat = [await house.user.register(f"1370000000{n}", name) for n, name in enumerate(("Ann", "Bob", "Cat"))]
    await house.befriend(ann, bob)
    group_id = (await house.post("group/create", ann, name="Band", user_ids=[bob]))["group_id"]
    return group_id, ann, bob, cat


async def execute(house: House, statement: str, *values: Any) -> None:
    database = house.platform.database
    await database.write(lambda c: cursor(c).execute(database.dialect.sql(statement), values) and None)


async def notice(house: House, reader: int, group_id: int) -> Any:
    return (await house.post("group/detail", reader, group_id=group_id)).get("notice")


async def lines(house: House, reader: int, group_id: int) -> list[dict[str, Any]]:
    """`extra` of the messages of type 13, oldest first."""
    records = reversed(await house.records(reader, 2, group_id))
    return [json.loads(record["extra"]) for record in records if record["msg_type"] == 13]


async def test_an_edit_is_shown_and_said(house: House, band: Band) -> None:
    group_id, ann, bob, _ = band
    assert await notice(house, bob, group_id) is None
    assert await house.post("group-notice/edit", ann, group_id=group_id, content="# Rules\n\nBe <kind>") == {}
    first = {
        "content": "# Rules\n\nBe <kind>",
        "created_at": "2026-09-21 22:13:20",
        "updated_at": "2026-09-21 22:13:20",
        "modify_user_name": "Ann",
    }
    assert await notice(house, bob, group_id) == first
    said = {"owner_id": ann, "owner_name": "Ann", "title": "群公告", "content": "# Rules\n\nBe <kind>"}
    assert await lines(house, bob, group_id) == [said]
    (entry,) = [each for each in await house.sessions(bob) if (each["talk_mode"], each["to_from_id"]) == (2, group_id)]
    assert (entry["msg_text"], entry["unread_num"]) == ("[群公告]", 2)
    (own,) = [each for each in await house.sessions(ann) if (each["talk_mode"], each["to_from_id"]) == (2, group_id)]
    assert own["unread_num"] == 0, "who wrote it has read it"
    house.platform.clock.advance_s(60)
    await execute(house, "UPDATE group_member SET role = 2 WHERE group_id = ? AND user_id = ?", group_id, bob)
    await house.post("group-notice/edit", bob, group_id=group_id, content="Be kinder")
    assert await notice(house, ann, group_id) == first | {
        "content": "Be kinder", "updated_at": "2026-09-21 22:14:20", "modify_user_name": "Bob",
    }  # fmt: skip
    assert [line["owner_id"] for line in await lines(house, ann, group_id)] == [ann, bob]


async def test_the_same_text_is_no_edit(house: House, band: Band) -> None:
    group_id, ann, *_ = band
    for content in ("", "  \n", "Rules", "Rules"):
        await house.post("group-notice/edit", ann, group_id=group_id, content=content)
    assert len(await lines(house, ann, group_id)) == 1
    assert len((await house.post("group-notice/history", ann, group_id=group_id))["items"]) == 1


async def test_nothing_removes_it(house: House, band: Band) -> None:
    group_id, ann, bob, _ = band
    await house.platform.online(bob, 1)
    await house.post("group-notice/edit", ann, group_id=group_id, content="Rules")
    house.platform.clock.advance_s(60)
    await house.post("group-notice/edit", ann, group_id=group_id, content="")
    assert await notice(house, bob, group_id) is None
    assert len(await lines(house, bob, group_id)) == 1, "a removal is no message"
    gateway = house.platform.gateway

    def profiles() -> list[Any]:
        return [e for e in gateway.told(bob, 1) if e["event"] == "talk.changed" and "profile" in e["payload"]]

    # Both edits: the devices of our dialect read the group anew.
    await eventually(lambda: len(profiles()) == 2)
    house.platform.clock.advance_s(60)
    await house.post("group-notice/edit", ann, group_id=group_id, content="Rules")
    assert (await notice(house, bob, group_id))["created_at"] == "2026-09-21 22:15:20"


async def test_who_changed_it(house: House, band: Band, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MAX_EDITS", 4)
    group_id, ann, bob, cat = band
    for content in ("one", "two", "", "three"):
        await house.post("group-notice/edit", ann, group_id=group_id, content=content)
    items = (await house.post("group-notice/history", bob, group_id=group_id))["items"]
    assert [item["content"] for item in items] == ["three", "", "two", "one"]
    assert items[0] == {
        "content": "three", "user_id": ann, "nickname": "Ann", "updated_at": "2026-09-21 22:13:20",
    }  # fmt: skip
    await house.post("group-notice/edit", ann, group_id=group_id, content="four")
    items = (await house.post("group-notice/history", bob, group_id=group_id))["items"]
    assert [item["content"] for item in items] == ["four", "three", "", "two"], "the oldest edit is gone"
    await refused(house.post("group-notice/history", cat, group_id=group_id), NOT_MEMBER)
    await refused(house.post("group-notice/history", cat, group_id=99_999), UNKNOWN_GROUP)


async def test_defect_18_owner_and_admins_write_it(house: House, band: Band) -> None:
    group_id, ann, bob, cat = band
    await refused(house.post("group-notice/edit", bob, group_id=group_id, content="mine"), FORBIDDEN)
    await refused(house.post("group-notice/edit", cat, group_id=group_id, content="mine"), NOT_MEMBER)
    await refused(house.post("group-notice/edit", ann, group_id=99_999, content="mine"), UNKNOWN_GROUP)
    await refused(house.post("group-notice/edit", ann, group_id=group_id, content="a\x00b"), INVALID)
    with pytest.raises(msgspec.ValidationError):
        await house.post("group-notice/edit", ann, group_id=group_id, content="x" * 10_001)
    assert await notice(house, ann, group_id) is None
    await execute(house, "UPDATE group_info SET state = 2 WHERE group_id = ?", group_id)
    await refused(house.post("group-notice/edit", ann, group_id=group_id, content="late"), DISMISSED)


async def test_edits_at_once_follow_each_other(house: House, band: Band) -> None:
    group_id, ann, *_ = band
    await asyncio.gather(
        *(house.post("group-notice/edit", ann, group_id=group_id, content=str(n)) for n in range(5))
    )
    items = (await house.post("group-notice/history", ann, group_id=group_id))["items"]
    assert sorted(item["content"] for item in items) == list("01234")
    assert sorted(line["content"] for line in await lines(house, ann, group_id)) == list("01234")
    assert (await notice(house, ann, group_id))["content"] == items[0]["content"]


async def test_the_command_of_a_dead_process_is_said_again(house: House, band: Band) -> None:
    group_id, ann, *_ = band
    await house.post("group-notice/edit", ann, group_id=group_id, content="Rules")
    before = await house.records(ann, 2, group_id)
    await house.group_events.command(Event(NOTICE, (group_id, 1)))
    assert await house.records(ann, 2, group_id) == before
